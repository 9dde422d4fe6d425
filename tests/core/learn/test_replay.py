import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.errors import CheckpointError, ContractError
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Interface
from trimtab.learn.collect import Collector
from trimtab.learn.dataset import _any_policy
from trimtab.learn.replay import Replay, transitions
from trimtab.testing.classics.cartpole import CartPole


def rows(start: int, count: int, seeds: int = 1) -> dict[str, np.ndarray]:
    x = np.arange(start, start + count, dtype=np.float32)
    return {"x": np.tile(x, (seeds, 1)), "y": np.tile(x[:, None] * 2, (seeds, 1, 1))}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=12), st.integers(0, 4))
def test_the_ring_holds_the_pinned_and_the_last_rows(chunks: list[int], pinned: int) -> None:
    replay = Replay(7 + pinned)
    if pinned:
        replay.add(rows(-pinned, pinned))
        replay.pin()
    for number, chunk in enumerate(chunks):
        replay.add(rows(sum(chunks[:number]), chunk))
    total = sum(chunks)
    expected = list(range(-pinned, 0)) + list(range(max(0, total - 7), total))
    assert sorted(replay.arrays["x"][0, : replay.filled].tolist()) == expected
    assert np.array_equal(replay.arrays["y"][..., 0], 2 * replay.arrays["x"])


def test_samples_follow_the_generator_and_stay_in_the_filled_part() -> None:
    replay = Replay(100)
    replay.add(rows(0, 30))
    draw = [replay.sample(np.random.default_rng(5), 64) for _ in range(2)]
    assert draw[0].tolist() == draw[1].tolist()
    assert int(draw[0].min()) >= 0
    assert int(draw[0].max()) < 30


def test_balanced_samples_hold_the_asked_share_of_pinned_rows() -> None:
    replay = Replay(100)
    replay.add(rows(0, 60))
    replay.pin()
    rng = np.random.default_rng(0)
    assert int(replay.sample(rng, 40, 0.25).max()) < 60
    replay.add(rows(60, 5))
    index = replay.sample(rng, 40, 0.25)
    assert int((index < 60).sum()) == 10
    assert len(index) == 40


def test_what_does_not_fit_is_refused() -> None:
    replay = Replay(10)
    with pytest.raises(ContractError, match="11 transitions at once do not fit a ring of 10"):
        replay.add(rows(0, 11))
    replay.add(rows(0, 8))
    replay.add(rows(8, 8))
    with pytest.raises(ContractError, match="overwritten before they were pinned"):
        replay.pin()


def test_a_restored_replay_goes_on_alike() -> None:
    replay, other = Replay(10), Replay(10)
    replay.add(rows(0, 7))
    other.load_state_dict(replay.state_dict())
    for one in (replay, other):
        one.add(rows(7, 6))
    assert np.array_equal(replay.arrays["x"], other.arrays["x"])
    with pytest.raises(CheckpointError, match="10 rows, this one holds 11"):
        Replay(11).load_state_dict(replay.state_dict())


def test_what_follows_a_cut_is_the_old_episodes_last_observation() -> None:
    problem = CartPole(4)
    net = NetSpec.for_problem(problem.spec, hidden=(8,))
    collector = Collector(problem, Interface(net, problem.spec), (0,))
    rollout = collector.collect(_any_policy(net), 120)
    found = transitions(rollout)
    done = (rollout.arrays["terminated"] | rollout.arrays["truncated"]).reshape(-1)
    goes_on = found["goes_on"].reshape(-1)
    assert done.any()
    assert np.array_equal(goes_on, ~rollout.arrays["terminated"].reshape(-1))
    now, after = found["obs"][0, :, 0], found["next.obs"][0, :, 0]
    assert np.array_equal(after[:-4][~done[:-4]], now[4:][~done[:-4]])


def test_returns_of_several_steps_add_up_to_the_end_of_the_rollout_or_the_episode() -> None:
    problem, steps, copies = CartPole(4), 40, 4
    net = NetSpec.for_problem(problem.spec, hidden=(8,))
    collector = Collector(problem, Interface(net, problem.spec), (0,))
    rollout = collector.collect(_any_policy(net), steps)
    done = rollout.arrays["terminated"] | rollout.arrays["truncated"]
    assert done[:, :-1].any()
    one = {k: x.reshape(steps, copies, *x.shape[2:]) for k, x in transitions(rollout).items()}
    many = {k: x.reshape(steps, copies, *x.shape[2:]) for k, x in transitions(rollout, 0.9).items()}
    for t in range(steps):
        for n in range(copies):
            ends = np.flatnonzero(done[0, t:, n])
            last = t + int(ends[0]) if len(ends) else steps - 1
            run = one["reward"][t : last + 1, n, 0, 0] @ 0.9 ** np.arange(last + 1 - t)
            assert many["reward"][t, n, 0, 0] == pytest.approx(run, rel=1e-5)
            assert many["elapsed"][t, n] == last + 1 - t
            assert np.array_equal(many["next.obs"][t, n], one["next.obs"][last, n])
            assert many["goes_on"][t, n] == one["goes_on"][last, n]
    for name in ("obs", "discrete", "alive"):
        assert np.array_equal(many[name], one[name])
