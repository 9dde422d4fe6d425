"""The engine goes on exactly over epochs, and what it tells of them is right."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trimtab.contracts.errors import ActionError, BoundError, InputFileError
from trimtab.contracts.problem import Bound
from trimtab.contracts.spec import Action
from trimtab_hardware.dram import Engine, load_part
from trimtab_hardware.dram.adapt.bound import latency_bound, verify_latency_bound
from trimtab_hardware.dram.adapt.controllers import EpochOracle, LocalityThreshold, StaticPolicy
from trimtab_hardware.dram.adapt.copy import FEATURES
from trimtab_hardware.dram.adapt.problem import AdaptProblem
from trimtab_hardware.dram.adapt.scenario import PAGES, SCHEDULERS, AdaptScenario
from trimtab_hardware.dram.adapt.traffic import episode_traffic, phased_traffic, recorded_traffic
from trimtab_hardware.dram.checker import check
from trimtab_hardware.dram.traces import Trace

SMALL = AdaptScenario(epochs=10, epoch_requests=60, phase_requests=150, load=0.5)


def play(scenario: AdaptScenario, controller: Any, seed: int = 3) -> tuple[AdaptProblem, Any]:
    """One episode; the problem and its last step."""
    problem = AdaptProblem(scenario, 1, autoreset=False)
    obs = problem.reset(np.array([seed]))
    policy = controller(problem)
    for _ in range(scenario.epochs):
        step = problem.step(policy.act(obs))
        obs = step.obs
    return problem, step


@pytest.mark.parametrize("part", ["ddr3-1600-1gb-x8", "ddr4-2400-4gb-x8", "hbm2-2000-4gb-x128"])
@pytest.mark.parametrize(("page", "scheduler"), [("Open", "FrFcfs"), ("ClosedAdaptive", "Fifo")])
def test_an_episode_that_never_switches_is_one_plain_run_to_the_bit(
    part: str, page: str, scheduler: str
) -> None:
    scenario = SMALL.model_copy(update={"part": part})
    problem, step = play(scenario, lambda p: StaticPolicy(p, page, scheduler))
    trace = phased_traffic(scenario, load_part(part), scenario.load, 3, 0)
    plain = Engine(trace, load_part(part)).run(
        scenario.configuration(page, scheduler), commands=True
    )
    told = problem.episode_log(0)["commands"]
    assert plain.commands is not None
    for column in ("time", "code", "bank", "row", "request"):
        assert np.array_equal(getattr(told, column), getattr(plain.commands, column)), column
    assert step.metrics["total_cycles"][0] == plain.total_ck
    assert step.metrics["energy_uj"][0] == plain.energy_pj * 1e-6


def test_policies_switched_at_random_serve_every_request_and_break_no_rule() -> None:
    rng = np.random.default_rng(0)
    for seed in range(12):
        scenario = SMALL.model_copy(
            update={
                "part": ("ddr3-1600-1gb-x8", "ddr4-2400-4gb-x8")[seed % 2],
                "scheduler_buffer": ("Bankwise", "ReadWrite", "Shared")[seed % 3],
                "load": float(rng.choice([0.1, 0.5, 0.9])),
            }
        )
        problem = AdaptProblem(scenario, 1, autoreset=False)
        problem.reset(np.array([seed]))
        for _ in range(scenario.epochs):
            chosen = rng.integers(0, [len(PAGES), len(SCHEDULERS)])
            problem.step(Action(discrete=chosen.reshape(1, 1, 2).astype(np.int64)))
        log = problem.episode_log(0)
        assert log["column_commands"] == scenario.requests
        assert not check(log["commands"], problem.part).first


def test_the_mean_of_the_rewards_is_the_mean_latency_of_the_episode() -> None:
    problem = AdaptProblem(SMALL, 2, autoreset=False)
    obs = problem.reset(np.array([1, 2]))
    policy, told = LocalityThreshold(problem), []
    for _ in range(SMALL.epochs):
        step = problem.step(policy.act(obs))
        obs = step.obs
        told.append(step.reward[:, 0, 0])
    assert np.mean(told, axis=0) == pytest.approx(step.metrics["mean_latency_ns"], rel=1e-6)


def test_observations_are_counts_of_the_last_epoch() -> None:
    problem, _ = play(SMALL, lambda p: StaticPolicy(p, "Closed", "FrFcfs"))
    log = problem.episode_log(0)
    trace = phased_traffic(SMALL, problem.part, SMALL.load, 3, 0)
    assert np.all(log["row_hit_share"] <= 0.15)  # every access activates its row
    assert log["write_share"].mean() == pytest.approx(trace.is_write.mean(), abs=0.05)
    assert log["repeated_row_share"].max() > 0.5 > log["repeated_row_share"].min()
    assert set(log["page"].tolist()) == {PAGES.index("Closed")}
    assert len(FEATURES) == problem.spec.obs_dim


def test_the_oracle_leaves_the_problem_as_it_found_it_and_beats_what_it_tried() -> None:
    _, oracle = play(SMALL, EpochOracle)
    statics = [play(SMALL, lambda p, page=page: StaticPolicy(p, page))[1] for page in PAGES]
    best = min(step.metrics["mean_latency_ns"][0] for step in statics)
    assert oracle.metrics["mean_latency_ns"][0] < best
    assert oracle.truncated.all()


def test_no_controller_beats_the_bound_and_its_value_is_checked() -> None:
    for seed, load in ((3, 0.1), (4, 0.5), (5, 0.9)):
        scenario = SMALL.model_copy(update={"load": load})
        problem, oracle = play(scenario, EpochOracle, seed)
        trace = phased_traffic(scenario, problem.part, load, seed, 0)
        bound = latency_bound(trace, problem.part)
        share = bound.value / oracle.metrics["mean_latency_ns"][0]
        assert share <= 1.0
        assert share > 0.3 or load > 0.1  # it knows no bank conflicts
        verify_latency_bound(trace, problem.part, bound)
        wrong = Bound(bound.value * 1.01, "proven", bound.how, bound.certificate)
        with pytest.raises(BoundError, match="serving in order gives"):
            verify_latency_bound(trace, problem.part, wrong)


def test_an_unknown_policy_is_refused_by_number() -> None:
    problem = AdaptProblem(SMALL, 1, autoreset=False)
    problem.reset(np.array([1]))
    with pytest.raises(ActionError, match="a page policy 0 to 3 and a scheduler 0 to 2"):
        problem.step(Action(discrete=np.array([[[4, 0]]])))


def test_the_bound_of_two_rows_of_one_bank_is_what_they_take() -> None:
    part = load_part("ddr3-1600-1gb-x8")
    rows = np.array([0, 1]) << part.map.row[0]
    trace = Trace.of(np.array([0, 0]), rows, np.array([False, False]))
    t = part.timing
    first = t.rcd + t.rl + part.burst_ck
    assert latency_bound(trace, part).value == pytest.approx((first + t.rc / 2) * part.tck_ns)


def recorded(folder: Path, n: int) -> AdaptScenario:
    """A scenario on a file of `n` requests to lines that tell their number."""
    lines = [f"{6 * k}: {'write' if k % 4 == 0 else 'read'} 0x{64 * k:x}\n" for k in range(n)]
    (folder / "mine.stl").write_text("".join(lines))
    return SMALL.model_copy(update={"traces": (folder / "mine.stl",)})


def test_episodes_play_windows_of_a_users_trace(tmp_path: Path) -> None:
    scenario = recorded(tmp_path, 900)
    part = load_part(scenario.part)
    whole = recorded_traffic(scenario, part)
    firsts = set()
    for seed in range(5):
        window = episode_traffic(scenario, part, whole, scenario.load, seed, 0)
        assert (np.diff(window.address) == 64).all()
        assert window.arrival.tolist() == [6 * k for k in range(scenario.requests)]
        firsts.add(int(window.address[0]))
    assert len(firsts) > 3
    slower = episode_traffic(scenario, part, whole, scenario.load / 2, 0, 0)
    assert int(slower.arrival[-1]) == 2 * 6 * (scenario.requests - 1)
    problem, step = play(scenario, LocalityThreshold)
    assert problem.episode_log(0)["column_commands"] == scenario.requests
    assert step.metrics["mean_latency_ns"][0] > 0


def test_a_trace_shorter_than_an_episode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"mine.stl: 100 requests, but 10 epochs of 60 need"):
        AdaptProblem(recorded(tmp_path, 100), 1, autoreset=False)
