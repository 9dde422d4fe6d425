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
