from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from trimtab.adapters.gymnasium import GymnasiumProblem, ProblemEnv, ProblemVectorEnv
from trimtab.contracts.errors import ContractError
from trimtab.contracts.spec import Action
from trimtab.testing.classics.cartpole import CartPole
from trimtab.testing.classics.spread import SimpleSpread

# check_env advises bounded observations and box actions in [-1, 1]; physical units are ours
quiet = pytest.mark.filterwarnings("ignore:.*WARN.*:UserWarning")


def make(name: str, n: int) -> list[gymnasium.Env[Any, Any]]:
    return [gymnasium.make(name) for _ in range(n)]


@quiet
def test_a_problem_as_an_environment_passes_check_env() -> None:
    check_env(ProblemEnv(CartPole(1, autoreset=False)), skip_render_check=True)


@quiet
def test_a_problem_with_composite_actions_and_entities_passes_check_env(
    relay: Callable[..., Any],
) -> None:
    check_env(ProblemEnv(relay(1)), skip_render_check=True)


@pytest.mark.parametrize(
    ("name", "steps"), [("CartPole-v1", 300), ("Acrobot-v1", 120), ("Pendulum-v1", 210)]
)
def test_an_environment_as_a_problem_gives_the_same_numbers(name: str, steps: int) -> None:
    original = gymnasium.make(name)
    problem = GymnasiumProblem(make(name, 2), autoreset=True)
    seen, _ = original.reset(seed=11)
    obs = problem.reset(np.array([11, 12]))
    assert np.array_equal(obs.obs[0, 0], np.float32(seen))
    original.action_space.seed(3)
    for _ in range(steps):
        chosen = original.action_space.sample()
        seen, reward, terminated, truncated, _ = original.step(chosen)
        if problem.spec.discrete:
            action = Action(discrete=np.full((2, 1, 1), chosen, np.int64))
        else:
            action = Action(box=np.tile(np.float32(chosen), (2, 1, 1)))
        step = problem.step(action)
        assert step.reward[0, 0, 0] == pytest.approx(float(reward), abs=1e-6)
        assert (step.terminated[0], step.truncated[0]) == (terminated, truncated)
        if terminated or truncated:
            assert 0 in step.final_rows
            place = list(step.final_rows).index(0)
            assert np.array_equal(step.final_obs.obs[place, 0], np.float32(seen))
            seen, _ = original.reset()
        assert np.array_equal(step.obs.obs[0, 0], np.float32(seen))
    original.close()
    problem.close()


def test_evaluation_leaves_ended_environments_alone() -> None:
    problem = GymnasiumProblem(make("CartPole-v1", 2))
    obs = problem.reset(np.array([0, 1]))
    while obs.alive.any():
        push = np.zeros((2, 1, 1), np.int64)
        push[1] = int(obs.obs[1, 0, 2] + 0.4 * obs.obs[1, 0, 3] > 0)
        step = problem.step(Action(discrete=push))
        assert (step.reward[~obs.alive] == 0).all()
        obs = step.obs
    assert step.metrics["episode_length"][1] > 50
    problem.close()


def test_vector_environment_follows_gymnasiums_same_step_convention() -> None:
    """Driven into identical states, ours and SyncVectorEnv report the same end of an episode."""
    theirs = SyncVectorEnv(
        [lambda: gymnasium.make("CartPole-v1")] * 3, autoreset_mode=AutoresetMode.SAME_STEP
    )
    ours = ProblemVectorEnv(GymnasiumProblem(make("CartPole-v1", 3), autoreset=True))
    seen_a, _ = theirs.reset(seed=[5, 6, 7])
    seen_b, _ = ours.reset(seed=[5, 6, 7])
    assert np.array_equal(seen_a, seen_b)
    ends = 0
    for t in range(80):
        chosen = np.array([t % 3 == 0, t % 2, 1]).astype(np.int64)
        a, b = theirs.step(chosen), ours.step(chosen)
        for x, y in zip(a[:4], b[:4], strict=True):
            assert np.array_equal(x, y)
        done = a[2] | a[3]
        ends += int(done.sum())
        for row in np.flatnonzero(done):
            assert b[4]["_final_obs"][row]
            assert np.array_equal(a[4]["final_obs"][row], b[4]["final_obs"][row])
    assert ends > 5
    theirs.close()
    ours.close()


def test_vector_environment_passes_composite_actions(relay: Callable[..., Any]) -> None:
    env = ProblemVectorEnv(relay(1, 4, autoreset=True))
    env.reset(seed=1)
    env.action_space.seed(1)
    chosen = env.action_space.sample()
    _, rewards, _, _, info = env.step(chosen)
    expected = chosen["discrete"][:, 0] - 0.5 * chosen["box"][:, 0]
    assert rewards == pytest.approx(expected)
    assert info["reward_vector"].shape == (4, 2)
    assert info["action_mask"].shape == (4, 5)


def test_rewards_are_scalarised_by_weight_and_sense(relay: Callable[..., Any]) -> None:
    env = ProblemEnv(relay(1))
    env.reset(seed=0)
    action = {"discrete": np.array([1, 2]), "box": np.array([3.0], np.float32)}
    _, reward, _, _, info = env.step(action)
    assert info["reward_vector"].tolist() == [1.0, 3.0]
    assert reward == 1.0 - 0.5 * 3.0


def test_an_environment_needs_one_copy_without_autoreset() -> None:
    with pytest.raises(ContractError, match="copies=1 and autoreset=False"):
        ProblemEnv(CartPole(2, autoreset=False))
    with pytest.raises(ContractError, match="autoreset=True"):
        ProblemVectorEnv(CartPole(2, autoreset=False))
    with pytest.raises(ContractError, match="knows one agent"):
        ProblemVectorEnv(SimpleSpread(2))


def test_unsupported_action_spaces_are_refused() -> None:
    class Odd(gymnasium.Env[Any, Any]):
        observation_space = gymnasium.spaces.Box(0, 1, (2,))
        action_space = gymnasium.spaces.Text(3)

    with pytest.raises(ContractError, match="Odd: action space Text.*use Discrete"):
        GymnasiumProblem([Odd()])
