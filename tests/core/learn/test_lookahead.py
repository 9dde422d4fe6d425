from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import ContractError
from trimtab.contracts.spec import Action, Box, Composite, Obs
from trimtab.learn.lookahead import Lookahead
from trimtab.testing.classics.spread import CYCLES, AssignAndPush, SimpleSpread


class Zero(Controller):
    """Choice 0, always."""

    def act(self, obs: Obs) -> Action:
        return Action(discrete=np.zeros((*obs.alive.shape, 1), np.int64))


def decided(probe: Callable[..., Any], depth: int, copies: int = 2, **shape: Any) -> np.ndarray:
    """First decision of `Zero` that looks ahead."""
    problem, model = (probe(n, **shape) for n in (copies, copies * shape["action"].discrete[0]))
    model.autoreset = False
    obs = problem.reset(np.arange(copies))
    return Lookahead(problem, model, Zero(), depth).act(obs).discrete[..., 0]


def test_each_agent_takes_the_choice_that_pays_beside_those_before_it(
    probe: Callable[..., Any],
) -> None:
    """Both are paid if exactly one of them leaves choice 0: the first does, the second stays."""

    def pay(t: np.ndarray, action: Action) -> np.ndarray:
        moved = (action.discrete[..., 0] == 2).sum(axis=1, keepdims=True)
        return np.repeat(moved == 1, 2, axis=1)

    found = decided(probe, 1, reward=pay, agents=2, action=Composite(discrete=(3,)))
    assert found.tolist() == [[2, 0]] * 2


def test_a_masked_choice_is_not_taken_however_much_it_pays(probe: Callable[..., Any]) -> None:
    found = decided(
        probe,
        1,
        reward=lambda t, a: a.discrete[..., 0],
        action=Composite(discrete=(3,)),
        mask=(True, True, False),
    )
    assert found.tolist() == [[1]] * 2


def test_a_choice_that_is_hardly_better_does_not_replace_the_bases() -> None:
    problem, model = (SimpleSpread(n, autoreset=False) for n in (8, 40))
    base = AssignAndPush(problem)
    obs = problem.reset(np.arange(8))
    plain = base.act(obs).discrete
    free, bound = (
        Lookahead(problem, model, base, 3, gain).act(obs).discrete for gain in (0.0, 9.0)
    )
    assert not np.array_equal(free, plain)
    assert np.array_equal(bound, plain)


def test_what_dead_agents_are_paid_does_not_count(probe: Callable[..., Any]) -> None:
    def pay(t: np.ndarray, action: Action) -> np.ndarray:
        return np.stack([0.0 * action.discrete[:, 0, 0], action.discrete[:, 0, 0]], axis=1)

    found = decided(probe, 1, reward=pay, agents=2, dead=(1,), action=Composite(discrete=(2,)))
    assert found.tolist() == [[0, 0]] * 2


def test_an_assignment_that_looks_ahead_covers_better_and_leaves_the_problem_alone() -> None:
    problem, model = (SimpleSpread(n, autoreset=False) for n in (64, 64 * 5))
    base = AssignAndPush(problem)

    def returns(controller: Controller) -> np.ndarray:
        obs = problem.reset(np.arange(64))
        for _ in range(CYCLES):
            before = problem.snapshot(np.arange(64))
            action = controller.act(obs)
            assert all(
                np.array_equal(x, before[k]) for k, x in problem.snapshot(np.arange(64)).items()
            )
            step = problem.step(action)
            obs = step.obs
        return np.asarray(step.metrics["episode_return"])

    gain = returns(Lookahead(problem, model, base, 6)) - returns(base)
    assert gain.mean() > 0.5


def test_problems_that_cannot_be_tried_are_refused(probe: Callable[..., Any]) -> None:
    problem = SimpleSpread(4)
    with pytest.raises(ContractError, match="4 x 5 copies and autoreset off, got 8"):
        Lookahead(problem, SimpleSpread(8), Zero(), 2)
    boxes = probe(2, reward=lambda t, a: 0, action=Composite(box=(Box("x", "1", 0.0, 1.0),)))
    with pytest.raises(ContractError, match="one discrete component"):
        Lookahead(boxes, boxes, Zero(), 2)
