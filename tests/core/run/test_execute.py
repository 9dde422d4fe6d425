import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trimtab.contracts.errors import RunFailedError, TrimtabError, UnknownNameError
from trimtab.contracts.records import EpisodeRecord
from trimtab.run.crew import Crew
from trimtab.run.drive import drive
from trimtab.run.duty import Duty
from trimtab.run.execute import RunOutcome, RunProgress, execute
from trimtab.run.plan import Plan, RunOptions
from trimtab.run.scenario_file import LoadedScenario, load_scenario
from trimtab.run.scope import Scope
from trimtab.run.store import Store

Load = Callable[..., LoadedScenario]


def options(folder: Path, **kwargs: Any) -> RunOptions:
    return RunOptions(**{"workspace": folder / "work", "workers": 1, **kwargs})


def bits(outcome: RunOutcome) -> list[EpisodeRecord]:
    return [
        dataclasses.replace(r, budget=dataclasses.replace(r.budget, cpu_s=0.0))
        for r in outcome.records
    ]


def test_a_run_gives_a_record_per_controller_and_seed_and_a_bound_per_seed(
    scenario: Load, tmp_path: Path
) -> None:
    outcome = execute(scenario(), options(tmp_path))
    assert [(r.controller, r.seed) for r in outcome.records] == [
        (name, seed) for name in ("level_band", "tariff") for seed in (1, 2, 3)
    ]
    assert sorted(outcome.bounds) == [1, 2, 3]
    assert (outcome.computed, outcome.cached) == (9, 0)
    assert (outcome.run_dir / "config.json").exists()
    assert all(record.shielded for record in outcome.records)


def test_a_second_run_computes_nothing_and_gives_the_same(scenario: Load, tmp_path: Path) -> None:
    first = execute(scenario(), options(tmp_path))
    second = execute(scenario(), options(tmp_path))
    assert (second.computed, second.cached) == (0, 9)
    assert second.records == first.records
    assert second.plan.run_id == first.plan.run_id


def test_adding_a_seed_computes_only_that_seed(scenario: Load, tmp_path: Path) -> None:
    execute(scenario(), options(tmp_path))
    more = execute(scenario(), options(tmp_path, seeds=(1, 2, 3, 4)))
    assert (more.computed, more.cached) == (3, 9)
    assert [r.seed for r in more.records if r.controller == "tariff"] == [1, 2, 3, 4]


def test_renaming_a_scenario_recomputes_nothing(scenario: Load, tmp_path: Path) -> None:
    first = execute(scenario(), options(tmp_path))
    renamed = execute(scenario("name=other"), options(tmp_path))
    assert (renamed.computed, renamed.cached) == (0, 9)
    assert renamed.plan.run_id != first.plan.run_id


def test_changing_the_problem_or_a_parameter_is_another_job(scenario: Load, tmp_path: Path) -> None:
    execute(scenario(), options(tmp_path))
    assert execute(scenario("problem.horizon_h=7"), options(tmp_path)).cached == 0
    tuned = execute(scenario(), options(tmp_path, parameters={"tariff": {"day": 0.7}}))
    assert (tuned.computed, tuned.cached) == (3, 6)


@pytest.mark.parametrize("name", ["toy/tank-day", "toy/queue-hour"])
def test_the_number_of_workers_never_changes_a_result(name: str, tmp_path: Path) -> None:
    loaded = load_scenario(name)
    one = execute(loaded, options(tmp_path / "1", workers=1))
    three = execute(loaded, options(tmp_path / "3", workers=3))
    assert bits(one) == bits(three)


def test_progress_counts_up_to_all_jobs(scenario: Load, tmp_path: Path) -> None:
    seen: list[RunProgress] = []
    execute(scenario(), options(tmp_path), seen.append)
    assert (seen[0].done, seen[-1].done, seen[-1].total) == (0, 9, 9)
    assert any("tariff, 3 seeds" in p.running for p in seen)


