"""Starting a scenario at several settings from the Run page."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from trimtab.contracts.errors import ScenarioError
from trimtab.run.plan import RunOptions
from trimtab.run.workspace import RunQuery, Workspace
from trimtab_app.scenario_library import Library
from trimtab_app.sweeps import values_of

Page = Callable[..., AppTest]
TextOf = Callable[[AppTest], str]
SCENARIO = "shipped: toy/tank-day"
PEAK = "problem.tariff_peak"


def field(app: AppTest, kind: str, label: str) -> object:
    return next(one for one in getattr(app, kind) if one.label.startswith(label))


@pytest.fixture
def swept(page: Page) -> AppTest:
    """The page with a sweep over the tariff."""
    app = page("run", scenario=SCENARIO)
    field(app, "text_input", "Seeds").set_value("1..2").run()
    field(app, "multiselect", "Settings").set_value([PEAK]).run()
    field(app, "text_input", "Values").set_value("2, 3.5").run()
    assert not app.exception
    return app


def test_the_settings_of_the_scenario_are_offered_with_the_present_value(page: Page) -> None:
    app = page("run", scenario=SCENARIO)
    keys = field(app, "multiselect", "Settings")
    assert {PEAK, "problem.horizon_h"} <= set(keys.options)
    keys.set_value([PEAK]).run()
    assert field(app, "text_input", "Values").value == "3.0"


def test_the_points_are_counted_before_anything_starts(swept: AppTest, text_of: TextOf) -> None:
    assert "2 points" in text_of(swept)
    assert "3 controllers × 2 seeds × 2 points" in text_of(swept)


def test_start_queues_a_run_for_each_point(swept: AppTest, workspace: Path) -> None:
    field(swept, "button", "Start").click().run()
    assert not swept.exception
    runs = Workspace(workspace).runs()
    assert len(runs) == 2
    assert len({run.sweep for run in runs} - {""}) == 1


def test_a_sweep_of_the_file_is_taken_over(page: Page, workspace: Path) -> None:
    library = Library.of(workspace)
    text = "schema: trimtab/scenario/1\nname: s\ndomain: toy.tank\nproblem: {}\nseeds: [1]\n"
    library.create("s", text + f"sweep: {{mode: list, over: {{{PEAK}: [2.0, 4.0]}}}}\n")
    app = page("run", scenario="s")
    assert field(app, "multiselect", "Settings").value == [PEAK]
    assert field(app, "text_input", "Values").value == "2.0, 4.0"
    assert field(app, "selectbox", "Points").value == "list"


def test_values_that_are_wrong_are_said_and_nothing_starts(
    swept: AppTest, workspace: Path, text_of: TextOf
) -> None:
    field(swept, "text_input", "Values").set_value("2, 50").run()
    field(swept, "button", "Start").click().run()
    assert "less than or equal to 10" in text_of(swept)
    assert Workspace(workspace).runs() == []


def test_text_that_is_no_list_is_refused() -> None:
    assert values_of("1, 2.5, on, x") == [1, 2.5, "on", "x"]
    with pytest.raises(ScenarioError):
        values_of("1, [2")


def test_runs_are_listed_by_owner_and_by_sweep(
    page: Page, workspace: Path, text_of: TextOf
) -> None:
    mine = Workspace(workspace)
    for owner, peak, sweep in (("ann", 2.0, ""), ("bob", 3.0, "night")):
        options = RunOptions(seeds=(1,), workspace=workspace)
        overrides = [f"{PEAK}={peak}"]
        mine.enqueue("toy/tank-day", options, overrides=overrides, owner=owner, sweep=sweep)
    assert mine.owners() == ["ann", "bob"]
    assert mine.count(RunQuery(owner="ann")) == 1
    assert "1 run" in text_of(page("runs", owner="ann"))
    assert "Runs of the sweep" in text_of(page("runs", sweep="night"))
