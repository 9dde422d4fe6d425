"""Starting, following and listing runs; the queue is the store's, no worker is up here."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from trimtab.run.store import Store
from trimtab.run.workspace import RunQuery, Workspace
from trimtab_app import run_list
from trimtab_app.estimate import duration, estimate, size
from trimtab_app.scenario_library import Library

Page = Callable[..., AppTest]
TextOf = Callable[[AppTest], str]
SCENARIO = "shipped: toy/tank-day"


def press(app: AppTest, label: str) -> AppTest:
    app = next(one for one in app.button if one.label == label).click().run()
    assert not app.exception
    return app


@pytest.fixture
def queued(page: Page, workspace: Path) -> str:
    """A run started from the page; nothing works on it."""
    app = page("run", scenario=SCENARIO)
    app.text_input[0].set_value("1..2").run()
    press(app, "Start")
    return Workspace(workspace).runs()[0].id


def test_the_page_says_what_a_run_will_take(
    page: Page, with_runs: list[str], text_of: TextOf
) -> None:
    said = text_of(page("run", scenario=SCENARIO))
    assert "3 controllers × 5 seeds" in said
    assert "from 2 earlier runs of this scenario" in said


def test_without_an_earlier_run_one_seed_can_be_played_to_tell_time_and_disk(
    page: Page, workspace: Path, text_of: TextOf
) -> None:
    app = page("run", scenario=SCENARIO)
    assert "not known yet" in text_of(app)
    press(app, "Play one seed first")
    (run,) = Workspace(workspace).runs()
    assert Workspace(workspace).run(run.id).row.seeds == (1,)


def test_a_single_seed_is_simply_started(page: Page) -> None:
    app = page("run", scenario=SCENARIO)
    app.text_input[0].set_value("1").run()
    assert [b.key for b in app.button if b.key in ("start", "sample")] == ["start"]


def test_what_is_known_need_not_be_played_first(page: Page, with_runs: list[str]) -> None:
    app = page("run", scenario=SCENARIO)
    assert "sample" not in [button.key for button in app.button]


def test_start_queues_the_chosen_jobs_and_follows_them(queued: str, workspace: Path) -> None:
    detail = Workspace(workspace).run(queued)
    assert detail.row.seeds == (1, 2)
    assert detail.row.owner == "local"
    assert detail.row.states["queued"] == 3 * 2 + 2 + 1  # episodes, bounds, report


def test_wrong_seeds_are_said_at_once(page: Page, text_of: TextOf) -> None:
    app = page("run", scenario=SCENARIO)
    app.text_input[0].set_value("1, 1").run()
    assert "names a seed twice" in text_of(app)


def test_a_scenario_of_ones_own_is_kept_as_a_version_when_it_is_run(
    page: Page, workspace: Path
) -> None:
    library = Library.of(workspace)
    library.create(
        "mine",
        "schema: trimtab/scenario/1\nname: mine\ndomain: toy.tank\nproblem: {horizon_h: 4}\n",
    )
    press(page("run", scenario="mine"), "Start")
    assert library.versions("mine") == [1]
    assert Workspace(workspace).runs()[0].name == "mine"


def test_a_run_is_cancelled_resumed_and_deleted(
    queued: str, page: Page, workspace: Path, text_of: TextOf
) -> None:
    app = page("run", run=queued)
    assert "badge " in text_of(app)
    press(app, "Cancel")
    assert Workspace(workspace).run(queued).row.state == "cancelled"
    app = page("run", run=queued)
    press(app, next(b.label for b in app.button if b.label.startswith("Resume")))
    assert Workspace(workspace).run(queued).row.state == "queued"
    Workspace(workspace).cancel(queued)
    press(page("run", run=queued), f"Delete {queued}")
    assert Workspace(workspace).runs() == []


def test_a_store_without_a_run_asks_for_one_and_not_for_another_filter(
    page: Page, workspace: Path, text_of: TextOf
) -> None:
    Store(workspace).close()  # as workers leave it that wait for work
    assert "No run yet" in text_of(page("runs"))


def test_runs_are_filtered_by_their_address(
    page: Page, with_runs: list[str], text_of: TextOf
) -> None:
    assert "No run matches" in text_of(page("runs", state="failed"))
    assert "2 runs" in text_of(page("runs", state="done", domain="toy.tank"))


def test_what_is_ticked_can_be_compared_or_deleted(
    queued: str, page: Page, workspace: Path, text_of: TextOf
) -> None:
    Workspace(workspace).cancel(queued)
    app = page("runs")
    app.session_state[run_list.TICKED] = [queued]
    app.run()
    assert "1 selected" in text_of(app)
    press(app, "Delete 1 run")
    assert Workspace(workspace).runs() == []


def test_ticks_stay_while_the_page_polls_and_the_runs_change(
    queued: str, page: Page, workspace: Path, text_of: TextOf
) -> None:
    other = page("run", scenario=SCENARIO)
    other.text_input[0].set_value("3").run()
    press(other, "Start")
    app = page("runs")
    app.session_state[run_list.TICKED] = [queued]
    app.run()
    for change in (Workspace(workspace).cancel, Workspace(workspace).resume):
        change(queued)
        app.run()
        assert not app.exception
        assert "1 selected" in text_of(app)
        assert app.session_state[run_list.TICKED] == [queued]
    Workspace(workspace).cancel(queued)
    Workspace(workspace).delete(queued)
    assert "none selected" in text_of(app.run())


def test_a_followed_link_opens_its_run(queued: str, page: Page) -> None:
    app = page("runs")
    app.session_state[run_list.OPENED] = queued
    app.run()
    assert not app.exception
    assert app.query_params["run"] == queued


def test_a_name_of_ones_own_is_no_markup_in_the_list(queued: str) -> None:
    from trimtab_app import results
    from trimtab_app.rooms.runs import _line

    brief = replace(results.listed(RunQuery())[0], recommended="<img src=x>", headline=1.0)
    assert "&lt;img" in "".join(_line(brief, "").cells)
    assert "<img" not in "".join(_line(brief, "").cells)


def test_rows_without_the_shield_join_by_one_switch(page: Page, text_of: TextOf) -> None:
    app = page("run", scenario="shipped: grid/remote-village")
    chosen = app.multiselect[0]
    assert not any("_unshielded" in name for name in chosen.options)
    with_them = int(re.findall(r"(\d+) controllers", text_of(app))[0])
    app.toggle[0].set_value(False).run()
    alone = int(re.findall(r"(\d+) controllers", text_of(app))[0])
    assert with_them == 2 * alone


def test_an_estimate_scales_with_controllers_and_seeds(with_runs: list[str]) -> None:
    from trimtab_app import results

    one = estimate(results.workspace(), "toy.tank", "tank-day", ["tariff"], 5)
    two = estimate(results.workspace(), "toy.tank", "tank-day", ["tariff", "level_band"], 10)
    assert one.disk_bytes is not None
    assert two.disk_bytes == pytest.approx(4 * one.disk_bytes)
    assert two.episodes == 20


def test_quantities_are_said_as_people_say_them() -> None:
    assert [duration(s) for s in (0.2, 45, 600, 9000)] == ["1 s", "45 s", "10 min", "2.5 h"]
    assert [size(b) for b in (12, 4_000, 5_300_000, 2e12)] == ["12 B", "4 kB", "5 MB", "2.0 TB"]
