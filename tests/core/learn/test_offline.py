"""Learning from logs on a chain whose values are known, then going on online.

States 0, 1, 2 lead to the goal 3. Action 0 advances with probability 0.9 and pays 1 on arrival;
action 1 stays; action 2 falls into the trap 4 and pays −1, but the logs never hold it. The logged
behaviour advances or stays with equal odds. With q = 0.9/(1 − 0.1γ), V*(2) = q, V*(1) = q²γ,
V*(0) = q³γ².
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import CheckpointError, ContractError, SpecMismatchError
from trimtab.contracts.spec import Action, Obs
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import PolicyController
from trimtab.learn.cql import CQL, CQLConfig
from trimtab.learn.dataset import Dataset, from_episodes, record
from trimtab.learn.iql import IQL, IQLConfig
from trimtab.learn.sac import SAC, SACConfig
from trimtab.testing.classics.pendulum import Pendulum
from trimtab.testing.classics.tabular import Tabular

GAMMA = 0.8
MOVES = np.zeros((5, 3, 5))
PAY = np.zeros((5, 3, 5))
for s in range(3):
    MOVES[s, 0, s + 1], MOVES[s, 0, s], MOVES[s, 1, s], MOVES[s, 2, 4] = 0.9, 0.1, 1.0, 1.0
PAY[2, 0, 3], PAY[:3, 2, 4] = 1.0, -1.0
MOVES[3:, :, 3] = 1.0
Q = 0.9 / (1.0 - 0.1 * GAMMA)
BEST = np.array([Q**3 * GAMMA**2, Q**2 * GAMMA, Q])
SETTINGS: dict[str, Any] = {
    "batch": 128,
    "capacity": 8192,
    "learning_rate": 1e-2,
    "polyak": 0.05,
    "discount": GAMMA,
    "normalise_obs": False,
    "compiled": False,
    "steps": 3000,
    "start": 64,
    "rollout": 8,
    "update_ratio": 0.1,
}


def chain(copies: int, autoreset: bool = True) -> Tabular:
    return Tabular(MOVES, PAY, (3, 4), copies, horizon=12, autoreset=autoreset)


class AdvanceOrStay(Controller):
    """The logged behaviour: never the trap."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(3)

    def act(self, obs: Obs) -> Action:
        return Action(discrete=self._rng.integers(0, 2, (obs.copies, 1, 1)))


def net_of(problem: Any) -> NetSpec:
    return NetSpec.for_problem(
        problem.spec, hidden=(32, 32), squash=True, state_std=True, activation="relu"
    )


@pytest.fixture(scope="module")
def logs() -> Dataset:
    problem = chain(32)
    return record(problem, AdvanceOrStay(), net_of(problem), 128, seed=5)


def discounted(policy: Any, copies: int = 512) -> float:
    """Mean discounted return of the greedy policy, or of the behaviour for None."""
    problem = chain(copies, autoreset=False)
    obs = problem.reset(np.arange(copies) + 10**6)
    player = AdvanceOrStay() if policy is None else PolicyController(problem, policy)
    total, weight = np.zeros(copies), 1.0
    while obs.alive.any():
        step = problem.step(player.act(obs))
        total += weight * step.reward[:, 0, 0]
        obs, weight = step.obs, weight * GAMMA
    return float(total.mean())


def action_values(learner: Any) -> np.ndarray:
    """Smaller of the twins, [states, actions]."""
    inputs = {"obs": torch.eye(5)[None, :, None]}
    with torch.no_grad():
        first, second = learner.values.both(learner.learner.tensors(), inputs, None)
    return torch.minimum(first, second)[0, :, 0, :, 0].numpy()


def choice_odds(learner: Any) -> np.ndarray:
    policy = learner.policy().seed(0)
    out = policy.forward({"obs": np.eye(5, dtype=np.float32)[None, :, None]}, learner.interface)
    return np.asarray(torch.softmax(torch.from_numpy(out.logits), -1))[0, :3, 0]


