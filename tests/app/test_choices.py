"""Choices that the address keeps: several in a row, and with a browser that lags behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

Page = Callable[..., AppTest]


def box(app: AppTest, label: str) -> Any:
    return next(found for found in app.selectbox if found.label == label)


def three() -> AppTest:
    """A page with one choice out of three, kept as `letter`."""
    app = AppTest.from_function(_three, default_timeout=30)
    app.run()
    return app


def _three() -> None:
    import streamlit as st
    from trimtab_app import choices

    chosen = choices.pick("Letter", "letter", ["a", "b", "c"])
    st.button("Go")
    st.markdown(f"{chosen} is chosen")


def said(app: AppTest) -> str:
    return str(app.markdown[0].value)[0]


@pytest.mark.parametrize(("room", "label"), [("run", "Scenario"), ("scenarios", "Domain")])
def test_every_choice_in_a_row_holds(room: str, label: str, page: Page) -> None:
    app = page(room)
    for position in (1, 2, 0, 2):
        wanted = box(app, label).options[position]
        box(app, label).select_index(position).run()
        shown = box(app, label)
        assert shown.options[shown.index] == wanted


def test_the_base_run_can_be_chosen_again_and_again(page: Page, with_runs: list[str]) -> None:
    app = page("compare")
    for run in (*with_runs, *with_runs):
        box(app, "Base run").select(run).run()
        assert not app.exception
        assert box(app, "Base run").value == run
        assert app.query_params["base"] == run


def test_the_address_says_what_was_chosen() -> None:
    app = three()
    assert app.query_params["letter"] == "a"
    box(app, "Letter").select("c").run()
    assert app.query_params["letter"] == "c"


def test_a_link_changes_what_was_chosen() -> None:
    app = three()
    app.query_params["letter"] = "b"
    app.run()
    assert said(app) == "b"


def test_an_address_that_the_browser_reports_late_changes_nothing() -> None:
    app = three()
    box(app, "Letter").select("b").run()
    app.query_params["letter"] = "a"
    app.button[0].click().run()
    assert said(app) == "b"
    box(app, "Letter").select("c").run()
    app.query_params["letter"] = "b"
    app.button[0].click().run()
    assert said(app) == "c"


def test_a_link_back_counts_once_the_browser_has_caught_up() -> None:
    app = three()
    box(app, "Letter").select("b").run()
    app.button[0].click().run()
    app.query_params["letter"] = "a"
    app.run()
    assert said(app) == "a"


def test_what_is_not_on_offer_gives_way_to_the_first_option() -> None:
    app = AppTest.from_function(_three, default_timeout=30)
    app.query_params["letter"] = "z"
    app.run()
    assert said(app) == "a"
    assert app.query_params["letter"] == "a"


def test_every_filter_of_the_runs_holds(page: Page, with_runs: list[str]) -> None:
    app = page("runs")
    for state in ("done", "failed", "any", "done"):
        box(app, "State").select(state).run()
        assert not app.exception
        assert box(app, "State").value == state


def test_other_runs_are_added_and_taken_away_again(page: Page, with_runs: list[str]) -> None:
    app = page("compare")
    base = box(app, "Base run").value
    other = next(run for run in with_runs if run != base)
    for wanted in ([other], [], [other]):
        app.multiselect[0].set_value(wanted).run()
        assert not app.exception
        assert app.multiselect[0].value == wanted
