import numpy as np
import pytest
from trimtab.contracts.errors import ContractError
from trimtab.deploy.network import NetSpec
from trimtab.learn.curriculum import FreshSeeds, Retry
from trimtab.learn.ppo import PPO, PPOConfig
from trimtab.testing.classics.spread import AssignAndPush, SimpleSpread


def retry(copies: int = 1, share: float = 1.0, **changes: float) -> Retry:
    fresh = FreshSeeds(np.random.default_rng(0))
    rng = np.random.default_rng(1)
    return Retry(fresh, copies, 10, lambda seed, m: m["delay"] < 5, rng, share=share, **changes)


def play(source: Retry, delay: float) -> int:
    """One episode of row 0; returns its seed."""
    row = np.array([0])
    seed = int(source.draw(row)[0][0])
    source.finished(row, {"delay": np.array([delay])})
    return seed


def prefix(source: Retry) -> int:
    """Draws an episode; how many of its 10 decisions the teacher plays."""
    source.draw(np.array([0]))
    return int(sum(source.guided(np.array([t]))[0] for t in range(10)))


def test_a_success_is_not_retried() -> None:
    source = retry()
    assert play(source, 1.0) != play(source, 1.0)
    assert not source.waiting


def test_a_failure_is_retried_with_the_same_seed_until_the_student_succeeds_alone() -> None:
    source = retry(start=0.5, step=0.25)
    seed = play(source, 9.0)
    guided = []
    for _ in range(3):
        guided.append(prefix(source))
        assert source._playing[0].seed == seed
        source.finished(np.array([0]), {"delay": np.array([1.0])})
    assert guided == [5, 3, 0]
    assert (source.solved, len(source.waiting)) == (1, 0)


def test_a_failed_retry_gets_more_guidance_and_is_dropped_in_the_end() -> None:
    source = retry(start=0.5, step=0.25, give_up=4)
    play(source, 9.0)
    guided = []
    while source.waiting:
        guided.append(prefix(source))
        source.finished(np.array([0]), {"delay": np.array([9.0])})
    assert guided == [5, 8, 10, 10]
    assert (source.solved, source.dropped) == (0, 1)


def test_contexts_travel_with_their_scenario() -> None:
    fresh = FreshSeeds(np.random.default_rng(0), lambda rng: rng.random(2))
    source = Retry(fresh, 1, 10, lambda seed, m: False, np.random.default_rng(1), share=1.0)
    _, first = source.draw(np.array([0]))
    source.finished(np.array([0]), {})
    _, again = source.draw(np.array([0]))
    assert np.array_equal(first, again)


def test_a_retry_list_survives_its_checkpoint() -> None:
    source, other = retry(share=0.5), retry(share=0.5)
    for delay in (9.0, 9.0, 1.0, 9.0):
        play(source, delay)
    other.load(source.state())
    assert [play(source, 9.0) for _ in range(20)] == [play(other, 9.0) for _ in range(20)]
    assert source.state() == other.state()


def test_guidance_outside_its_range_is_refused() -> None:
    with pytest.raises(ContractError, match=r"start must lie in \[0, 1\]"):
        retry(start=1.5)


def test_ppo_imitates_guided_decisions_of_verified_successes_only() -> None:
    problem = SimpleSpread(32, autoreset=False)
    net = NetSpec.for_problem(problem.spec, hidden=(16,))
    fresh = FreshSeeds(np.random.default_rng(0))
    source = Retry(
        fresh,
        32,
        25,
        lambda seed, m: m["episode_return"] > -14.0,
        np.random.default_rng(1),
        share=0.8,
        start=1.0,
    )
    config = PPOConfig(steps=32 * 25 * 3, rollout=25, compiled=False, normalise_obs=False, epochs=1)
    ppo = PPO(problem, net, config, (0,), teacher=AssignAndPush(problem), source=source)
    reports = list(ppo.train())
    assert reports[0].diagnostics["teacher_loss"][0] == 0.0
    assert reports[1].diagnostics["teacher_loss"][0] > 0.0
    rollout = ppo.collector.collect(ppo.policy(), 25)
    success = np.array([e.success for e in rollout.episodes])
    guided = rollout.arrays["guided"][0].any(axis=0)
    assert (rollout.guided_success[0].any(axis=0) == (guided & success)).all()
    assert (guided & success).any()


def test_a_source_needs_a_problem_that_does_not_restart_by_itself() -> None:
    problem = SimpleSpread(2)
    with pytest.raises(ContractError, match="needs a problem with autoreset=False"):
        PPO(problem, NetSpec.for_problem(problem.spec), PPOConfig(), (0,), source=retry(2))
