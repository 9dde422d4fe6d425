import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.spec import Composite, CostChannel, RewardChannel, Spec
from trimtab.learn.lagrangian import Multipliers

SPEC = Spec(
    name="limits-1",
    agent_type=(0,),
    actions=(Composite(discrete=(2,)),),
    obs_dim=1,
    rewards=(RewardChannel("r", "1"),),
    horizon=1,
    dt_s=1.0,
    costs=(CostChannel("wear", "1", 0.3), CostChannel("noise", "dB", 10.0, "budget")),
)


def test_plain_dual_ascent_follows_its_textbook_formula() -> None:
    multipliers = Multipliers(SPEC, 1, rate=0.5)
    for level in (0.5, 0.1, 0.9):
        multipliers.move(np.array([[level, 10.0]]))
    expected = max(0.0, max(0.0, 0.5 * 0.2) + 0.5 * -0.2) + 0.5 * 0.6
    assert multipliers.value[0].tolist() == pytest.approx([expected, 0.0])


def test_derivative_acts_on_rises_only() -> None:
    multipliers = Multipliers(SPEC, 1, rate=1e-9, derivative=2.0)
    multipliers.move(np.array([[0.3, 10.0]]))
    multipliers.move(np.array([[0.5, 10.0]]))
    assert multipliers.value[0, 0] == pytest.approx(0.4, abs=1e-6)
    multipliers.move(np.array([[0.2, 10.0]]))
    assert multipliers.value[0, 0] == pytest.approx(0.0, abs=1e-6)


def test_a_budget_of_which_no_episode_ended_leaves_its_multiplier_alone() -> None:
    multipliers = Multipliers(SPEC, 1, rate=0.1, proportional=1.0)
    multipliers.move(np.array([[0.3, 15.0]]))
    before = multipliers.value.copy()
    multipliers.move(np.array([[0.3, np.nan]]))
    assert np.array_equal(multipliers.value, before)
    assert before[0, 1] == pytest.approx(5.5)


@given(st.lists(st.floats(-50, 50), max_size=30), st.floats(0.01, 5), st.floats(0, 5))
def test_multipliers_are_never_negative(levels: list[float], rate: float, gain: float) -> None:
    multipliers = Multipliers(SPEC, 2, rate=rate, proportional=gain, derivative=gain)
    for level in levels:
        multipliers.move(np.full((2, 2), level))
        assert (multipliers.value >= 0).all()


def test_restored_multipliers_go_on_alike() -> None:
    one, other = (Multipliers(SPEC, 1, rate=0.3, derivative=1.0) for _ in range(2))
    one.move(np.array([[0.9, 12.0]]))
    other.load_state_dict(one.state_dict())
    for multipliers in (one, other):
        multipliers.move(np.array([[1.1, 9.0]]))
    assert np.array_equal(one.value, other.value)
