"""A stage: problem, shield, monitor and controller of one scenario, built and closed together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trimtab.contracts.controller import AnyController
from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import ContractError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.shield import Monitor, Shield
from trimtab.run.controllers import Choice
from trimtab.run.episode_log import write_simulation
from trimtab.run.grants import make_controller
from trimtab.run.own_fault import own_faults
from trimtab.run.resume import Past
from trimtab.run.runner import Watch, evaluate
from trimtab.run.trajectory import simulate


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that plays an episode; see `staged`."""

    control: ControlProblem
    controller: AnyController
    shield: Shield | None
    monitor: Monitor | None


def built(
    domain: Domain,
    problem: Any,
    copies: int = 1,
    interface: str = "default",
    *,
    autoreset: bool = False,
) -> ControlProblem:
    """A domain's control problem, without its shield; see `Domain.build`.

    Raises:
        ContractError: it is a design problem, which has no episodes.
    """
    control = domain.build(problem, copies=copies, interface=interface, autoreset=autoreset)
    if not isinstance(control, ControlProblem):
        control.close()
        msg = f"{domain.name} is a design problem: it has no episodes that a controller plays"
        raise ContractError(msg)
    return control


@contextmanager
def staged(domain: Domain, problem: Any, choice: Choice, copies: int = 1) -> Iterator[Stage]:
    """Build problem, shield, monitor and controller; close the problem afterwards.

    Raises:
        TrimtabError: see `built` and `run.grants.make_controller`.
    """
    with built(domain, problem, copies, choice.entry.interface) as control:
        yield Stage(
            control,
            make_controller(control, choice.entry, choice.parameters, choice.name),
            domain.shield(problem, control) if choice.entry.shielded else None,
            domain.monitor(problem),
        )


def play(
    domain: Domain,
    stage: Stage,
    choice: Choice,
    seeds: Sequence[int],
    watch: Watch | None = None,
    past: Past | None = None,
) -> list[EpisodeRecord]:
    """One record per seed, the domain's flags set, on a stage that is built.

    Raises:
        TrimtabError: see `run.runner.evaluate`.
    """
    records = evaluate(
        stage.control,
        stage.controller,
        seeds,
        name=choice.name,
        shield=stage.shield,
        monitor=stage.monitor,
        watch=watch,
        past=past,
    )
    return [replace(record, flags=domain.flags(record)) for record in records]


def play_into(
    domain: Domain, problem: Any, choice: Choice, seed: int, folder: Path
) -> tuple[EpisodeRecord, list[Path]]:
    """Play one episode and write its trajectory and the simulator's log; the record and the files.

    Raises:
        RunFailedError: the engineer's own controller raised.
        TrimtabError: see `staged`, `run.trajectory.simulate` and `run.episode_log`.
    """
    with own_faults(choice, folder), staged(domain, problem, choice) as stage:
        played = simulate(
            stage.control,
            stage.controller,
            seed,
            name=choice.name,
            shield=stage.shield,
            monitor=stage.monitor,
        )
        record = replace(played.record, flags=domain.flags(played.record))
        return record, write_simulation(replace(played, record=record), folder)
