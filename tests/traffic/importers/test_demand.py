from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.importers.demand import DemandScan, network_edges, scan_demand
from trimtab_traffic.sources import find_net

EDGES = frozenset({"in", "out", "Straße"})


def scan(folder: Path, body: str, begin_s: float = 0.0, end_s: float = 3600.0) -> DemandScan:
    path = folder / "cars.rou.xml"
    path.write_text(f"<routes>\n{body}\n</routes>")
    return scan_demand([path], EDGES, begin_s, end_s)


@pytest.mark.parametrize(
    ("name", "tag", "in_period"),
    [("cologne3", "vehicle", 2856), ("cologne8", "trip", 2046), ("ingolstadt1", "trip", 1716)],
)
def test_wheel_demand_has_the_published_size(name: str, tag: str, in_period: int) -> None:
    net = find_net(name)
    edges = network_edges(net.net_file)
    demand = scan_demand(net.route_files, edges, net.begin_s, net.end_s)
    assert demand.in_period == in_period
    assert set(demand.counts) == {tag}


def test_every_demand_tag_counts(tmp_path: Path) -> None:
    demand = scan(
        tmp_path,
        '<route id="r" edges="in out"/>'
        '<vehicle id="a" depart="0" route="r"/>'
        '<trip id="b" depart="10" from="in" to="Straße"/>'
        '<flow id="c" begin="20" end="120" number="5" from="in" to="out"/>'
        '<person id="p" depart="30"><walk edges="in out"/></person>',
    )
    assert demand.in_period == 7
    assert dict(demand.counts) == {"route": 1, "vehicle": 1, "trip": 1, "flow": 1, "person": 1}


@pytest.mark.parametrize(
    ("size", "vehicles"),
    [
        ('number="100"', 100),
        ('vehsPerHour="360"', 100),
        ('perHour="360"', 100),
        ('period="10"', 100),
        ('probability="0.1"', 100),
        ('period="exp(0.1)"', 100),
    ],
)
def test_flows_of_all_kinds_are_expanded(tmp_path: Path, size: str, vehicles: float) -> None:
    demand = scan(tmp_path, f'<flow id="f" begin="0" end="1000" {size} from="in" to="out"/>')
    assert demand.in_period == pytest.approx(vehicles)


@given(
    st.integers(0, 500), st.integers(1, 500), st.integers(1, 40), st.integers(0, 600),
    st.integers(1, 300),
)  # fmt: skip
def test_consecutive_periods_share_out_every_vehicle_of_a_flow(
    tmp_path_factory: pytest.TempPathFactory,
    start_s: int,
    span_s: int,
    vehicles: int,
    cut_s: int,
    length_s: int,
) -> None:
    folder = tmp_path_factory.mktemp("flow")
    flow = f'<flow id="f" begin="{start_s}" end="{start_s + span_s}" number="{vehicles}" '
    flow += 'from="in" to="out"/>'
    before = scan(folder, flow, 0.0, float(cut_s)).in_period
    middle = scan(folder, flow, float(cut_s), float(cut_s + length_s))
    after = scan(folder, flow, float(cut_s + length_s), 9999.0).in_period
    assert before + middle.in_period + after == vehicles
    assert middle.early == before


def test_endless_flow_is_counted_only_to_the_end_of_the_period(tmp_path: Path) -> None:
    flow = '<flow id="f" begin="0" end="1e12" period="1" from="in" to="out"/>'
    assert scan(tmp_path, flow, 0.0, 100.0).in_period == 100


def test_first_element_out_of_order_is_located(tmp_path: Path) -> None:
    demand = scan(
        tmp_path,
        '<trip id="a" depart="10" from="in" to="out"/>\n'
        '<trip id="b" depart="5" from="in" to="out"/>',
    )
    assert demand.unsorted.endswith("cars.rou.xml:3")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            '<vehicle id="v" depart="0"><route edges="in ouT"/></vehicle>',
            r"cars\.rou\.xml:2: <route> uses edge 'ouT', which is not in the network; .*'out'",
        ),
        ('<trip id="t" depart="0" from="in" to="gone"/>', r"<trip id='t'> uses edge 'gone'"),
        ('<trip id="t" depart="x" from="in" to="out"/>', r"depart is 'x'; write seconds"),
        ('<trip id="t" depart="-5" from="in" to="out"/>', r"depart is negative"),
        ('<vehicle id="v" depart="0" route="r9"/>', r"uses route 'r9', which is not defined"),
        (
            '<vType id="car"/><trip id="t" depart="0" type="cars" from="in" to="out"/>',
            r"uses type 'cars', which is not defined .*'car'",
        ),
        ('<flow id="f" begin="9" end="1" number="2" from="in" to="out"/>', r"before it begins"),
        (
            '<flow id="f" begin="0" end="9" period="0" from="in" to="out"/>',
            "has no positive number",
        ),
        (
            '<flow id="f" begin="0" end="9" period="exp(x)" from="in" to="out"/>',
            r"period is no time",
        ),
        (
            '<flow id="f" begin="0" end="9" from="in" to="out"/>',
            "has no positive number",
        ),
    ],
)
def test_wrong_demand_is_refused_with_file_line_and_cure(
    tmp_path: Path, body: str, message: str
) -> None:
    with pytest.raises(InputFileError, match=message) as error:
        scan(tmp_path, body)
    assert "\n" not in str(error.value)


def test_network_given_as_demand_is_named(tmp_path: Path) -> None:
    path = tmp_path / "town.net.xml"
    path.write_text("<net/>")
    with pytest.raises(InputFileError, match="root element is <net>"):
        scan_demand([path], EDGES, 0.0, 1.0)
