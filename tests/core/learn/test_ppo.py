from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from trimtab.contracts.errors import (
    CheckpointError,
    ContractError,
    EmptyMaskError,
    ObservationError,
)
from trimtab.contracts.spec import Composite, CostChannel
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import PolicyController
from trimtab.learn.collect import Collector
from trimtab.learn.ppo import PPO, PPOConfig
from trimtab.testing.classics.cartpole import CartPole
from trimtab.testing.classics.spread import AssignAndPush, SimpleSpread

SMALL = PPOConfig(steps=8 * 32 * 6, rollout=32, epochs=2, minibatches=2, compiled=False)


def build(seeds: tuple[int, ...] = (0,), config: PPOConfig = SMALL, **changes: Any) -> PPO:
    problem = CartPole(8 * len(seeds))
    return PPO(problem, NetSpec.for_problem(problem.spec, **changes), config, seeds)


def finish(ppo: PPO) -> np.ndarray:
    for _ in ppo.train():
        pass
    return ppo.learner.flat.numpy().copy()


def test_same_seed_gives_the_same_weights_bit_for_bit() -> None:
    assert np.array_equal(finish(build()), finish(build()))
    assert not np.array_equal(finish(build()), finish(build((1,))))


def test_a_seeds_training_hardly_depends_on_its_neighbours() -> None:
    """Same environments and noise; only the shared shuffle and BLAS rounding may differ."""
    together, alone = build((5, 6)), build((5,))
    a, b = next(together.train()), next(alone.train())
    assert [e.length for e in a.episodes if e.seed == 0] == [e.length for e in b.episodes]
    assert together.learner.flat[0].numpy() == pytest.approx(
        alone.learner.flat[0].numpy(), abs=1e-4
    )


def test_going_on_from_a_state_is_bit_identical() -> None:
    through = build((0, 3))
    for _ in range(3):
        through.iterate()
    state = through.state_dict()
    expected = finish(through)
    resumed = build((0, 3))
    resumed.load_state_dict(*state)
    assert resumed.iteration == 3
    assert np.array_equal(finish(resumed), expected)


def test_states_of_other_runs_are_refused() -> None:
    state = build().state_dict()
    with pytest.raises(CheckpointError, match=r"checkpoint of seeds \[0\], this run has \[1\]"):
        build((1,)).load_state_dict(*state)
    with pytest.raises(CheckpointError, match="the network has"):
        build(hidden=(4,)).load_state_dict(*state)


def test_a_seed_that_diverges_is_stopped_and_reported() -> None:
    ppo = build((0, 1))
    ppo.iterate()
    good = ppo.learner.flat[1].clone()
    ppo.learner.flat[1] = np.nan
    report = ppo.iterate()
    assert report.active.tolist() == [True, False]
    assert np.isfinite(ppo.learner.flat[0].numpy()).all()
    ppo.learner.flat[1] = good
    assert ppo.iterate().active.tolist() == [True, False]


def test_training_ends_when_every_seed_has_diverged() -> None:
    ppo = build()
    ppo.iterate()
    ppo.learner.flat[:] = np.nan
    assert len(list(ppo.train())) == 1


def test_learning_rate_falls_to_zero_and_training_stops_as_planned() -> None:
    ppo = build()
    reports = list(ppo.train())
    assert len(reports) == ppo.iterations == 6
    # one rollout more than planned: it fits the normaliser
    assert reports[-1].env_steps.tolist() == [7 * 8 * 32]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_compiled_update_gives_the_weights_of_the_eager_one() -> None:
    small = {**_plain(SMALL), "steps": 8 * 32, "epochs": 4}
    configs = [PPOConfig(**{**small, "compiled": c}) for c in (False, True)]
    eager, compiled = (build(config=config, hidden=(16,)) for config in configs)
    assert finish(compiled) == pytest.approx(finish(eager), abs=2e-6)


def test_cartpole_improves_fivefold_over_random_play() -> None:
    config = PPOConfig(
        steps=14_000,
        rollout=32,
        epochs=10,
        minibatches=1,
        learning_rate=2e-3,
        discount=0.98,
        trace=0.8,
        compiled=False,
    )
    ppo = build(config=config)
    finish(ppo)
    test = CartPole(32, autoreset=False)
    controller = PolicyController(test, ppo.policy().seed(0))
    obs = test.reset(np.arange(32) + 999)
    returns = np.full(32, np.nan)
    while obs.alive.any():
        step = test.step(controller.act(obs))
        ended = step.terminated | step.truncated
        returns[ended] = step.metrics.get("episode_return", returns)[ended]
        obs = step.obs
    assert returns.mean() > 5 * 20


