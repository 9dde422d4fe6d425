import numpy as np
import pytest
from trimtab.search.cmaes import CmaEs


def sphere(x: np.ndarray) -> np.ndarray:
    return ((x - 0.3) ** 2).sum(axis=1)


def ellipsoid(x: np.ndarray) -> np.ndarray:
    scale = 10.0 ** (6 * np.arange(x.shape[1]) / (x.shape[1] - 1))
    return (scale * (x - 0.6) ** 2).sum(axis=1)


def rosenbrock(x: np.ndarray) -> np.ndarray:
    z = 4 * x - 2
    return (100 * (z[:, 1:] - z[:, :-1] ** 2) ** 2 + (1 - z[:, :-1]) ** 2).sum(axis=1)


def evaluations_to(function, target: float, width: int, seed: int, limit: int) -> int:
    search, spent = CmaEs(width, seed), 0
    while spent < limit:
        points = search.ask(10)
        scores = function(points)
        search.tell(points, scores)
        spent += 10
        if scores.min() < target:
            return spent
    return limit


# Evaluations that the tutorial's algorithm needs in 10 dimensions: about 1800, 6000 and 6000.
@pytest.mark.parametrize(
    ("function", "limit"), [(sphere, 2600), (ellipsoid, 8500), (rosenbrock, 9000)]
)
def test_it_solves_standard_functions_in_the_known_number_of_evaluations(function, limit) -> None:
    assert np.median([evaluations_to(function, 1e-8, 10, s, limit) for s in range(5)]) < limit


def test_it_finds_an_optimum_on_the_boundary() -> None:
    search = CmaEs(4, 0)
    best = np.inf
    for _ in range(200):
        points = search.ask(8)
        search.tell(points, points.sum(axis=1))
        assert ((points >= 0) & (points <= 1)).all()
        best = min(best, points.sum(axis=1).min())
    assert best < 1e-3


def test_it_leaves_a_local_optimum_by_restarts() -> None:
    def rastrigin(x: np.ndarray) -> np.ndarray:
        z = 10 * x - 4
        return (z**2 - 10 * np.cos(2 * np.pi * z) + 10).sum(axis=1)

    assert evaluations_to(rastrigin, 1e-3, 3, 1, 20_000) < 20_000


def test_a_saved_search_continues_to_the_same_bits() -> None:
    first, second = CmaEs(5, 3), CmaEs(5, 99)
    for _ in range(7):
        points = first.ask(6)
        first.tell(points, sphere(points))
    second.load_state_dict(first.state_dict())
    assert np.array_equal(first.ask(6), second.ask(6))
