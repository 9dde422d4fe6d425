"""The core's soft actor-critic as an optimizer of designs."""

import numpy as np
from trimtab.contracts.space import Categorical, Condition, Float, Ordinal, Space
from trimtab.search.catalogue import make

SPACE = Space(
    (
        Categorical("policy", ("open", "closed", "adaptive")),
        Ordinal("size", (1, 2, 4, 8, 16, 32), active_if=Condition("policy", ("open", "adaptive"))),
        Ordinal("limit", (1, 2, 4, 8)),
        Float("gain", 0.1, 10.0, log=True),
    )
)


def score_of(points: np.ndarray) -> np.ndarray:
    return ((points - np.array([0.8, 0.6, 0.9, 0.2])) ** 2).sum(axis=1)


def best_of(name: str, seed: int, calls: int) -> float:
    optimizer, best = make(name, SPACE, seed), np.inf
    for _ in range(calls):
        points = optimizer.ask(1)
        score = score_of(points)
        optimizer.tell(points, score)
        best = min(best, float(score[0]))
    return best


def test_the_policy_finds_better_designs_than_chance() -> None:
    chance = np.median([best_of("random", seed, 90) for seed in range(9)])
    assert np.median([best_of("sac", seed, 90) for seed in range(3)]) < chance


def test_infeasible_designs_are_told_like_any_other_and_avoided() -> None:
    optimizer = make("sac", SPACE, 1)
    for _ in range(80):
        points = optimizer.ask(1)
        broken = points[:, 0] < 0.5
        optimizer.tell(points, np.where(broken, 1e100, points[:, 3]))
    assert (optimizer.ask(40)[:, 0] >= 0.5).mean() > 0.7


def test_a_state_saved_before_the_first_update_continues_to_the_same_bits() -> None:
    first, second = make("sac", SPACE, 2), make("sac", SPACE, 2)
    points = first.ask(4)
    first.tell(points, score_of(points))
    second.load_state_dict(first.state_dict())
    for n in (8, 3):
        points = first.ask(n)
        assert np.array_equal(points, second.ask(n))
        first.tell(points, score_of(points))
        second.tell(points, score_of(points))
