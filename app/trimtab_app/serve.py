"""Starts the app: binds loopback unless told otherwise, starts the workers' supervisor."""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.util
import ipaddress
import os
import tomllib
import webbrowser
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import InputFileError, TrimtabError

from trimtab_app import navigation, session, theme
from trimtab_app.first_page import first_page
from trimtab_app.way_back import WayBack

HEALTH = "/api/health"
SIGN_IN_KEYS = (
    "redirect_uri",
    "cookie_secret",
    "client_id",
    "client_secret",
    "server_metadata_url",
)
"""What the [auth] section must say for one OpenID Connect provider."""
SIGN_IN_NEEDS = ("authlib", "httpx")
"""Packages that sign-in imports when the first user comes."""
CALLBACK = "/oauth2callback"
"""Where Streamlit takes the provider's answer."""


@dataclass(frozen=True, slots=True)
class Door:
    """How the app is to be served.

    Attributes:
        host: address to bind.
        port: 0 lets the system choose.
        auth: TOML file with Streamlit's `[auth]` section (OpenID Connect), or None.
        open_to_all: the user knows that nobody is asked who they are.
        browser: open a browser window.
        show_hidden: show test plug-ins.
        slots: worker processes.
    """

    workspace: Path
    host: str = "127.0.0.1"
    port: int = 8501
    auth: Path | None = None
    open_to_all: bool = False
    browser: bool = True
    show_hidden: bool = False
    slots: int = 1

    @property
    def shared(self) -> bool:
        """Whether others than the person at this machine may connect."""
        return not is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check(door: Door) -> None:
    """Refuse to listen to other machines without asking who is there.

    Raises:
        TrimtabError: neither authentication nor the word that openness is meant.
    """
    if door.shared and door.auth is None and not door.open_to_all:
        msg = (
            f"--host {door.host}: whoever reaches this address could start work here: give --auth "
            "FILE with an [auth] section for sign-in (OpenID Connect), or say "
            "--i-know-this-is-open"
        )
        raise TrimtabError(msg)


def _secrets(file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        msg = f"{file}: cannot be read as TOML: {error}"
        raise InputFileError(msg) from None
    if not isinstance(found.get("auth"), dict):
        msg = f"{file}: has no [auth] section: docs/sharing.md shows one"
        raise InputFileError(msg)
    _check_sign_in(file, found["auth"])
    return found


def _check_sign_in(file: Path, auth: Mapping[str, Any]) -> None:
    """Say at the start what would otherwise fail when somebody signs in."""
    wrong = [k for k in SIGN_IN_KEYS if not isinstance(auth.get(k), str) or not auth[k].strip()]
    if wrong:
        msg = f"{file}: [auth] lacks {', '.join(wrong)}: docs/sharing.md says what each one is"
        raise InputFileError(msg)
    if not auth["redirect_uri"].endswith(CALLBACK):
        msg = (
            f"{file}: redirect_uri is {auth['redirect_uri']!r}: it must end in {CALLBACK}, for "
            f"example https://trimtab.example.org{CALLBACK}"
        )
        raise InputFileError(msg)
    missing = [name for name in SIGN_IN_NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        msg = (
            f"sign-in needs {' and '.join(missing)}, which is not installed: pip install "
            "'trimtab[sign-in]'"
        )
        raise TrimtabError(msg)


def serve(door: Door, ready: Callable[[str], None] | None = None) -> None:
    """Serve the app until interrupted.

    Args:
        door: how.
        ready: called with the address once it answers.

    Raises:
        TrimtabError: the host is not loopback and nobody is asked to sign in.
    """
    check(door)
    secrets = _secrets(door.auth)
    os.environ[session.WORKSPACE] = str(door.workspace.resolve())
    for name, wanted in ((session.SIGN_IN, door.auth), (session.SHOW_HIDDEN, door.show_hidden)):
        os.environ[name] = "1" if wanted else ""
    os.environ[session.SLOTS] = str(door.slots)
    settings = theme.server_settings(host=door.host, port=door.port, shared=door.shared)
    application(door, secrets, ready).run(config=settings)


def application(
    door: Door, secrets: dict[str, Any] | None = None, ready: Callable[[str], None] | None = None
) -> Any:
    """The ASGI application: pages, a health address, and workers that live beside it."""
    import streamlit as st
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, JSONResponse
    from starlette.routing import Route
    from streamlit.file_util import get_static_dir

    page = first_page(Path(get_static_dir()))

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        _start_workers(door)
        _announce(door, ready)
        warmed = asyncio.create_task(asyncio.to_thread(import_pages))
        yield
        await warmed

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"schema": "trimtab/health/1", "status": "ok"})

    async def start(_: Request) -> HTMLResponse:
        return HTMLResponse(page, headers={"Cache-Control": "no-cache"})

    way_back = Middleware(WayBack, pages=navigation.paths(), callback=CALLBACK)
    return st.App(
        theme.FOLDER / "main.py",
        secrets=secrets,
        lifespan=lifespan,
        routes=[Route(HEALTH, health), *(Route(path, start) for path in navigation.paths())],
        middleware=[] if door.auth is None else [way_back],
    )


def import_pages() -> None:
    """Read the pages' modules now, so that the first visitor need not wait for them.

    Streamlit imports these libraries when the first list of runs and the first chart are drawn.

    Streamlit collects garbage after every page view and has all threads wait meanwhile. What is
    imported stays for good: frozen, it is not walked through again (80 ms of a processor a view).
    """
    for name in navigation.PAGES:
        navigation.module_of(name)
    for name in ("pandas", "pyarrow", "plotly.graph_objects"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _start_workers(door: Door) -> None:
    """Start the workspace's supervisor where there is none; it outlives this server."""
    from trimtab.run.supervisor import start_supervisor

    start_supervisor(door.workspace, door.slots)


def _announce(door: Door, ready: Callable[[str], None] | None) -> None:
    from streamlit import config

    host = f"[{door.host}]" if ":" in door.host else door.host
    address = f"http://{host}:{config.get_option('server.port')}"
    if ready is not None:
        ready(address)
    if door.browser:
        webbrowser.open_new_tab(address)