@pytest.fixture(scope="module")
def implicit(logs: Dataset) -> IQL:
    iql = IQL(
        chain(8),
        net_of(chain(1)),
        IQLConfig(**SETTINGS, expectile=0.9, greed=20.0),
        (0,),
        data=logs,
    )
    iql.fit(400)
    return iql


@pytest.fixture(scope="module")
def conservative(logs: Dataset) -> CQL:
    config = CQLConfig(**SETTINGS, automatic=False, temperature=0.02, conservatism=0.2)
    cql = CQL(chain(8), net_of(chain(1)), config, (0,), data=logs)
    cql.fit(400)
    return cql


@pytest.mark.parametrize("name", ["implicit", "conservative"])
def test_offline_learning_beats_the_behaviour_and_reaches_the_optimum(
    name: str, request: pytest.FixtureRequest
) -> None:
    learner = request.getfixturevalue(name)
    score = discounted(learner.policy().seed(0))
    assert discounted(None) < 0.75 * BEST[0]
    assert score == pytest.approx(BEST[0], abs=0.03)


@pytest.mark.parametrize("name", ["implicit", "conservative"])
def test_the_action_that_the_logs_lack_is_left_alone(
    name: str, request: pytest.FixtureRequest
) -> None:
    odds = choice_odds(request.getfixturevalue(name))
    assert odds[:, 2].max() < 0.02
    assert odds[:, 0].min() > 0.9


def test_conservative_values_do_not_overestimate_and_rank_logged_actions_first(
    conservative: CQL,
) -> None:
    values = action_values(conservative)[:3]
    assert (values[:, 0] <= BEST + 0.02).all()
    assert (values[:, 2] < values[:, 0] - 0.3).all()


def test_without_conservatism_the_unlogged_action_is_overestimated(logs: Dataset) -> None:
    """The contrast that makes the term necessary: nothing ties those values down."""
    config = CQLConfig(**SETTINGS, automatic=False, temperature=0.02, conservatism=0.0)
    plain = CQL(None, net_of(chain(1)), config, (0,), data=logs)
    plain.fit(200)
    true_trap = -1.0
    assert (action_values(plain)[:3, 2] > true_trap + 0.4).all()


def test_implicit_values_are_those_of_the_best_logged_action(implicit: IQL) -> None:
    assert action_values(implicit)[:3, 0] == pytest.approx(BEST, abs=0.08)


@pytest.mark.parametrize("name", ["implicit", "conservative"])
def test_going_on_online_does_not_dip(name: str, request: pytest.FixtureRequest) -> None:
    learner = request.getfixturevalue(name)
    before = discounted(learner.policy().seed(0))
    scores = []
    for number, _ in enumerate(learner.train(), 1):
        if number % 5 == 0:
            scores.append(discounted(learner.policy().seed(0)))
    assert len(scores) >= 8
    assert min(scores) > 0.95 * before
    assert learner.replay.pinned == 4096
    assert learner.replay.added > 2000


def test_soft_actor_critic_goes_on_from_adopted_networks(conservative: CQL, logs: Dataset) -> None:
    config = SACConfig(**SETTINGS, automatic=False, temperature=0.02)
    sac = SAC(chain(8), net_of(chain(1)), config, (0,), data=logs)
    sac.adopt(conservative.learner.weights)
    assert np.array_equal(choice_odds(sac), choice_odds(conservative))
    for _ in range(5):
        sac.iterate()
    assert discounted(sac.policy().seed(0)) > 0.95 * BEST[0]


