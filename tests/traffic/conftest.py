"""A hand-written network of two crossing one-way streets, and shortcuts to wheel networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from trimtab.contracts.records import EpisodeRecord
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers import entries
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.network import TrafficNetwork, compile_network
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.sources import find_net
from trimtab_traffic.toolchain import run_binary

TWO_STREETS = """<?xml version="1.0" encoding="UTF-8"?>
{doctype}<net version="{version}">
 <edge id=":C_0" function="internal"><lane id=":C_0_0" index="0" speed="13.89" length="16.00"
   shape="-8.00,-1.60 8.00,-1.60"/></edge>
 <edge id=":C_1" function="internal"><lane id=":C_1_0" index="0" speed="13.89" length="16.00"
   shape="1.60,-8.00 1.60,8.00"/></edge>
 <edge id="WC" from="W" to="C"><lane id="WC_0" index="0" speed="13.89" length="200.00"
   shape="-208.00,-1.60 -8.00,-1.60"/></edge>
 <edge id="CE" from="C" to="E"><lane id="CE_0" index="0" speed="13.89" length="200.00"
   shape="8.00,-1.60 208.00,-1.60"/></edge>
 <edge id="SC" from="S" to="C"><lane id="SC_0" index="0" speed="13.89" length="200.00"
   shape="1.60,-208.00 1.60,-8.00"/></edge>
 <edge id="CN" from="C" to="N"><lane id="CN_0" index="0" speed="13.89" length="200.00"
   shape="1.60,8.00 1.60,208.00"/></edge>
 {programs}
 <junction id="C" type="traffic_light" x="0" y="0" incLanes="WC_0 SC_0"
   intLanes=":C_0_0 :C_1_0" shape="-8,-8 8,8">
  <request index="0" response="{response}" foes="10" cont="0"/>
  <request index="1" response="00" foes="01" cont="0"/>
 </junction>
 <junction id="W" type="dead_end" x="-208" y="0" incLanes="" intLanes="" shape="0,0"/>
 <junction id="S" type="dead_end" x="0" y="-208" incLanes="" intLanes="" shape="0,0"/>
 <junction id="E" type="dead_end" x="208" y="0" incLanes="CE_0" intLanes="" shape="0,0"/>
 <junction id="N" type="dead_end" x="0" y="208" incLanes="CN_0" intLanes="" shape="0,0"/>
 <connection from="WC" to="CE" fromLane="0" toLane="0" via=":C_0_0" tl="{tls}" linkIndex="0"
   dir="s" state="o"/>
 <connection from="SC" to="CN" fromLane="0" toLane="0" via=":C_1_0" tl="{tls}" linkIndex="{last}"
   dir="s" state="o"/>
 <connection from=":C_0" to="CE" fromLane="0" toLane="0" dir="s" state="M"/>
 <connection from=":C_1" to="CN" fromLane="0" toLane="0" dir="s" state="M"/>
</net>
"""

CROSSING_NODES = """<nodes><node id="W" x="-300" y="0"/><node id="E" x="100" y="0"/>
<node id="S" x="0" y="-300"/><node id="N" x="0" y="100"/>
<node id="C" x="0" y="0" type="traffic_light"/></nodes>"""
CROSSING_EDGES = """<edges><edge id="WC" from="W" to="C" speed="13.89"/>
<edge id="CE" from="C" to="E"/>
<edge id="SC" from="S" to="C" speed="13.89"/><edge id="CN" from="C" to="N"/></edges>"""
CROSSING_CONNECTIONS = """<connections>
<connection from="WC" to="CE"/><connection from="SC" to="CN"/>
<delete from="WC" to="CN"/><delete from="SC" to="CE"/></connections>"""

DEFAULT_PHASES = (
    '<phase duration="30" state="Gr"/>',
    '<phase duration="3" state="yr"/>',
    '<phase duration="30" state="rG"/>',
    '<phase duration="3" state="ry"/>',
)


@pytest.fixture
def two_streets(tmp_path: Path) -> Callable[..., Path]:
    """Writer of the two-street network; keyword arguments alter one thing each."""

    def write(
        phases: Sequence[str] = DEFAULT_PHASES,
        *,
        tls: str = "C",
        version: str = "1.20",
        response: str = "00",
        last: int = 1,
        doctype: str = "",
    ) -> Path:
        program = f'<tlLogic id="{tls}" type="static" programID="0" offset="0">'
        path = tmp_path / "two.net.xml"
        path.write_text(
            TWO_STREETS.format(
                doctype=doctype,
                version=version,
                programs=f"{program}{''.join(phases)}</tlLogic>" if phases else "",
                response=response,
                tls=tls,
                last=last,
            ),
            encoding="utf-8",
        )
        return path

    return write


@pytest.fixture(scope="session")
def wheel_net() -> Callable[[str], TrafficNetwork]:
    """Compiler of wheel networks by name, each compiled once per session."""
    compiled: dict[str, TrafficNetwork] = {}

    def get(name: str) -> TrafficNetwork:
        if name not in compiled:
            compiled[name] = compile_network(find_net(name).net_file)
        return compiled[name]

    return get


@pytest.fixture
def two_street_demand(tmp_path: Path) -> Callable[..., Path]:
    """Writer of a route file for the two-street network: the body is the caller's."""

    def write(body: str, name: str = "two.rou.xml") -> Path:
        path = tmp_path / name
        routes = '<route id="we" edges="WC CE"/><route id="sn" edges="SC CN"/>'
        path.write_text(f"<routes>{routes}{body}</routes>", encoding="utf-8")
        return path

    return write


@pytest.fixture
def two_street_problem(
    two_streets: Callable[..., Path], two_street_demand: Callable[..., Path]
) -> Callable[..., SignalsProblem]:
    """Maker of a two-minute problem on the two-street network; keywords change settings."""
    net = two_streets()
    demand = two_street_demand(
        '<flow id="a" begin="0" end="120" period="4" route="we"/>'
        '<flow id="b" begin="0" end="120" period="7" route="sn"/>'
    )

    def make(**settings: object) -> SignalsProblem:
        base = {
            "network": {"net": str(net), "routes": [str(demand)]},
            "horizon_s": 120,
            "rules": {"profile": "resco"},
        }
        return SignalsProblem.model_validate(base | settings)

    return make


@pytest.fixture
def two_street_scenario(two_street_problem: Callable[..., SignalsProblem]) -> SignalsProblem:
    return two_street_problem()


@pytest.fixture
def two_street_records(two_street_scenario: SignalsProblem) -> list[EpisodeRecord]:
    found = []
    for name in ("fixed", "greedy"):
        entry = entries(two_street_scenario)[name]
        with DOMAIN.build(two_street_scenario, interface=entry.interface) as problem:
            controller = entry.factory(problem, **entry.defaults)
            found += evaluate(problem, controller, [1, 2], name=name)
    return found


@pytest.fixture(scope="session")
def crossing_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two one-way streets that cross at a signal, built by netconvert."""
    folder = tmp_path_factory.mktemp("crossing")
    sources = {
        "node": CROSSING_NODES,
        "edge": CROSSING_EDGES,
        "connection": CROSSING_CONNECTIONS,
    }
    words = []
    for kind, text in sources.items():
        path = folder / f"{kind}.xml"
        path.write_text(text, encoding="utf-8")
        words += [f"--{kind}-files", str(path)]
    net = folder / "crossing.net.xml"
    run_binary("netconvert", [*words, "-o", str(net)], source=net)
    return net
