"""Disturbances are files: demand multiplied, types changed, vehicles added, lanes closed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import Action
from trimtab_traffic.demand import read_demand
from trimtab_traffic.disturbances import factor_at
from trimtab_traffic.inputs import Inputs, resolve_inputs
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.safexml import elements
from trimtab_traffic.scenario import Demand, SignalsProblem, Surge

Maker = Callable[..., SignalsProblem]


def planned(inputs: Inputs) -> dict[str, float]:
    return dict(read_demand(inputs.routes, inputs.start_s, inputs.end_s).depart_s)


@settings(
    deadline=None,
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # it only writes two files
)
@given(scale=st.floats(0.1, 3.0))
def test_scaled_demand_has_the_share_of_vehicles_asked_for(
    scale: float, two_street_problem: Maker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    work = tmp_path_factory.mktemp("scaled")
    before = len(planned(resolve_inputs(two_street_problem(), work)))
    model = two_street_problem(demand={"scale": scale})
    after = planned(resolve_inputs(model, work))
    assert abs(len(after) - scale * before) <= 1
    assert all(0 <= depart <= 120 for depart in after.values())


def test_an_undisturbed_scenario_keeps_the_files_of_the_user(
    two_street_problem: Maker, tmp_path: Path
) -> None:
    inputs = resolve_inputs(two_street_problem(), tmp_path / "work")
    assert [path.name for path in inputs.routes] == ["two.rou.xml"]
    assert not (tmp_path / "work").exists()


def test_a_surge_multiplies_its_window_only(two_street_problem: Maker, tmp_path: Path) -> None:
    surge = {"start_s": 40, "end_s": 80, "factor": 3.0}
    base = planned(resolve_inputs(two_street_problem(), tmp_path))
    more = planned(resolve_inputs(two_street_problem(demand={"surges": [surge]}), tmp_path))
    extra = {name: depart for name, depart in more.items() if name not in base}
    in_window = sum(40 <= depart < 80 for depart in base.values())
    assert abs(len(extra) - 2 * in_window) <= 1
    assert min(extra.values()) >= 10
    assert max(extra.values()) <= 110


def test_surges_multiply_on_top_of_the_scale() -> None:
    demand = Demand(scale=2.0, surges=(Surge(start_s=10, end_s=20, factor=1.5),))
    assert [factor_at(demand, t) for t in (0, 10, 19.9, 20)] == [2, 3, 3, 2]


def test_random_flows_are_cut_and_sped_up(
    two_street_problem: Maker, two_street_demand: Callable[..., Path], tmp_path: Path
) -> None:
    path = two_street_demand(
        '<flow id="p" begin="0" end="120" probability="0.4" route="we"/>'
        '<flow id="e" begin="0" end="120" period="exp(0.2)" route="sn"/>',
        "random.rou.xml",
    )
    net = str(tmp_path / "two.net.xml")
    demand = {"scale": 2.0, "surges": [{"start_s": 30, "end_s": 60, "factor": 2.0}]}
    model = two_street_problem(network={"net": net, "routes": [str(path)]}, demand=demand)
    found = [e.attributes for e in elements(resolve_inputs(model, tmp_path).routes[0])]
    flows = {a["id"]: a for a in found if "begin" in a}
    assert [flows[f"p.{k}"]["probability"] for k in range(3)] == ["0.8", "1", "0.8"]
    assert [flows[f"e.{k}"]["period"] for k in range(3)] == ["exp(0.4)", "exp(0.8)", "exp(0.4)"]
    assert [(flows[f"p.{k}"]["begin"], flows[f"p.{k}"]["end"]) for k in range(3)] == [
        ("0.000", "30.000"), ("30.000", "60.000"), ("60.000", "120.000"),
    ]  # fmt: skip


def metrics(model: SignalsProblem, decisions: Callable[[int], int]) -> dict[str, float]:
    with SignalControl(model) as problem:
        problem.reset(np.array([1]))
        k = 0
        step = problem.step(Action(discrete=np.full((1, 1, 1), decisions(0), dtype=np.int64)))
        while not step.done[0]:
            k += 1
            stage = np.full((1, 1, 1), decisions(k), dtype=np.int64)
            step = problem.step(Action(discrete=stage))
        return {name: float(values[0]) for name, values in step.metrics.items()}


def test_bad_weather_slows_traffic(two_street_problem: Maker) -> None:
    dry = metrics(two_street_problem(), lambda k: k // 2 % 2)
    model = two_street_problem(weather={"speed_factor": 0.6, "accel_factor": 0.5})
    wet = metrics(model, lambda k: k // 2 % 2)
    assert wet["duration_s"] > 1.2 * dry["duration_s"]


def test_weather_multiplies_named_types_and_the_default_one(
    two_street_problem: Maker, two_street_demand: Callable[..., Path], tmp_path: Path
) -> None:
    path = two_street_demand(
        '<vType id="b" vClass="bus" speedFactor="normc(0.9,0.2,0.1,1.5)"/>'
        '<vehicle id="x" type="b" depart="0" route="we"/>',
        "typed.rou.xml",
    )
    net = str(tmp_path / "two.net.xml")
    model = two_street_problem(
        network={"net": net, "routes": [str(path)]},
        weather={"speed_factor": 0.5, "decel_factor": 0.5},
    )
    inputs = resolve_inputs(model, tmp_path)
    types = {
        e.attributes["id"]: e.attributes
        for file in (*inputs.routes, *inputs.additional)
        for e in elements(file)
        if e.name == "vType"
    }
    assert types["b"]["speedFactor"] == "normc(0.45,0.2,0.1,1.5)"
    assert (types["b"]["accel"], types["b"]["decel"]) == ("1.2", "2")
    assert types["DEFAULT_VEHTYPE"]["decel"] == "2.25"


def test_emergency_vehicles_come_at_their_interval_and_get_green(
    two_street_problem: Maker,
) -> None:
    settings = {
        "priority": {"emergency_every_s": 60},
        "rules": {"profile": "field"},
        "horizon_s": 600,
    }
    model = two_street_problem(**settings)
    starved = metrics(model, lambda _: 0)
    assert "emergency_delay_s" in starved
    with SignalControl(model) as problem:
        assert sum("emergency" in note for note in problem.inputs.notes) == 1
        problem.reset(np.array([1]))
        reasons = set()
        step = problem.step(Action(discrete=np.zeros((1, 1, 1), dtype=np.int64)))
        while not step.done[0]:
            reasons.add(problem.shield.reasons[int(step.reason[0, 0])])
            step = problem.step(Action(discrete=np.zeros((1, 1, 1), dtype=np.int64)))
    assert "emergency preemption" in reasons


def vehicles_on_lanes(closures: list[dict[str, object]]) -> dict[str, list[int]]:
    """Lane of a shared approach road of ingolstadt1 → vehicles on it every 10 s."""
    raw = {"network": {"wheel": "ingolstadt1"}, "horizon_s": 300, "closures": closures}
    with SignalControl(SignalsProblem.model_validate(raw), "native") as problem:
        edges = [e for e in problem.network.edges.values() if len(e.lanes) > 1]
        lanes = [x for e in edges for x in e.lanes if x in problem.state.approach_lanes]
        seen: dict[str, list[int]] = {lane: [] for lane in lanes}
        problem.reset(np.array([1]))
        for _ in range(59):
            problem.step(None)
            for lane in lanes:
                seen[lane].append(problem.session.api.lane.getLastStepVehicleNumber(lane))
        return seen


def test_a_closed_lane_is_empty_while_it_is_closed() -> None:
    busy = vehicles_on_lanes([])
    lane = max(busy, key=lambda name: sum(busy[name]))
    closed = vehicles_on_lanes([{"lane": lane, "start_s": 60, "end_s": 200}])[lane]
    assert closed[:12] == busy[lane][:12]
    assert sum(busy[lane][24:40]) > 10
    assert sum(closed[24:40]) == 0
    assert sum(closed[44:]) > 0


def test_a_closure_of_an_unknown_lane_is_refused(two_street_problem: Maker, tmp_path: Path) -> None:
    known, unknown = ({"lane": name, "start_s": 0, "end_s": 60} for name in ("WC_0", "WC_9"))
    message = r"closures\[1\]\.lane: 'WC_9' is no lane or edge .* Did you mean 'WC_0'\?"
    with pytest.raises(InputFileError, match=message):
        resolve_inputs(two_street_problem(closures=[known, unknown]), tmp_path)


@settings(
    deadline=None,
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # it only writes two files
)
@given(seed=st.integers(0, 1000))
def test_noise_on_relations_multiplies_each_by_a_factor_of_its_own(
    seed: int, two_street_problem: Maker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    work = tmp_path_factory.mktemp("noise")
    before = by_route(two_street_problem(), work)
    noisy = two_street_problem(demand={"od_noise": 0.3, "od_seed": seed})
    after = by_route(noisy, work)
    assert after == by_route(noisy, work)
    for route, count in before.items():
        assert 0.7 * count - 1 <= after[route] <= 1.3 * count + 1


def by_route(model: SignalsProblem, work: Path) -> dict[str, int]:
    """Vehicles of each route."""
    found: dict[str, int] = {}
    for name in planned(resolve_inputs(model, work)):
        route = name.split(".")[0]
        found[route] = found.get(route, 0) + 1
    return found
