"""Design search by the core's soft actor-critic."""

import numpy as np
from trimtab.contracts.parameters import Categorical, Ordinal
from trimtab.contracts.space import Space
from trimtab.learn.soft_actor import SoftActor

SPACE = Space(tuple(Ordinal(name, (1, 2, 4, 8)) for name in "abc") + (Categorical("d", "xyz"),))


def cost(points: np.ndarray) -> np.ndarray:
    return np.asarray(((points - 0.9) ** 2).sum(axis=1))


def asked(seed: int, calls: int) -> np.ndarray:
    actor = SoftActor(SPACE, seed, startup=8)
    rows = []
    for _ in range(calls):
        points = actor.ask(1)
        actor.tell(points, cost(points))
        rows.append(points[0])
    return np.array(rows)


def test_a_policy_that_has_settled_still_asks_for_new_designs() -> None:
    learnt = asked(1, 60)[8:]
    assert len(np.unique(learnt, axis=0)) >= 50


def test_designs_of_the_policy_are_better_than_random_ones() -> None:
    rows = asked(2, 48)
    assert np.median(cost(rows[28:])) < 0.6 * np.median(cost(rows[:8]))
