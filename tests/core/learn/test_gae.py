import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.learn.gae import advantages, value_after


def by_hand(r, v, after, going_on, discount, trace):
    """The recursion, one agent and channel at a time."""
    out = np.zeros_like(r)
    for index in np.ndindex(r.shape[1:]):
        carried = 0.0
        for t in reversed(range(len(r))):
            g = discount[(t, *index[:-2])]
            delta = r[(t, *index)] + g * after[(t, *index)] - v[(t, *index)]
            carried = delta + g * trace * going_on[(t, *index[:-1])] * carried
            out[(t, *index)] = carried
    return out


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    length=st.integers(1, 9),
    copies=st.integers(1, 3),
    agents=st.integers(1, 3),
    trace=st.floats(0, 1),
)
def test_advantages_equal_the_recursion(seed, length, copies, agents, trace) -> None:
    rng = np.random.default_rng(seed)
    shape = (length, copies, agents, 2)
    r, v = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    last, final = rng.standard_normal(shape[1:]), rng.standard_normal(shape)
    terminated, truncated = (rng.random((length, copies)) < 0.2 for _ in range(2))
    alive = rng.random((length, copies, agents)) < 0.8
    discount = rng.uniform(0.5, 1, (length, copies)).astype(np.float32)
    after, going_on = value_after(v, last, terminated, truncated, alive, final)
    got = advantages(r, v, after, going_on, discount, trace)
    expected = by_hand(r, v, after, going_on, discount, trace)
    assert got == pytest.approx(expected, abs=1e-4)


def test_bootstrap_rules_by_case() -> None:
    value = np.array([1.0, 2.0, 3.0, 4.0, 5.0], np.float32).reshape(5, 1, 1, 1)
    last = np.full((1, 1, 1), 9.0, np.float32)
    final = np.full((5, 1, 1, 1), 7.0, np.float32)
    terminated = np.array([[False], [True], [False], [True], [False]])
    truncated = np.array([[False], [False], [True], [True], [False]])
    alive = np.ones((5, 1, 1), bool)
    after, going_on = value_after(value, last, terminated, truncated, alive, final)
    assert after.ravel().tolist() == [2.0, 0.0, 7.0, 0.0, 9.0]
    assert going_on.ravel().tolist() == [1.0, 0.0, 0.0, 0.0, 1.0]


def test_an_agent_that_dies_has_no_future() -> None:
    value = np.ones((2, 1, 2, 1), np.float32)
    last, final = np.ones((1, 2, 1), np.float32), np.zeros((2, 1, 2, 1), np.float32)
    none = np.zeros((2, 1), bool)
    alive = np.array([[[True, False]], [[True, False]]])
    after, going_on = value_after(value, last, none, none, alive, final)
    assert after[..., 0].tolist() == [[[1.0, 0.0]], [[1.0, 0.0]]]
    assert going_on.tolist() == [[[1.0, 0.0]], [[1.0, 0.0]]]
