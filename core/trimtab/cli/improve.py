"""`tune` and `train`: better parameters for a controller, and learned controllers."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.cli.options import DEFAULT_WORKSPACE, AsJson, Scenario, Set, Workspace, seeds_of
from trimtab.cli.session import Session, command_line

if TYPE_CHECKING:
    from trimtab.run.rollouts import Rollouts
    from trimtab.run.scenario_file import LoadedScenario
    from trimtab.run.tuning import Tuned

Controller = Annotated[str, typer.Option("--controller", metavar="NAME", help="controller id")]


class Optimizer(StrEnum):
    """Optimizers that `tune` offers."""

    cmaes = "cmaes"
    sobol = "sobol"


def tune(
    scenario: Scenario,
    controller: Controller,
    evaluations: Annotated[
        int, typer.Option("--evaluations", metavar="N", min=1, help="candidates to try")
    ] = 64,
    seeds: Annotated[
        str,
        typer.Option("--seeds", metavar="LIST", help="tuning seeds, other than those of `run`"),
    ] = "101..103",
    seed: Annotated[int, typer.Option("--seed", min=0, help="seed of the optimizer")] = 0,
    optimizer: Annotated[Optimizer, typer.Option("--optimizer", help="search")] = Optimizer.cmaes,
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
    """Tune a controller's parameters on a scenario."""
    tuning_seeds = seeds_of(seeds)
    with Session(as_json=json_) as session:
        from trimtab.run.rollouts import Rollouts
        from trimtab.run.scenario_file import load_scenario
        from trimtab.run.tuning import tune_controller

        loaded = load_scenario(scenario, set_ or ())
        shared = sorted(set(tuning_seeds) & set(loaded.scenario.seeds))
        if shared:
            session.note(f"note: seeds {shared} are also test seeds of the scenario")
        with Rollouts(loaded, controller, tuning_seeds, workspace, workers) as rollouts:
            tuned = tune_controller(
                rollouts,
                controller,
                loaded.domain.headline,
                evaluations,
                optimizer=optimizer.value,
                seed=seed,
                progress=_counter(loaded.domain.headline.name) if sys.stderr.isatty() else None,
            )
        about = {"seeds": tuning_seeds, "optimizer": optimizer.value, "optimizer_seed": seed}
        file = _write_tuned(loaded, rollouts, controller, tuned, about, out)
        _show_tuned(session, loaded, controller, tuned, file)


def _counter(headline: str) -> Any:
    def show(evaluations: int, best: float) -> None:
        sys.stderr.write(f"\r{evaluations} candidates, best {headline} {abs(best):g}\033[K")
        sys.stderr.flush()

    return show


def _write_tuned(
    loaded: LoadedScenario,
    rollouts: Rollouts,
    controller: str,
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
    write_parameters(file, controller, tuned.parameters, manifest(facts))
    return file


def _show_tuned(
    session: Session, loaded: LoadedScenario, controller: str, tuned: Tuned, file: Path
) -> None:
    if sys.stderr.isatty():
        session.note("")
    headline = loaded.domain.headline
    rows = [[name, str(value)] for name, value in tuned.parameters.items()]
    before = "" if tuned.before is None else f"{tuned.before:g} → "
    rows.append([headline.name, f"{before}{tuned.after:g} {headline.unit}"])
    rows.append(["evaluations", str(tuned.budget.evaluations)])
    rows.append(["file", str(file)])
    session.table([controller, ""], rows)
    session.document(
        "trimtab/tuning/1",
        controller=controller,
        parameters=dict(tuned.parameters),
        headline=headline.name,
        before=tuned.before,
        after=tuned.after,
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
    from trimtab.contracts.errors import MissingDependencyError

    try:
        problem = loaded.scenario.problem
        return dict(
            loaded.domain.train(problem, controller, seed, folder.resolve(), cpu_s, session.note)
        )
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
