"""Planned departures agree with what SUMO itself loads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.demand import read_demand
from trimtab_traffic.simulation import RunOptions, Session
from trimtab_traffic.trips import read_trips

Writer = Callable[..., Path]

EVERY_KIND = """
<flow id="early" begin="100" end="300" period="10" route="we"/>
<flow id="earlyn" begin="100" end="300" number="20" route="we"/>
<flow id="seven" begin="200" end="300" number="7" route="sn"/>
<flow id="perhour" begin="200" end="254" vehsPerHour="200" route="we"/>
<flow id="closed" begin="200" end="250" period="10" route="sn"/>
<flow id="open" begin="200" end="251" period="10" route="sn"/>
<flow id="clock" begin="0:03:20" end="300" perHour="700" route="we"/>
<flow id="default" perHour="700" route="sn"/>
<flow id="three" begin="200" number="3" period="20" route="we"/>
<flow id="random" begin="200" end="300" probability="0.3" route="we"/>
<flow id="poisson" begin="200" end="300" period="exp(0.3)" route="we"/>
<vehicle id="one" depart="220" route="we"/>
<trip id="two" depart="0:03:41.5" from="SC" to="CN"/>
"""


def test_departures_are_those_that_sumo_loads(
    two_streets: Writer, two_street_demand: Writer
) -> None:
    path = two_street_demand(EVERY_KIND)
    session = Session("libsumo")
    session.start(RunOptions(two_streets(), (path,), begin_s=200, end_s=270, seed=1))
    session.advance(270)
    session.close()
    trips = read_trips(session.outputs.trips)
    session.dispose()
    demand = read_demand([path], 200, 270)
    loaded = dict(zip(trips.ids, trips.planned_s.tolist(), strict=True))
    loaded |= {name: 270 - waited for name, waited in trips.undeparted_s.items()}
    drawn = {name for name in loaded if name.split(".")[0] in demand.random_flows}
    expected = {name: depart for name, depart in demand.depart_s.items() if 200 <= depart < 270}
    assert len(drawn) > 10
    assert {n: t for n, t in loaded.items() if n not in drawn} == pytest.approx(expected)


def test_vehicle_tags_buses_persons_and_random_flows_are_told_apart(
    two_street_demand: Writer,
) -> None:
    path = two_street_demand(
        '<vType id="coachtype" vClass="coach"/><vTypeDistribution id="mix">'
        '<vType id="bustype" vClass="bus" probability="1"/></vTypeDistribution>'
        '<vehicle id="a" type="bustype" depart="1" route="we"/>'
        '<trip id="b" type="coachtype" depart="2" from="WC" to="CE"/>'
        '<flow id="f" begin="0" end="9" probability="0.1" route="we"/>'
        '<person id="p" depart="3"><walk edges="WC"/></person>'
    )
    demand = read_demand([path], 0, 10)
    assert demand.vehicle_tags == {"a"}
    assert demand.bus_ids == {"a", "b"}
    assert demand.random_flows == ("f",)
    assert demand.persons
    assert set(demand.depart_s) == {"a", "b"}


def test_triggered_vehicles_have_no_planned_departure(two_street_demand: Writer) -> None:
    path = two_street_demand('<vehicle id="a" depart="triggered" route="we"/>')
    assert read_demand([path], 0, 10).depart_s == {}


def test_a_flow_without_a_rate_is_refused_by_name_and_place(two_street_demand: Writer) -> None:
    path = two_street_demand('\n<flow id="f" begin="0" end="9" route="we"/>')
    with pytest.raises(InputFileError, match=r"two\.rou\.xml:2: <flow id='f'> has no positive"):
        read_demand([path], 0, 10)
