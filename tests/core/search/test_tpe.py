"""What is ours of the tree-structured Parzen estimator: how parameters are asked for together."""

import pytest

pytest.importorskip("optuna")

import numpy as np
from trimtab.contracts.parameters import Categorical, Condition, Ordinal
from trimtab.contracts.space import Space
from trimtab.search.tpe import Tpe, _refined

SPACE = Space(
    (
        Categorical("kind", ("plain", "queued")),
        Ordinal("size", (1, 2, 4, 8)),
        Ordinal("active", (1, 2, 4, 8), active_if=Condition("kind", ("queued",))),
    )
)


def test_parameters_that_are_on_together_are_drawn_together() -> None:
    groups = _refined([], ["kind", "size", "active"])
    assert groups == [["active", "kind", "size"]]
    groups = _refined(groups, ["kind", "size"])
    assert groups == [["kind", "size"], ["active"]]
    assert _refined(groups, ["kind", "size", "active"]) == groups


def test_a_history_told_at_once_or_one_by_one_asks_the_same() -> None:
    first, second = Tpe(SPACE, 5, startup=4), Tpe(SPACE, 5, startup=4)
    points = first.ask(8)
    second.ask(8)
    cost = np.asarray(points.sum(axis=1))
    first.tell(points, cost)
    for k in range(8):
        second.tell(points[k : k + 1], cost[k : k + 1])
    assert np.array_equal(first.ask(3), second.ask(3))
