import numpy as np
from trimtab.contracts.space import Categorical, Float, Integer, Ordinal, Space
from trimtab.search.catalogue import make
from trimtab.search.exhaustive import enumerate_designs
from trimtab.search.screening import Screening
from trimtab.search.table import Table, search_table

SPACE = Space(
    (
        Categorical("policy", ("a", "b", "c", "d")),
        Ordinal("size", (1, 2, 4, 8, 16)),
        Ordinal("depth", (1, 2, 4, 8)),
        Categorical("queue", ("in", "out")),
    )
)
DESIGNS = np.concatenate(list(enumerate_designs(SPACE)))


def searches(score: np.ndarray, calls: int):
    table = Table(SPACE, DESIGNS, score[None])
    algorithm = Screening(SPACE, list(range(20)))
    return search_table(algorithm, table, np.zeros(20, int), calls, to_optimum=True)


def test_where_effects_add_up_one_screening_finds_the_optimum() -> None:
    weights = np.array([0.0, 3.0, 2.0, 4.0])
    score = weights[DESIGNS[:, 0].astype(int)] + DESIGNS[:, 1] - 2 * DESIGNS[:, 2]
    score += 0.5 * DESIGNS[:, 3]
    runs = searches(score, 60)
    # 1 start, the other ends of two ranges, 3 + 1 other values of the categories.
    assert (runs.to_optimum > 0).all()
    assert runs.to_optimum.max() <= 1 + 2 + 2 + 3 + 1


def test_an_optimum_inside_a_range_is_approached_step_by_step() -> None:
    score = np.abs(DESIGNS[:, 1] - 2) + np.abs(DESIGNS[:, 2] - 1) + 0.3 * DESIGNS[:, 3]
    runs = searches(score, 60)
    assert (runs.to_optimum > 0).all()
    assert np.median(runs.to_optimum) <= 20


def test_two_changes_that_pay_only_together_are_made_together() -> None:
    policy, queue = DESIGNS[:, 0], DESIGNS[:, 3]
    score = np.where((policy == 2) & (queue == 1), 0.0, 1.0 + 0.1 * (policy == 2) + 0.1 * queue)
    score = score + 0.5 * DESIGNS[:, 1]
    runs = searches(score, 80)
    assert (runs.to_optimum > 0).all()


def test_ladders_are_refined_until_a_smooth_optimum_is_met() -> None:
    space = Space((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0), Integer("n", 0, 400)))
    search, best = make("screening", space, 3), np.inf
    goal = np.array([0.31, 0.77, 0.25])
    for _ in range(400):
        points = search.ask(1)
        score = ((points - goal) ** 2).sum(axis=1)
        search.tell(points, score)
        best = min(best, float(score[0]))
    assert best < 1e-4
