import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trimtab.contracts.errors import (
    ContractError,
    RunFailedError,
    ScenarioError,
    TrimtabError,
    UnknownNameError,
)
from trimtab.contracts.problem import DesignSpec, Evaluation
from trimtab.contracts.records import DesignRecord
from trimtab.contracts.registry import load_domain
from trimtab.contracts.scenario import SearchBudget
from trimtab.contracts.spec import Metric
from trimtab.run.checkpoints import read_file, write_file
from trimtab.run.design_job import design_record, run_search, score_design
from trimtab.run.design_plan import choose_designs
from trimtab.run.execute import RunOutcome, execute
from trimtab.run.plan import RunOptions
from trimtab.run.scenario_file import LoadedScenario, load_scenario
from trimtab.run.supervisor import supervise
from trimtab.run.workspace import Workspace
from trimtab.search.catalogue import OPTIMIZERS, make
from trimtab.search.loop import Search
from trimtab.testing.toys.beam import BeamDomain, BeamModel, BeamProblem

QUICK = ("budget.evaluations=30", "controllers=[random, cmaes]", "seeds=[1, 2]")


@pytest.fixture
def beam() -> Callable[..., LoadedScenario]:
    return lambda *more: load_scenario("toy/beam", [*QUICK, *more])


def options(folder: Path, **more: Any) -> RunOptions:
    return RunOptions(**{"workspace": folder / "work", "workers": 1, **more})


def bits(outcome: RunOutcome) -> list[DesignRecord]:
    free = [dataclasses.replace(r.budget, cpu_s=0.0) for r in outcome.designs]
    return [
        dataclasses.replace(record, budget=budget)
        for record, budget in zip(outcome.designs, free, strict=True)
    ]


def search(problem: BeamProblem, evaluations: int = 40, seed: int = 1) -> DesignRecord:
    optimizer = make("random", problem.spec.space, seed)
    budget = SearchBudget(evaluations=evaluations, batch=4)
    return run_search(problem, optimizer, "random", seed, budget, lambda calls: None)


def test_a_run_scores_the_reference_and_searches_with_every_optimizer_and_seed(
    beam: Callable[..., LoadedScenario], tmp_path: Path
) -> None:
    outcome = execute(beam(), options(tmp_path))
    assert [(r.name, r.seed, r.given) for r in outcome.designs] == [
        ("square_bar", 0, True),
        ("random", 1, False),
        ("random", 2, False),
        ("cmaes", 1, False),
        ("cmaes", 2, False),
    ]
    assert [r.budget.evaluations for r in outcome.designs] == [1, 30, 30, 30, 30]
    assert list(outcome.bounds) == [0]
    assert outcome.records == ()
    again = execute(beam(), options(tmp_path))
    assert (again.computed, again.cached) == (0, 6)
    assert again.designs == outcome.designs


def test_the_number_of_workers_never_changes_a_search(
    beam: Callable[..., LoadedScenario], tmp_path: Path
) -> None:
    one = execute(beam(), options(tmp_path / "1"))
    two = execute(beam(), options(tmp_path / "2", workers=2))
    assert bits(one) == bits(two)


def test_budget_batch_and_hyperparameters_make_other_jobs(
    beam: Callable[..., LoadedScenario], tmp_path: Path
) -> None:
    execute(beam(), options(tmp_path))
    assert execute(beam("budget.evaluations=31"), options(tmp_path)).computed == 4
    assert execute(beam("budget.batch=2"), options(tmp_path)).computed == 4
    tuned = options(tmp_path, parameters={"cmaes": {"sigma": 0.2}})
    assert execute(beam(), tuned).computed == 2
    assert execute(beam("seeds=[1, 2, 3]"), options(tmp_path)).computed == 2


def test_the_record_holds_the_best_feasible_design_and_how_it_was_reached() -> None:
    record = search(BeamProblem(BeamModel()))
    assert record.feasible
    assert record.flags == ()
    calls, headlines = zip(*record.improvements, strict=True)
    assert list(calls) == sorted(set(calls))
    assert max(calls) <= 40 == record.budget.evaluations
    assert (np.diff(headlines) < 0).all()
    assert headlines[-1] == record.metrics["mass_kg"]
    assert record.excess["deflection"] == record.metrics["deflection_m"] - 0.005
    scored = score_design(BeamProblem(BeamModel()), "x", record.design)
    assert scored.metrics == record.metrics
    masses = [point.values["mass_kg"] for point in record.front]
    assert masses[0] == record.metrics["mass_kg"]
    assert masses == sorted(masses)


def test_a_search_without_a_feasible_design_says_so() -> None:
    record = search(BeamProblem(BeamModel(load_n=1e6)))
    assert record.flags == ("infeasible",)
    assert not record.feasible
    assert record.improvements == ()
    assert record.front == ()


