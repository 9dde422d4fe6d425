"""From a user's files to a scenario."""

from collections.abc import Callable
from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError, TrimtabError
from trimtab.run.scenario_file import load_scenario
from trimtab.run.template import scenario_template
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.inputs import Inputs, resolve_inputs
from trimtab_traffic.plans import write_plan_tables
from trimtab_traffic.readers import kind_of, problem_files, problem_from_files
from trimtab_traffic.signals import Phase, Program

TRIPS = """<routes>
<trip id="a" depart="3700" from="WC" to="CE"/><trip id="b" depart="3701" from="SC" to="CN"/>
</routes>"""
OSM = (
    '<osm version="0.6">'
    '<node id="1" lat="50.000" lon="7.000"><tag k="highway" v="traffic_signals"/></node>'
    '<node id="2" lat="50.000" lon="6.997"/><node id="3" lat="50.000" lon="7.003"/>'
    '<node id="4" lat="49.998" lon="7.000"/><node id="5" lat="50.002" lon="7.000"/>'
    '<way id="10"><nd ref="2"/><nd ref="1"/><nd ref="3"/><tag k="highway" v="secondary"/></way>'
    '<way id="11"><nd ref="4"/><nd ref="1"/><nd ref="5"/><tag k="highway" v="secondary"/></way>'
    "</osm>"
)


@pytest.fixture
def demand(tmp_path: Path) -> Path:
    path = tmp_path / "cars.rou.xml"
    path.write_text(TRIPS)
    return path


def scenario_from_files(paths: list[Path], folder: Path) -> str:
    """The commented scenario file of a user's files."""
    return scenario_template(DOMAIN, "town", problem_from_files(paths, folder, "town"))


def loaded(folder: Path, text: str) -> Inputs:
    """The scenario text as the product reads it, its files resolved."""
    file = folder / "scenario.yaml"
    file.write_text(text)
    problem = load_scenario(file).scenario.problem
    return resolve_inputs(problem, folder / "work")


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.sumocfg", "<configuration/>", "config"),
        ("a.xml", "<net/>", "net"),
        ("a.xml", "<routes/>", "routes"),
        ("a.xml", '<additional><taz id="z" edges="e"/></additional>', "zones"),
        ("a.xml", '<additional><e1Detector id="d"/></additional>', "additional"),
        ("a.xml", "<detector/>", "counts"),
        ("a.xml", '<osm version="0.6"/>', "foreign net"),
        ("a.csv", "edge,begin_s,end_s,count\n", "counts"),
        ("a.csv", "Detector;Begin;End;Volume\n", "counts"),
        ("a.csv", "from,to,count\n", "matrix"),
        ("a.csv", "edge,from,to,count\n", "counts"),
        ("a.mtx", "$OR;D2\n", "matrix"),
        ("a.csv", "signal,channel,edge\n", "channels"),
        ("a.csv", "TimeStamp,DeviceId,EventId,Parameter\n", "log"),
        ("a.csv", "signal,stage,state,duration_s\n", "stages"),
        ("a.csv", "signal,from_stage,to_stage,step,state,duration_s\n", "intergreens"),
    ],
)
def test_files_are_told_apart_by_their_content(
    tmp_path: Path, name: str, content: str, kind: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert kind_of(path) == kind


def test_network_and_demand_become_a_scenario_that_runs(
    two_streets: Callable[..., Path], demand: Path, tmp_path: Path
) -> None:
    text = scenario_from_files([demand, two_streets()], tmp_path)
    assert 'routes: ["cars.rou.xml"]' in text
    assert "# note: the period [3600, 7200) s is taken from the demand" in text
    inputs = loaded(tmp_path, text)
    assert (inputs.begin_s, inputs.end_s) == (3600.0, 7200.0)


def test_configuration_stays_the_source_of_its_options(
    two_streets: Callable[..., Path], demand: Path, tmp_path: Path
) -> None:
    config = tmp_path / "town.sumocfg"
    config.write_text(
        f'<configuration><net-file value="{two_streets().name}"/>'
        '<route-files value="cars.rou.xml"/><lateral-resolution value="0.8"/></configuration>'
    )
    text = scenario_from_files([config], tmp_path)
    assert 'sumocfg: "town.sumocfg"' in text
    assert loaded(tmp_path, text).options == ("--lateral-resolution", "0.8")


def test_map_without_demand_gets_random_trips_and_says_so(tmp_path: Path) -> None:
    source = tmp_path / "town.osm"
    source.write_text(OSM)
    text = scenario_from_files([source], tmp_path)
    assert "results say nothing about the real place" in text
    assert sorted(p.name for p in (tmp_path / "town-files").iterdir()) == [
        "random.trips.xml",
        "town.net.xml",
    ]
    assert loaded(tmp_path, text).net == tmp_path / "town-files" / "town.net.xml"


def test_scenario_may_name_a_map_itself(tmp_path: Path) -> None:
    (tmp_path / "town.osm").write_text(OSM)
    text = (
        "schema: trimtab/scenario/1\nname: town\ndomain: traffic.signals\n"
        "problem: {network: {osm: town.osm}, horizon_s: 600}\n"
    )
    assert loaded(tmp_path, text).routes[0].name == "random.trips.xml"


def test_converted_files_are_the_same_bytes_every_time(tmp_path: Path) -> None:
    source = tmp_path / "town.osm"
    source.write_text(OSM)
    first, second = (problem_files([source], tmp_path / name) for name in ("a", "b"))
    for one, other in zip(first.route_files, second.route_files, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert first.net_file.read_bytes() == second.net_file.read_bytes()


def test_plan_tables_replace_the_plan_of_the_network(
    two_streets: Callable[..., Path], demand: Path, tmp_path: Path
) -> None:
    phases = (Phase("Gr", 40.0), Phase("yr", 4.0), Phase("rG", 20.0), Phase("ry", 4.0))
    tables = write_plan_tables(tmp_path, {"C": Program("p", "static", 7.0, phases, ())})
    made = problem_from_files([two_streets(), demand, *tables], tmp_path)
    assert made.problem["network"]["additional"] == ["scenario-files/plan.add.xml"]
    assert "plans of 1 signals replace those of the network" in " ".join(made.notes)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no files given"),
        ({"cars.rou.xml": TRIPS}, "no network among the files"),
        ({"a.net.xml": "<net/>", "b.net.xml": "<net/>"}, "two files of the kind 'net'"),
        ({"a.pdf": "%PDF"}, "no file of a kind that can be imported"),
        ({"log.csv": "time,signal,code,parameter\n", "a.osm": OSM}, "signal,channel,edge"),
        ({"s.csv": "signal,stage,duration_s\n", "a.osm": OSM}, "give both"),
        ({"a.osm": OSM, "counts.csv": "edge,begin_s,end_s,count\nx,0,9,1\n"}, "edge 'x' is not"),
    ],
)
def test_set_that_makes_no_scenario_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(TrimtabError, match=message) as error:
        problem_from_files([tmp_path / name for name in files], tmp_path)
    assert "\n" not in str(error.value)
    assert sorted(tmp_path.iterdir()) == before


def test_files_made_before_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "town.osm").write_text(OSM)
    (tmp_path / "scenario-files").mkdir()
    with pytest.raises(InputFileError, match="of another name, such as scenario-2.yaml"):
        problem_from_files([tmp_path / "town.osm"], tmp_path)
    assert not list((tmp_path / "scenario-files").iterdir())
