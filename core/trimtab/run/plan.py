"""The plan of a run: which jobs it is made of, and the ids that follow from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from trimtab.contracts.errors import RunFailedError, TrimtabError
from trimtab.contracts.scenario import DesignScenario, content_id
from trimtab.run.claims import REPORT
from trimtab.run.controllers import Choice, choose, importable_from
from trimtab.run.design_plan import DesignPlanner, choose_designs, left_out
from trimtab.run.identity import ProblemIdentity
from trimtab.run.jobs import BOUND, Job, Planner
from trimtab.run.rows import NewJob, NewRun, RunRow
from trimtab.run.scenario_file import LoadedScenario, stored_scenario
from trimtab.run.store import Store

DEFAULT_WORKSPACE = Path("trimtab-work")
REPORT_NAME = "(report)"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run asks for beyond its scenario file.

    Attributes:
        controllers: ids to select in place of the scenario's; all if both are empty.
        own: the user's own controllers (`run.controllers.own_controller`).
        parameters: controller id → parameters in place of the shipped ones.
        seeds: in place of the scenario's.
        workers: processes; None is the number of CPUs.
        engine: what holds the worker processes: `local`, or `ray` (extra ray).
    """

    controllers: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    workspace: Path = DEFAULT_WORKSPACE
    workers: int | None = None
    engine: Literal["local", "ray"] = "local"


@dataclass(frozen=True, slots=True)
class Plan:
    """The jobs of a run and their names.

    Attributes:
        jobs: controller name → its jobs in the order of `seeds`; bounds under `BOUND`.
        run_id: the scenario's name and a hash over all jobs.
        command: what reproduces it, for reports.
    """

    loaded: LoadedScenario
    choices: tuple[Choice, ...]
    seeds: tuple[int, ...]
    planner: Planner | DesignPlanner
    jobs: Mapping[str, list[Job]]
    run_id: str
    command: str = ""

    @classmethod
    def of(cls, loaded: LoadedScenario, options: RunOptions, command: str = "") -> Plan:
        """Resolve controllers and seeds of a run and name its jobs.

        Raises:
            TrimtabError: there is no controller, one is unknown, or a data file is unreadable.
        """
        scenario = loaded.scenario
        seeds = options.seeds or scenario.seeds
        names = options.controllers or scenario.controllers
        domain, problem = loaded.domain, scenario.problem
        identity = ProblemIdentity.of(domain, problem)
        planner: Planner | DesignPlanner
        if isinstance(scenario, DesignScenario):
            if not options.controllers:
                loaded, names = _with_installed(loaded, names)
            choices = choose_designs(domain, problem, names, options.own, options.parameters)
            planner = DesignPlanner(domain, problem, identity, scenario.budget)
        else:
            if not (names or options.own or domain.controllers(problem)):
                msg = f"{loaded.source}: {domain.name} offers no controllers, so nothing can run"
                raise TrimtabError(msg)
            choices = choose(domain, problem, names, options.own, options.parameters)
            planner = Planner(domain, problem, identity)
        jobs = planner.jobs(choices, seeds)
        digest = identity.sha256(jobs=[job.id for own in jobs.values() for job in own])
        run_id = f"{scenario.name}-{digest[:12]}"
        return cls(loaded, tuple(choices), seeds, planner, jobs, run_id, command)

    @property
    def scenario_sha256(self) -> str:
        """Hash of the whole scenario, its data files and the versions."""
        return self.planner.identity.sha256(scenario=content_id(self.loaded.scenario))

    def begin(
        self, store: Store, *, judged: bool = False, sweep: str = "", owner: str = ""
    ) -> None:
        """Write run, scenario and jobs; make the run's folder.

        Args:
            store: of the workspace.
            judged: add a job that judges the run once all others are settled.
            sweep: id of the sweep it belongs to, or empty.
            owner: who asked for it, or empty.
        """
        scenario = self.loaded.scenario
        row = {
            "hash": self.scenario_sha256,
            "domain": scenario.domain,
            "schema": scenario.schema_id,
            "text": scenario.model_dump_json(by_alias=True),
        }
        run = NewRun(
            id=self.run_id,
            scenario=row,
            name=scenario.name,
            controllers=tuple(choice.name for choice in self.choices),
            seeds=self.seeds,
            config=self.config,
            sweep=sweep,
            owner=owner,
        )
        store.begin_run(run, [*self.new_jobs(), *([self.report_job()] if judged else [])])
        folder = store.run_dir(self.run_id)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.config, indent=2, default=str) + "\n"
        (folder / "config.json").write_text(text, encoding="utf-8")

    def new_jobs(self) -> list[NewJob]:
        """Bounds first, then controllers in order."""
        jobs: list[NewJob] = []
        for choice in (None, *self.choices):
            text = self.planner.task(choice)
            own = self.jobs[BOUND if choice is None else choice.name]
            jobs += [NewJob(job.id, job.kind, job.controller, job.seed, text) for job in own]
        return jobs

    def report_job(self) -> NewJob:
        """The job that judges the run."""
        text = json.dumps({"versions": dict(self.planner.identity.versions)})
        return NewJob(f"{REPORT}{self.run_id}", "report", REPORT_NAME, 0, text, ready=False)

    @property
    def config(self) -> dict[str, Any]:
        """What was asked for, as plain data; `Plan.of` makes the same plan of it."""
        config = {
            "schema": "trimtab/run/1",
            "run_id": self.run_id,
            "source": self.loaded.source,
            "overrides": list(self.loaded.overrides),
            "command": self.command,
            "folder": str(Path.cwd()),
            "scenario": self.loaded.scenario.model_dump(mode="json", by_alias=True),
            "seeds": list(self.seeds),
            "controllers": [
                {"name": c.name, "own": c.own, "parameters": dict(c.parameters)}
                for c in self.choices
                if c.kind != "design" or c.own  # reference designs come with the domain
            ],
        }
        plain: dict[str, Any] = json.loads(json.dumps(config, default=str))
        return plain

    def pending(self, store: Store) -> set[str]:
        """Ids of the jobs that are not done."""
        mine = {job.id for own in self.jobs.values() for job in own}
        rows = store.jobs(self.run_id, results=False)
        return {job.id for job in rows if job.state != "done" and job.id in mine}


