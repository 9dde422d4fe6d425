"""Splits and offsets change a running plan without touching its order, intergreens or cycle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.errors import ActionError
from trimtab.contracts.spec import Action, FloatArray
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.replay import read_signal_log
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.split import MAX_SHIFT_S, CyclePlan
from trimtab_traffic.trips import trips_digest

Maker = Callable[..., SignalsProblem]
PLAN = CyclePlan(
    states=("Gr", "yr", "rG", "ry"),
    durations_s=np.array([30.0, 3.0, 30.0, 3.0]),
    stages=np.array([0, -1, 1, -1]),
    low_s=np.array([7.0, 0.0, 7.0, 0.0]),
    offset_s=0.0,
)


def play(problem: SignalControl, box: FloatArray | None) -> str:
    problem.reset(np.array([1]))
    action = None if box is None else Action(box=box.astype(np.float32))
    while not problem.step(action).done[0]:
        pass
    return trips_digest(problem.outputs.trips)


def greens_shown(problem: SignalControl) -> list[tuple[str, float, float]]:
    """(state, begin, duration) of each completed green of signal C."""
    log = read_signal_log(problem.episode_log(0)["signal_log"])["C"]
    pairs = zip(log, log[1:], strict=False)
    return [(a.state, a.time_s, b.time_s - a.time_s) for a, b in pairs if "G" in a.state]


def test_the_plans_own_greens_replay_the_shipped_programs_exactly() -> None:
    raw = {"network": {"wheel": "cologne8"}, "rules": {"profile": "resco"}, "horizon_s": 400}
    model = SignalsProblem.model_validate(raw)
    with SignalControl(model, "native") as shipped, SignalControl(model, "split") as split:
        expected = play(shipped, None)
        width = split.spec.n_box
        box = np.zeros((1, len(split.signal_ids), width))
        for row, signal in enumerate(split.network.controllable):
            plan = split.plan(row)
            assert plan is not None
            box[0, row, : len(signal.stage_states)] = plan.green_of_stages(len(signal.stage_states))
        assert play(split, box) == expected


def test_greens_follow_the_wanted_split_from_the_next_cycle_on(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem(horizon_s=300), "split") as problem:
        assert problem.spec.dt_s == 66
        play(problem, np.array([[[45.0, 15.0, 0.0]]]))
        greens = greens_shown(problem)
        assert greens[0] == ("Gr", 0.0, 30.0)
        assert [g[2] for g in greens[2:6]] == [45, 15, 45, 15]
        starts = [begin for state, begin, _ in greens if state == "Gr"]
        assert np.diff(starts).tolist() == [66] * (len(starts) - 1)


def test_an_offset_moves_by_a_few_seconds_a_cycle(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem(horizon_s=600), "split") as problem:
        play(problem, np.array([[[30.0, 30.0, 10.0]]]))
        starts = [begin for state, begin, _ in greens_shown(problem) if state == "Gr"]
        lengths = np.diff(starts)
        assert lengths.max() == 66 + MAX_SHIFT_S
        assert lengths.sum() % 66 == 10
        assert lengths[-1] == 66


def test_greens_below_the_minimum_are_lifted_and_reported(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem(), "split") as problem:
        problem.reset(np.array([1]))
        step = problem.step(Action(box=np.array([[[60.0, 0.0, 0.0]]], np.float32)))
        assert step.executed is not None
        assert step.executed.box is not None
        assert step.executed.box[0, 0, :2].tolist() == [53.0, 7.0]
        assert step.intervened[0, 0]


def test_field_splits_a_legal_plan(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem(rules={"profile": "field"}), "split") as problem:
        play(problem, np.array([[[30.0, 30.0, 0.0]]]))
        log = read_signal_log(problem.episode_log(0)["signal_log"])["C"]
        assert any(entry.state == "rr" for entry in log)


def test_stage_and_elapsed_follow_the_plan(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem(), "split") as problem:
        problem.reset(np.array([1]))
        problem.step(Action(box=np.array([[[30.0, 30.0, 0.0]]], np.float32)))
        assert problem.state.stage().tolist() == [0]
        assert problem.state.stage_elapsed_s().tolist() in ([0], [-0])


@pytest.mark.parametrize("box", [np.zeros((1, 1, 2)), np.full((1, 1, 3), np.nan)])
def test_wrong_boxes_are_refused(box: FloatArray, two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem(), "split") as problem:
        problem.reset(np.array([1]))
        with pytest.raises(ActionError, match="split interface"):
            problem.step(Action(box=box.astype(np.float32)))


@settings(deadline=None)
@given(st.lists(st.floats(0, 200), min_size=2, max_size=2), st.integers(-4, 4))
def test_cycle_and_minimum_greens_hold_for_any_wish(wanted: list[float], longer_s: int) -> None:
    durations = PLAN.with_greens(np.array(wanted), float(longer_s))
    assert durations.sum() == PLAN.cycle_s + longer_s
    assert (durations >= PLAN.low_s).all()
    assert durations[[1, 3]].tolist() == [3.0, 3.0]
