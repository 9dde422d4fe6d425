import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.controller import Controller, Entry, NativeController
from trimtab.contracts.errors import (
    ActionError,
    ContractError,
    EmptyMaskError,
    NeedNotGrantedError,
    ObservationError,
    SimulatorError,
)
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.shield import Violations
from trimtab.contracts.spec import Action, Obs, Step
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab.run.shielding import ShieldedProblem
from trimtab.run.trajectory import rollout, simulate
from trimtab.testing.toys.queue import QueueModel, QueueProblem, Threshold
from trimtab.testing.toys.tank import (
    LevelBand,
    LevelMonitor,
    LevelShield,
    TankModel,
    TankProblem,
    TariffBand,
)

MODEL = TankModel()


class AlwaysIdle(Controller):
    def __init__(self, problem: ControlProblem) -> None:
        self.shape = (problem.copies, problem.spec.n_agents, 1)

    def act(self, obs: Obs) -> Action:
        return Action(discrete=np.zeros(self.shape, np.int64))


class Clairvoyant(AlwaysIdle):
    def __init__(self, problem: ControlProblem) -> None:
        super().__init__(problem)
        self.inflow = problem.resource("future")


class Planner(AlwaysIdle):
    def __init__(self, problem: ControlProblem) -> None:
        super().__init__(problem)
        problem.snapshot(np.arange(problem.copies))


def tanks(copies: int) -> TankProblem:
    return TankProblem(MODEL, copies, autoreset=False)


def play(seeds: list[int], copies: int, **kwargs: Any) -> list[Any]:
    problem = tanks(copies)
    return evaluate(problem, LevelBand(problem), seeds, **kwargs)


def without_cpu(record: Any) -> Any:
    return dataclasses.replace(record, budget=dataclasses.replace(record.budget, cpu_s=0.0))


def test_a_record_carries_what_its_controller_tells():
    problem = tanks(1)
    controller = LevelBand(problem)
    controller.notes = ("falls back at night",)
    (record,) = evaluate(problem, controller, [1])
    assert record.notes == ("falls back at night",)


@settings(max_examples=20, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 2**40), min_size=1, max_size=7, unique=True),
    copies=st.integers(1, 5),
)
def test_records_do_not_depend_on_how_many_seeds_play_at_once(
    seeds: list[int], copies: int
) -> None:
    kwargs = {"shield": LevelShield(), "monitor": LevelMonitor()}
    together = play(seeds, copies, **kwargs)
    alone = [play([seed], 1, **kwargs)[0] for seed in seeds]
    assert [without_cpu(r) for r in together] == [without_cpu(r) for r in alone]


def test_a_record_carries_metrics_budget_and_seed() -> None:
    first, second = play([7, 8], 2, name="level_band")
    assert (first.controller, first.seed, second.seed) == ("level_band", 7, 8)
    assert first.metrics["pumping_cost"] > 0
    assert first.budget.env_steps == 24
    assert first.budget.evaluations == 1
    assert first.decisions == 48
    assert not first.shielded


def test_the_shield_prevents_what_the_monitor_would_count() -> None:
    problem = tanks(1)
    bare = evaluate(problem, AlwaysIdle(problem), [1], monitor=LevelMonitor())[0]
    safe = evaluate(
        problem, AlwaysIdle(problem), [1], shield=LevelShield(), monitor=LevelMonitor()
    )[0]
    assert bare.violations["overflow"].count > 0
    assert bare.interventions == 0
    assert safe.violations == {"overflow": Violations(0, 50), "dry": Violations(0, 50)}
    assert safe.shielded
    assert safe.interventions > 0


def test_the_shield_merges_its_reason_and_the_executed_action_into_the_step() -> None:
    problem = tanks(1)
    trajectory = rollout(problem, AlwaysIdle(problem), [1], shield=LevelShield())
    assert trajectory.proposed is not None
    assert trajectory.executed is not None
    differs = (trajectory.proposed.discrete != trajectory.executed.discrete)[..., 0]
    np.testing.assert_array_equal(differs, trajectory.intervened)
    np.testing.assert_array_equal(differs, trajectory.reason == 1)


def test_a_shield_inside_the_step_is_not_applied_again() -> None:
    class InStep(LevelShield):
        placement = "in_step"

    problem = tanks(1)
    record = evaluate(problem, AlwaysIdle(problem), [1], shield=InStep())[0]
    assert record.shielded
    assert record.interventions == 0