def test_the_critic_is_warmed_before_the_policy_moves() -> None:
    ppo = build(config=PPOConfig(**{**_plain(SMALL), "critic_warmup": 1}))
    before = {k: v.copy() for k, v in ppo.learner.weights.items()}
    ppo.iterate()
    moved = {k for k, v in ppo.learner.weights.items() if (v != before[k]).any()}
    assert {k.split(".")[0] for k in moved} == {"critic"}
    ppo.iterate()
    assert (ppo.learner.weights["actor.trunk.0.w"] != before["actor.trunk.0.w"]).any()


def _plain(config: PPOConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in PPOConfig.__slots__}


def test_reward_normalisation_makes_training_independent_of_units(
    probe: Callable[..., Any],
) -> None:
    def train(scale: float) -> np.ndarray:
        problem = probe(
            16,
            reward=lambda t, a: scale * (a.discrete[..., 0] == 1),
            action=Composite(discrete=(2,)),
            length=3,
        )
        config = PPOConfig(
            steps=16 * 8 * 5, rollout=8, normalise_reward=True, normalise_obs=False, compiled=False
        )
        ppo = PPO(problem, NetSpec.for_problem(problem.spec, hidden=(8,)), config, (0,))
        return finish(ppo)

    assert train(1.0) == pytest.approx(train(1024.0), abs=2e-3)


def test_all_zero_reward_weights_are_refused() -> None:
    config = PPOConfig(**{**_plain(SMALL), "reward_weights": (0.0,)})
    with pytest.raises(ContractError, match="all reward weights are zero"):
        build(config=config).iterate()


@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        (
            {"reward": lambda t, a: np.full((4, 1), np.nan)},
            ObservationError,
            "reward is not finite",
        ),
        ({"mask": (False, False)}, EmptyMaskError, "every action is masked"),
        (
            {"costs": (CostChannel("wear", "1", 0.0),), "cost": lambda a: np.full(4, np.inf)},
            ObservationError,
            "cost is not finite",
        ),
    ],
)
def test_what_would_spoil_the_learner_is_refused_with_its_place(
    probe: Callable[..., Any], shape: dict[str, Any], error: type[Exception], message: str
) -> None:
    problem = probe(4, **{"reward": lambda t, a: np.ones((4, 1)), **shape})
    net = NetSpec.for_problem(problem.spec, hidden=(4,))
    config = PPOConfig(steps=16, rollout=4, normalise_obs=False, compiled=False)
    with pytest.raises(error, match=rf"probe-1: {message} at step 0, copy 0.*\(seed of the copy: "):
        PPO(problem, net, config, (0,)).iterate()


def test_copies_must_divide_among_the_seeds() -> None:
    problem = CartPole(9)
    with pytest.raises(ContractError, match="9 copies cannot be shared by 2 training seeds"):
        PPO(problem, NetSpec.for_problem(problem.spec), SMALL, (0, 1))


def test_a_problem_without_autoreset_trains_on_fresh_seeds() -> None:
    problem = SimpleSpread(4, autoreset=False)
    seen: list[np.ndarray] = []
    original = problem.reset

    def watched(seed: Any, context: Any = None, rows: Any = None) -> Any:
        seen.append(np.asarray(seed))
        return original(seed, context, rows)

    problem.reset = watched
    config = PPOConfig(steps=4 * 30 * 2, rollout=30, compiled=False, normalise_obs=False)
    finish(PPO(problem, NetSpec.for_problem(problem.spec), config, (0,)))
    drawn = np.concatenate(seen)
    assert len(drawn) == len(set(drawn.tolist())) == 12


def test_finals_are_those_of_the_old_episode() -> None:
    """With and without autoreset, truncation bootstraps from the same observation."""
    finals = []
    for autoreset in (True, False):
        problem = SimpleSpread(2, autoreset=autoreset)
        net = NetSpec.for_problem(problem.spec, hidden=(8,))
        config = PPOConfig(steps=1, rollout=1, compiled=False, normalise_obs=False)
        ppo = PPO(problem, net, config, (0,), teacher=AssignAndPush(problem))
        collector: Collector = ppo.collector
        collector.obs = problem.reset(np.array([3, 4]))
        rollout = collector.collect(ppo.policy(), 25, teacher_plays=True)
        ends = rollout.finals
        assert (ends.t.tolist(), ends.copy.tolist()) == ([24, 24], [0, 1])
        finals.append(ends.inputs["obs"])
        assert (rollout.inputs["obs"][0, 25] != ends.inputs["obs"][0]).any()
    assert np.array_equal(finals[0], finals[1])
