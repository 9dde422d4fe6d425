import itertools

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
from trimtab.search.catalogue import make
from trimtab.search.exhaustive import count_designs, enumerate_designs, neighbours, raw_size

SPACE = Space(
    (
        Categorical("policy", ("open", "closed")),
        Ordinal("low", (1, 2, 4, 8)),
        Ordinal("high", (2, 4, 8)),
        Integer("timeout", 3, 5, active_if=Condition("policy", ("open",))),
        Permutation("order", 3),
    ),
    (
        LinearLimit((("low", 1.0), ("high", -1.0)), -1.0),
        Forbidden((("policy", ("open",)), ("high", (8,)))),
    ),
)


def brute_force() -> set[tuple[float, ...]]:
    """The same designs by nested loops over readable values."""
    found = set()
    for policy, low, high, timeout, order in itertools.product(
        ("open", "closed"), (1, 2, 4, 8), (2, 4, 8), (3, 4, 5), itertools.permutations(range(3))
    ):
        if low < high and not (policy == "open" and high == 8):
            shown = timeout if policy == "open" else 3
            design = {"policy": policy, "low": low, "high": high, "timeout": shown, "order": order}
            found.add(tuple(SPACE.code([design])[0]))
    return found


def test_enumeration_gives_every_legal_canonical_design_once() -> None:
    rows = np.concatenate(list(enumerate_designs(SPACE)))
    assert len(rows) == count_designs(SPACE) == len(brute_force())
    assert {tuple(row) for row in rows} == brute_force()


def test_shares_of_the_enumeration_make_up_the_whole() -> None:
    size = raw_size(SPACE)
    parts = [list(enumerate_designs(SPACE, k * size // 3, (k + 1) * size // 3)) for k in range(3)]
    whole = np.concatenate(list(enumerate_designs(SPACE)))
    assert np.array_equal(np.concatenate([b for part in parts for b in part]), whole)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 17), min_size=1, max_size=6))
def test_asking_in_any_batches_gives_the_enumeration(batches: list[int]) -> None:
    optimizer = make("enumerate", SPACE, 0)
    asked = np.concatenate([SPACE.decode(optimizer.ask(n)) for n in batches])
    whole = np.concatenate(list(enumerate_designs(SPACE)))
    assert np.array_equal(asked, whole[: len(asked)])
    assert len(asked) == min(sum(batches), len(whole))


def test_neighbours_are_one_step_away_and_legal() -> None:
    row = SPACE.code([{"policy": "closed", "low": 2, "high": 4, "order": (0, 1, 2)}])[0]
    near = SPACE.designs(neighbours(SPACE, row))
    assert {d["low"] for d in near} == {1, 2}  # low 4 would reach high
    assert {d["high"] for d in near} == {4, 8}
    assert len([d for d in near if d["order"] != (0, 1, 2)]) == 3
    assert len(near) == 1 + 1 + 1 + 3


def test_a_continuous_space_is_not_enumerated() -> None:
    with pytest.raises(ContractError, match="gain is continuous"):
        count_designs(Space((Float("gain", 0.0, 1.0),)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_canonical_forms_are_fixed_points_and_keep_what_matters(seed: int) -> None:
    rows = SPACE.sample(8, np.random.default_rng(seed))
    once = SPACE.canonical(rows)
    assert np.array_equal(SPACE.canonical(once), once)
    on = SPACE.active(rows)
    for i, s in enumerate(SPACE.slices):
        assert np.array_equal(once[on[:, i], s], rows[on[:, i], s])
