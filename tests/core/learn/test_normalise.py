import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.deploy.network import NetSpec
from trimtab.learn.normalise import RunningMoments, RunningNormaliser


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_merged_moments_equal_those_of_all_rows(seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    moments = RunningMoments(2, 3)
    rows, weights = [], []
    for n in cuts:
        x = 50.0 + 9.0 * rng.standard_normal((2, n, 3))
        w = rng.random((2, n)) < 0.7
        w[:, 0] = True
        moments.add(x, w)
        rows.append(x)
        weights.append(w)
    x, w = np.concatenate(rows, axis=1), np.concatenate(weights, axis=1)
    for s in range(2):
        kept = x[s][w[s]]
        assert moments.mean[s] == pytest.approx(kept.mean(axis=0), rel=1e-9)
        assert moments.variance[s] == pytest.approx(kept.var(axis=0), rel=1e-7, abs=1e-9)


def test_dead_agents_and_masked_entities_do_not_count() -> None:
    net = NetSpec(obs_dim=1, discrete=(2,), blocks=(("parts", 1),))
    normaliser = RunningNormaliser(net, 1)
    inputs = {
        "obs": np.array([1.0, 3.0, 999.0]).reshape(1, 3, 1, 1),
        "entities.parts": np.array([2.0, 777.0, 4.0, 777.0, 999.0, 999.0]).reshape(1, 3, 1, 2, 1),
        "mask.parts": np.array([True, False] * 3).reshape(1, 3, 1, 2),
    }
    normaliser.add(inputs, np.array([True, True, False]).reshape(1, 3, 1))
    assert normaliser.moments["obs"].mean[0, 0] == 2.0
    assert normaliser.moments["entities.parts"].mean[0, 0] == 3.0


def test_a_constant_feature_is_not_blown_up() -> None:
    moments = RunningMoments(1, 1)
    moments.add(np.full((1, 10, 1), 5.0), np.ones((1, 10), bool))
    assert moments.inverse_std().tolist() == [[1.0]]
