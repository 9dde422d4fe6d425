"""What users do, in a real browser: set up, upload, start, leave, come back, cancel, compare."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from trimtab.run.workspace import Workspace
from trimtab_traffic.generated import generate
from trimtab_traffic.scenario import GeneratedNetwork

LONG_H = 8760
SEEDS = "1..60"


def test_a_run_outlives_browser_and_server_is_cancelled_and_resumed(serve, visit) -> None:
    server = serve()
    me = visit(server)
    workspace = Workspace(server.workspace)

    me.open("scenarios?domain=toy.tank")
    me.click("Create")
    me.says("Valid: toy.tank")
    me.fill("Horizon", str(LONG_H))
    me.page.wait_for_function(
        "[...document.querySelectorAll('textarea')].some(t => t.value.includes('horizon_h: 8760'))"
    )
    me.picture("scenario")

    me.click("Run it")
    me.says("Episodes")
    me.fill("Seeds", SEEDS)
    me.says("3 controllers × 60 seeds")
    me.click("Start")
    me.says("Running now.")
    run = workspace.runs()[0].id
    assert f"run={run}" in me.page.url
    assert f'"horizon_h":{LONG_H}' in workspace.run(run).scenario
    me.picture("run")

    me.page.reload()
    me.says("Waiting")

    server.kill()
    before = workspace.progress(run).states.get("done", 0)
    server.start()
    me.open(f"run?run={run}")
    me.says("Waiting")
    assert workspace.progress(run).states.get("done", 0) >= before

    me.click("Cancel")
    me.button("Resume").wait_for()
    assert workspace.run(run).row.state == "cancelled"
    me.button("Resume").click()
    me.button("Cancel").wait_for()  # in the place of "Resume"; a table may be there from before
    assert not workspace.run(run).row.settled
    me.click("Cancel")
    me.button("Resume").wait_for()


def test_a_run_is_compared_and_its_report_downloaded(own, visit, tmp_path: Path) -> None:
    me = visit(own)
    me.open("run?scenario=shipped%3A%20toy%2Ftank-day")
    me.fill("Seeds", "1..3")
    me.says("3 controllers × 3 seeds")
    me.click("Start")
    me.button("Compare").wait_for()
    run = Workspace(own.workspace).runs()[0].id
    me.click("Compare")
    me.says("Share of the gap closed")
    assert f"base={run}" in me.page.url
    me.open(f"report?run={run}")
    with me.page.expect_download() as download:
        me.click("Everything (zip)")
    kept = tmp_path / "report.zip"
    download.value.save_as(kept)
    with zipfile.ZipFile(kept) as archive:
        assert {"report.html", "result.json", "manifest.json"} <= set(archive.namelist())


def test_every_choice_of_a_scenario_in_a_row_is_kept_by_page_and_address(shared, visit) -> None:
    me = visit(shared)
    me.open()
    ahead = (
        "performance.getEntriesByType('resource').some(file => file.name.includes('/Selectbox'))"
    )
    me.page.wait_for_function(ahead)  # fetched while the first page, which has none, is looked at
    me.open("run")
    for wanted in ("toy/beam", "toy/tank-day", "toy/beam"):
        box = me.page.get_by_role("combobox", name="Scenario")
        box.click()
        box.fill(wanted)
        me.page.get_by_role("option", name=f"shipped: {wanted}", exact=True).click()
        me.page.wait_for_url(f"**scenario=shipped*{wanted.rpartition('/')[2]}")
        me.settle()
        assert box.input_value() == f"shipped: {wanted}"


def test_a_network_of_ones_own_is_uploaded_and_validated(own, visit, tmp_path: Path) -> None:
    model = GeneratedNetwork(columns=1, rows=1, lanes=1, vehicles_per_h=300, demand_h=0.05)
    files = generate(model, tmp_path)
    me = visit(own)
    me.open("scenarios?domain=traffic.signals")
    paths = [str(files.net_file), *map(str, files.route_files)]
    me.page.locator("input[type=file]").first.set_input_files(paths)
    me.says(Path(paths[0]).name)
    me.fill("Name", "my-junction")
    me.click("Import")
    me.says("Valid: traffic.signals, my-junction")
    home = own.workspace / "scenarios" / "my-junction"
    assert (home / "files" / Path(paths[0]).name).read_bytes() == files.net_file.read_bytes()
    assert len(list((own.workspace / "uploads" / "local").iterdir())) == len(paths)


def test_a_hostile_upload_is_refused_with_its_reason(own, visit, tmp_path: Path) -> None:
    evil = tmp_path / "evil.net.xml"
    evil.write_text('<!DOCTYPE n [<!ENTITY a "b">]><net>&a;</net>', encoding="utf-8")
    me = visit(own)
    me.open("scenarios?domain=traffic.signals")
    me.page.locator("input[type=file]").first.set_input_files(str(evil))
    me.says("evil.net.xml")
    me.click("Import")
    me.page.locator(".faults").wait_for()
    assert "evil.net.xml" in me.page.locator(".faults").inner_text()


PAGES = (
    "",
    "scenarios?domain=toy.tank",
    "run?scenario=shipped%3A%20toy%2Ftank-day",
    "runs",
    "compare",
    "compare?view=Rules",
    "compare?view=Views",
    "compare?view=Time+series",
    "report",
    "plugins",
)
DARK_PAGES = ("", "scenarios?domain=toy.tank", "runs", "compare?view=Paired", "report")
"""With those on a phone they have every element and colour; a theme changes colours alone."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_in_both_themes(scheme: str, browser, shared, visit) -> None:
    me = visit(shared, scheme)
    found = {}
    for path in PAGES if scheme == "light" else DARK_PAGES:
        me.open(path)
        me.picture(f"{scheme}-{path.partition('?')[0] or 'overview'}")
        found[path] = me.faults(() if scheme == "light" else ("color-contrast",))
    assert not any(found.values()), found


