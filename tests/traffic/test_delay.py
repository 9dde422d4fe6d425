"""True delay counts everybody who wanted to travel; sums agree with SUMO's own statistics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.errors import SimulatorError
from trimtab_traffic.delay import demand_delay, level_of_service, trip_metrics
from trimtab_traffic.demand import Demand, read_demand
from trimtab_traffic.simulation import RunOptions, Session
from trimtab_traffic.trips import Trips, read_statistics, read_trips

Writer = Callable[..., Path]


def trips_of(rows: list[tuple[str, float, float, float]], **changes: object) -> Trips:
    """Trips from (id, depart, departDelay, timeLoss)."""
    numbers = np.array([row[1:] for row in rows], dtype=float).reshape(len(rows), 3)
    zeros = np.zeros(len(rows))
    fields = {
        "ids": tuple(row[0] for row in rows),
        "vtypes": ("car",) * len(rows),
        "depart_s": numbers[:, 0],
        "depart_delay_s": numbers[:, 1],
        "duration_s": zeros,
        "wait_s": zeros,
        "stops": zeros,
        "time_loss_s": numbers[:, 2],
        "arrived": np.ones(len(rows), dtype=bool),
        "co2_g": np.zeros(0),
        "nox_g": np.zeros(0),
        "fuel_g": np.zeros(0),
        "undeparted_s": {},
        "person_wait_s": np.zeros(0),
        "person_loss_s": np.zeros(0),
    }
    return Trips(**(fields | changes))


def demand_of(depart_s: dict[str, float], tags: set[str] | None = None, buses: str = "") -> Demand:
    return Demand(
        depart_s=depart_s,
        vehicle_tags=frozenset(depart_s if tags is None else tags),
        bus_types=frozenset({"bus"}),
        bus_ids=frozenset(buses),
        persons=False,
        random_flows=(),
    )


def test_never_inserted_vehicles_wait_until_the_end_of_the_horizon() -> None:
    trips = trips_of([("a", 12, 2, 10)])
    delay = demand_delay(trips, demand_of({"a": 10, "b": 40}), 0, 100)
    assert delay.mean_s == pytest.approx((12 + 60) / 2)
    assert delay.never == {"b": 60}


def test_departures_outside_the_horizon_are_not_demand() -> None:
    trips = trips_of([("a", 12, 2, 10), ("warm", 12, 20, 500)])
    demand = demand_of({"warm": -8, "before": -1, "a": 10, "after": 100})
    delay = demand_delay(trips, demand, 0, 100)
    assert delay.mean_s == pytest.approx(12)
    assert delay.inserted == 1
    assert delay.never == {}


def test_undeparted_vehicles_of_random_flows_count() -> None:
    trips = trips_of([("f.0", 12, 2, 10)], undeparted_s={"f.1": 30.0})
    assert demand_delay(trips, demand_of({}), 0, 100).mean_s == pytest.approx((12 + 30) / 2)


def test_resco_formula_misses_a_starved_entrance() -> None:
    trips = trips_of([("a", 50, 0, 10)])
    demand = demand_of({"starved": 10, "a": 50, "late": 90})
    delay = demand_delay(trips, demand, 0, 100)
    assert delay.mean_s == pytest.approx((10 + 90 + 10) / 3)
    assert delay.resco_s == pytest.approx((10 + 10) / 2)


def test_resco_formula_sees_vehicle_tags_only() -> None:
    trips = trips_of([("a", 50, 0, 10)])
    demand = demand_of({"a": 50, "late": 90}, tags=set())
    assert demand_delay(trips, demand, 0, 100).resco_s == pytest.approx(10)


def test_bus_delay_is_given_only_with_buses() -> None:
    trips = trips_of([("a", 12, 2, 10), ("b", 12, 0, 7)], vtypes=("car", "bus"))
    demand = demand_of({"a": 10, "b": 12, "c": 60}, buses="bc")
    assert trip_metrics(trips, demand, 0, 100)["bus_delay_s"] == pytest.approx((7 + 40) / 2)
    assert "bus_delay_s" not in trip_metrics(trips_of([]), demand_of({}), 0, 100)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 99), st.floats(0, 50), st.booleans()), max_size=20))
def test_true_delay_lies_between_the_smallest_and_largest_single_delay(
    vehicles: list[tuple[float, float, bool]],
) -> None:
    planned = {str(i): depart for i, (depart, _, _) in enumerate(vehicles)}
    rows = [(str(i), d, 0.0, loss) for i, (d, loss, inside) in enumerate(vehicles) if inside]
    delay = demand_delay(trips_of(rows), demand_of(planned), 0, 100)
    single = [loss if inside else 100 - depart for depart, loss, inside in vehicles] or [0.0]
    assert min(single) - 1e-9 <= delay.mean_s <= max(single) + 1e-9
    assert delay.inserted + len(delay.never) == len(vehicles)


@pytest.mark.parametrize(("delay_s", "grade"), [(0, 1), (10, 1), (10.1, 2), (80, 5), (81, 6)])
def test_level_of_service_follows_the_hcm_limits(delay_s: float, grade: int) -> None:
    assert level_of_service(delay_s) == grade


def test_sums_over_trips_equal_the_statistics_of_sumo(
    two_streets: Writer, two_street_demand: Writer
) -> None:
    path = two_street_demand(
        '<flow id="a" begin="0" end="200" period="2" route="we"/>'
        '<flow id="b" begin="0" end="200" period="3" route="sn"/>'
    )
    session = Session("libsumo")
    session.start(RunOptions(two_streets(), (path,), begin_s=0, end_s=200, seed=1))
    session.advance(200)
    session.close()
    trips = read_trips(session.outputs.trips)
    told = read_statistics(session.outputs.statistics)
    session.dispose()
    metrics = trip_metrics(trips, read_demand([path], 0, 200), 0, 200)
    own = told["vehicleTripStatistics"]
    assert own["count"] == len(trips.ids)
    assert metrics["duration_s"] == pytest.approx(own["duration"], abs=1e-3)
    assert metrics["wait_s"] == pytest.approx(own["waitingTime"], abs=1e-3)
    assert metrics["time_loss_s"] == pytest.approx(own["timeLoss"], abs=1e-3)
    assert metrics["never_inserted_veh"] == told["vehicles"]["waiting"] > 0
    assert trips.duration_s.sum() == pytest.approx(own["totalTravelTime"], abs=1e-6)
    total = trips.depart_delay_s.sum() + sum(trips.undeparted_s.values())
    assert total == pytest.approx(own["totalDepartDelay"], abs=1e-6)


def test_an_unfinished_trip_file_is_a_simulator_error(tmp_path: Path) -> None:
    path = tmp_path / "tripinfo.xml"
    path.write_text('<tripinfos><tripinfo id="a"')
    with pytest.raises(SimulatorError, match=r"tripinfo\.xml unfinished"):
        read_trips(path)
