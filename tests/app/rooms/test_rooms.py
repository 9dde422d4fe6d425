"""Every page from an empty workspace and from one with finished runs, without a browser."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from trimtab.contracts.registry import plugins
from trimtab.evidence.svg import axis_text
from trimtab.run.comparison import compare_run
from trimtab.run.plan import RunOptions
from trimtab.run.probe import Checked, keep_checks, look_at
from trimtab_app import navigation, steps
from trimtab_app.rooms.compare import SEARCH, VIEWS
from trimtab_app.tour import STOPS

Page = Callable[..., AppTest]
TextOf = Callable[[AppTest], str]


@pytest.mark.parametrize("name", navigation.PAGES)
def test_every_page_says_what_to_do_in_an_empty_workspace(
    name: str, page: Page, text_of: TextOf
) -> None:
    assert "page-title" in text_of(page(name))


@pytest.mark.parametrize("name", navigation.PAGES)
def test_every_page_shows_finished_runs(
    name: str, page: Page, with_runs: list[str], text_of: TextOf
) -> None:
    assert "page-title" in text_of(page(name))


def test_the_overview_gives_the_last_recommendation(
    page: Page, with_runs: list[str], text_of: TextOf
) -> None:
    assert "Recommended: tariff" in text_of(page("overview"))


def test_plugins_are_listed_with_their_domains(page: Page, text_of: TextOf) -> None:
    said = text_of(page("plugins"))
    shown = [p.manifest for p in plugins() if p.manifest is not None]
    assert shown
    assert all(domain.name in said for manifest in shown for domain in manifest.domains)


def test_what_the_checks_of_a_plugin_found_is_shown(
    page: Page, text_of: TextOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (toy,) = [plugin for plugin in plugins() if plugin.name == "toy"]
    look_at([toy])
    failed = (("balances", "a litre is lost"),)
    keep_checks(toy, "toy.tank", Checked("bronze", 40, 3, failed))
    said = text_of(page("plugins"))
    assert "bronze: 40 checks passed, 1 failed, 3 do not apply" in said
    assert "a litre is lost" in said


def test_an_unknown_run_in_the_address_is_said(page: Page, with_runs: list[str]) -> None:
    app = page("report", run="tank-day-none")
    assert app.selectbox[0].value == with_runs[1]


def test_a_path_in_the_address_reaches_no_file(page: Page, workspace: Path) -> None:
    (workspace.parent / "result.json").write_text("{}", encoding="utf-8")
    app = AppTest.from_function(_compare, default_timeout=30, args=("../..",))
    app.run()
    assert "unknown run" in app.exception[0].message


def _compare(run: str) -> None:
    from trimtab_app import results

    results.result_of(run)


def test_a_comparison_is_found_again_by_its_address(
    page: Page, with_runs: list[str], text_of: TextOf
) -> None:
    first, second = with_runs
    app = page("compare", base=first, **{"with": second, "view": "Paired", "against": "x"})
    said = text_of(app)
    assert f"tariff · {second}" in said
    assert "difference from level_band" in said
    assert app.query_params["base"] == first


def test_chosen_other_runs_stay_chosen_when_a_run_ends_meanwhile(
    page: Page, with_runs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(os.environ["TRIMTAB_WORKSPACE"], folder)
    monkeypatch.setenv("TRIMTAB_WORKSPACE", str(folder))
    first, second = with_runs
    app = page("compare", base=first)
    app.multiselect[0].select(second).run()
    assert app.multiselect[0].value == [second]
    assert app.query_params["with"] == second
    options = RunOptions(workspace=folder, seeds=(1, 2, 3), workers=1)
    new = compare_run("toy/tank-day", options, overrides=["problem.tariff_peak=4.0"])
    app.run()
    assert new.result.run_id in app.multiselect[0].options
    assert app.multiselect[0].value == [second]
    app.multiselect[0].select(new.result.run_id).run()
    app.run()
    assert app.multiselect[0].value == [second, new.result.run_id]


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_a_comparison_is_drawn(
    view: str, page: Page, with_runs: list[str], text_of: TextOf
) -> None:
    app = page("compare", base=with_runs[0], view=view)
    assert len(text_of(app)) > 800


@pytest.mark.parametrize("view", ["Gap closed", "Views"])
def test_the_highlighted_bar_is_the_recommended_one_and_the_page_says_so(
    view: str, page: Page, with_runs: list[str], text_of: TextOf
) -> None:
    said = text_of(page("compare", base=with_runs[0], view=view))
    recommended = re.search(r"Recommended: (\w+)", said)
    assert recommended is not None
    assert re.search(rf"Highlighted[^.]*\b{recommended[1]}\b", said)


def test_the_trade_off_shown_first_is_that_of_the_objectives(
    page: Page, design_run: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_WORKSPACE", str(design_run[0]))
    app = page("compare", base=design_run[1], view="Pareto")
    picked = {box.label: box.value for box in app.selectbox}
    assert {picked["Across"], picked["Upwards"]} == {"mass_kg", "deflection_m"}


def test_stored_series_are_named_with_unit_and_drawn_over_hours(
    page: Page, with_runs: list[str]
) -> None:
    app = page("compare", base=with_runs[0], view="Time series")
    (box,) = [box for box in app.selectbox if box.label == "Stored series"]
    assert box.options == ["level outside (m³), limited", "pumping cost"]
    drawn = steps.figures(with_runs, "reward/pumping_cost", 1, 2)
    assert {axis_text(figure.x_axis) for figure in drawn} == {"time since begin (h)"}
    assert [figure.series[0].x[-1] for figure in drawn] == [24.0, 24.0]
    assert drawn[0].value_axis.label == "pumping cost, per step"
    assert "each step of 3,600 s" in drawn[0].alt


def test_a_search_for_a_design_shows_what_it_found(
    page: Page, design_run: tuple[Path, str], text_of: TextOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_WORKSPACE", str(design_run[0]))
    said = text_of(page("compare", base=design_run[1], view=SEARCH))
    assert "The best design" in said
    assert "height_m" in said


def test_the_tour_leads_from_stop_to_stop(page: Page, text_of: TextOf) -> None:
    first = page("overview", tour="1")
    assert f"1 of {len(STOPS)}" in text_of(first)
    assert "Take the tour" not in [button.label for button in first.button]
    assert f"2 of {len(STOPS)}" in text_of(page("scenarios", tour="2"))
    assert 'class="tour"' not in text_of(page("overview", tour="9"))
