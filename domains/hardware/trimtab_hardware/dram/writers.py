"""Designs in the formats of DRAMSys, Ramulator 2 and DRAMsim3; logs of one simulated design."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trimtab_hardware.dram.address_map import AddressMap
from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.problem import DramProblem, Setup
from trimtab_hardware.dram.result import COMMANDS, CommandTrace, Result
from trimtab_hardware.dram.traces import Trace

MCCONFIG = {
    "PagePolicy": "page_policy",
    "Scheduler": "scheduler",
    "SchedulerBuffer": "scheduler_buffer",
    "RequestBufferSize": "request_buffer_size",
    "CmdMux": "command_mux",
    "RespQueue": "response_queue",
    "RefreshPolicy": "refresh_policy",
    "RefreshMaxPostponed": "refresh_max_postponed",
    "RefreshMaxPulledin": "refresh_max_pulled_in",
    "PowerDownPolicy": "power_down",
    "Arbiter": "arbiter",
    "MaxActiveTransactions": "max_active_transactions",
}
"""Keys of a DRAMSys controller file and our names."""
OURS_ALONE = ("page_timeout_ck", "row_hit_cap", "starvation_cap_ck")
"""Parameters that no file of DRAMSys has."""
LACKS = "# a near equivalent: this simulator has no such"


def export_design(problem: DramProblem, design: Mapping[str, Any], out: Path) -> tuple[Path, ...]:
    """Write a design as configuration files of the three simulators.

    DRAMSys gives the same numbers from its two files; the other two have other queues and
    policies, and their files say what they cannot express.
    """
    setup = problem.setup(design)
    chosen = setup.address_map or setup.part.map
    texts = {
        "mcconfig.json": dramsys_controller(setup.configuration),
        "addressmapping.json": chosen.to_json(),
        "ramulator2.yaml": ramulator_config(setup),
        "dramsim3.ini": dramsim3_config(setup, chosen),
    }
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    return tuple(out / name for name in texts)


def dramsys_controller(design: Configuration) -> str:
    """A DRAMSys `mcconfig` file."""
    body: dict[str, Any] = {key: getattr(design, name) for key, name in MCCONFIG.items()}
    body["RefreshManagement"] = False
    if design.scheduler == "GrpFrFcfsWm":
        body |= {"HighWatermark": design.high_watermark, "LowWatermark": design.low_watermark}
    return json.dumps({"mcconfig": body}, indent=2) + "\n"


def ramulator_config(setup: Setup) -> str:
    """A Ramulator 2 memory system (YAML)."""
    design, part = setup.configuration, setup.part
    closed = design.page_policy.startswith("Closed")
    lines = [
        *_not_expressed(design, ("scheduler_buffer", "request_buffer_size", "response_queue")),
        "MemorySystem:",
        "  impl: GenericDRAM",
        "  clock_ratio: 1",
        "  DRAM:",
        f"    impl: {part.standard}",
        "    org:",
        f"      dq: {part.width_bits}",
        f"      channel: {design.channels}",
        f"      rank: {design.ranks}",
        f"      bankgroup: {part.groups}",
        f"      bank: {part.banks // part.groups}",
        f"      row: {part.rows}",
        f"      column: {part.columns}",
        "    timing:",
        f"      rate: {round(2 * part.clock_mhz)}",
        *(f"      {key}: {value}" for key, value in _ramulator_timing(part).items()),
        "  Controller:",
        "    impl: Generic",
        "    Scheduler:",
        f"      impl: {'FCFS' if design.scheduler == 'Fifo' else 'FRFCFS'}",
        "    RefreshManager:",
        f"      impl: {'NoRefresh' if design.refresh_policy == 'NoRefresh' else 'AllBank'}",
        "    RowPolicy:",
        f"      impl: {'ClosedRowPolicy' if closed else 'OpenRowPolicy'}",
        "  AddrMapper:",
        "    impl: RoBaRaCoCh",
    ]
    return "\n".join(lines) + "\n"


def _ramulator_timing(part: Part) -> dict[str, int]:
    t = part.timing
    return {
        "nBL": part.burst_ck,
        "nCL": t.rl,
        "nCWL": t.wl,
        "nRCD": t.rcd,
        "nRP": t.rp,
        "nRAS": t.ras,
        "nRC": t.rc,
        "nWR": t.wr,
        "nRTP": t.rtp,
        "nCCDS": t.ccd_s,
        "nCCDL": t.ccd_l,
        "nRRDS": t.rrd_s,
        "nRRDL": t.rrd_l,
        "nWTRS": t.wtr_s,
        "nWTRL": t.wtr_l,
        "nFAW": t.faw,
        "nRFC": t.rfc,
        "nREFI": t.refi,
    }


def _not_expressed(design: Configuration, names: tuple[str, ...]) -> list[str]:
    return [f"{LACKS} {name} ({getattr(design, name)})" for name in (*names, *OURS_ALONE)]


def dramsim3_config(setup: Setup, chosen: AddressMap) -> str:
    """A DRAMsim3 `.ini` file."""
    design, part, t = setup.configuration, setup.part, setup.part.timing
    per_bank = design.scheduler_buffer == "Bankwise"
    rail = part.rails[0]
    sections: dict[str, dict[str, Any]] = {
        "dram_structure": {
            "protocol": part.standard,
            "bankgroups": part.groups,
            "banks_per_group": part.banks // part.groups,
            "rows": part.rows,
            "columns": part.columns,
            "device_width": part.width_bits,
            "BL": part.burst_length,
        },
        "timing": {
            "tCK": f"{part.tck_ns:.4f}",
            "CL": t.rl,
            "CWL": t.wl,
            "tRCD": t.rcd,
            "tRP": t.rp,
            "tRAS": t.ras,
            "tRFC": t.rfc,
            "tREFI": t.refi,
            "tRRD_S": t.rrd_s,
            "tRRD_L": t.rrd_l,
            "tWTR_S": t.wtr_s,
            "tWTR_L": t.wtr_l,
            "tFAW": t.faw,
            "tWR": t.wr,
            "tCCD_S": t.ccd_s,
            "tCCD_L": t.ccd_l,
            "tRTP": t.rtp,
            "tXP": t.xp,
            "tCKE": t.cke,
        },
        "power": {
            "VDD": rail.volt,
            "IDD0": rail.idd0,
            "IDD2P": rail.idd2p0,
            "IDD2N": rail.idd2n,
            "IDD3P": rail.idd3p0,
            "IDD3N": rail.idd3n,
            "IDD4R": rail.idd4r,
            "IDD4W": rail.idd4w,
            "IDD5AB": rail.idd5,
        },
        "system": {
            "channel_size": part.capacity_bytes * design.ranks >> 20,
            "channels": design.channels,
            "bus_width": part.devices * part.width_bits,
            "address_mapping": _field_order(chosen),
            "queue_structure": "PER_BANK" if per_bank else "PER_RANK",
            "row_buf_policy": "CLOSE_PAGE" if "Closed" in design.page_policy else "OPEN_PAGE",
            "cmd_queue_size": design.request_buffer_size,
            "trans_queue_size": 32,
            "refresh_policy": "RANK_LEVEL_STAGGERED",
        },
    }
    lines = _not_expressed(design, ("scheduler", "response_queue", "arbiter"))
    if chosen.xor:
        lines.append(f"{LACKS} hashing of bank bits by XOR")
    for section, body in sections.items():
        lines += [f"[{section}]", *(f"{key} = {value}" for key, value in body.items()), ""]
    return "\n".join(lines).replace("# ", "; ") + "\n"


def _field_order(chosen: AddressMap) -> str:
    """Fields from the most to the least significant by their highest bit (DRAMsim3's style)."""
    short = {
        "row": "ro",
        "rank": "ra",
        "group": "bg",
        "bank": "ba",
        "column": "co",
        "channel": "ch",
    }
    tops = {name: max(getattr(chosen, name), default=-1) for name in short}
    return "".join(short[name] for name in sorted(tops, key=lambda name: -tops[name]))


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


def _write_csv(path: Path, header: list[str], rows: Any) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
