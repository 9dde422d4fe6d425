"""Takes a controller out of Python: signal programs, tables, and a configuration for raw `sumo`.

- A program that runs inside SUMO (fixed, actuated, delay-based, NEMA, Webster) is written as it is
  installed (``plan.add.xml``), and as a time-of-day plan that holds in the period it was judged on
  (``day.add.xml``).
- Any other controller is played once, and what its signals showed is written as programs that show
  it again (``replay.add.xml``), beside a table of its decisions, the tables of its stages and
  intergreens, and what the exhaustive check of each signal's shield found (``shield.csv``).

In both cases ``sumo -c run.sumocfg`` gives the product's figures for the same seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.controller import Controller, NativeController
from trimtab.contracts.errors import InputFileError
from trimtab.run.controllers import choose_one
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate

from trimtab_traffic.controllers import entries
from trimtab_traffic.decisions import DECISION_COLUMNS, DecisionLog
from trimtab_traffic.filewrite import write_csv
from trimtab_traffic.plans import (
    INTERGREEN_COLUMNS,
    DayPlan,
    Programs,
    is_stage,
    read_programs,
    write_day_plans,
    write_plan_tables,
    write_programs,
)
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.replay import read_signal_log, replay_programs
from trimtab_traffic.rules import SignalTiming, intergreen_plan, signal_timing
from trimtab_traffic.runconfig import keep_files, write_config
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.shield_check import check_network
from trimtab_traffic.signals import Program
from trimtab_traffic.simulation import RunOptions

RULE_COLUMNS = ("signal", "stage", "state", "min_green_s", "max_green_s")
SHIELD_COLUMNS = ("signal", "holds", "states", "seconds", "deadline_corners", "broken")


def export(
    problem: SignalsProblem,
    controller: str,
    parameters: Mapping[str, Any],
    out: Path,
    seed: int = 1,
) -> tuple[Path, ...]:
    """Write a deployable form of a controller.

    Args:
        problem: the scenario's problem part.
        controller: public name, or the user's own as in `run --controller`.
        parameters: in place of the controller's defaults.
        out: folder, made if it is not there.
        seed: traffic that a controller which cannot run inside SUMO is played on.

    Returns:
        The files written: signal programs, ``run.sumocfg``, tables.

    Raises:
        TrimtabError: no such controller, or the folder cannot be used.
    """
    choice = choose_one(entries(problem), controller)
    if ":" in str(out.resolve()):
        msg = f"{out}: SUMO reads a ':' in a path as host:port; choose a folder without it"
        raise InputFileError(msg)
    control = SignalControl(problem, choice.entry.interface)
    with control:
        made = make_controller(control, choice.entry, parameters, choice.name)
        if isinstance(made, NativeController):
            control.reset(np.array([seed]))
            made.install(control)
            return _export_programs(control, out.resolve())
        return _export_replay(control, made, choice.name, out.resolve(), seed)


def _export_programs(control: SignalControl, out: Path) -> tuple[Path, ...]:
    """Programs as installed; signals without an installed one get theirs as shipped."""
    options = control.run_options()
    programs = {s.id: _renamed(s.program, "shipped") for s in control.network.signals}
    for path in control.installed:
        programs |= {name: found[-1] for name, found in read_programs(path).items()}
    plan = write_programs(out / "plan.add.xml", programs)
    cycles = {name: program for name, program in programs.items() if _is_cycle(program)}
    day = _write_day(control, programs, out)
    return (plan, day, _write_run(control, options, plan), *write_plan_tables(out, cycles))


def _write_day(control: SignalControl, programs: Programs, out: Path) -> Path:
    """The exported programs in the period they were judged on, the shipped ones around it."""
    shipped = {signal.id: signal.program for signal in control.network.signals}
    begin_s, end_s = control.inputs.begin_s, control.inputs.end_s
    before = [DayPlan(0.0, shipped)] if begin_s > 0 else []
    plans = [*before, DayPlan(begin_s, programs), DayPlan(end_s, shipped)]
    return write_day_plans(out / "day.add.xml", plans)


def _renamed(program: Program, suffix: str) -> Program:
    """SUMO wants another id for each program of a signal."""
    return replace(program, id=f"{program.id}-{suffix}")


def _is_cycle(program: Program) -> bool:
    """Whether tables of stages and intergreens say all of it."""
    stages = any(is_stage(phase) for phase in program.phases)
    return stages and program.type != "NEMA" and not any(phase.next for phase in program.phases)


def _write_run(control: SignalControl, options: RunOptions, programs: Path) -> Path:
    """Configuration of the product's run, with `programs` in place of the installed ones."""
    others = tuple(p for p in options.additional if p not in control.installed)
    kept = keep_files(replace(options, additional=others), control.outputs.folder, programs.parent)
    return write_config(kept, programs, programs.parent)


def _export_replay(
    control: SignalControl, made: Controller, name: str, out: Path, seed: int
) -> tuple[Path, ...]:
    log = DecisionLog(control)
    evaluate(control, made, [seed], name=name, shield=control.shield, watch=log.watch)
    played = control.episode_log(0)
    shown = read_signal_log(played["signal_log"])
    programs = replay_programs(shown, played["begin_s"], played["end_s"], f"{name}-seed-{seed}")
    replay = write_programs(out / "replay.add.xml", programs)
    timings = [
        signal_timing(control.network, s, control.profile) for s in control.network.controllable
    ]
    return (
        replay,
        _write_run(control, control.run_options(), replay),
        write_csv(out / "decisions.csv", DECISION_COLUMNS, log.rows),
        write_csv(out / "stages.csv", RULE_COLUMNS, _stage_rows(timings)),
        write_csv(out / "intergreens.csv", INTERGREEN_COLUMNS, _intergreen_rows(timings)),
        write_csv(out / "shield.csv", SHIELD_COLUMNS, _shield_rows(control)),
    )


def _shield_rows(control: SignalControl) -> Iterator[tuple[object, ...]]:
    """What can be reached behind the shield of each signal, and what of it breaks a rule."""
    for found in check_network(control.network, control.profile):
        broken = " ".join(f"{rule}:{count}" for rule, count in found.violations.items())
        holds = "yes" if found.holds else "no"
        yield found.signal, holds, found.states, found.seconds, found.corners, broken


def _stage_rows(timings: list[SignalTiming]) -> Iterator[tuple[object, ...]]:
    for timing in timings:
        longest = timing.rules.max_green_s
        for stage, state in enumerate(timing.stage_states):
            shortest_s = int(timing.min_green_s[stage])
            yield timing.signal.id, stage, state, shortest_s, "" if longest is None else longest


def _intergreen_rows(timings: list[SignalTiming]) -> Iterator[tuple[object, ...]]:
    """What is shown between any two stages."""
    for timing in timings:
        stages = range(len(timing.stage_states))
        for start in stages:
            for end in stages:
                if start != end:
                    for step, shown in enumerate(intergreen_plan(timing, start, end)):
                        row = (timing.signal.id, start, end, step)
                        yield (*row, shown.state, float(shown.duration_s))