def stored_plan(row: RunRow) -> Plan:
    """The plan of a stored run again, under the present versions.

    Raises:
        RunFailedError: under these versions it would be another run.
        TrimtabError: a controller or a data file is not there any more.
    """
    config = row.config
    if config.get("folder"):
        importable_from(Path(config["folder"]))
    loaded = stored_scenario(config["scenario"], config["source"], tuple(config["overrides"]))
    names = [c for c in config["controllers"] if not c["own"]]
    options = RunOptions(
        controllers=tuple(c["name"] for c in names),
        own=tuple(c["own"] for c in config["controllers"] if c["own"]),
        parameters={c["name"]: c["parameters"] for c in config["controllers"] if c["parameters"]},
        seeds=tuple(config["seeds"]),
    )
    plan = Plan.of(loaded, options, config["command"])
    if plan.run_id != row.id:
        msg = (
            f"run {row.id} was begun under other versions of the program, its packages or its "
            "files: run its scenario again"
        )
        raise RunFailedError(msg)
    return plan


def _with_installed(
    loaded: LoadedScenario, names: Sequence[str]
) -> tuple[LoadedScenario, tuple[str, ...]]:
    """The optimizers of a scenario that are installed; a note names those that are not."""
    absent = left_out(names)
    if not absent:
        return loaded, tuple(names)
    extras = ", ".join(sorted({f"trimtab[{extra}]" for extra in absent.values()}))
    note = f"names {', '.join(absent)}, left out here: install {extras} to run them"
    kept = tuple(name for name in names if name not in absent)
    return replace(loaded, notes=(*loaded.notes, note)), kept