def test_the_users_own_controller_joins_the_run(
    scenario: Load, own_module: str, tmp_path: Path
) -> None:
    outcome = execute(scenario(), options(tmp_path, own=(f"{own_module}:Idle",)))
    assert {r.controller for r in outcome.records} == {"level_band", "tariff", "Idle"}
    assert outcome.plan.choices[-1].entry.role == "user"


def test_editing_the_own_controllers_source_makes_new_jobs(
    scenario: Load, own_module: str, tmp_path: Path
) -> None:
    chosen = options(tmp_path, own=(f"{own_module}:Idle",))
    execute(scenario(), chosen)
    source = tmp_path / "own" / f"{own_module}.py"
    source.write_text(source.read_text() + "\n# edited\n")
    assert execute(scenario(), chosen).computed == 3


def test_what_domain_code_prints_goes_to_the_log(
    scenario: Load, own_module: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = execute(scenario(), options(tmp_path, own=(f"{own_module}:Prints",)))
    assert "noise from domain code" in (outcome.run_dir / "log.txt").read_text()
    assert capfd.readouterr().out == ""


def test_a_worker_that_dies_is_replaced_and_its_job_repeated(
    scenario: Load, own_module: str, tmp_path: Path
) -> None:
    undisturbed = execute(scenario(), options(tmp_path / "a", own=(f"{own_module}:Idle",)))
    killed = execute(scenario(), options(tmp_path / "b", own=(f"{own_module}:Dies",)))
    assert not killed.failures
    metrics = [r.metrics for r in undisturbed.records]
    assert [r.metrics for r in killed.records] == metrics
    with Store(tmp_path / "b" / "work") as store:
        events = [text for _, level, text in store.events(killed.plan.run_id) if level == "warning"]
        attempts = {j.attempt for j in store.jobs(killed.plan.run_id) if j.controller == "Dies"}
    assert events == ["Dies, 3 seeds: worker died (signal 9); repeated"]
    assert attempts == {2}


def test_three_deaths_fail_a_job_and_leave_the_others(
    scenario: Load, own_module: str, tmp_path: Path
) -> None:
    outcome = execute(scenario("seeds=[1]"), options(tmp_path, own=(f"{own_module}:AlwaysDies",)))
    assert [(f.controller, f.reason) for f in outcome.failures] == [
        ("AlwaysDies", "worker died (signal 9)")
    ]
    assert {r.controller for r in outcome.records} == {"level_band", "tariff"}


def test_an_exception_fails_only_the_seed_it_came_from(
    scenario: Load, own_module: str, tmp_path: Path
) -> None:
    outcome = execute(scenario(), options(tmp_path, own=(f"{own_module}:Raises",)))
    assert [(f.controller, f.seed, f.reason) for f in outcome.failures] == [
        ("Raises", 2, "KeyError: 'seed two'")
    ]
    assert [r.seed for r in outcome.records if r.controller == "Raises"] == [1, 3]
    assert "Traceback" in (outcome.run_dir / "log.txt").read_text()


def test_a_run_of_which_nothing_finished_is_an_error_with_its_log(
    scenario: Load, own_module: str, tmp_path: Path
) -> None:
    loaded = load_scenario("toy/queue-hour", ["problem.crash_at_min=3", "seeds=[1]"])
    with pytest.raises(RunFailedError, match=r"seed 1: .*died with code 7.*log\.txt") as error:
        execute(loaded, options(tmp_path))
    assert error.value.exit_code == 1


def test_wrong_input_leaves_nothing_behind(scenario: Load, tmp_path: Path) -> None:
    wrong = {"level_band": {"of": 0.3}}
    with pytest.raises(RunFailedError, match="'of'") as error:
        execute(scenario("controllers=[level_band]"), options(tmp_path, parameters=wrong))
    assert error.value.exit_code == 2
    assert not list((tmp_path / "work" / "runs").iterdir())
    with Store(tmp_path / "work") as store:
        assert not store.runs()


def test_asking_for_an_undeclared_need_fails_that_row_only(
    scenario: Load, own_module: str, tmp_path: Path
) -> None:
    outcome = execute(scenario("seeds=[1]"), options(tmp_path, own=(f"{own_module}:Peeks",)))
    assert [(f.controller, f.exit_code) for f in outcome.failures] == [("Peeks", 2)]
    assert "'Peeks' called resource('future') but declared nothing" in outcome.failures[0].reason


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ("nonsense", r"give package\.module:Class"),
        ("no_such_module:X", "cannot be loaded: ModuleNotFoundError"),
        ("{}:Missing", "cannot be loaded: AttributeError"),
        ("{}:NOT_A_CONTROLLER", "is no controller: derive it from"),
        ("missing.csv", "no such file"),
    ],
)
def test_an_own_controller_that_cannot_be_loaded_is_named(
    scenario: Load, own_module: str, tmp_path: Path, own: str, message: str
) -> None:
    with pytest.raises(TrimtabError, match=message):
        execute(scenario(), options(tmp_path, own=(own.format(own_module),)))