def test_nothing_is_wider_than_a_phone_nor_out_of_reach_there(
    browser, shared, visit, finished_runs: tuple[Path, list[str]]
) -> None:
    me = visit(shared)
    me.page.set_viewport_size({"width": 420, "height": 860})
    wider, found = {}, {}
    run = finished_runs[1][0]
    views = ("compare", "compare?view=Pareto")
    for path in ("runs", f"run?run={run}", *views, "scenarios?domain=toy.tank"):
        me.open(path)
        main = me.page.get_by_test_id("stMain")
        wider[path] = main.evaluate("e => e.scrollWidth - e.clientWidth")
        found[path] = me.faults()
        if path == "compare":  # drawn for the phone, not shrunk
            box = me.page.locator("img.picture:visible").first.bounding_box()
            assert box is not None
            assert 360 <= box["width"] <= 420 - box["x"]
    assert not any(wider.values()), wider
    assert not any(found.values()), found


def test_pages_are_reached_and_runs_opened_by_keyboard(
    browser, shared, visit, finished_runs: tuple[Path, list[str]]
) -> None:
    me = visit(shared)
    me.open()
    me.page.get_by_role("link", name="Runs", exact=True).focus()
    me.page.keyboard.press("Enter")
    me.page.wait_for_url("**/runs**")
    me.settle()
    link = me.page.get_by_role("link", name=finished_runs[1][0])
    for _ in range(60):
        me.page.keyboard.press("Tab")
        if link.evaluate("element => element === document.activeElement"):
            break
    me.page.keyboard.press("Enter")
    me.says("Recommended: tariff")
    assert f"run={finished_runs[1][0]}" in me.page.url


def test_a_link_shows_the_same_view_after_a_restart(
    browser, shared, visit, finished_runs: tuple[Path, list[str]]
) -> None:
    first, second = finished_runs[1]
    path = f"compare?base={first}&with={second}&view=Paired&metric=pumping_cost"
    me = visit(shared)
    me.open(path)
    me.says(f"tariff · {second}")
    seen = me.page.locator("table").first.inner_text()
    shared.kill()
    shared.start()
    me.open(path)
    me.says(f"tariff · {second}")
    assert me.page.locator("table").first.inner_text() == seen
