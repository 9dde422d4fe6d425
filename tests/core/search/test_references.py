"""Own methods beside `cma` and `pymoo`, fixed seeds; the full table is a benchmark."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from trimtab.contracts.space import Float, Permutation, Space
from trimtab.search.catalogue import make
from trimtab.search.cmaes import CmaEs

CITIES = np.random.default_rng(5).random((9, 2))


def sphere(x: np.ndarray) -> np.ndarray:
    return ((x - 0.3) ** 2).sum(axis=1)


def tour(orders: np.ndarray) -> np.ndarray:
    path = CITIES[orders.astype(int)]
    return np.linalg.norm(path - np.roll(path, 1, axis=1), axis=2).sum(axis=1)


def best_of(name: str, space: Space, score, seed: int, rounds: int, **settings) -> float:
    search, best = make(name, space, seed, **settings), np.inf
    for _ in range(rounds):
        points = search.ask(24)
        found = score(space.decode(points))
        search.tell(points, found)
        best = min(best, float(found.min()))
    return best


def pymoo_best(algorithm, score, width: int, seed: int, rounds: int) -> float:
    problem = pytest.importorskip("pymoo.core.problem")
    optimize = pytest.importorskip("pymoo.optimize")

    class Wrapped(problem.Problem):
        def __init__(self) -> None:
            super().__init__(n_var=width, n_obj=1, xl=0.0, xu=1.0)

        def _evaluate(self, x, out, *args, **kwargs):
            out["F"] = score(x)

    return float(optimize.minimize(Wrapped(), algorithm, ("n_gen", rounds), seed=seed).F[0])


def test_cmaes_needs_as_many_evaluations_as_the_reference() -> None:
    cma = pytest.importorskip("cma")

    def own(seed: int) -> int:
        search, spent, best = CmaEs(6, seed), 0, np.inf
        while best > 1e-8:
            points = search.ask(9)
            score = sphere(points)
            search.tell(points, score)
            spent, best = spent + 9, min(best, score.min())
        return spent

    def reference(seed: int) -> int:
        search = cma.CMAEvolutionStrategy(6 * [0.5], 0.3, {"seed": seed + 1, "verbose": -9})
        spent, best = 0, np.inf
        while best > 1e-8:
            points = search.ask()
            score = sphere(np.array(points))
            search.tell(points, score.tolist())
            spent, best = spent + len(points), min(best, score.min())
        return spent

    ratio = np.median([own(s) for s in range(9)]) / np.median([reference(s) for s in range(9)])
    assert 0.85 < ratio < 1.15


def test_genetic_search_is_not_behind_the_reference_on_a_sphere() -> None:
    ga = pytest.importorskip("pymoo.algorithms.soo.nonconvex.ga")
    space = Space(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(6)))
    own = [best_of("genetic", space, sphere, seed, 40) for seed in range(9)]
    reference = [pymoo_best(ga.GA(pop_size=24), sphere, 6, seed + 1, 40) for seed in range(9)]
    assert mannwhitneyu(own, reference, alternative="greater").pvalue > 0.01


def test_ant_colony_tours_are_not_longer_than_those_of_the_reference() -> None:
    ga = pytest.importorskip("pymoo.algorithms.soo.nonconvex.ga")
    ox = pytest.importorskip("pymoo.operators.crossover.ox")
    inversion = pytest.importorskip("pymoo.operators.mutation.inversion")
    sampling = pytest.importorskip("pymoo.operators.sampling.rnd")
    space = Space((Permutation("order", len(CITIES)),))
    own = [best_of("ant_colony", space, tour, seed, 30) for seed in range(7)]
    reference = [
        pymoo_best(
            ga.GA(
                pop_size=24,
                sampling=sampling.PermutationRandomSampling(),
                crossover=ox.OrderCrossover(),
                mutation=inversion.InversionMutation(),
                eliminate_duplicates=True,
            ),
            tour,
            len(CITIES),
            seed + 1,
            30,
        )
        for seed in range(7)
    ]
    assert np.median(own) <= 1.005 * np.median(reference)


@pytest.mark.parametrize("name", ["ant_colony", "genetic"])
def test_orders_are_as_short_as_those_of_exhaustive_search(name: str) -> None:
    from itertools import permutations

    space = Space((Permutation("order", len(CITIES)),))
    tours = np.array([(0, *rest) for rest in permutations(range(1, len(CITIES)))])
    shortest = tour(tours).min()
    found = [best_of(name, space, tour, seed, 40) for seed in range(6)]
    assert np.median(found) < 1.02 * shortest
