"""Own CMA-ES, genetic search, NSGA-II, differential evolution and ant colony beside libraries.

References: `cma` 4.5 (CMA-ES) and `pymoo` 0.6 (GA, NSGA-II, DE). Same budgets, population sizes
and seeds; the p-value is that of a two-sided Mann-Whitney test over seeds. Lower is better, but
for hypervolume.

Run: ``python benchmarks/search_references.py --seeds 15``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu
from trimtab.contracts.space import Float, Permutation, Space
from trimtab.evidence.pareto import hypervolume
from trimtab.search.catalogue import make
from trimtab.search.cmaes import CmaEs

Function = Callable[[np.ndarray], np.ndarray]
CITIES = np.random.default_rng(5).random((15, 2))


def sphere(x: np.ndarray) -> np.ndarray:
    """Minimum 0 at 0.3."""
    return ((x - 0.3) ** 2).sum(axis=1)


def ellipsoid(x: np.ndarray) -> np.ndarray:
    """Condition 10⁶, minimum 0 at 0.6."""
    return (10.0 ** (6 * np.arange(x.shape[1]) / (x.shape[1] - 1)) * (x - 0.6) ** 2).sum(axis=1)


def rosenbrock(x: np.ndarray) -> np.ndarray:
    """Minimum 0 at 0.75."""
    z = 4 * x - 2
    return (100 * (z[:, 1:] - z[:, :-1] ** 2) ** 2 + (1 - z[:, :-1]) ** 2).sum(axis=1)


def rastrigin(x: np.ndarray) -> np.ndarray:
    """Many local minima, the least 0 at 0.4."""
    z = 10 * x - 4
    return (z**2 - 10 * np.cos(2 * np.pi * z) + 10).sum(axis=1)


def tour(orders: np.ndarray) -> np.ndarray:
    """Length of closed tours through 15 random cities, [n] of orders [n, 15]."""
    path = CITIES[orders.astype(int)]
    return np.linalg.norm(path - np.roll(path, 1, axis=1), axis=2).sum(axis=1)


def zdt(x: np.ndarray, *, concave: bool) -> np.ndarray:
    """ZDT1 (convex front) or ZDT2 (concave front), [n, 2]."""
    g = 1 + 9 * x[:, 1:].mean(axis=1)
    h = 1 - (x[:, 0] / g) ** 2 if concave else 1 - np.sqrt(x[:, 0] / g)
    return np.column_stack([x[:, 0], g * h])


def cube(width: int) -> Space:
    """The unit cube as a space of reals."""
    return Space(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(width)))


def own_cma(function: Function, seed: int, limit: int) -> float:
    """Evaluations to 1e-8 in 10 dimensions."""
    search, spent = CmaEs(10, seed), 0
    while spent < limit:
        points = search.ask(10)
        score = function(points)
        search.tell(points, score)
        spent += 10
        if score.min() < 1e-8:
            break
    return float(spent)


def library_cma(function: Function, seed: int, limit: int) -> float:
    """The same with `cma`, from the middle of the cube with the same step and population."""
    import cma

    options = {"bounds": [0, 1], "seed": seed + 1, "verbose": -9, "popsize": 10, "maxfevals": limit}
    search = cma.CMAEvolutionStrategy(10 * [0.5], 0.3, options)
    spent, best = 0, np.inf
    while best >= 1e-8 and spent < limit and not search.stop().get("maxfevals"):
        points = search.ask()
        score = function(np.array(points))
        search.tell(points, score.tolist())
        spent, best = spent + len(points), min(best, float(score.min()))
    return float(spent)


def own_best(name: str, space: Space, score: Function, seed: int, limit: int, **set_: Any) -> float:
    """Best score after `limit` evaluations."""
    search, best = make(name, space, seed, **set_), np.inf
    for _ in range(limit // 24):
        points = search.ask(24)
        found = score(space.decode(points))
        search.tell(points, found)
        best = min(best, float(found.min()))
    return best


def library_best(algorithm: Any, function: Function, width: int, seed: int, limit: int) -> float:
    """The same with an algorithm of `pymoo`."""
    return float(_minimised(algorithm, function, width, 1, seed, limit).F[0])


def own_front(name: str, function: Function, seed: int, limit: int) -> float:
    """Hypervolume within (1.1, 1.1) of all that was evaluated, 10 variables."""
    space = cube(10)
    search, seen = make(name, space, seed, population=48), []
    for _ in range(limit // 48):
        points = search.ask(48)
        values = function(points)
        search.tell(points, values[:, 0], values)
        seen.append(values)
    return -_volume(np.concatenate(seen))


def library_front(function: Function, seed: int, limit: int) -> float:
    """The same with `pymoo`'s NSGA-II."""
    from pymoo.algorithms.moo.nsga2 import NSGA2

    seen: list[np.ndarray] = []

    def kept(x: np.ndarray) -> np.ndarray:
        seen.append(function(x))
        return seen[-1]

    _minimised(NSGA2(pop_size=48), kept, 10, 2, seed, limit)
    return -_volume(np.concatenate(seen))


