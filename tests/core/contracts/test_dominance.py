import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.dominance import non_dominated


@given(n=st.integers(0, 30), width=st.integers(1, 4), seed=st.integers(0, 2**31))
def test_a_front_holds_exactly_the_points_that_none_dominates(
    n: int, width: int, seed: int
) -> None:
    points = np.random.default_rng(seed).integers(0, 4, (n, width)).astype(float)
    kept = non_dominated(points)
    for i, point in enumerate(points):
        better = (points <= point).all(axis=1) & (points < point).any(axis=1)
        twin = (points[kept] == point).all(axis=1).any()
        assert twin != better.any()
        if kept[i]:
            assert not better.any()
    assert len(np.unique(points[kept], axis=0)) == kept.sum()


def test_of_equal_points_the_first_stands_for_all() -> None:
    assert non_dominated(np.array([[1.0, 2.0], [1.0, 2.0], [0.5, 3.0]])).tolist() == [
        True, False, True
    ]  # fmt: skip
