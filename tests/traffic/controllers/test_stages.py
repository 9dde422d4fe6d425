"""The decision of the RESCO loop: best score, ties keep the present stage, then lowest index."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab_traffic.controllers import pressure
from trimtab_traffic.controllers.stages import StageLayout, StageRule, Sum


def chosen(layout: StageLayout, scores: list[float], present: list[int], legal=None) -> list[int]:
    return layout.choose(np.array(scores, dtype=float), np.array(present), legal).tolist()


def one_signal(junctions) -> tuple[StageLayout, int]:
    """A layout of one signal, and how many stages it has."""
    network = junctions(0).network
    first = replace(network, signals=network.signals[:1])
    layout = StageLayout.of(first, ())
    return layout, layout.n_stages


def test_the_highest_score_wins(junctions):
    layout, n = one_signal(junctions)
    for best in range(n):
        scores = [0.0] * n
        scores[best] = 1.0
        assert chosen(layout, scores, [0]) == [best]


def test_a_tie_keeps_the_present_stage(junctions):
    layout, n = one_signal(junctions)
    for present in range(n):
        assert chosen(layout, [2.0] * n, [present]) == [present]


def test_a_difference_below_the_tie_width_is_a_tie(junctions):
    layout, n = one_signal(junctions)
    scores = [1.0 + 5e-10] + [1.0] * (n - 1)
    assert chosen(layout, scores, [n - 1]) == [n - 1]


def test_a_difference_above_the_tie_width_decides(junctions):
    layout, n = one_signal(junctions)
    scores = [1.0 + 5e-9] + [1.0] * (n - 1)
    assert chosen(layout, scores, [n - 1]) == [0]


def test_a_tie_without_the_present_stage_takes_the_lowest_index(junctions):
    layout, n = one_signal(junctions)
    assert chosen(layout, [0.0] + [1.0] * (n - 1), [0]) == [1]


def test_illegal_stages_are_never_chosen(junctions):
    for seed in range(30):
        made = junctions(seed)
        layout = StageLayout.of(made.network, made.traffic.lanes)
        rng = np.random.default_rng(seed)
        legal = layout.exists & (rng.random(layout.exists.shape) < 0.5)
        legal[:, 0] |= ~legal.any(axis=1)
        picked = layout.choose(rng.normal(size=layout.n_stages), made.traffic.present, legal)
        assert legal[np.arange(len(picked)), picked].all()


def test_a_rule_obeys_the_mask_of_the_observation(junctions, no_obs):
    made = junctions(5)
    layout = StageLayout.of(made.network, made.traffic.lanes)
    only_last = np.zeros((1, *layout.exists.shape), dtype=bool)
    last = np.diff(layout.first_stage) - 1
    only_last[0, np.arange(len(last)), last] = True
    action = StageRule(made, rule=pressure.greedy).act(replace(no_obs, action_mask=only_last))
    assert (action.discrete[0, :, 0] == last).all()


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 6), st.floats(-5, 5)), min_size=0, max_size=30
    ),
    st.lists(st.integers(0, 20), min_size=7, max_size=7),
)
def test_a_sparse_sum_equals_matrix_times_vector(terms, quantity):
    matrix = np.zeros((5, 7))
    for row, column, weight in terms:
        matrix[row, column] += weight
    values = Sum.of(terms, 5)(np.array(quantity, dtype=float))
    np.testing.assert_allclose(values, matrix @ quantity, atol=1e-9)