def test_box_actions_are_learnt_from_logs_of_others() -> None:
    """Logged torques u pay −(u − 0.6)²; they are uniform, the best is 0.6."""
    problem = Pendulum(1)
    rng = np.random.default_rng(0)
    episodes = []
    for _ in range(8):
        torque = rng.uniform(-2.0, 2.0, (100, 1)).astype(np.float32)
        episodes.append(
            {
                "observations": rng.standard_normal((101, 3)).astype(np.float32),
                "actions": torque,
                "rewards": -((torque[:, 0] - 0.6) ** 2),
                "terminations": np.ones(100, bool),
                "truncations": np.zeros(100, bool),
            }
        )
    data = from_episodes(problem.spec, net_of(problem), episodes)
    for kind, config in (
        (IQL, IQLConfig(**SETTINGS, greed=4.0)),
        (CQL, CQLConfig(**SETTINGS, automatic=False, temperature=0.1, conservatism=0.1)),
    ):
        learner = kind(None, net_of(problem), config, (0,), data=data)
        learner.fit(250)
        out = (
            learner.policy()
            .seed(0)
            .forward({"obs": np.zeros((1, 1, 1, 3), np.float32)}, learner.interface)
        )
        assert 2.0 * np.tanh(out.mean[0, 0, 0, 0]) == pytest.approx(0.6, abs=0.25)


def test_masked_choices_do_not_enter_the_conservative_sum() -> None:
    """With one legal choice the sum is that choice's own value: the gap is exactly 0."""
    problem = chain(1)
    net = net_of(problem)
    logged = record(problem, AdvanceOrStay(), net, 64, seed=1)
    mask = np.zeros((1, logged.rows, 1, 3), dtype=bool)
    np.put_along_axis(mask, logged.arrays["discrete"], True, axis=-1)
    masks = {"action_mask": mask, "next.action_mask": np.ones_like(mask)}
    data = Dataset(logged.spec, {**logged.arrays, **masks})
    config = CQLConfig(**SETTINGS, automatic=False)
    report = CQL(None, net, config, (0,), data=data).fit(1)
    assert report.diagnostics["conservative"][0] == pytest.approx(0.0, abs=1e-5)


def test_data_sets_survive_their_file_and_refuse_other_problems(
    logs: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "logs.safetensors"
    logs.save(path, {"player": "advance or stay"})
    again = Dataset.load(path, chain(1).spec)
    assert again.rows == logs.rows == 4096
    assert all(np.array_equal(again.arrays[k], x) for k, x in logs.arrays.items())
    with pytest.raises(SpecMismatchError, match="obs_dim"):
        Dataset.load(path, Pendulum(1).spec)
    path.write_bytes(b"\x80" + path.read_bytes())
    with pytest.raises(CheckpointError, match="pickle"):
        Dataset.load(path, chain(1).spec)


def test_data_sets_of_one_problem_join(logs: Dataset) -> None:
    assert logs.joined(logs).rows == 2 * logs.rows
    other = from_episodes(Pendulum(1).spec, net_of(Pendulum(1)), [pendulum_episode()])
    with pytest.raises(ContractError, match="cannot be joined"):
        logs.joined(other)


def pendulum_episode() -> dict[str, np.ndarray]:
    return {
        "observations": np.zeros((4, 3), np.float32),
        "actions": np.zeros((3, 1), np.float32),
        "rewards": np.zeros(3),
        "terminations": np.zeros(3, bool),
        "truncations": np.array([False, False, True]),
    }


def test_a_data_set_without_truncations_is_refused() -> None:
    episode = pendulum_episode()
    del episode["truncations"]
    with pytest.raises(ContractError, match="episode 0 lacks truncations"):
        from_episodes(Pendulum(1).spec, net_of(Pendulum(1)), [episode])


def test_arrays_of_the_wrong_length_are_named() -> None:
    episode = pendulum_episode() | {"observations": np.zeros((3, 3), np.float32)}
    with pytest.raises(ContractError, match="observations has 3 rows, expected 4"):
        from_episodes(Pendulum(1).spec, net_of(Pendulum(1)), [episode])


def test_a_learner_needs_a_problem_or_data(logs: Dataset) -> None:
    with pytest.raises(ContractError, match="nothing to learn from"):
        IQL(None, net_of(chain(1)), IQLConfig(**SETTINGS), (0,))
    offline = IQL(None, net_of(chain(1)), IQLConfig(**SETTINGS), (0,), data=logs)
    with pytest.raises(ContractError, match="built without a problem to play"):
        offline.iterate()
