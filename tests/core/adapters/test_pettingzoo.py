from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpe2 import simple_spread_v3, simple_tag_v3
from pettingzoo.test import parallel_api_test, parallel_seed_test
from trimtab.adapters.pettingzoo import PettingZooProblem, ProblemParallelEnv
from trimtab.contracts.errors import ContractError
from trimtab.contracts.spec import Action
from trimtab.testing.classics.spread import SimpleSpread
from trimtab.testing.toys.tank import TankModel, TankProblem


def test_problems_as_environments_pass_the_parallel_api_test(relay: Callable[..., Any]) -> None:
    problems = [
        SimpleSpread(1, autoreset=False),
        relay(4),
        TankProblem(TankModel(), 1, autoreset=False),
    ]
    for problem in problems:
        env = ProblemParallelEnv(problem)
        parallel_api_test(env, num_cycles=60)
        assert len(env.possible_agents) == problem.spec.n_agents
        assert set(env.agents) <= set(env.possible_agents)


def test_problems_as_environments_pass_the_seed_test() -> None:
    parallel_seed_test(lambda: ProblemParallelEnv(SimpleSpread(1, autoreset=False)), num_cycles=30)
    env = ProblemParallelEnv(SimpleSpread(1, autoreset=False))
    first, again, other = (env.reset(seed=seed)[0] for seed in (7, 7, 8))
    assert all(np.array_equal(first[agent], again[agent]) for agent in env.agents)
    assert not any(np.array_equal(first[agent], other[agent]) for agent in env.agents)


def test_dead_agents_leave_and_come_back_with_the_next_episode(relay: Callable[..., Any]) -> None:
    env = ProblemParallelEnv(relay(3))
    env.reset(seed=0)
    left: list[list[str]] = []
    while env.agents:
        acting = env.agents
        chosen = {agent: env.action_space(agent).sample() for agent in acting}
        _, _, terminated, truncated, _ = env.step(chosen)
        left.append([a for a in acting if terminated[a]])
        assert set(terminated) == set(acting)
    assert [x for x in left if x] == [["agent_2"], ["agent_1"]]
    assert all(truncated.values())
    env.reset()
    assert len(env.agents) == 3


def test_an_environment_as_a_problem_gives_the_same_numbers_as_the_original() -> None:
    original = simple_spread_v3.parallel_env()
    problem = PettingZooProblem([simple_spread_v3.parallel_env() for _ in range(2)], 25)
    seen, _ = original.reset(seed=4)
    obs = problem.reset(np.array([4, 5]))
    rng = np.random.default_rng(0)
    for _ in range(25):
        assert np.array_equal(obs.obs[0], np.stack(list(seen.values())))
        assert np.array_equal(obs.state[0], original.state())
        choice = rng.integers(0, 5, (2, 3, 1))
        actions = dict(zip(original.agents, choice[0, :, 0].tolist(), strict=True))
        seen, reward, _, _, _ = original.step(actions)
        step = problem.step(Action(discrete=choice))
        assert np.array_equal(step.reward[0, :, 0], np.float32(list(reward.values())))
        obs = step.obs
    assert step.truncated.all()
    assert not step.obs.alive.any()
    original.close()
    problem.close()


def test_agents_with_different_observations_are_padded() -> None:
    problem = PettingZooProblem([simple_tag_v3.parallel_env()], 25)
    obs = problem.reset(np.array([0]))
    assert obs.obs.shape == (1, 4, 16)
    assert (obs.obs[0, 3, 14:] == 0).all()
    problem.close()


def test_training_restarts_within_the_step() -> None:
    problem = PettingZooProblem([simple_spread_v3.parallel_env()], 25, autoreset=True)
    problem.reset(np.array([0]))
    for _ in range(25):
        step = problem.step(Action(discrete=np.zeros((1, 3, 1), np.int64)))
    assert step.truncated[0]
    assert step.obs.alive.all()
    assert not np.array_equal(step.obs.obs[0], step.final_obs.obs[0])
    problem.close()


def test_a_joint_problem_and_its_double_translation_agree(relay: Callable[..., Any]) -> None:
    """Problem → ParallelEnv → problem: same rewards for the same actions."""
    direct = SimpleSpread(1, autoreset=False)
    there = PettingZooProblem([ProblemParallelEnv(SimpleSpread(1, autoreset=False))], 25)
    a, b = direct.reset(np.array([9])), there.reset(np.array([9]))
    rng = np.random.default_rng(0)
    for _ in range(25):
        assert np.array_equal(a.obs, b.obs)
        action = Action(discrete=rng.integers(0, 5, (1, 3, 1)))
        x, y = direct.step(action), there.step(action)
        assert np.array_equal(x.reward, y.reward)
        assert np.array_equal(x.truncated, y.truncated)
        a, b = x.obs, y.obs


def test_a_parallel_environment_needs_one_copy_without_autoreset() -> None:
    with pytest.raises(ContractError, match="copies=1 and autoreset=False"):
        ProblemParallelEnv(SimpleSpread(2))