def test_unknown_names_are_refused_before_anything_is_written(
    scenario: Load, tmp_path: Path
) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'tariff'"):
        execute(scenario(), options(tmp_path, controllers=("tarif",)))
    with pytest.raises(UnknownNameError, match="controller of this run"):
        execute(scenario(), options(tmp_path, parameters={"proportional": {}}))
    with pytest.raises(TrimtabError, match="named twice"):
        execute(scenario(), options(tmp_path, controllers=("tariff", "tariff")))
    assert not (tmp_path / "work").exists()


def test_an_episode_that_makes_no_step_is_given_up(tmp_path: Path) -> None:
    loaded = load_scenario("toy/queue-hour", ["problem.hang_at_min=2", "controllers=[one_desk]"])
    chosen = options(tmp_path, seeds=(1,))
    plan = Plan.of(loaded, chosen)
    with Store(chosen.workspace) as store:
        plan.begin(store)
        duty = Duty(str(chosen.workspace), plan.run_id)
        with Crew(store, duty, 1, max_step_s=2.0) as crew:
            drive(store, Scope(plan.run_id), crew)
        failed = [job for job in store.jobs(plan.run_id) if job.state == "failed"]
    assert [(j.controller, j.reason, j.exit_code) for j in failed] == [
        ("one_desk", "made no step in 2 s", 1)
    ]


def test_an_interrupted_run_keeps_what_was_done_and_goes_on_later(
    scenario: Load, tmp_path: Path
) -> None:
    def interrupt(progress: RunProgress) -> None:
        if any("level_band" in text for text in progress.running):
            raise KeyboardInterrupt

    long = scenario("problem.horizon_h=1500")
    with pytest.raises(KeyboardInterrupt):
        execute(long, options(tmp_path), interrupt)
    with Store(tmp_path / "work") as store:
        (run,) = store.runs()
        states = [job.state for job in store.jobs(run.id)]
    assert sorted(set(states)) == ["cancelled", "done"]
    again = execute(long, options(tmp_path))
    assert again.cached == states.count("done") >= 3
    assert len(again.records) == 6


SLOW = """
import sys
from pathlib import Path
from trimtab.run.execute import execute
from trimtab.run.plan import Plan, RunOptions
from trimtab.run.scenario_file import load_scenario

loaded = load_scenario("toy/queue-hour", ["problem.hang_at_min=30", "seeds=[1]"])
execute(loaded, RunOptions(workspace=Path(sys.argv[1]), workers=1),
        lambda p: print("|".join(p.running), flush=True))
"""


def test_workers_and_simulators_end_when_their_parent_is_killed(
    tmp_path: Path, group_is_gone: Callable[[int], bool]
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    for line in parent.stdout:
        if "one_desk, seed 1, step" in line:
            break
    with Store(tmp_path) as store:
        jobs = [job for run in store.runs() for job in store.jobs(run.id)]
    group = next(int(job.worker.split(":")[2]) for job in jobs if job.state == "running")
    parent.kill()
    parent.communicate()
    assert group_is_gone(group)
