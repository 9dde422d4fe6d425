"""The shield is told exit space, buses and calls, and nothing that no rule asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trimtab.contracts.spec import Action
from trimtab_traffic.inputs import compiled_network, resolve
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.requests import exit_stretch
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.shield import ShieldInputs

Maker = Callable[..., SignalsProblem]
HOLD = Action(discrete=np.zeros((1, 1, 1), dtype=np.int64))
FIELD = {"profile": "field"}


def inputs_after(problem: SignalControl, decisions: int) -> ShieldInputs | None:
    problem.reset(np.array([1]))
    for _ in range(decisions):
        problem.step(HOLD)
    return problem.shield_inputs


def test_resco_asks_for_nothing(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem()) as problem:
        assert inputs_after(problem, 2) is None


def test_field_reads_the_space_of_exit_lanes(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem(rules=FIELD)) as problem:
        inputs = inputs_after(problem, 8)
        assert inputs is not None
        assert inputs.exit_space_m is not None
        assert inputs.exit_space_m[0, 0] == problem.state.free_space_m()[0] < 200
        assert inputs.exit_space_m[0, 1] == np.inf
        assert inputs.bus is None
        assert inputs.preemption is None


def test_a_short_exit_is_looked_at_with_the_road_behind_it_up_to_the_next_signal(
    two_street_problem: Maker,
) -> None:
    inputs = resolve(two_street_problem())
    network = compiled_network(inputs.net, inputs.additional)
    pieces = {"bit": 0.2, "stub": 8.0, "road": 60.0, "lane": 90.0}
    lane = next(iter(network.lanes.values()))
    lanes = {name: replace(lane, id=name, length_m=m) for name, m in pieces.items()}
    cut = replace(network, lanes=lanes, ahead={"bit": ("stub",), "stub": ("road", "lane")})
    assert exit_stretch(cut, "bit") == ("bit", "stub", "lane")
    assert exit_stretch(cut, "road") == ("road",)
    assert exit_stretch(replace(cut, ahead={}), "bit") == ("bit",)


def test_buses_ask_for_their_link_within_reach(
    two_street_problem: Maker, two_street_demand: Callable[..., Path], tmp_path: Path
) -> None:
    path = two_street_demand(
        '<vType id="bus" vClass="bus"/><vehicle id="line" type="bus" depart="0" route="sn"/>'
        '<flow id="car" begin="0" end="60" period="9" route="we"/>',
        "bus.rou.xml",
    )
    network = {"net": str(tmp_path / "two.net.xml"), "routes": [str(path)]}
    model = two_street_problem(network=network, rules=FIELD, priority={"bus": True})
    with SignalControl(model) as problem:
        inputs = inputs_after(problem, 2)  # still on its way
        assert inputs is not None
        assert inputs.bus is not None
        assert inputs.bus[0].tolist() == [False, True]


def test_persons_before_a_crossing_call_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    town = {"columns": 1, "rows": 1, "pedestrians_per_h": 1500, "demand_h": 0.25}
    model = SignalsProblem.model_validate(
        {
            "network": {"generated": town},
            "horizon_s": 300,
            "rules": {"limits": {"pedestrian_recall": False}},
        }
    )
    with SignalControl(model) as problem:
        n = len(problem.signal_ids)
        problem.reset(np.array([1]))
        called = np.zeros(0)
        for _ in range(40):
            problem.step(Action(discrete=np.zeros((1, n, 1), dtype=np.int64)))
            inputs = problem.shield_inputs
            assert inputs is not None
            assert inputs.pedestrian_call is not None
            crossing = problem.network.controllable[0].crossing
            assert not inputs.pedestrian_call[0][: len(crossing)][~crossing].any()
            called = np.append(called, inputs.pedestrian_call.sum())
        assert called.max() > 0