def _volume(values: np.ndarray) -> float:
    worst = np.array([1.1, 1.1])
    return hypervolume(values[(values < worst).all(axis=1)], worst)


def _minimised(
    algorithm: Any, function: Function, width: int, goals: int, seed: int, limit: int
) -> Any:
    from pymoo.core.problem import Problem
    from pymoo.optimize import minimize

    class Wrapped(Problem):
        def __init__(self) -> None:
            super().__init__(n_var=width, n_obj=goals, xl=0.0, xu=1.0)

        def _evaluate(self, x: np.ndarray, out: dict[str, Any], *_: Any, **__: Any) -> None:
            out["F"] = function(x)

    return minimize(Wrapped(), algorithm, ("n_eval", limit), seed=seed + 1)


def library_tour(seed: int, limit: int) -> float:
    """Shortest tour by `pymoo`'s genetic search on permutations (order crossover, inversion)."""
    from pymoo.algorithms.soo.nonconvex.ga import GA
    from pymoo.operators.crossover.ox import OrderCrossover
    from pymoo.operators.mutation.inversion import InversionMutation
    from pymoo.operators.sampling.rnd import PermutationRandomSampling

    algorithm = GA(
        pop_size=24,
        sampling=PermutationRandomSampling(),
        crossover=OrderCrossover(),
        mutation=InversionMutation(),
        eliminate_duplicates=True,
    )
    return library_best(algorithm, tour, len(CITIES), seed, limit)


def library_ga(function: Function, seed: int, limit: int) -> float:
    """`pymoo`'s genetic search with its default operators."""
    from pymoo.algorithms.soo.nonconvex.ga import GA

    return library_best(GA(pop_size=24), function, 10, seed, limit)


def library_de(function: Function, seed: int, limit: int) -> float:
    """`pymoo`'s differential evolution, rand/1/bin."""
    from pymoo.algorithms.soo.nonconvex.de import DE

    return library_best(
        DE(pop_size=24, variant="DE/rand/1/bin", CR=0.7, F=0.6), function, 10, seed, limit
    )


def row(
    only: str, label: str, own: Callable[[int], float], other: Callable[[int], float], n: int
) -> None:
    """One row of the table: medians, their ratio, and the test; none if `only` is not in it."""
    if only not in label:
        return
    started = time.process_time()
    ours = np.array([own(seed) for seed in range(n)])
    between = time.process_time()
    theirs = np.array([other(seed) for seed in range(n)])
    ended = time.process_time()
    p = mannwhitneyu(ours, theirs).pvalue if (ours != ours[0]).any() else 1.0
    a, b = float(np.median(ours)), float(np.median(theirs))
    print(
        f"{label:40s} {abs(a):10.4g} {abs(b):10.4g} {a / b:7.2f} {p:8.2g} "
        f"{between - started:7.1f} {ended - between:7.1f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=15)
    parser.add_argument("--only", default="", help="rows whose label holds this text")
    args = parser.parse_args()
    n, show = args.seeds, partial(row, args.only)
    heads = ("ours", "library", "ratio", "p", "CPU s", "CPU s")
    widths = (10, 10, 7, 8, 7, 7)
    cells = " ".join(f"{head:>{width}s}" for head, width in zip(heads, widths, strict=True))
    print(f"{'':40s} {cells}")
    for f in (sphere, ellipsoid, rosenbrock):
        show(
            f"CMA-ES, {f.__name__} 10-D, calls to 1e-8",
            lambda s, f=f: own_cma(f, s, 20_000),
            lambda s, f=f: library_cma(f, s, 20_000),
            n,
        )
    for f in (sphere, rastrigin):
        show(
            f"GA, {f.__name__} 10-D, best of 4800",
            lambda s, f=f: own_best("genetic", cube(10), f, s, 4800),
            lambda s, f=f: library_ga(f, s, 4800),
            n,
        )
        show(
            f"DE, {f.__name__} 10-D, best of 4800",
            lambda s, f=f: own_best("differential", cube(10), f, s, 4800, greed=0.0),
            lambda s, f=f: library_de(f, s, 4800),
            n,
        )
    for concave in (False, True):
        f = lambda x, concave=concave: zdt(x, concave=concave)  # noqa: E731
        show(
            f"NSGA-II, ZDT{1 + concave} 10-D, hypervolume of 4800",
            lambda s, f=f: own_front("nsga2", f, s, 4800),
            lambda s, f=f: library_front(f, s, 4800),
            n,
        )
    orders = Space((Permutation("order", len(CITIES)),))
    for name in ("ant_colony", "genetic"):
        show(
            f"{name}, 15 cities, best tour of 4800",
            lambda s, name=name: own_best(name, orders, tour, s, 4800),
            lambda s: library_tour(s, 4800),
            n,
        )


if __name__ == "__main__":
    main()
