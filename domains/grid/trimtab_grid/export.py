"""Takes a controller out of Python: schedule, decision table, parameters and what is proven.

Any controller is played on the scenario. What it did on the first seed is its schedule; what it
did over several seeds, counted by units online, charge and net load, is its decision table. Beside
them lie the plant, the controller's parameters (and weights) and the standing of the shield.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.controller import Entry
from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray
from trimtab.evidence.csv_text import CsvCell
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate

from trimtab_grid.arrays import OFF, TRIPPED
from trimtab_grid.certificate import as_plain, certificate_of, facts, standing
from trimtab_grid.load_blocks import shed_by_block
from trimtab_grid.plant import Plant
from trimtab_grid.problem import GridControl
from trimtab_grid.safety import safe_tables
from trimtab_grid.series import Series, load_series
from trimtab_grid.writers import with_parquet, write_schedule, write_table, write_text

SEEDS = (1, 2, 3, 4, 5)
"""Seeds that the decision table is counted over; the schedule is that of the first."""
CHARGE_BINS, LOAD_BINS = 10, 20
FLOWS = (
    "battery_kw", "soc", "wind_used_kw", "pv_used_kw", "dump_kw", "shed_kw", "deficit_kw",
    "surplus_kw",
)  # fmt: skip
COMMANDS = {-1: "stop", 0: "hold", 1: "start"}


@dataclass(frozen=True, slots=True)
class Named:
    """A controller with its parameters."""

    name: str
    entry: Entry
    parameters: Mapping[str, Any]


def export(
    control: GridControl, named: Named, out: Path, seeds: Sequence[int] = SEEDS
) -> tuple[Path, ...]:
    """Play a controller and write its deployable form into folder `out`.

    Args:
        control: one copy, built for the controller's interface.
        named: what to play.
        out: folder, made if it is not there.
        seeds: of the decision table; the first is the schedule's.

    Returns:
        schedule.csv, commands.csv, decisions.csv (with Parquet beside them where pyarrow is
        installed), controller.json, plant.json, safety.json and the controller's own files.

    Raises:
        TrimtabError: the episode is too long for a log, or the folder cannot be written.
    """
    logs = [_played(control, named, seed) for seed in seeds]
    plant, series = control.plant, _met(control, logs[0])
    tables = [
        write_schedule(out / "schedule.csv", series, _schedule(plant, logs[0])),
        write_table(
            out / "commands.csv", ("time", "unit", "command"), _commands(plant, logs[0], series)
        ),
        write_table(out / "decisions.csv", _HEADER, _decisions(plant, logs)),
    ]
    about = {
        "controller": named.name,
        "role": named.entry.role,
        "interface": named.entry.interface,
        "parameters": dict(named.parameters),
        "plant": plant.name,
        "step_min": control.scenario.step_min,
        "seeds": list(seeds),
    }
    own = [Path(shutil.copy2(path, out / path.name)) for path in named.entry.files]
    return (
        *with_parquet(tables),
        write_text(out / "controller.json", _json(about)),
        write_text(out / "plant.json", _json(plant.model_dump(mode="json", exclude_defaults=True))),
        write_text(out / "safety.json", _json(safety(control))),
        *own,
    )


def safety(control: GridControl) -> dict[str, Any]:
    """Standing of the shield on this plant: what is proven, under which conditions."""
    if not control.guard.on:
        return {"proven": False, "standing": "not proven: the shield is off"}
    arrays = control.arrays
    built = safe_tables(arrays)
    certificate = certificate_of(control.plant.name, arrays, control.scenario.certificate)
    proven, words = standing(certificate, arrays, built)
    stated = facts(arrays, built)
    stated["conditions"] = [c.model_dump(mode="json") for c in stated["conditions"]]
    document: dict[str, Any] = {"proven": proven, "standing": words, "facts": stated}
    if certificate is not None:
        document["certificate"] = as_plain(certificate)
    return document


def _json(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n"


def _played(control: GridControl, named: Named, seed: int) -> Mapping[str, Any]:
    made = make_controller(control, named.entry, named.parameters, named.name)
    evaluate(control, made, [seed], name=named.name)
    log = control.episode_log(0)
    if not log:
        msg = f"{control.spec.name}: the episode is too long to be exported; shorten horizon_h"
        raise TrimtabError(msg)
    return log


def _met(control: GridControl, log: Mapping[str, Any]) -> Series:
    """Load, wind and PV of the episode with their times."""
    whole = control.clock_series()
    start = whole.time_of(1)  # step 0 of a bank is before the episode
    return load_series(
        start, whole.step_min, log["load_kw"], log["wind_kw"], log["pv_kw"], source="episode"
    )


def _schedule(plant: Plant, log: Mapping[str, Any]) -> dict[str, FloatArray]:
    columns: dict[str, FloatArray] = {}
    for k, genset in enumerate(plant.gensets):
        columns[f"{genset.name}_kw"] = log["power_kw"][:, k]
        columns[f"{genset.name}_on"] = _turning(log["mode"][:, k]).astype(np.float64)
    columns |= {name: log[name] for name in FLOWS}
    if plant.shed_blocks:
        shed = shed_by_block(plant, log["shed_kw"])
        columns |= {f"shed_{name}_kw": power for name, power in shed.items()}
    columns["intervened"] = (log["changed"] != 0).astype(np.float64)
    return columns


def _turning(mode: IntArray) -> BoolArray:
    return np.asarray((mode != OFF) & (mode != TRIPPED))


def _commands(
    plant: Plant, log: Mapping[str, Any], series: Series
) -> Iterator[tuple[CsvCell, ...]]:
    """Every start and stop with its time."""
    for step, unit in np.argwhere(log["command"] != 0).tolist():
        command = COMMANDS[int(log["command"][step, unit])]
        yield series.time_of(step).isoformat(), plant.gensets[unit].name, command


_HEADER = (
    "units_online", "soc_from", "soc_to", "net_load_from_kw", "net_load_to_kw", "visits",
    "command", "agreement", "battery_kw",
)  # fmt: skip


def _decisions(plant: Plant, logs: Sequence[Mapping[str, Any]]) -> Iterable[tuple[CsvCell, ...]]:
    """What was done most often in every situation that came up.

    A situation is what was known: units online and charge before the step, load less renewables
    measured last. `agreement` is the share of visits with the command shown; `battery_kw` is the
    mean over them.
    """
    highest = plant.disturbances.load_max_kw
    soc_width, load_width = 1.0 / CHARGE_BINS, highest / LOAD_BINS
    seen: dict[tuple[str, int, int], list[tuple[str, float]]] = {}
    for log in logs:
        for online, soc, net, command, battery in _situations(plant, log):
            charge = min(int(soc / soc_width), CHARGE_BINS - 1)
            key = (online, charge, int(np.floor(net / load_width)))
            seen.setdefault(key, []).append((command, battery))
    for (online, charge, level), done in sorted(seen.items()):
        commands = [command for command, _ in done]
        chosen = max(sorted(set(commands)), key=commands.count)
        powers = [battery for command, battery in done if command == chosen]
        yield (
            online,
            round(charge * soc_width, 6),
            round((charge + 1) * soc_width, 6),
            round(level * load_width, 6),
            round((level + 1) * load_width, 6),
            len(done),
            chosen,
            round(commands.count(chosen) / len(done), 4),
            round(float(np.mean(powers)), 2),
        )


def _situations(
    plant: Plant, log: Mapping[str, Any]
) -> Iterator[tuple[str, float, float, str, float]]:
    """Units online, charge and net load before each step; command and battery power in it."""
    names = [genset.name for genset in plant.gensets]
    turning = _turning(log["mode"])
    online = np.vstack([np.zeros((1, len(names)), dtype=bool), turning[:-1]])
    soc = np.concatenate([[log["soc_first"]], log["soc"][:-1]])
    net = log["load_kw"] - log["wind_kw"] - log["pv_kw"]
    before = log["before"]
    last = np.concatenate([[before[0] - before[1] - before[2]], net[:-1]])
    for step in range(len(net)):
        running = "+".join(name for name, on in zip(names, online[step], strict=True) if on)
        asked = [
            f"{COMMANDS[int(code)]} {name}"
            for name, code in zip(names, log["command"][step], strict=True)
            if code
        ]
        command = " and ".join(asked) or "hold"
        battery = float(log["battery_kw"][step])
        yield running or "none", float(soc[step]), float(last[step]), command, battery
