import numpy as np
import pytest
from trimtab.contracts.errors import ContractError
from trimtab.contracts.space import Categorical, Condition, Integer, Ordinal, Space
from trimtab.search.catalogue import OPTIMIZERS, make
from trimtab.search.exhaustive import enumerate_designs
from trimtab.search.table import Table, search_table, search_table_once

SPACE = Space(
    (
        Categorical("policy", ("open", "closed", "adaptive")),
        Ordinal("size", (1, 2, 4, 8, 16)),
        Integer("depth", 0, 5),
        Categorical("front", ("simple", "queued")),
        Ordinal("active", (1, 2, 4, 8), active_if=Condition("front", ("queued",))),
    )
)
DESIGNS = np.concatenate(list(enumerate_designs(SPACE)))
PEAKS = np.array([[2.0, 4.0, 1.0, 1.0, 3.0], [0.0, 2.0, 5.0, 0.0, 0.0]])
TABLE = Table(
    SPACE, DESIGNS, np.abs(DESIGNS[None] - PEAKS[:, None]) @ np.array([2.0, 1.0, 1.0, 1.5, 0.5])
)
VECTORISED = [name for name, entry in OPTIMIZERS.items() if entry.vectorise is not None]


def runs_of(
    name: str, seeds: list[int], workload: list[int], calls: int = 24, *, stop: bool = False
):
    entry = OPTIMIZERS[name]
    assert entry.vectorise is not None
    algorithm = entry.vectorise(SPACE, seeds, **entry.defaults)
    return search_table(algorithm, TABLE, np.array(workload), calls, to_optimum=stop)


@pytest.mark.parametrize("name", VECTORISED)
def test_a_run_has_the_same_bits_alone_and_in_company(name: str) -> None:
    together = runs_of(name, [5, 6, 7], [0, 1, 0])
    alone = runs_of(name, [7], [0])
    n = int(alone.calls[0])
    assert together.calls[2] == n
    assert np.array_equal(together.trace[2, :n], alone.trace[0, :n])


@pytest.mark.parametrize("name", [name for name in VECTORISED if name != "random"])
def test_searches_find_the_optimum_in_fewer_calls_than_chance(name: str) -> None:
    runs = runs_of(name, list(range(30)), [0, 1] * 15, calls=len(DESIGNS), stop=True)
    calls = np.where(runs.to_optimum > 0, runs.to_optimum, len(DESIGNS))
    assert np.median(calls) < 0.7 * len(DESIGNS) / 2


def test_every_different_design_is_paid_for_once() -> None:
    runs = runs_of("random", [1, 2], [0, 1], calls=10**4)
    assert (runs.calls <= len(DESIGNS)).all()
    assert (runs.trace[:, -1] == TABLE.optima).all()
    assert (np.diff(runs.trace) <= 0).all()


def test_asking_and_telling_gives_what_the_lockstep_gives() -> None:
    runs = runs_of("differential", [11], [1], calls=60, stop=True)
    first = int(runs.to_optimum[0])
    once = search_table_once(make("differential", SPACE, 11), TABLE, 1, 60, batch=24)
    assert once.to_optimum[0] == first
    assert np.array_equal(once.trace[0, :first], runs.trace[0, :first])


def test_enumeration_meets_the_optimum_at_its_place() -> None:
    once = search_table_once(make("enumerate", SPACE, 0), TABLE, 0, len(DESIGNS))
    assert once.to_optimum[0] == int(TABLE.scores[0].argmin()) + 1


def test_a_design_that_was_left_out_is_named() -> None:
    table = Table(SPACE, DESIGNS[1:], TABLE.scores[:, 1:])
    with pytest.raises(ContractError, match="is not in the table"):
        table.rows(SPACE.encode(DESIGNS[:1]))
