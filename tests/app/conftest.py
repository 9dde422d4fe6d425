"""A workspace of toy runs, and pages run without a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from trimtab.run.comparison import compare_run
from trimtab.run.plan import RunOptions

Page = Callable[..., AppTest]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace that the app works in; test plug-ins are shown."""
    monkeypatch.setenv("TRIMTAB_WORKSPACE", str(tmp_path / "work"))
    monkeypatch.setenv("TRIMTAB_APP_ALL", "1")
    monkeypatch.delenv("TRIMTAB_APP_SIGN_IN", raising=False)
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A workspace with two finished runs of the tank: three seeds, a cheap and a dear tariff."""
    folder = tmp_path_factory.mktemp("finished")
    options = RunOptions(workspace=folder, seeds=(1, 2, 3), workers=1)
    runs = [
        compare_run("toy/tank-day", options, overrides=[f"problem.tariff_peak={peak}"])
        for peak in (3.0, 2.0)
    ]
    return folder, [run.result.run_id for run in runs]


@pytest.fixture
def with_runs(
    finished_runs: tuple[Path, list[str]], workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Ids of the finished runs; the app works in their workspace."""
    monkeypatch.setenv("TRIMTAB_WORKSPACE", str(finished_runs[0]))
    return finished_runs[1]


@pytest.fixture(scope="session")
def design_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A workspace with a finished search for a beam."""
    folder = tmp_path_factory.mktemp("design")
    options = RunOptions(
        workspace=folder, controllers=("sobol", "random"), seeds=(1, 2, 3), workers=1
    )
    run = compare_run("toy/beam", options, overrides=["budget.evaluations=20"])
    return folder, run.result.run_id


@pytest.fixture
def page(workspace: Path) -> Page:
    """Runs one page with query parameters, as its address would."""

    def run(name: str, **query: str) -> AppTest:
        app = AppTest.from_function(_show, default_timeout=30, args=(name,))
        for key, value in query.items():
            app.query_params[key] = value
        app.run()
        assert not app.exception, [error.value for error in app.exception]
        return app

    return run


def _show(name: str) -> None:
    import importlib

    import streamlit as st
    from trimtab_app import navigation, tour

    st.navigation([navigation.page(each) for each in navigation.PAGES], position="hidden")
    tour.banner()
    importlib.import_module(f"trimtab_app.rooms.{name}").show()


@pytest.fixture
def text_of() -> Callable[[AppTest], str]:
    """Everything that a page's own markup says."""

    def text(app: AppTest) -> str:
        found: list[Any] = [*app.get("html"), *app.markdown, *app.subheader]
        return "\n".join(str(getattr(e, "body", None) or getattr(e, "value", "")) for e in found)

    return text
