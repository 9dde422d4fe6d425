"""The batched copies against the originals, live."""

import gymnasium
import numpy as np
import pytest
from mpe2 import simple_spread_v3
from trimtab.contracts.errors import ActionError
from trimtab.contracts.spec import Action
from trimtab.testing.classics.cartpole import CartPole
from trimtab.testing.classics.pendulum import Pendulum
from trimtab.testing.classics.spread import AssignAndPush, SimpleSpread


def place(problem: SimpleSpread, world: object) -> None:
    rows = np.arange(1)
    state = dict(problem.snapshot(rows))
    state["position"] = np.array([[a.state.p_pos for a in world.agents]])
    state["velocity"] = np.array([[a.state.p_vel for a in world.agents]])
    state["landmark"] = np.array([[m.state.p_pos for m in world.landmarks]])
    problem.restore(state, rows)


@pytest.mark.parametrize("agents", [3, 5])
def test_spread_equals_mpe2_to_the_last_bit_over_twenty_episodes(agents: int) -> None:
    original = simple_spread_v3.parallel_env(N=agents)
    copy = SimpleSpread(1, agents=agents, autoreset=False)
    rng = np.random.default_rng(5)
    for episode in range(20):
        seen, _ = original.reset(seed=episode)
        copy.reset(np.array([episode]))
        world = original.unwrapped.world
        place(copy, world)
        assert np.array_equal(copy._observe().obs[0], np.stack(list(seen.values())))
        for _ in range(25):
            choice = rng.integers(0, 5, agents)
            seen, reward, _, cut, _ = original.step(
                dict(zip(original.possible_agents, choice.tolist(), strict=True))
            )
            step = copy.step(Action(discrete=choice[None, :, None]))
            assert np.array_equal(step.obs.obs[0], np.stack(list(seen.values())))
            assert np.array_equal(step.reward[0, :, 0], np.float32(list(reward.values())))
        assert all(cut.values())
        assert step.truncated[0]
    original.close()


def test_the_targets_of_spread_repeat_what_the_plain_observation_implies() -> None:
    views = [SimpleSpread(4, agents=4, autoreset=False, targets=t) for t in (False, True)]
    rng = np.random.default_rng(8)
    for view in views:
        view.reset(np.arange(4))
    for _ in range(5):
        choice = rng.integers(0, 5, (4, 4, 1))
        plain, rich = (view.step(Action(discrete=choice)).obs for view in views)
        width = plain.obs.shape[-1]
        assert np.array_equal(rich.obs[..., :width], plain.obs)
        landmarks = plain.obs[..., 4:12].reshape(4, 4, 4, 2)
        entities = rich.entities["landmarks"]
        assert np.array_equal(entities[..., :2], landmarks)
        assert np.array_equal(entities[..., 2:], np.repeat(-plain.obs[:, :, None, :2], 4, axis=2))
        gaps = rich.obs[..., width:].reshape(4, 4, 4, 4)
        own = np.sqrt((landmarks**2).sum(axis=-1))
        for agent, others in enumerate(views[0]._others):
            for place, who in enumerate([agent, *others]):
                assert gaps[:, agent, place] == pytest.approx(own[:, who], abs=1e-5)


def test_cartpole_equals_gymnasium_within_a_millionth() -> None:
    original = gymnasium.make("CartPole-v1")
    copy = CartPole(1, autoreset=False)
    rng = np.random.default_rng(6)
    for episode in range(50):
        original.reset(seed=episode)
        copy.reset(np.array([episode]))
        state = dict(copy.snapshot(np.arange(1)))
        state["state"] = np.array([original.unwrapped.state])
        copy.restore(state, np.arange(1))
        ended = False
        while not ended:
            choice = int(rng.integers(0, 2))
            seen, reward, terminated, truncated, _ = original.step(choice)
            step = copy.step(Action(discrete=np.array([[[choice]]])))
            assert step.obs.obs[0, 0] == pytest.approx(seen, abs=1e-6)
            assert step.reward[0, 0, 0] == reward
            assert (step.terminated[0], step.truncated[0]) == (terminated, truncated)
            ended = terminated or truncated
    original.close()


def test_pendulum_equals_gymnasium_within_a_millionth() -> None:
    original = gymnasium.make("Pendulum-v1")
    copy = Pendulum(1, autoreset=False)
    rng = np.random.default_rng(7)
    for episode in range(5):
        original.reset(seed=episode)
        copy.reset(np.array([episode]))
        for k in range(1, 201):
            torque = rng.uniform(-2.5, 2.5, 1).astype(np.float32)
            state = dict(copy.snapshot(np.arange(1)))
            state["state"] = np.array([original.unwrapped.state])
            copy.restore(state, np.arange(1))
            seen, reward, _, truncated, _ = original.step(torque)
            step = copy.step(Action(box=torque[None, None]))
            assert step.obs.obs[0, 0] == pytest.approx(seen, abs=1e-6)
            assert step.reward[0, 0, 0] == pytest.approx(reward, abs=1e-6)
            assert bool(step.truncated[0]) == truncated == (k == 200)
    original.close()


def test_pendulum_refuses_actions_of_another_shape() -> None:
    with pytest.raises(ActionError, match=r"box actions must have shape \(2, 1, 1\), got \(2, 1\)"):
        Pendulum(2).step(Action(box=np.zeros((2, 1), np.float32)))


def test_cartpole_is_truncated_after_500_steps() -> None:
    problem = CartPole(1, autoreset=False)
    problem.reset(np.array([0]))
    state = dict(problem.snapshot(np.arange(1)))
    for k in range(1, 501):
        problem.restore(state | {"_decision": np.array([k - 1])}, np.arange(1))
        step = problem.step(Action(discrete=np.array([[[1]]])))
        assert bool(step.truncated[0]) == (k == 500)


@pytest.mark.parametrize("build", [CartPole, SimpleSpread])
def test_a_copy_is_bit_identical_for_any_number_of_copies(build: type) -> None:
    def play(copies: int) -> np.ndarray:
        problem = build(copies)
        problem.reset(np.arange(copies) + 100)
        agents = problem.spec.n_agents
        choices = np.random.default_rng(1).integers(0, 2, (40, 64, agents, 1))
        return np.stack([problem.step(Action(discrete=c[:copies])).obs.obs[0] for c in choices])

    alone = play(1)
    assert np.array_equal(alone, play(7))
    assert np.array_equal(alone, play(64))


def test_assignment_teacher_scores_what_was_published_for_it() -> None:
    problem = SimpleSpread(512, autoreset=False)
    teacher = AssignAndPush(problem)
    obs = problem.reset(np.arange(512))
    for _ in range(25):
        step = problem.step(teacher.act(obs))
        obs = step.obs
    assert step.metrics["episode_return"].mean() == pytest.approx(-7.88, abs=0.3)
