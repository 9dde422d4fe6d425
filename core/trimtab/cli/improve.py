"""`tune` and `train`: better parameters for a controller, and learned controllers."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.cli.options import DEFAULT_WORKSPACE, AsJson, Scenario, Set, Workspace, seeds_of
from trimtab.cli.session import Session, command_line

if TYPE_CHECKING:
    from trimtab.evidence.result import PairedSummary
    from trimtab.run.rollouts import Rollouts
    from trimtab.run.scenario_file import LoadedScenario
    from trimtab.run.tuning import Tuned

Controller = Annotated[str, typer.Option("--controller", metavar="NAME", help="controller id")]


EVALUATIONS = 64
"""Candidates that tuning a controller tries by default."""


def tune(
    scenario: Scenario,
    controller: Annotated[
        str | None,
        typer.Option("--controller", metavar="NAME", help="id, or package.module:Class"),
    ] = None,
    evaluations: Annotated[
        int | None,
        typer.Option(
            "--evaluations",
            metavar="N",
            min=1,
            help=f"candidates to try (default: {EVALUATIONS}, or the design scenario's budget)",
        ),
    ] = None,
    seeds: Annotated[
        str,
        typer.Option("--seeds", metavar="LIST", help="tuning seeds, other than those of `run`"),
    ] = "101..103",
    unseen_seeds: Annotated[
        str,
        typer.Option("--unseen-seeds", metavar="LIST", help="seeds that judge what was found"),
    ] = "111..115",
    seed: Annotated[int, typer.Option("--seed", min=0, help="seed of the optimizer")] = 0,
    optimizer: Annotated[
        str, typer.Option("--optimizer", metavar="NAME", help="id of the search")
    ] = "cmaes",
    set_: Set = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="processes (default: CPUs)")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="write the parameters here")
    ] = None,
    json_: AsJson = False,
) -> None:
    """Tune a controller's parameters on a scenario, or search for a design with one optimizer."""
    tuning_seeds = seeds_of(seeds)
    unseen = tuple(s for s in seeds_of(unseen_seeds) if s not in tuning_seeds)
    with Session(as_json=json_) as session:
        from trimtab.contracts.scenario import DesignScenario
        from trimtab.run.plan import RunOptions
        from trimtab.run.scenario_file import load_scenario

        loaded = load_scenario(scenario, set_ or ())
        if isinstance(loaded.scenario, DesignScenario):
            from trimtab.cli.designs import tune_design

            options = RunOptions(seeds=(seed,), workspace=workspace, workers=workers)
            tune_design(session, loaded, optimizer, evaluations, options, out)
            return
        if controller is None:
            msg = f"{scenario}: name what to tune: --controller NAME"
            raise typer.BadParameter(msg)
        request = _Request(
            controller, evaluations or EVALUATIONS, tuning_seeds, unseen, optimizer, seed
        )
        _tune_controller(session, loaded, request, workspace, workers, out)


@dataclass(frozen=True, slots=True)
class _Request:
    """What `tune` asks for; `seed` is the optimizer's."""

    controller: str
    evaluations: int
    seeds: tuple[int, ...]
    unseen: tuple[int, ...]
    optimizer: str
    seed: int


def _tune_controller(
    session: Session,
    loaded: LoadedScenario,
    request: _Request,
    workspace: Path,
    workers: int | None,
    out: Path | None,
) -> None:
    from trimtab.run.controllers import importable_from
    from trimtab.run.rollouts import Rollouts
    from trimtab.run.tuning import against_shipped, tune_controller

    importable_from(Path.cwd())
    name, headline = request.controller, loaded.domain.headline
    shared = sorted(set(request.seeds) & set(loaded.scenario.seeds))
    if shared:
        session.note(f"note: seeds {shared} are also test seeds of the scenario")
    with Rollouts(loaded, name, request.seeds, workspace, workers) as rollouts:
        tuned = tune_controller(
            rollouts,
            rollouts.name,
            headline,
            request.evaluations,
            optimizer=request.optimizer,
            seed=request.seed,
            progress=_counter(headline.name) if sys.stderr.isatty() else None,
        )
    with Rollouts(loaded, name, request.unseen, workspace, workers) as judges:
        judged = against_shipped(judges, headline, tuned.parameters) if request.unseen else None
    about = {
        "seeds": request.seeds,
        "unseen_seeds": request.unseen,
        "versus_shipped": None if judged is None else judged.model_dump(mode="json"),
        "optimizer": request.optimizer,
        "optimizer_seed": request.seed,
    }
    file = _write_tuned(loaded, rollouts, tuned, about, out)
    _show_tuned(session, loaded, request, tuned, judged, file)


def _counter(headline: str) -> Any:
    def show(evaluations: int, best: float) -> None:
        sys.stderr.write(f"\r{evaluations} candidates, best {headline} {abs(best):g}\033[K")
        sys.stderr.flush()

    return show


