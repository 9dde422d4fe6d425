from collections import Counter
from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.importers.checks import check_files
from trimtab_traffic.importers.files import TrafficFiles
from trimtab_traffic.importers.matrices import demand_from_matrix, random_demand
from trimtab_traffic.safexml import elements

TAZ = '<additional><taz id="W" edges="A0A1 A1A2"/><taz id="E" edges="C0C1"/></additional>'


def trips(path: Path) -> Counter[tuple[str, str]]:
    return Counter((t.text("from"), t.text("to")) for t in elements(path) if t.name == "trip")


def write(folder: Path, text: str, name: str = "od.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_matrix_of_edges_becomes_as_many_trips_within_its_periods(
    grid_net: Path, tmp_path: Path
) -> None:
    matrix = write(
        tmp_path, "from;to;count;begin_s;end_s\nA1B1;B1C1;50;0;600\nA0A1;B2C2;30;600;1200\n"
    )
    demand = demand_from_matrix(grid_net, matrix, tmp_path / "work")
    assert trips(demand.route_files[0]) == {("A1B1", "B1C1"): 50, ("A0A1", "B2C2"): 30}
    assert (demand.begin_s, demand.end_s) == (0.0, 1200.0)
    files = TrafficFiles(grid_net, demand.route_files, (), demand.begin_s, demand.end_s)
    assert not check_files(files).repairs


def test_matrix_of_zones_draws_edges_within_them(grid_net: Path, tmp_path: Path) -> None:
    matrix = write(tmp_path, "origin,destination,trips\nW,E,40\n")
    zones = write(tmp_path, TAZ, "zones.taz.xml")
    demand = demand_from_matrix(grid_net, matrix, tmp_path / "work", zones=zones)
    drawn = trips(demand.route_files[0])
    assert sum(drawn.values()) == 40
    assert {start for start, _ in drawn} == {"A0A1", "A1A2"}


def test_visum_matrix_is_read_with_its_zones(grid_net: Path, tmp_path: Path) -> None:
    matrix = write(
        tmp_path, "$OR;D2\n* From-Time To-Time\n0.00 1.00\n* Factor\n1.00\nW E 25\n", "a.mtx"
    )
    zones = write(tmp_path, TAZ, "zones.taz.xml")
    demand = demand_from_matrix(grid_net, matrix, tmp_path / "work", zones=zones)
    assert sum(trips(demand.route_files[0]).values()) == 25
    with pytest.raises(InputFileError, match="needs the zones it names"):
        demand_from_matrix(grid_net, matrix, tmp_path / "work")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from,to,count\nA1B1,nowhere,5\n", r"od\.csv:2: 'nowhere' is not in grid\.net\.xml"),
        ("from,to,count\nA1B1,B1C1,-5\n", r"od\.csv:2: count is '-5'"),
        ("from,to,count,begin_s,end_s\nA1B1,B1C1,5,60,0\n", "the period ends at 0 s"),
        ("from,to,count\n", "holds no relation"),
        ("from,to\nA,B\n", "no column 'count'"),
    ],
)
def test_wrong_matrix_is_refused(grid_net: Path, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        demand_from_matrix(grid_net, write(tmp_path, text), tmp_path / "work")


def test_file_without_zones_is_refused(grid_net: Path, tmp_path: Path) -> None:
    matrix = write(tmp_path, "from,to,count\nW,E,5\n")
    zones = write(tmp_path, "<additional/>", "zones.taz.xml")
    with pytest.raises(InputFileError, match="holds no zone"):
        demand_from_matrix(grid_net, matrix, tmp_path / "work", zones=zones)


def test_random_demand_has_the_asked_rate_and_says_that_it_is_made_up(
    grid_net: Path, tmp_path: Path
) -> None:
    demand = random_demand(grid_net, tmp_path, 600.0, 600.0)
    assert sum(trips(demand.route_files[0]).values()) == pytest.approx(100, abs=2)
    assert "results say nothing about the real place" in demand.notes[0]


def test_tools_leave_nothing_in_the_users_folder(
    grid_net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    random_demand(grid_net, Path("work"), 600.0, 60.0)
    assert [path.name for path in tmp_path.iterdir()] == ["work"]
