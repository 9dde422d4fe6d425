import os
import signal
from pathlib import Path

import numpy as np
import pytest
from trimtab.contracts.errors import (
    ActionError,
    ContractError,
    NeedNotGrantedError,
    SimulatorError,
    TrimtabError,
)
from trimtab.contracts.spec import Action
from trimtab.run.controllers import choose
from trimtab.run.copies import problem_copies, process_copies
from trimtab.run.runner import evaluate
from trimtab.run.shielding import ShieldedProblem
from trimtab.run.trajectory import rollout
from trimtab.run.workers import ProcessProblem
from trimtab.testing.toys import beam, queue, tank
from trimtab.testing.toys.queue import QueueModel, QueueProblem, Threshold
from trimtab.testing.toys.tank import LevelMonitor, TankModel, TankProblem, TariffBand


def queues(copies: int, *, autoreset: bool = False, **model: int) -> ProcessProblem:
    settings = QueueModel(**{"horizon_min": 8, **model})
    return process_copies(queue.DOMAIN, settings, copies, autoreset=autoreset)


def desks(copies: int, value: int = 0) -> Action:
    return Action(discrete=np.full((copies, 1, 1), value, np.int64))


@pytest.mark.parametrize("copies", [1, 2, 4])
def test_each_copy_equals_a_lone_run(copies: int) -> None:
    seeds = list(range(5, 5 + copies))
    with queues(copies) as problem:
        together = rollout(problem, Threshold(problem), seeds)
    for row, seed in enumerate(seeds):
        with QueueProblem(QueueModel(horizon_min=8), autoreset=False) as lone:
            alone = rollout(lone, Threshold(lone), [seed])
        np.testing.assert_array_equal(together.obs.obs[:, row], alone.obs.obs[:, 0])
        np.testing.assert_array_equal(together.reward[:, row], alone.reward[:, 0])
        assert together.executed is not None
        assert alone.executed is not None
        assert together.executed.discrete is not None
        assert alone.executed.discrete is not None
        np.testing.assert_array_equal(
            together.executed.discrete[:, row], alone.executed.discrete[:, 0]
        )


def test_records_of_processes_equal_those_in_process() -> None:
    with queues(2) as problem:
        apart = evaluate(problem, Threshold(problem), [1, 2, 3])
    with QueueProblem(QueueModel(horizon_min=8), autoreset=False) as lone:
        inside = evaluate(lone, Threshold(lone), [1, 2, 3])
    assert [r.metrics for r in apart] == [r.metrics for r in inside]


def test_shield_log_and_model_come_from_the_copies_processes() -> None:
    model = TankModel(horizon_h=12)
    with process_copies(tank.DOMAIN, model, 2, autoreset=False) as apart:
        idle = TariffBand(apart, night=1.0, day=1.0)
        records = evaluate(apart, idle, [1, 2], monitor=LevelMonitor())
        assert apart.cpu_s() > 0
        with pytest.raises(NeedNotGrantedError, match="lives in the copies' processes"):
            apart.resource("state")
    inside = problem_copies(tank.DOMAIN, model, 2, autoreset=False)
    expected = evaluate(inside, idle, [1, 2], monitor=LevelMonitor())
    assert [r.metrics for r in records] == [r.metrics for r in expected]
    assert [r.interventions for r in records] == [r.interventions for r in expected]
    assert records[0].interventions > 0
    assert [r.violations for r in records] == [r.violations for r in expected]


def test_autoreset_restarts_in_the_same_step_and_keeps_the_last_observation() -> None:
    with queues(2, autoreset=True) as apart:
        apart.reset(np.array([3, 4]))
        for _ in range(8):
            step = apart.step(desks(2))
    assert step.truncated.all()
    assert step.final_obs is not None
    np.testing.assert_array_equal(step.final_obs.obs[:, 0, 1], 8)
    np.testing.assert_array_equal(step.obs.obs[:, 0, 1], 0)
    assert np.isfinite(step.metrics["mean_cost"]).all()


def test_rows_can_be_reset_alone() -> None:
    with queues(2) as apart:
        apart.reset(np.array([3, 4]))
        apart.step(desks(2))
        obs = apart.reset(np.array([9]), rows=np.array([1]))
    np.testing.assert_array_equal(obs.obs[:, 0, 1], [1, 0])


def test_contexts_reach_their_copies() -> None:
    context = np.array([[0.2], [0.9]], np.float32)
    seeds = np.array([1, 1])
    idle = Action(discrete=np.zeros((2, 2, 1), np.int64))
    with process_copies(tank.DOMAIN, TankModel(), 2, with_shield=False) as apart:
        apart.reset(seeds, context)
        first = apart.step(idle).obs.obs
    inside = TankProblem(TankModel(), 2, autoreset=True)
    inside.reset(seeds, context)
    np.testing.assert_array_equal(first, inside.step(idle).obs.obs)


