import numpy as np
import pytest
from trimtab.contracts.errors import ContractError, MissingDependencyError, UnknownNameError
from trimtab.contracts.space import (
    Categorical,
    Condition,
    Float,
    Integer,
    LinearLimit,
    Ordinal,
    Permutation,
    Space,
)
from trimtab.search.catalogue import OPTIMIZERS, make

MIXED = Space(
    (
        Categorical("policy", ("open", "closed")),
        Integer("timeout", 0, 9, active_if=Condition("policy", ("open",))),
        Ordinal("low", (1, 2, 4, 8)),
        Ordinal("high", (2, 4, 8, 16)),
        Float("gain", 0.1, 10.0, log=True),
        Permutation("order", 4),
    ),
    (LinearLimit((("low", 1.0), ("high", -1.0)), -1.0),),
)


FINITE = Space(tuple(p for p in MIXED.parameters if p.name != "gain"), MIXED.relations)


def space_of(name: str) -> Space:
    return FINITE if name == "enumerate" else MIXED


def score_of(points: np.ndarray) -> np.ndarray:
    return ((points - 0.3) ** 2).sum(axis=1)


IDS = [name for name, entry in OPTIMIZERS.items() if entry.installed]


@pytest.mark.parametrize("name", IDS)
def test_every_optimizer_asks_for_legal_canonical_designs(name: str) -> None:
    space = space_of(name)
    optimizer = make(name, space, 1)
    for _ in range(4):
        points = optimizer.ask(5)
        assert len(points)
        coded = space.decode(points)
        assert space.legal(coded).all()
        assert np.allclose(space.canonical(coded), coded)
        optimizer.tell(points, score_of(points))


@pytest.mark.parametrize("name", IDS)
def test_every_saved_optimizer_continues_to_the_same_bits(name: str) -> None:
    first, second = (make(name, space_of(name), 3) for _ in range(2))
    for n in (5, 3, 7):
        points = first.ask(n)
        first.tell(points, score_of(points))
    second.load_state_dict(first.state_dict())
    for n in (4, 6):
        points = first.ask(n)
        assert np.array_equal(points, second.ask(n))
        first.tell(points, score_of(points))
        second.tell(points, score_of(points))


@pytest.mark.parametrize("name", IDS)
def test_the_seed_alone_decides_what_is_asked(name: str) -> None:
    first, again, other = (make(name, space_of(name), seed).ask(6) for seed in (4, 4, 5))
    assert np.array_equal(first, again)
    assert name == "enumerate" or not np.array_equal(first, other)


@pytest.mark.parametrize("name", IDS)
def test_hyperparameters_have_defaults_in_their_ranges(name: str) -> None:
    entry = OPTIMIZERS[name]
    assert set(entry.defaults) == {p.name for p in entry.hyperparameters.parameters}
    if entry.defaults:
        entry.hyperparameters.code([entry.defaults])


def test_a_misspelt_optimizer_is_named_with_the_right_one() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'sobol'"):
        make("sobl", MIXED, 0)


def test_a_hyperparameter_out_of_range_is_refused() -> None:
    with pytest.raises(ContractError, match="sigma"):
        make("cmaes", MIXED, 0, sigma=7.0)


def test_an_optimizer_whose_package_is_missing_names_the_extra(monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"trimtab\[hardware\]"):
        make("tpe", MIXED, 0)
