"""`app`: the browser front door, found at run time, since core imports no app."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.cli.options import DEFAULT_WORKSPACE, AsJson, Workspace
from trimtab.cli.session import Session

if TYPE_CHECKING:
    from types import ModuleType

PACKAGE = "trimtab_app"


def app(
    workspace: Workspace = DEFAULT_WORKSPACE,
    host: Annotated[str, typer.Option("--host", help="address to bind")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 lets the system choose")
    ] = 8501,
    slots: Annotated[
        int | None, typer.Option("--slots", metavar="N", min=1, help="worker processes")
    ] = None,
    auth: Annotated[
        Path | None,
        typer.Option("--auth", metavar="FILE", help="TOML with an [auth] section (OpenID Connect)"),
    ] = None,
    open_: Annotated[
        bool, typer.Option("--i-know-this-is-open", help="serve other machines without sign-in")
    ] = False,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="open a browser window")
    ] = True,
    all_: Annotated[bool, typer.Option("--all", help="include test plug-ins")] = False,
    json_: AsJson = False,
) -> None:
    """Open the app in the browser; work goes on when it is closed."""
    with Session(as_json=json_) as session:
        import os

        module = app_module("serve", "trimtab app")

        def ready(address: str) -> None:
            session.text(f"Trimtab is at {address} (workspace {workspace}); Ctrl-C ends it.")
            session.document("trimtab/app/1", address=address, workspace=str(workspace))
            session.stream.flush()

        door: Any = module.Door(
            workspace=workspace,
            host=host,
            port=port,
            auth=auth,
            open_to_all=open_,
            browser=browser,
            show_hidden=all_,
            slots=slots or max((os.cpu_count() or 2) - 1, 1),
        )
        module.serve(door, ready)


def app_module(name: str, purpose: str) -> ModuleType:
    """A module of the app's package.

    Raises:
        MissingDependencyError: a library of the extra is not installed.
    """
    import importlib

    from trimtab.contracts.errors import MissingDependencyError

    try:
        importlib.import_module("streamlit")
        return importlib.import_module(f"{PACKAGE}.{name}")
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            package=error.name or "streamlit", extra="app", purpose=purpose
        ) from None
