"""The pages of the app, and links between them that survive a restart."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import streamlit as st

PAGES = {
    "overview": "Overview",
    "scenarios": "Scenarios",
    "run": "Run",
    "runs": "Runs",
    "compare": "Compare",
    "report": "Report",
    "plugins": "Plug-ins",
}
"""Page name, the last part of its address, → title; the first is the default page."""
DEFAULT = next(iter(PAGES))


def page(name: str) -> Any:
    """Streamlit's page of that name; the default page has no path of its own.

    Opening a default page by a path of its own would show "Page not found" over it.
    """
    path = None if name == DEFAULT else name
    return st.Page(_show(name), title=PAGES[name], url_path=path, default=name == DEFAULT)


def paths() -> list[str]:
    """Path of each page in the browser's address."""
    return ["/" if name == DEFAULT else f"/{name}" for name in PAGES]


def module_of(name: str) -> ModuleType:
    """The module that draws a page."""
    return importlib.import_module(f"trimtab_app.rooms.{name}")


def _show(name: str) -> Callable[[], None]:
    def run() -> None:
        module_of(name).show()

    run.__name__ = name
    return run


def link(label: str, to: str, **query: str) -> None:
    """A link to a page of the app with its query parameters."""
    st.page_link(page(to), label=label, query_params=query)


def go(to: str, **query: str) -> None:
    """Show another page now."""
    st.switch_page(page(to), query_params=query)


def button(label: str, to: str, query: dict[str, str] | None = None, **options: Any) -> None:
    """A button that leads to another page."""
    if st.button(label, **options):
        go(to, **(query or {}))


current = partial(st.query_params.get)
"""Value of a query parameter of this page, or its default."""
