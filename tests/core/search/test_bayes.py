import numpy as np
import pytest
from trimtab.search.catalogue import OPTIMIZERS, make
from trimtab.search.loop import search
from trimtab.testing.toys.beam import BeamModel, BeamProblem

pytestmark = pytest.mark.skipif(not OPTIMIZERS["gp"].installed, reason="extra bo")


def test_models_of_mass_and_stiffness_find_a_light_stiff_beam_in_few_calls() -> None:
    problem = BeamProblem(BeamModel())
    space = problem.spec.space
    found = search(problem, make("gp", space, 1, candidates=128), 34, batch=6)
    by_chance = [search(problem, make("random", space, seed), 34).score for seed in range(9)]
    assert found.score < np.median(by_chance)
    assert (problem.evaluate(found.best[None], "full", 0).constraints <= 0).all()


def test_a_batch_holds_different_designs() -> None:
    problem = BeamProblem(BeamModel())
    optimizer = make("gp", problem.spec.space, 2, startup=6, candidates=128)
    points = optimizer.ask(6)
    optimizer.tell(points, points.sum(axis=1), points[:, :1], points[:, 1:2] - 0.5)
    assert len(np.unique(optimizer.ask(4), axis=0)) == 4


def test_designs_asked_for_one_by_one_are_chosen_together() -> None:
    problem = BeamProblem(BeamModel())
    first, second = (make("gp", problem.spec.space, 2, startup=6, candidates=128) for _ in "ab")
    for optimizer in (first, second):
        points = optimizer.ask(6)
        optimizer.tell(points, points.sum(axis=1), points[:, :1], points[:, 1:2] - 0.5)
    one_by_one = np.concatenate([first.ask(1) for _ in range(4)])
    assert np.array_equal(one_by_one, second.ask(4))