def test_advisers_see_their_own_copy() -> None:
    (adviser,) = choose(queue.DOMAIN, QueueModel(), ["threshold"], (), {"threshold": {"queue": 2}})
    with process_copies(
        queue.DOMAIN, QueueModel(horizon_min=8), 2, autoreset=False, adviser=adviser
    ) as apart:
        obs = apart.reset(np.array([1, 2]))
        for _ in range(6):
            advised = apart.advice().discrete
            assert advised is not None
            np.testing.assert_array_equal(advised, obs.obs[:, :, :1] >= 2)
            obs = apart.step(desks(2)).obs


def test_a_crash_in_evaluation_names_copy_seed_and_step() -> None:
    with queues(2, crash_at_min=3) as apart:
        apart.reset(np.array([5, 6]))
        apart.step(desks(2))
        apart.step(desks(2))
        with pytest.raises(SimulatorError, match="copy 0, seed 5, step 3: .*died with code 7"):
            apart.step(desks(2))


def test_a_killed_process_is_an_error_and_the_next_reset_starts_it_anew() -> None:
    with queues(2) as apart:
        first = apart.reset(np.array([5, 6])).obs
        os.kill(apart._children[1].process.pid, signal.SIGKILL)
        with pytest.raises(SimulatorError, match=r"copy 1, seed 6.*died \(signal 9\)"):
            apart.step(desks(2))
        np.testing.assert_array_equal(apart.reset(np.array([5, 6])).obs, first)
        assert apart.step(desks(2)).obs.alive.all()


def test_in_training_a_crash_flags_its_row_and_starts_a_new_episode() -> None:
    with queues(2, autoreset=True) as apart:
        apart.reset(np.array([5, 6]))
        apart.step(desks(2))
        os.kill(apart._children[1].process.pid, signal.SIGKILL)
        step = apart.step(desks(2))
        assert [(c.row, c.seed, c.decision) for c in apart.crashes] == [(1, 6, 2)]
        assert list(step.truncated) == [False, True]
        assert np.isnan(step.reward[1]).all()
        assert np.isfinite(step.reward[0]).all()
        assert step.final_rows is not None
        assert step.final_obs is not None
        assert list(step.final_rows) == [1]
        assert not step.final_obs.alive.any()
        assert step.obs.alive.all()
        again = apart.step(desks(2))
        assert np.isfinite(again.reward).all()


def test_a_copy_that_always_crashes_ends_training() -> None:
    with queues(1, autoreset=True, crash_at_min=1) as apart:
        apart.reset(np.array([5]))
        apart.step(desks(1))
        apart.step(desks(1))
        with pytest.raises(SimulatorError, match="died with code 7"):
            apart.step(desks(1))


def test_a_copy_that_hangs_is_given_up_after_its_time() -> None:
    arguments = {
        "domain": "toy.queue",
        "problem": QueueModel(hang_at_min=1).model_dump_json(),
        "interface": "default",
        "autoreset": False,
        "with_shield": False,
        "adviser": None,
    }
    with ProcessProblem("trimtab.run.copies:build_copy", [arguments], step_timeout_s=0.2) as apart:
        apart.reset(np.array([1]))
        with pytest.raises(SimulatorError, match=r"no answer in 0\.2 s"):
            apart.step(desks(1))


def test_errors_of_a_copy_keep_their_kind() -> None:
    with queues(1) as apart:
        apart.reset(np.array([1]))
        with pytest.raises(ActionError, match="copy 0, seed 1"):
            apart.step(None)


def test_a_copy_that_cannot_be_built_is_named_and_nothing_is_left() -> None:
    with pytest.raises(TrimtabError, match="copy 0.*ModuleNotFoundError"):
        ProcessProblem("no.such:builder", [{}])


def test_a_design_problem_has_no_copies() -> None:
    with pytest.raises(ContractError, match="design problem"):
        problem_copies(beam.DOMAIN, beam.BeamModel(), 2)


def test_own_kernels_advance_as_one_batch_behind_their_shield() -> None:
    with problem_copies(tank.DOMAIN, TankModel(), 3) as batch:
        assert isinstance(batch, ShieldedProblem)
        assert (batch.copies, batch.autoreset) == (3, True)


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_closing_twice_leaves_no_process_and_no_descriptor() -> None:
    before = _descriptors()
    apart = queues(2)
    apart.reset(np.array([1, 2]))
    processes = [child.process for child in apart._children.values()]
    apart.close()
    apart.close()
    assert all(process.poll() is not None for process in processes)
    assert _descriptors() == before
