"""The regional rule moves splits by probe queues; cycle, order and limits stay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers import entries
from trimtab_traffic.controllers.regional_rule import DEFAULTS, PARAMETERS
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.regional import Junction, Load, Splits
from trimtab_traffic.replay import read_signal_log
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.trips import trips_digest


def scenario(
    profile: str = "resco", penetration: float = 1.0, **settings: object
) -> SignalsProblem:
    generated = {"kind": "arterial", "columns": 2, "rows": 1, "vehicles_per_h": 2400}
    base = {
        "network": {"generated": generated},
        "rules": {"profile": profile},
        "sensors": {"kind": "probes", "penetration": penetration},
        "horizon_s": 540,
    }
    return SignalsProblem.model_validate(base | settings)


def play(problem: SignalControl, seed: int = 1, **changes: float) -> str:
    entry = entries(problem.model)["regional_rule"]
    agent = make_controller(
        problem, entry, DEFAULTS | {"trials": 0} | changes, name="regional_rule"
    )
    evaluate(problem, agent, [seed])
    return trips_digest(problem.outputs.trips)


def shown(problem: SignalControl) -> dict[str, list[tuple[str, float]]]:
    """Per signal the states shown and when each began."""
    log = read_signal_log(problem.episode_log(0)["signal_log"])
    return {name: [(entry.state, entry.time_s) for entry in rows] for name, rows in log.items()}


@pytest.mark.parametrize("profile", ["resco", "field"])
def test_cycle_and_phase_order_stay_while_greens_change(profile: str) -> None:
    with SignalControl(scenario(profile), "split") as problem:
        splits = Splits.of(problem, problem.profile)
        play(problem, least_gain_veh=0.0)
        for row, (name, log) in enumerate(shown(problem).items()):
            plan = problem.plan(row)
            assert plan is not None
            assert name == problem.signal_ids[row]
            states = [state for state, _ in log]
            order = [a for a, b in zip(plan.states, (*plan.states[1:], ""), strict=True) if a != b]
            assert states == [order[k % len(order)] for k in range(len(states))]
            begins = np.array([time_s for state, time_s in log if state == plan.states[0]])
            assert np.unique(np.diff(begins)).tolist() == [splits.cycle_s[row]]


@pytest.mark.parametrize("profile", ["resco", "field"])
def test_greens_stay_within_the_limits_of_the_profile(profile: str) -> None:
    with SignalControl(scenario(profile), "split") as problem:
        splits = Splits.of(problem, problem.profile)
        play(problem, least_gain_veh=0.0, max_step_s=20, prior_probes=0.1)
        moved = False
        for row, log in enumerate(shown(problem).values()):
            states = list(problem.network.controllable[row].stage_states)
            for (state, began_s), (_, ended_s) in zip(log[1:], log[2:], strict=False):
                if state in states:
                    stage = states.index(state)
                    green_s = ended_s - began_s
                    assert splits.low_s[row, stage] <= green_s <= splits.high_s[row, stage]
                    moved |= green_s != splits.green_s[row, stage]
        assert moved


def test_without_probes_the_plan_is_kept() -> None:
    model = scenario(penetration=1e-9)
    with SignalControl(model, "split") as problem:
        found = play(problem, least_gain_veh=0.0)
    with SignalControl(model, "native") as problem:
        plan = entries(model)["fixed"]
        evaluate(problem, make_controller(problem, plan, name="fixed"), [1])
        assert found == trips_digest(problem.outputs.trips)


def test_the_same_seed_gives_the_same_trips() -> None:
    with SignalControl(scenario(penetration=0.3), "split") as problem:
        assert play(problem) == play(problem)


def test_green_moves_to_the_street_with_more_traffic(
    two_street_problem: Callable[..., SignalsProblem],
) -> None:
    model = two_street_problem(horizon_s=600, sensors={"kind": "probes", "penetration": 1.0})
    with SignalControl(model, "split") as problem:
        play(problem)
        log = shown(problem)["C"]
    greens = [(a[0], b[1] - a[1]) for a, b in zip(log, log[1:], strict=False) if "G" in a[0]]
    first, last = dict(greens[:2]), dict(greens[-2:])
    assert first == {"Gr": 30.0, "rG": 30.0}
    assert last["Gr"] > 32.0
    assert last["Gr"] + last["rG"] == 60.0


def test_the_default_parameters_lie_in_the_searched_space() -> None:
    entry = entries(scenario())["regional_rule"]
    assert entry.role == "classical"
    assert entry.interface == "split"
    coded = PARAMETERS.code([DEFAULTS])
    again = PARAMETERS.designs(PARAMETERS.decode(PARAMETERS.encode(coded)))[0]
    assert again == pytest.approx(DEFAULTS, rel=1e-6)


@given(seed=st.integers(0, 100))
def test_moves_save_delay_within_the_limits_until_none_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    junction = Junction(
        service=(rng.random((5, 3)) < 0.5).astype(float),
        load=Load(rng.uniform(10, 900, 5), rng.uniform(1500, 4000, 5)),
        cycle_s=90.0,
        greens_s=rng.integers(7, 40, 3).astype(float),
        low_s=np.full(3, 7.0),
        high_s=np.full(3, 60.0),
        horizon_s=900.0,
    )
    total_s = junction.greens_s.sum()
    while (move := junction.best_move()) is not None:
        before = junction.delay_veh(junction.greens_s[None])[0]
        junction.make(move)
        after = junction.delay_veh(junction.greens_s[None])[0]
        assert before - after == pytest.approx(move.gain_veh)
        assert move.gain_veh > 0.0
    moves = junction.moves()
    assert not moves or junction.gains_veh(moves).max() <= 0.0
    assert junction.greens_s.sum() == total_s
    assert junction.greens_s.min() >= 7.0
    assert junction.greens_s.max() <= 60.0