def test_a_declared_need_is_granted() -> None:
    entry = Entry("clairvoyant", Clairvoyant, "knows", needs=frozenset({"future"}))
    controller = make_controller(tanks(2), entry)
    assert isinstance(controller, Clairvoyant)
    assert controller.inflow.shape == (2, 24, 2)


def test_an_undeclared_need_is_refused_by_name() -> None:
    entry = Entry("classical", Clairvoyant, "peeks", needs=frozenset({"model"}))
    with pytest.raises(NeedNotGrantedError, match=r"'peek' called resource\('future'\).*model"):
        make_controller(tanks(1), entry, name="peek")


def test_planning_by_snapshot_must_be_declared() -> None:
    with pytest.raises(NeedNotGrantedError, match="add 'snapshot' to its needs"):
        make_controller(tanks(1), Entry("classical", Planner, "plans"))
    granted = Entry("classical", Planner, "plans", needs=frozenset({"snapshot"}))
    assert isinstance(make_controller(tanks(1), granted), Planner)


def test_parameters_override_defaults() -> None:
    entry = Entry("classical", TariffBand, "", defaults={"night": 0.2, "day": 0.7})
    low = make_controller(tanks(1), entry, {"day": 0.1})
    record = evaluate(tanks(1), low, [1])[0]
    default = evaluate(tanks(1), make_controller(tanks(1), entry), [1])[0]
    assert record.metrics["pumping_cost"] > default.metrics["pumping_cost"]


class Returns(Controller):
    """Returns a fixed action from one decision on, a legal one before."""

    def __init__(self, action: Action, start: int = 0) -> None:
        self.action, self.start, self.decision = action, start, -1

    def act(self, obs: Obs) -> Action:
        self.decision += 1
        idle = Action(discrete=np.zeros((*obs.alive.shape, 1), np.int64))
        return self.action if self.decision >= self.start else idle


def test_an_action_of_wrong_shape_names_both_shapes() -> None:
    action = Action(discrete=np.zeros((1, 2), np.int64))
    with pytest.raises(ActionError, match=r"must have shape \(1, 2, 1\), got shape \(1, 2\)"):
        evaluate(tanks(1), Returns(action), [1])


