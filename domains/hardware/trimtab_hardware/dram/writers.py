"""Designs in the formats of DRAMSys, Ramulator 2 and DRAMsim3; logs of one simulated design."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.errors import SimulatorError

from trimtab_hardware.dram.checker import check
from trimtab_hardware.dram.configuration_files import to_dramsim3, to_mcconfig, to_ramulator
from trimtab_hardware.dram.problem import DramProblem
from trimtab_hardware.dram.result import COMMANDS, CommandTrace, Result
from trimtab_hardware.dram.traces import Trace


def export_design(problem: DramProblem, design: Mapping[str, Any], out: Path) -> tuple[Path, ...]:
    """Write a design as configuration files of the three simulators, once it is checked.

    DRAMSys gives the same numbers from its two files; the other two have other queues and
    policies, and theirs are the nearest that there is.

    Raises:
        SimulatorError: a command of the design breaks a rule of the memory.
        InputFileError: a format cannot say something that the design uses.
    """
    check_design(problem, design)
    setup = problem.setup(design)
    chosen = setup.address_map or setup.part.map
    texts = {
        "mcconfig.json": to_mcconfig(setup.configuration),
        "addressmapping.json": chosen.to_json(),
        "ramulator2.yaml": to_ramulator(setup.configuration),
        "dramsim3.ini": to_dramsim3(setup.configuration),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    return tuple(out / name for name in texts)


def check_design(problem: DramProblem, design: Mapping[str, Any]) -> int:
    """Hold every command of a design on every workload against the independent checker.

    Returns:
        The number of commands checked.

    Raises:
        SimulatorError: a command breaks a rule of the memory.
    """
    setup = problem.setup(design)
    checked = 0
    for k, workload in enumerate(problem.scenario.workloads):
        commands = problem.simulate(setup, k, commands=True).commands
        if commands is None:
            continue
        report = check(
            commands,
            setup.part,
            ranks=setup.configuration.ranks,
            refreshes=setup.configuration.refresh_policy != "NoRefresh",
            management=setup.configuration.refresh_management,
        )
        if report.violations:
            first = report.first[0]
            msg = (
                f"{workload.label}: {report.violations} commands break a rule of "
                f"{setup.part.id}, first command {first.index}: {first.rule}"
            )
            raise SimulatorError(msg)
        checked += report.commands
    return checked


def log_design(problem: DramProblem, design: Mapping[str, Any], out: Path) -> tuple[Path, ...]:
    """Simulate a design once more and write each workload's requests and commands as CSV."""
    setup = problem.setup(design)
    files = []
    for k in range(len(problem.traces)):
        result = problem.simulate(setup, k, commands=True)
        requests, commands = out / f"requests-{k + 1}.csv", out / f"commands-{k + 1}.csv"
        write_requests(requests, problem.trace(setup.part, k), result)
        files.append(requests)
        if result.commands is not None:
            write_commands(commands, result.commands)
            files.append(commands)
    return tuple(files)


def write_requests(path: Path, trace: Trace, result: Result) -> None:
    """One line a request: what it was and how long it took, in cycles."""
    rows = zip(
        trace.arrival.tolist(),
        (f"0x{address:x}" for address in trace.address.tolist()),
        np.where(trace.is_write, "write", "read").tolist(),
        trace.thread.tolist(),
        result.arrival_latency_ck.tolist(),
        result.latency_ck.tolist(),
        strict=True,
    )
    header = "arrival_ck address command thread latency_from_arrival_ck latency_in_controller_ck"
    _write_csv(path, header.split(), rows)


def write_commands(path: Path, commands: CommandTrace) -> None:
    """One line a command in order of channel and time."""
    rows = zip(
        commands.time.tolist(),
        (COMMANDS[code] for code in commands.code.tolist()),
        commands.channel.tolist(),
        commands.rank.tolist(),
        commands.bank.tolist(),
        commands.row.tolist(),
        commands.request.tolist(),
        strict=True,
    )
    _write_csv(path, ["time_ck", "command", "channel", "rank", "bank", "row", "request"], rows)


def _write_csv(path: Path, header: Sequence[str], rows: Any) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