class Failing(BeamProblem):
    """Fails on every design wider than a limit."""

    def __init__(self, limit_m: float) -> None:
        super().__init__(BeamModel())
        self._limit_m = limit_m

    def evaluate(self, designs: Any, fidelity: str, seed: int) -> Evaluation:
        scored = super().evaluate(designs, fidelity, seed)
        scored.objectives[designs[:, 0] > self._limit_m] = np.nan
        return scored


def test_failed_designs_are_never_the_best() -> None:
    record = search(Failing(0.03))
    assert record.design["width_m"] <= 0.03
    assert all(point.design["width_m"] <= 0.03 for point in record.front)


def test_a_simulator_that_fails_on_everything_is_an_error() -> None:
    with pytest.raises(RunFailedError, match="random, seed 1: the simulator failed on all 8"):
        search(Failing(0.0), evaluations=8)
    with pytest.raises(RunFailedError, match="scored no such design"):
        score_design(Failing(0.0), "x", {"width_m": 0.05, "height_m": 0.05, "material": "steel"})


def test_a_given_design_must_name_every_parameter() -> None:
    with pytest.raises(ContractError, match="lacks height_m, material"):
        score_design(BeamProblem(BeamModel()), "x", {"width_m": 0.05})


def test_an_objective_to_maximise_is_maximised() -> None:
    class Light(BeamProblem):
        def __init__(self) -> None:
            super().__init__(BeamModel())
            self.spec = DesignSpec(
                "x", self.spec.space, (Metric("lightness", "1/kg", "max"),), self.spec.constraints
            )

        def evaluate(self, designs: Any, fidelity: str, seed: int) -> Evaluation:
            scored = super().evaluate(designs, fidelity, seed)
            scored.objectives = 1 / scored.objectives[:, :1]
            return scored

    plain, turned = search(BeamProblem(BeamModel())), search(Light())
    assert turned.design == plain.design
    assert (np.diff([value for _, value in turned.improvements]) > 0).all()
    assert turned.front == ()