def test_an_action_of_floats_where_choices_are_needed_is_refused() -> None:
    action = Action(discrete=np.zeros((1, 2, 1)))  # type: ignore[arg-type]
    with pytest.raises(ActionError, match="must hold integers, got float64"):
        evaluate(tanks(1), Returns(action), [1])


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "act must return an Action, got NoneType"),
        (np.zeros((1, 2, 1), np.int64), "act must return an Action, got ndarray"),
        (Action(discrete=[[[0], [0]]]), r"action.discrete must be an array, got list"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_action_is_refused_and_never_taken_for_native_control(
    returned: Any, message: str
) -> None:
    with pytest.raises(ActionError, match=message):
        evaluate(tanks(1), Returns(returned), [1])


class WithBox(TankProblem):
    """The tanks, with one box component that has no effect."""

    def __init__(self) -> None:
        super().__init__(MODEL, 1, autoreset=False)
        from trimtab.contracts.spec import Box, Composite

        both = Composite(discrete=(2,), box=(Box("speed", "1", 0.0, 1.0),))
        self.spec = dataclasses.replace(self.spec, actions=(both,))


def test_a_nan_action_names_copy_agent_step_and_seed() -> None:
    box = np.zeros((1, 2, 1), np.float32)
    box[0, 1, 0] = np.nan
    bad = Returns(Action(discrete=np.zeros((1, 2, 1), np.int64), box=box))
    with pytest.raises(ActionError, match="copy 0, agent 1, step 0, seed 9: action component 0"):
        evaluate(WithBox(), bad, [9])


class Corrupt(TankProblem):
    """The tanks, with one array spoiled at decision 3 of copy 1."""

    def __init__(self, part: str) -> None:
        super().__init__(MODEL, 2, autoreset=False)
        self.part, self.count = part, 0

    def step(self, action: Action | None) -> Step:
        step = super().step(action)
        self.count += 1
        if self.count == 3:
            self.spoil(step)
        return step

    def spoil(self, step: Step) -> None:
        if self.part == "obs":
            step.obs.obs[1, 0, 2] = np.inf
        elif self.part == "mask":
            step.obs.action_mask = np.ones((2, 2, 2), bool)
            step.obs.action_mask[1, 1] = False
        else:
            getattr(step, self.part)[1, 0] = np.nan


@pytest.mark.parametrize(
    ("part", "where", "error"),
    [
        ("obs", "copy 1, agent 0, step 3, seed 6: observation is inf", ObservationError),
        ("reward", "copy 1, agent 0, step 2, seed 6: reward is nan", ObservationError),
        ("cost", "copy 1, step 2, seed 6: cost is nan", ObservationError),
        ("mask", "copy 1, agent 1, step 3, seed 6: every action is masked", EmptyMaskError),
    ],
)
def test_a_spoiled_array_is_found_with_its_place(part: str, where: str, error: type) -> None:
    problem = Corrupt(part)
    with pytest.raises(error, match=where):
        evaluate(problem, AlwaysIdle(problem), [5, 6])


def test_evaluation_refuses_a_problem_that_restarts() -> None:
    problem = TankProblem(MODEL, 1, autoreset=True)
    with pytest.raises(ContractError, match="autoreset off"):
        evaluate(problem, AlwaysIdle(problem), [1])


class Endless(TankProblem):
    """The tanks, never ending."""

    def step(self, action: Action | None) -> Step:
        step = super().step(action)
        step.truncated[:] = False
        return step


def test_an_episode_that_outlives_its_horizon_is_stopped() -> None:
    problem = Endless(MODEL, 1, autoreset=False)
    with pytest.raises(ContractError, match="did not end within its horizon of 24 steps"):
        evaluate(problem, AlwaysIdle(problem), [1])


class SelfDriving(TankProblem):
    """The tanks with a program that can be installed."""

    pumping = False

    def step(self, action: Action | None) -> Step:
        if action is None:
            action = Action(discrete=np.full((self.copies, 2, 1), int(self.pumping), np.int64))
        return super().step(action)


class PumpProgram(NativeController):
    def install(self, problem: ControlProblem) -> None:
        assert isinstance(problem, SelfDriving)
        problem.pumping = True


def test_a_native_controller_is_installed_monitored_and_not_projected() -> None:
    problem = SelfDriving(MODEL, 1, autoreset=False)
    record = evaluate(problem, PumpProgram(), [1], shield=LevelShield(), monitor=LevelMonitor())[0]
    assert not record.shielded
    assert record.interventions == 0
    assert record.violations["dry"].count > 0


def test_simulate_keeps_trajectory_log_and_the_record_of_evaluate() -> None:
    problem = tanks(1)
    simulation = simulate(problem, LevelBand(problem), 3, monitor=LevelMonitor())
    record = play([3], 1, monitor=LevelMonitor())[0]
    assert simulation.record.metrics == record.metrics
    assert simulation.log["level_m3"].shape == (25, 2)
    assert simulation.trajectory.obs.obs.shape == (24, 1, 2, 3)
    assert simulation.trajectory.truncated[-1].all()


def test_trajectory_rewards_add_up_to_the_metric() -> None:
    problem = tanks(3)
    trajectory = rollout(problem, LevelBand(problem), [1, 2, 3])
    totals = trajectory.reward.sum(axis=(0, 2, 3))
    costs = [r.metrics["pumping_cost"] for r in play([1, 2, 3], 3)]
    np.testing.assert_allclose(totals, costs, rtol=1e-6)


def test_external_simulators_are_evaluated_seed_after_seed() -> None:
    with QueueProblem(QueueModel(horizon_min=10), autoreset=False) as problem:
        records = evaluate(problem, Threshold(problem), [1, 2, 1])
    assert records[0].metrics == records[2].metrics
    assert records[0].metrics != records[1].metrics


def test_a_crashed_simulator_is_an_error_and_never_a_number() -> None:
    with (
        QueueProblem(QueueModel(horizon_min=10, crash_at_min=4), autoreset=False) as problem,
        pytest.raises(SimulatorError, match="died with code 7"),
    ):
        evaluate(problem, Threshold(problem), [1])


def test_shielding_keeps_snapshots_and_resources_of_the_inner_problem() -> None:
    problem = ShieldedProblem(tanks(2), LevelShield())
    problem.reset(np.array([1, 2]))
    rows = np.arange(2)
    saved = problem.snapshot(rows)
    idle = Action(discrete=np.zeros((2, 2, 1), np.int64))
    first = problem.step(idle).obs.obs
    problem.restore(saved, rows)
    np.testing.assert_array_equal(problem.step(idle).obs.obs, first)
    assert problem.resource("future").shape == (2, 24, 2)