def _write_tuned(
    loaded: LoadedScenario,
    rollouts: Rollouts,
    tuned: Tuned,
    about: dict[str, Any],
    out: Path | None,
) -> Path:
    from dataclasses import asdict

    from trimtab.run.manifest import manifest
    from trimtab.run.parameter_file import write_parameters

    file = out or rollouts.run_dir / "parameters.json"
    facts = {
        "command": command_line(),
        "scenario": loaded.source,
        "headline": loaded.domain.headline.name,
        "before": tuned.before,
        "after": tuned.after,
        "budget": asdict(tuned.budget),
        **about,
    }
    write_parameters(file, rollouts.name, tuned.parameters, manifest(facts))
    return file


def _show_tuned(
    session: Session,
    loaded: LoadedScenario,
    request: _Request,
    tuned: Tuned,
    judged: PairedSummary | None,
    file: Path,
) -> None:
    from trimtab.evidence.words import difference_text, unit_text

    if sys.stderr.isatty():
        session.note("")
    controller, headline = request.controller, loaded.domain.headline
    rows = [[name, str(value)] for name, value in tuned.parameters.items()]
    before = "" if tuned.before is None else f"{tuned.before:g} → "
    rows.append(
        [
            headline.name,
            f"{before}{tuned.after:g} {unit_text(headline.unit)}".rstrip() + " on the tuning seeds",
        ]
    )
    if judged is not None:
        unseen = f"{difference_text(judged, headline.unit)} on {judged.seeds} unseen seeds"
        rows.append(["beside what ships", unseen])
    rows.append(["evaluations", str(tuned.budget.evaluations)])
    rows.append(["file", str(file)])
    session.table([controller, ""], rows)
    if judged is not None and judged.verdict != "better":
        session.note(
            "note: not shown to be better on seeds that tuning never saw: keep what ships, or tune "
            "on more seeds (--seeds)"
        )
    session.document(
        "trimtab/tuning/1",
        controller=controller,
        parameters=dict(tuned.parameters),
        headline=headline.name,
        before=tuned.before,
        after=tuned.after,
        unseen_seeds=list(request.unseen),
        versus_shipped=None if judged is None else judged.model_dump(mode="json"),
        evaluations=tuned.budget.evaluations,
        cpu_s=tuned.budget.cpu_s,
        file=str(file),
    )


def train(
    scenario: Scenario,
    controller: Controller,
    seed: Annotated[int, typer.Option("--seed", min=0, help="seed of training")] = 1,
    cpu_s: Annotated[
        float | None, typer.Option("--cpu-s", metavar="S", min=1, help="budget in CPU seconds")
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="replace the weights that ship with the package")
    ] = False,
    set_: Set = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="folder of the weights")
    ] = None,
    json_: AsJson = False,
) -> None:
    """Train a learned controller on a scenario."""
    if retrain and out is not None:
        msg = "give --retrain or --out, not both"
        raise typer.BadParameter(msg)
    with Session(as_json=json_) as session:
        from trimtab.run.scenario_file import load_scenario

        loaded = load_scenario(scenario, set_ or ())
        folder = _weights_folder(loaded, controller, seed, workspace, out, retrain=retrain)
        folder.mkdir(parents=True, exist_ok=True)
        parameters = _train(loaded, controller, seed, folder, cpu_s, session)
        file = _write_trained(loaded, controller, seed, parameters, folder)
        session.text(f"{controller}: trained; evaluate it with --parameters {file}")
        session.document(
            "trimtab/training/1",
            controller=controller,
            seed=seed,
            folder=str(folder),
            file=str(file),
        )


def _weights_folder(
    loaded: LoadedScenario,
    controller: str,
    seed: int,
    workspace: Path,
    out: Path | None,
    *,
    retrain: bool,
) -> Path:
    from trimtab.contracts.errors import TrimtabError, UnknownNameError

    offered = loaded.domain.controllers(loaded.scenario.problem)
    if controller not in offered:
        raise UnknownNameError(controller, "controller", offered)
    if offered[controller].role != "learned":
        msg = f"controller {controller!r} is {offered[controller].role}, not learned: try tune"
        raise TrimtabError(msg)
    if retrain:
        files = offered[controller].files
        if not files:
            msg = f"controller {controller!r} ships no weights: train it with --out"
            raise TrimtabError(msg)
        return files[0].parent
    return out or workspace / "trained" / f"{loaded.scenario.name}-{controller}-{seed}"


def _train(
    loaded: LoadedScenario,
    controller: str,
    seed: int,
    folder: Path,
    cpu_s: float | None,
    session: Session,
) -> dict[str, Any]:
    from trimtab.cli.prompt_end import prompt_end
    from trimtab.contracts.errors import MissingDependencyError

    problem, train = loaded.scenario.problem, loaded.domain.train
    try:
        with prompt_end():
            return dict(train(problem, controller, seed, folder.resolve(), cpu_s, session.note))
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingDependencyError(package="torch", extra="train", purpose="training") from None


def _write_trained(
    loaded: LoadedScenario, controller: str, seed: int, parameters: dict[str, Any], folder: Path
) -> Path:
    from trimtab.run.manifest import manifest
    from trimtab.run.parameter_file import write_parameters

    file = folder / f"{controller}.parameters.json"
    facts = {"command": command_line(), "scenario": loaded.source, "seed": seed}
    write_parameters(file, controller, parameters, manifest(facts))
    return file
