import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.errors import ContractError
from trimtab.contracts.space import (
    Categorical,
    Condition,
    Float,
    Forbidden,
    Integer,
    LinearLimit,
    Ordinal,
    Permutation,
    Space,
)
from trimtab.search.grid import Grid
from trimtab.search.moves import moved

SPACE = Space(
    (
        Categorical("policy", ("open", "closed", "adaptive")),
        Ordinal("low", (1, 2, 4, 8)),
        Ordinal("high", (2, 4, 8, 16)),
        Integer("timeout", 0, 9, active_if=Condition("policy", ("open", "adaptive"))),
        Float("gain", 0.1, 10.0, log=True),
        Permutation("order", 5),
    ),
    (
        LinearLimit((("low", 1.0), ("high", -1.0)), -1.0),
        Forbidden((("policy", ("closed",)), ("high", (16,)))),
    ),
)
GRID = Grid(SPACE)
SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_snapped_points_are_legal_canonical_and_stay_where_they_are(seed: int) -> None:
    points = GRID.snap(np.random.default_rng(seed).uniform(-0.1, 1.1, (3, 6, GRID.width)))
    coded = SPACE.decode(points.reshape(-1, GRID.width))
    assert SPACE.legal(coded).all()
    assert np.allclose(SPACE.canonical(coded), coded)
    assert np.array_equal(GRID.snap(points), points)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_points_and_designs_map_onto_each_other(seed: int) -> None:
    points = GRID.snap(np.random.default_rng(seed).random((8, GRID.width)))
    designs = SPACE.designs(SPACE.decode(points))
    assert np.allclose(SPACE.encode(SPACE.code(designs)), points)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_active_columns_are_those_of_the_space(seed: int) -> None:
    points = GRID.snap(np.random.default_rng(seed).random((8, GRID.width)))
    expected = SPACE.active(SPACE.decode(points))[:, GRID.owner]
    assert np.array_equal(GRID.active(points), expected)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.floats(0.01, 1.0))
def test_a_move_changes_each_chosen_discrete_parameter_and_no_other(seed, reach) -> None:
    rng = np.random.default_rng(seed)
    points = GRID.snap(rng.random((1, 12, GRID.width)))
    hit = rng.random((1, 12, len(GRID.members))) < 0.5
    draws = rng.random((1, 12, GRID.width + 3))
    after = moved(GRID, points, hit[..., GRID.owner], draws, np.array([reach]))
    before_row, after_row = (SPACE.decode(a[0]) for a in (points, after))
    for i, s in enumerate(SPACE.slices):
        changed = (before_row[:, s] != after_row[:, s]).any(axis=1)
        assert not (changed & ~hit[0, :, i]).any()
        if not isinstance(SPACE.parameters[i], Float):
            assert np.array_equal(changed, hit[0, :, i])


def test_a_space_without_a_legal_design_is_refused() -> None:
    space = Space((Integer("n", 1, 3),), (LinearLimit((("n", 1.0),), 0.0),))
    with pytest.raises(ContractError, match="none of"):
        Grid(space)
