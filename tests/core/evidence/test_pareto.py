import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.errors import EvidenceError
from trimtab.evidence.pareto import hypervolume, hypervolume_ratio, worst_point


def test_a_dominated_point_adds_no_volume() -> None:
    front = np.array([[1.0, 3.0], [2.0, 1.0]])
    worst = np.array([4.0, 4.0])
    assert hypervolume(front, worst) == pytest.approx(3 + 2 * 3 - 2)
    more = np.concatenate([front, [[2.5, 2.5], [5.0, 0.0]]])
    assert hypervolume(more, worst) == pytest.approx(hypervolume(front, worst))


def test_no_point_below_the_worst_has_no_volume() -> None:
    assert hypervolume(np.empty((0, 2)), np.ones(2)) == 0.0
    assert hypervolume(np.array([[2.0, 2.0]]), np.ones(2)) == 0.0


@settings(max_examples=30)
@given(n=st.integers(1, 12), width=st.integers(1, 4), seed=st.integers(0, 2**31))
def test_the_volume_is_that_of_inclusion_and_exclusion(n: int, width: int, seed: int) -> None:
    points = np.random.default_rng(seed).integers(0, 5, (n, width)).astype(float)
    cells = np.stack(np.meshgrid(*[np.arange(5.0)] * width, indexing="ij"), -1).reshape(-1, width)
    covered = (points[:, None] <= cells[None]).all(axis=2).any(axis=0).sum()
    assert hypervolume(points, np.full(width, 5.0)) == pytest.approx(covered)


def test_the_worst_point_lies_beyond_front_and_reference() -> None:
    front = np.array([[0.0, 10.0], [10.0, 0.0]])
    assert worst_point(front).tolist() == [11.0, 11.0]
    assert worst_point(front, np.array([20.0, 5.0])).tolist() == [22.0, 11.0]
    assert worst_point(np.array([[3.0, 3.0]])).tolist() == pytest.approx([3.3, 3.3])
    assert hypervolume_ratio(front, front, worst_point(front)) == 1.0
    assert 0 < hypervolume_ratio(front[:1], front, worst_point(front)) < 1


def test_a_point_that_is_not_finite_is_refused() -> None:
    with pytest.raises(EvidenceError, match="Leave failures out"):
        hypervolume(np.array([[np.nan, 1.0]]), np.ones(2))