OWN = """
import os, signal
from pathlib import Path

import numpy as np
from trimtab.search.optimizer import Optimizer

class Corner(Optimizer):
    "Tries one corner after the other."
    def __init__(self, space, seed, start=0):
        self.width, self.at = space.width, start
    def ask(self, n):
        at = np.arange(self.at, self.at + n)
        self.at += n
        return (at[:, None] >> np.arange(self.width) & 1) * 1.0
    def tell(self, points, score, objectives=None, constraints=None):
        assert len(points) == len(score)
    def state_dict(self):
        return {"at": np.array(self.at)}
    def load_state_dict(self, state):
        self.at = int(state["at"])

class Dies(Corner):
    "Kills its process at its sixth design, the first time."
    def ask(self, n):
        once = Path(__file__).with_name("died")
        if self.at == 5 and not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().ask(n)

class NoOptimizer:
    pass
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"own_{abs(hash(tmp_path)) % 10**9}"
    (tmp_path / f"{name}.py").write_text(OWN)
    (tmp_path / "mine.yaml").write_text("width_m: 0.05\nheight_m: 0.05\nmaterial: steel\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_the_users_own_optimizer_and_design_join_the_run(
    beam: Callable[..., LoadedScenario], own: str, tmp_path: Path
) -> None:
    chosen = (f"{own}:Corner", str(tmp_path / "mine.yaml"))
    outcome = execute(beam(), options(tmp_path, controllers=("random",), own=chosen))
    rows = {record.name: record for record in outcome.designs}
    assert rows["Corner"].budget.evaluations == 8  # a cube has no more corners
    assert rows["Corner"].repeats > 0
    assert rows["mine"].metrics["mass_kg"] == pytest.approx(7850 * 0.05 * 0.05)
    assert [c.entry.role for c in outcome.plan.choices] == [
        "reference", "optimizer", "user", "user"
    ]  # fmt: skip


def test_a_search_whose_worker_was_killed_ends_as_if_undisturbed(
    beam: Callable[..., LoadedScenario], own: str, tmp_path: Path
) -> None:
    chosen = (f"{own}:Corner", f"{own}:Dies")
    outcome = execute(beam("seeds=[1]"), options(tmp_path, controllers=("random",), own=chosen))
    assert not outcome.failures
    rows = {record.name: dataclasses.replace(record, name="") for record in bits(outcome)}
    assert rows["Dies"] == rows["Corner"]
    assert (tmp_path / "died").exists()


def test_what_is_no_optimizer_or_named_twice_is_refused(
    beam: Callable[..., LoadedScenario], own: str, tmp_path: Path
) -> None:
    cases: Sequence[tuple[dict[str, Any], type[TrimtabError], str]] = [
        ({"own": (f"{own}:NoOptimizer",)}, TrimtabError, "is no optimizer: derive it from"),
        ({"controllers": ("sobl",)}, UnknownNameError, "Did you mean 'sobol'"),
        ({"controllers": ("random", "random")}, TrimtabError, "named twice"),
        ({"parameters": {"sobol": {}}}, UnknownNameError, "controller of this run"),
        ({"parameters": {"cmaes": {"sigm": 1}}}, UnknownNameError, "Did you mean 'sigma'"),
        ({"parameters": {"cmaes": {"sigma": 9}}}, ContractError, "sigma: 9 is outside"),
    ]
    for chosen, kind, said in cases:
        with pytest.raises(kind, match=said):
            execute(beam(), options(tmp_path, **chosen))


def test_a_run_of_no_named_optimizer_takes_all_that_need_no_extra() -> None:
    names = [c.name for c in choose_designs(load_domain("toy.beam"), BeamModel())]
    assert names[0] == "square_bar"
    assert {"random", "sobol", "cmaes", "genetic"} <= set(names)
    assert not {"enumerate", "tpe"} & set(names)


def test_a_scenario_names_known_optimizers_and_a_legal_budget(tmp_path: Path) -> None:
    path = tmp_path / "beam.yaml"
    path.write_text(
        "name: beam\ndomain: toy.beam\nproblem: {}\ncontrollers: [sobl]\nbudget: {evaluatons: 10}\n"
    )
    with pytest.raises(ScenarioError) as error:
        load_scenario(path)
    assert "beam.yaml:5:10: budget.evaluatons: unknown key" in str(error.value)
    assert "Did you mean 'evaluations'?" in str(error.value)
    path.write_text(path.read_text().replace("evaluatons", "evaluations"))
    with pytest.raises(ScenarioError, match=r"4:15: .*unknown optimizer 'sobl'.*'sobol'"):
        load_scenario(path)


def test_a_budget_belongs_to_design_scenarios_only(tmp_path: Path) -> None:
    path = tmp_path / "tank.yaml"
    path.write_text("name: tank\ndomain: toy.tank\nproblem: {}\nbudget: {evaluations: 3}\n")
    with pytest.raises(ScenarioError, match="4:1: budget: unknown key"):
        load_scenario(path)


@pytest.mark.parametrize("name", ["cmaes", "coordinate", "ppo", "tpe", "sac"])
def test_a_search_that_goes_on_from_its_checkpoint_leaves_the_same_record(
    name: str, tmp_path: Path
) -> None:
    if not OPTIMIZERS[name].installed:
        pytest.skip(f"{name} needs {OPTIMIZERS[name].package}")
    problem, budget = BeamProblem(BeamModel()), SearchBudget(evaluations=24, batch=4)

    def run(report: Any, state: Any = None) -> DesignRecord:
        optimizer = make(name, problem.spec.space, 3)
        record = run_search(problem, optimizer, name, 3, budget, report, state)
        return dataclasses.replace(record, budget=dataclasses.replace(record.budget, cpu_s=0.0))

    files: list[Path] = []

    def keep(search: Search) -> None:
        files.append(tmp_path / f"{len(files)}.safetensors")
        write_file(files[-1], search.state_dict(), {})

    whole = run(keep)
    for path in (files[2], files[-1]):
        assert run(lambda search: None, read_file(path, 0).arrays) == whole


def test_searches_share_what_is_slow_to_simulate(tmp_path: Path) -> None:
    simulated: list[int] = []

    class Counting(BeamProblem):
        def evaluate(self, designs: Any, fidelity: str, seed: int) -> Evaluation:
            simulated.append(len(designs))
            return super().evaluate(designs, fidelity, seed)

    class CountingDomain(BeamDomain):
        def build(self, problem: BeamModel, *_: Any, **__: Any) -> BeamProblem:
            return Counting(problem)

    def search_with(name: str, file: Path | None) -> DesignRecord:
        task = {
            "kind": "search", "controller": name, "own": "", "seeds": [1], "parameters": "{}",
            "budget": SearchBudget(evaluations=12, batch=4).model_dump_json(),
        }  # fmt: skip
        return design_record(CountingDomain(), BeamModel(), task, lambda search: None, None, file)

    shared = tmp_path / "evaluations" / "beam.db"
    first, again = search_with("sobol", shared), search_with("sobol", shared)
    assert sum(simulated) == 12
    alone = search_with("sobol", None)
    assert sum(simulated) == 24
    assert first.metrics == again.metrics == alone.metrics
    assert first.improvements == again.improvements == alone.improvements
    assert again.budget.evaluations == 12


def test_a_queued_design_run_is_judged_from_what_the_store_holds(
    beam: Callable[..., LoadedScenario], own: str, tmp_path: Path
) -> None:
    mine = str(tmp_path / "mine.yaml")
    space = Workspace(tmp_path / "work")
    run = space.enqueue(beam(), RunOptions(controllers=("random",), own=(mine,)))
    supervise(space.path, 1, until_idle=True)
    detail = space.run(run)
    assert detail.row.state == "done"
    assert detail.result is not None
    assert {row["name"] for row in detail.result["rows"]} == {"square_bar", "mine", "random"}
    assert space.progress(run).share == 1.0
