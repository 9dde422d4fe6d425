"""Splits follow the degree of saturation and the cycle follows the critical junction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers import entries
from trimtab_traffic.controllers.scoot import Junction
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem


def crossing(greens_s: tuple[float, float] = (30.0, 30.0)) -> Junction:
    """Two stages, each serving one lane; 10 s lost per cycle, greens of at least 7 s."""
    return Junction(
        row=0,
        lanes=np.array([0, 1]),
        serves=np.eye(2, dtype=bool),
        low_s=np.array([7.0, 7.0]),
        lost_s=10.0,
        shipped_s=np.array(greens_s),
        greens_s=np.array(greens_s),
    )


def test_green_moves_to_the_more_saturated_stage():
    greens = crossing().regreened(np.array([0.5, 0.2]), 70.0, 4)
    assert greens.tolist() == [34.0, 26.0]


def test_equal_saturation_moves_nothing():
    greens = crossing().regreened(np.array([0.3, 0.3]), 70.0, 4)
    assert greens.tolist() == [30.0, 30.0]


def test_a_longer_cycle_gives_its_seconds_to_the_more_saturated_stage():
    greens = crossing().regreened(np.array([0.5, 0.2]), 74.0, 0)
    assert greens.tolist() == [34.0, 30.0]


@settings(deadline=None)
@given(
    st.lists(st.floats(0.0, 1.0), min_size=2, max_size=2),
    st.integers(30, 120),
    st.integers(0, 10),
    st.tuples(st.integers(7, 60), st.integers(7, 60)),
)
def test_greens_keep_their_minimum_and_add_up_to_the_cycle(demand, cycle_s, moves, greens_s):
    junction = crossing((float(greens_s[0]), float(greens_s[1])))
    greens = junction.regreened(np.array(demand), float(cycle_s), moves)
    assert (greens >= junction.low_s).all()
    assert greens.sum() + junction.lost_s == cycle_s


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=2), st.integers(1, 8))
def test_moving_green_never_raises_the_worst_saturation(demand, moves):
    junction = crossing()
    local = np.array(demand)
    after = junction.saturation(local, junction.regreened(local, 70.0, moves)).max()
    assert after <= junction.saturation(local, junction.greens_s).max() + 1e-9


@pytest.mark.parametrize("profile", ["resco", "field"])
def test_it_plays_an_episode_within_its_cycle_limits(profile):
    model = SignalsProblem.model_validate(
        {"network": {"wheel": "cologne1"}, "rules": {"profile": profile}, "horizon_s": 900}
    )
    entry = entries(model)["scoot"]
    cycles: list[float] = []
    with SignalControl(model, entry.interface) as problem:
        plan = problem.plan(0)
        controller = make_controller(problem, entry, {"min_cycle_s": 60, "max_cycle_s": 100})
        lost_s = plan.cycle_s - plan.green_s
        record = evaluate(
            problem,
            controller,
            [1],
            watch=lambda d: cycles.append(lost_s + float(d.proposed.box[0, 0, :-1].sum())),
        )[0]
    assert record.metrics["true_delay_s"] > 0
    assert len(set(cycles)) > 1
    assert all(abs(b - a) <= 4 for a, b in zip(cycles, cycles[1:], strict=False))
    assert min(cycles) >= 60 - 1e-6
    assert max(cycles) <= max(100, plan.cycle_s) + 1e-6
