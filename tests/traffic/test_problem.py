"""The decision loop: exact RESCO timing, legal stages under field, metrics at the end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test
from trimtab.adapters.gymnasium import ProblemEnv
from trimtab.adapters.pettingzoo import ProblemParallelEnv
from trimtab.contracts.errors import (
    ActionError,
    NeedNotGrantedError,
    SnapshotUnsupportedError,
    UnknownNameError,
)
from trimtab.contracts.spec import Action, Step
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.replay import read_signal_log
from trimtab_traffic.scenario import REWARDS, SignalsProblem
from trimtab_traffic.trips import trips_digest

Maker = Callable[..., SignalsProblem]
Policy = Callable[[int], int]


def choose(stage: int, signals: int = 1) -> Action:
    return Action(discrete=np.full((1, signals, 1), stage, dtype=np.int64))


def play(problem: SignalControl, policy: Policy | None, seed: int = 1) -> list[Step]:
    """One episode of the stage `policy(decision)`, or of the shipped plan."""
    problem.reset(np.array([seed]))
    steps: list[Step] = []
    while not steps or not steps[-1].done[0]:
        action = None if policy is None else choose(policy(len(steps)))
        steps.append(problem.step(action))
    return steps


def shown(problem: SignalControl) -> list[tuple[float, str]]:
    log = read_signal_log(problem.episode_log(0)["signal_log"])
    return [(entry.time_s, entry.state) for entry in log["C"]]


def test_resco_shows_yellow_then_the_new_stage_within_the_interval(
    two_street_problem: Maker,
) -> None:
    with SignalControl(two_street_problem()) as problem:
        play(problem, lambda k: [0, 1, 1, 0][k % 4])
        assert shown(problem)[:7] == [
            (0.0, "Gr"), (10.0, "yr"), (13.0, "rG"), (30.0, "ry"), (33.0, "Gr"), (50.0, "yr"),
            (53.0, "rG"),
        ]  # fmt: skip


def test_an_episode_has_horizon_over_interval_decisions_and_ends_truncated(
    two_street_problem: Maker,
) -> None:
    with SignalControl(two_street_problem()) as problem:
        steps = play(problem, lambda _: 0)
        assert len(steps) == problem.spec.horizon == 12
        assert steps[-1].truncated[0]
        assert not steps[-1].terminated[0]
        assert not steps[-1].obs.alive.any()


def test_metrics_come_with_the_last_step_only(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem()) as problem:
        steps = play(problem, None)
        assert all(not step.metrics for step in steps[:-1])
        assert np.isfinite([values[0] for values in steps[-1].metrics.values()]).all()
        assert steps[-1].metrics["true_delay_s"][0] > 0


def test_starving_an_entrance_shows_in_the_true_delay(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem()) as problem:
        fair = play(problem, lambda k: k % 2)[-1].metrics
        starved = play(problem, lambda _: 1)[-1].metrics
        assert starved["true_delay_s"][0] > 1.5 * fair["true_delay_s"][0]


def test_equal_seeds_give_equal_trips_and_a_reset_forgets(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem()) as problem:
        digests = []
        for seed in (1, 2, 1):
            play(problem, lambda k: k % 2, seed)
            digests.append(trips_digest(problem.outputs.trips))
        assert digests[0] == digests[2] != digests[1]


def test_a_reset_in_mid_episode_starts_anew(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem()) as problem:
        play(problem, lambda k: k % 2)
        whole = trips_digest(problem.outputs.trips)
        problem.reset(np.array([5]))
        problem.step(choose(1))
        play(problem, lambda k: k % 2)
        assert trips_digest(problem.outputs.trips) == whole


def test_native_control_runs_the_shipped_plan(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem(), "native") as problem:
        steps = play(problem, None)
        assert shown(problem)[:3] == [(0.0, "Gr"), (30.0, "yr"), (33.0, "rG")]
        assert steps[0].executed is None


def test_installed_programs_replace_the_shipped_ones_from_the_begin(
    two_street_problem: Maker,
) -> None:
    with SignalControl(two_street_problem(), "native") as problem:
        shipped = problem.network.signal("C").program
        problem.reset(np.array([1]))
        phases = tuple(type(p)(p.state, 5.0) for p in shipped.phases)
        fast = type(shipped)("fast", "static", 0.0, phases, ())
        problem.install_programs({"C": fast})
        for _ in range(12):
            problem.step(None)
        assert shown(problem)[:3] == [(0.0, "Gr"), (5.0, "yr"), (10.0, "rG")]


def test_field_locks_the_stage_through_transition_and_minimum_green(
    two_street_problem: Maker,
) -> None:
    with SignalControl(two_street_problem(rules={"profile": "field"})) as problem:
        obs = problem.reset(np.array([1]))
        assert obs.action_mask is not None
        seen = [obs.action_mask[0, 0].tolist()]
        step = problem.step(choose(0))
        step = problem.step(choose(1))
        while not step.done[0]:
            assert step.obs.action_mask is not None
            seen.append(step.obs.action_mask[0, 0].tolist())
            step = problem.step(choose(int(step.obs.action_mask[0, 0, 0])))
        greens = [t for t, state in shown(problem) if "G" in state]
        ends = [t for t, state in shown(problem) if "y" in state]
        assert [False, True] in seen
        assert min(end - green for green, end in zip(greens, ends, strict=False)) >= 7


def test_an_illegal_choice_is_projected_and_counted(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem(rules={"profile": "field"})) as problem:
        problem.reset(np.array([1]))
        for stage in (0, 0, 1):
            problem.step(choose(stage))
        step = problem.step(choose(0))
        assert step.executed is not None
        assert step.executed.discrete is not None
        assert step.executed.discrete[0, 0, 0] == 1
        assert step.intervened[0, 0]
        assert step.cost[0, 0] == 1
        assert problem.shield.reasons[step.reason[0, 0]] in {"transition running", "minimum green"}


def test_autoreset_restarts_with_another_seed_and_keeps_the_last_observation(
    two_street_problem: Maker,
) -> None:
    with SignalControl(two_street_problem(), autoreset=True) as problem:
        first = play(problem, lambda k: k % 2)
        assert first[-1].final_obs is not None
        assert first[-1].obs.alive.all()
        seen = trips_digest(problem.outputs.trips)
        for k in range(12):
            step = problem.step(choose(k % 2))
        assert step.done[0]
        assert trips_digest(problem.outputs.trips) != seen


def test_an_ended_episode_stays_idle(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem()) as problem:
        play(problem, lambda _: 0)
        step = problem.step(choose(0))
        assert not step.obs.alive.any()
        assert not step.done[0]


@pytest.mark.parametrize("wrong", [None, np.zeros((1, 2, 1), int), np.full((1, 1, 1), 9)])
def test_wrong_actions_are_refused(
    wrong: np.ndarray[tuple[int, ...], np.dtype[np.int64]] | None, two_street_problem: Maker
) -> None:
    with SignalControl(two_street_problem()) as problem:
        problem.reset(np.array([1]))
        with pytest.raises(ActionError):
            problem.step(Action(discrete=wrong))


def test_resources_interfaces_and_snapshots_are_named(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem()) as problem:
        assert problem.resource("model") is problem.network
        assert problem.resource("state") is problem.state
        with pytest.raises(NeedNotGrantedError, match="only model and state"):
            problem.resource("future")
        with pytest.raises(SnapshotUnsupportedError):
            problem.snapshot(np.array([0]))
    with pytest.raises(UnknownNameError, match="action interface"):
        SignalControl(two_street_problem(), "stages")


def test_details_give_the_loss_per_edge(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem()) as problem:
        play(problem, lambda k: k % 2)
        assert problem.details(0)["edge_delay_s"]["WC"] > 0


def test_warm_up_is_simulated_but_not_counted(two_street_problem: Maker) -> None:
    settings = {"begin_s": 60, "warm_up_s": 60, "horizon_s": 60}
    with SignalControl(two_street_problem(**settings)) as problem:
        steps = play(problem, lambda k: k % 2)
        assert len(steps) == 12
        assert steps[-1].metrics["true_delay_s"][0] < 60


def test_a_learner_of_elsewhere_plays_the_signals_through_pettingzoo(
    two_street_problem: Maker,
) -> None:
    for interface in ("graph", "split"):
        with SignalControl(two_street_problem(), interface, logs=False) as problem:
            env = ProblemParallelEnv(problem)
            parallel_api_test(env, num_cycles=15)
            seen, _ = env.reset(seed=1)
            assert all(np.isfinite(row).all() for row in seen.values())


def test_one_signal_is_a_gymnasium_environment_with_a_reward_per_objective(
    two_street_problem: Maker,
) -> None:
    with SignalControl(two_street_problem(), "graph", logs=False) as problem:
        env = ProblemEnv(problem)
        seen, info = env.reset(seed=1)
        done, delay = False, 0.0
        while not done:
            assert env.observation_space.contains(seen)
            legal = int(np.flatnonzero(info["action_mask"])[0])
            seen, _, _, done, info = env.step(legal)
            delay += float(info["reward_vector"][0])
        assert len(info["reward_vector"]) == len(REWARDS)
        assert delay > 0.0
        assert info["metrics"]["true_delay_s"] > 0.0


def test_without_logs_the_trips_are_the_same_and_the_delay_map_is_empty(
    two_street_problem: Maker,
) -> None:
    seen = []
    for logs in (True, False):
        with SignalControl(two_street_problem(), logs=logs) as problem:
            play(problem, lambda k: k % 2)
            seen.append(
                (trips_digest(problem.outputs.trips), bool(problem.details(0)["edge_delay_s"]))
            )
            assert problem.outputs.signals.is_file() == logs
    assert seen == [(seen[0][0], True), (seen[0][0], False)]


@pytest.mark.parametrize("interface", ["stage", "split", "cycle"])
def test_queues_are_sampled_alike_however_rare_the_decisions(
    two_street_problem: Maker, interface: str
) -> None:
    with SignalControl(two_street_problem(), interface) as problem:
        problem.reset(np.array([1]))
        greens = np.zeros((1, 1, 3), np.float32)
        greens[0, 0, :2] = 30.0
        action = choose(0) if interface == "stage" else Action(box=greens)
        while not problem.step(action).done[0]:
            pass
        assert list(problem.details(0)["queue_m"]) == ["30", "60", "90", "120"]
