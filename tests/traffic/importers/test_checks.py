from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.importers.checks import check_files
from trimtab_traffic.importers.files import TrafficFiles
from trimtab_traffic.safexml import read_tree

TRIPS = (
    '<trip id="a" depart="3700" from="WC" to="CE"/>\n<trip id="b" depart="3701" from="SC" to="CN"/>'
)


def files_of(net: Path, trips: str = TRIPS, **period: float) -> TrafficFiles:
    routes = net.with_name("cars.rou.xml")
    routes.write_text(f"<routes>\n{trips}\n</routes>")
    return replace(TrafficFiles(net_file=net, route_files=(routes,)), **period)


def test_good_files_pass_unchanged_but_for_notes(two_streets: Callable[..., Path]) -> None:
    files = files_of(two_streets(), begin_s=3600.0, end_s=7200.0)
    checked = check_files(files)
    assert replace(checked, notes=()) == files
    assert checked.notes == (
        "demand holds 2 <trip> and 0 <flow> tags: RESCO's formula overlooks those that are never "
        "inserted; true delay counts them",
    )


def test_missing_period_is_taken_from_the_demand_and_listed(
    two_streets: Callable[..., Path],
) -> None:
    checked = check_files(files_of(two_streets()))
    assert (checked.begin_s, checked.end_s) == (3600.0, 7200.0)
    assert checked.repairs == (
        "the period [3600, 7200) s is taken from the demand, which departs from 3700 to 3701 s",
    )


def test_period_taken_from_the_demand_has_the_length_that_the_scenario_names(
    two_streets: Callable[..., Path],
) -> None:
    checked = check_files(files_of(two_streets()), horizon_s=600.0)
    assert (checked.begin_s, checked.end_s) == (3600.0, 4200.0)
    assert checked.repairs[0].startswith("the period [3600, 4200) s")


@pytest.mark.parametrize(
    ("period", "message"),
    [
        (
            {"begin_s": 0.0, "end_s": 3600.0},
            r"cars\.rou\.xml: nothing departs in \[0, 3600\) s: the demand runs from 3700 to 3701 "
            r"s; set begin_s: 3600",
        ),
        ({"begin_s": 9000.0, "end_s": 9100.0}, "nothing departs in .* set begin_s: 3660$"),
        ({"begin_s": 9000.0, "end_s": 9000.0}, "is empty; set end_s above begin_s"),
    ],
)
def test_period_outside_the_demand_is_refused_with_the_right_one(
    two_streets: Callable[..., Path], period: dict[str, float], message: str
) -> None:
    with pytest.raises(InputFileError, match=message):
        check_files(files_of(two_streets(), **period))


def test_a_period_in_a_gap_of_the_demand_is_refused(two_streets: Callable[..., Path]) -> None:
    late = '<trip id="c" depart="20000" from="WC" to="CE"/>'
    files = files_of(two_streets(), f"{TRIPS}\n{late}", begin_s=9000.0, end_s=9600.0)
    with pytest.raises(InputFileError, match=r"nothing departs in \[9000, 9600\) s"):
        check_files(files)


def test_network_without_demand_is_refused(two_streets: Callable[..., Path]) -> None:
    with pytest.raises(InputFileError, match=r"no demand .* in cars\.rou\.xml; add routes"):
        check_files(files_of(two_streets(), trips=""))


def test_conflicting_greens_are_refused_with_the_line_of_the_phase(
    two_streets: Callable[..., Path],
) -> None:
    phases = ('<phase duration="30" state="Gr"/>', '\n<phase duration="30" state="GG"/>')
    net = two_streets(phases)
    line = next(k for k, text in enumerate(net.read_text().splitlines(), 1) if '"GG"' in text)
    with pytest.raises(InputFileError) as error:
        check_files(files_of(net))
    assert str(error.value) == (
        f"{net}:{line}: signal 'C' program '0' phase 1: links 0 and 1 cross and both have 'G'; "
        "give one 'g' or 'r'"
    )


def test_green_that_gives_way_is_no_conflict(two_streets: Callable[..., Path]) -> None:
    phases = ('<phase duration="30" state="gG"/>', '<phase duration="30" state="Gr"/>')
    assert check_files(files_of(two_streets(phases, response="10")))


def test_state_positions_that_control_nothing_are_noted(two_streets: Callable[..., Path]) -> None:
    phases = ('<phase duration="30" state="Grr"/>', '<phase duration="30" state="rGr"/>')
    notes = check_files(files_of(two_streets(phases))).notes
    assert any("positions [2] of its states control nothing" in note for note in notes)


def test_vehicles_before_the_period_are_noted(two_streets: Callable[..., Path]) -> None:
    checked = check_files(files_of(two_streets(), begin_s=3701.0, end_s=7200.0))
    assert "1 vehicles depart before the period and are not counted as demand" in checked.notes


def test_unsorted_demand_is_refused_where_no_copy_may_be_written(
    two_streets: Callable[..., Path],
) -> None:
    trips = "\n".join(reversed(TRIPS.splitlines()))
    with pytest.raises(InputFileError, match=r"cars\.rou\.xml:3: departs before .*sort_routes"):
        check_files(files_of(two_streets(), trips))


def test_unsorted_demand_is_sorted_into_a_copy_that_keeps_every_element(
    two_streets: Callable[..., Path], tmp_path: Path
) -> None:
    trips = (
        '<vType id="taxi &amp; co"/>'
        '<trip id="late" depart="20" from="WC" to="CE" type="taxi &amp; co"/>'
        '<vehicle id="ü" depart="10"><route edges="SC CN"/><stop lane="SC_0" duration="5"/>'
        "</vehicle>"
        '<flow id="f" begin="15" end="30" number="2" from="WC" to="CE"/>'
    )
    checked = check_files(files_of(two_streets(), trips), work=tmp_path / "work")
    copy = read_tree(checked.route_files[0], "routes")
    assert [e.attributes["id"] for e in copy.children] == ["taxi & co", "ü", "f", "late"]
    assert [child.name for child in copy.children[1].children] == ["route", "stop"]
    assert any("SUMO gets a sorted copy" in line for line in checked.repairs)
    assert not list((tmp_path / "work").glob("*.tmp"))
