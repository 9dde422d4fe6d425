"""Exact tables of space A: the result of every design, with a proof that none is missing.

Not every design needs a simulation of its own; these are equal to the cycle:

- a limit (buffer size, postponed and pulled-in refreshes, active transactions) that a run never
  met may be any higher, because the controller only ever compares with it (`Result.limits_met`);
- on traces of one direction FrFcfsGrp chooses as FrFcfs, and ReadWrite admits as Shared.

Buffer entries differ even then and are counted for each design. `check_table` simulates designs
drawn from the whole table again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.dominance import non_dominated
from trimtab.contracts.errors import BoundError
from trimtab.contracts.problem import DesignProblem, Evaluation
from trimtab.contracts.space import Space
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray
from trimtab.run.alone import alone
from trimtab.search.exhaustive import count_designs, enumerate_designs, raw_size

from trimtab_hardware.dram.metrics import ENTRIES, FRONT, METRICS, buffer_entries
from trimtab_hardware.dram.problem import DramProblem, evaluation_of
from trimtab_hardware.dram.result import LIMITS
from trimtab_hardware.dram.scenario import DramScenario

COST, SIMULATED = "cost_s", "simulated"
COLUMNS = (*(metric.name for metric in METRICS), COST, SIMULATED)
LIMIT_NAMES = tuple(LIMITS)
SMALL = 4096
"""Designs below which processes of their own are not worth their start."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class DesignTable:
    """Metrics of every design of a finite space.

    Attributes:
        identity: of the problem, see `DramProblem.identity`.
        designs: [n, width] coded canonical rows in lexicographic order.
        values: [n, columns] float64, in the order of `COLUMNS`: metrics, what the simulation took
            (s), and 1 where it was this design's own.
    """

    identity: str
    designs: FloatArray
    values: FloatArray

    @property
    def checksum(self) -> str:
        """SHA-256 of identity, designs and metrics (not of the time they took)."""
        digest = hashlib.sha256(self.identity.encode())
        digest.update(np.ascontiguousarray(self.designs).tobytes())
        digest.update(np.ascontiguousarray(self.values[:, : len(METRICS)]).tobytes())
        return digest.hexdigest()

    @property
    def results_checksum(self) -> str:
        """SHA-256 of designs and metrics alone: equal for every engine that finds the same."""
        digest = hashlib.sha256(np.ascontiguousarray(self.designs).tobytes())
        digest.update(np.ascontiguousarray(self.values[:, : len(METRICS)]).tobytes())
        return digest.hexdigest()

    def column(self, name: str) -> FloatArray:
        """One metric of all designs."""
        return self.values[:, COLUMNS.index(name)]

    def metrics(self, rows: IntArray | slice) -> Mapping[str, FloatArray]:
        """Every metric of some designs."""
        chosen = self.values[rows]
        return {metric.name: chosen[:, k] for k, metric in enumerate(METRICS)}


def cache_folder() -> Path:
    """Where tables are kept: the folder `cache` of the workspace."""
    return Path(os.environ.get("TRIMTAB_WORKSPACE", "trimtab-work")) / "cache"


def table_path(problem: DramProblem, folder: Path) -> Path:
    """File of a problem's table."""
    return folder / f"dram-{problem.identity[:32]}.npz"


def load_table(problem: DramProblem, folder: Path) -> DesignTable | None:
    """The stored table of a problem, or None if there is none or it is damaged."""
    path = table_path(problem, folder)
    try:
        found = path.stat()
        return _read_table(path, problem.identity, found.st_mtime_ns, found.st_size)
    except (OSError, ValueError, KeyError):
        return None


def awaited_table(problem: DramProblem, folder: Path) -> DesignTable | None:
    """As `load_table`, once a process that is making the table now has done so."""
    lock = _lock_path(problem, folder)
    if lock.exists():
        with alone(lock):
            pass
    return load_table(problem, folder)


def _lock_path(problem: DramProblem, folder: Path) -> Path:
    return table_path(problem, folder).with_suffix(".lock")


@lru_cache(maxsize=1)
def _read_table(path: Path, identity: str, changed_ns: int, size: int) -> DesignTable:
    """Read a file once in a process that works off many jobs, until the file changes."""
    with np.load(path, allow_pickle=False) as stored:
        table = DesignTable(identity, stored["designs"], stored["values"])
        if str(stored["checksum"]) != table.checksum:
            msg = f"{path}: the table fails its checksum"
            raise ValueError(msg)
    table.designs.setflags(write=False)
    table.values.setflags(write=False)
    return table


def enumerate_space(
    problem: DramProblem, folder: Path, *, processes: int = 2, progress: Progress | None = None
) -> DesignTable:
    """Find the result of every design of the problem's space, or load the table if it is stored.

    Designs that differ in limits alone are worked off together. Their results are stored as they
    are done, so that a broken run goes on where it was.

    Args:
        problem: of space A.
        folder: where the table and its blocks are kept.
        processes: simulators that work at the same time.
        progress: called with (groups done, groups in all).
    """
    with alone(_lock_path(problem, folder)):
        stored = load_table(problem, folder)
        return stored or _made_table(problem, folder, processes, progress)


def _made_table(
    problem: DramProblem, folder: Path, processes: int, progress: Progress | None
) -> DesignTable:
    """See `enumerate_space`."""
    blocks = folder / f"{table_path(problem, folder).stem}.blocks"
    blocks.mkdir(parents=True, exist_ok=True)
    designs = np.concatenate(list(enumerate_designs(problem.spec.space)))
    groups = equal_but_for_limits(problem, designs)
    paths = [blocks / f"{k}.npy" for k in range(len(groups))]
    text = problem.scenario.model_dump_json()
    missing = [k for k, path in enumerate(paths) if not path.exists()]
    tasks = [(text, designs[groups[k]], paths[k]) for k in missing]
    for k in _worked_off(tasks, 1 if len(designs) < SMALL else processes):
        if progress is not None:
            progress(len(groups) - len(tasks) + k + 1, len(groups))
    values = np.empty((len(designs), len(COLUMNS)))
    for rows, path in zip(groups, paths, strict=True):
        values[rows] = np.load(path)
    table = DesignTable(problem.identity, designs, values)
    _store(table, table_path(problem, folder))
    for path in paths:
        path.unlink()
    blocks.rmdir()
    return table


def _worked_off(tasks: list[tuple[str, FloatArray, Path]], processes: int) -> Iterator[int]:
    """Do the tasks; yield the number of each that is done, in order."""
    if processes == 1:
        for k, task in enumerate(tasks):
            _simulate_group(*task)
            yield k
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for k, done in enumerate([pool.submit(_simulate_group, *task) for task in tasks]):
            done.result()
            yield k


def equal_but_for_limits(problem: DramProblem, designs: FloatArray) -> list[IntArray]:
    """Rows of designs that differ in limits, or in parameters that one-way traces void."""
    names = [p.name for p in problem.spec.space.parameters]
    keys = designs.copy()
    for name, (voided, representative) in _voided(problem).items():
        values = getattr(problem.spec.space.parameters[names.index(name)], "values", ())
        if voided in values and representative in values:
            column = keys[:, names.index(name)]
            column[column == values.index(voided)] = values.index(representative)
    others = [k for k, name in enumerate(names) if name not in LIMIT_NAMES]
    _, group = np.unique(keys[:, others], axis=0, return_inverse=True)
    order = np.argsort(group.ravel(), kind="stable")
    return np.split(order, np.cumsum(np.bincount(group.ravel()))[:-1])


def _voided(problem: DramProblem) -> dict[str, tuple[str, str]]:
    """Parameter → (value, the equal one) on traces of one direction."""
    directions = {bool(write) for trace in problem.traces for write in np.unique(trace.is_write)}
    mixed = any(len(np.unique(trace.is_write)) > 1 for trace in problem.traces)
    if mixed or not directions:
        return {}
    return {"scheduler": ("FrFcfsGrp", "FrFcfs"), "scheduler_buffer": ("ReadWrite", "Shared")}


def _simulate_group(scenario: str, rows: FloatArray, path: Path) -> int:
    """Find the results of one group in this process and store them; return the simulations."""
    problem = DramProblem(DramScenario.model_validate_json(scenario))
    space = problem.spec.space
    names = [p.name for p in space.parameters]
    limits = rows[:, [names.index(name) for name in LIMIT_NAMES]]
    designs = space.designs(rows)
    values = np.full((len(rows), len(COLUMNS)), np.nan)
    for k in np.lexsort(limits.T[::-1]):
        if np.isnan(values[k, 0]):
            found, met, cost = problem.timed(designs[k])
            at_limit = np.array([name in met for name in LIMIT_NAMES])
            same = np.where(at_limit, limits == limits[k], limits >= limits[k]).all(axis=1)
            same &= np.isnan(values[:, 0])
            values[same] = [*(found[metric.name] for metric in METRICS), cost, 0.0]
            values[k, -1] = 1.0
    entries = [metric.name for metric in METRICS].index(ENTRIES.name)
    setups = [problem.setup(design) for design in designs]
    values[:, entries] = [buffer_entries(one.configuration, one.part) for one in setups]
    with path.with_suffix(".part").open("wb") as file:
        np.save(file, values)
    path.with_suffix(".part").replace(path)
    return int(values[:, -1].sum())


def _store(table: DesignTable, path: Path) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, designs=table.designs, values=table.values, checksum=table.checksum)
    part.replace(path)


def feasible(problem: DramProblem, table: DesignTable) -> BoolArray:
    """[n] designs that keep every constraint."""
    result = evaluation_of(problem.spec, table.metrics(slice(None)), table.column(COST))
    return np.asarray((result.constraints <= 0).all(axis=1))


def true_front(problem: DramProblem, table: DesignTable) -> FloatArray:
    """Pareto front of the feasible designs: latency, energy, time, sorted by latency."""
    columns = np.stack([table.column(name) for name in FRONT], axis=1)
    points = np.unique(columns[feasible(problem, table)], axis=0)
    return points[non_dominated(points)]


def check_table(problem: DramProblem, table: DesignTable, samples: int = 32) -> None:
    """Prove that a table is complete and, by sample, right.

    Every legal canonical design occurs exactly once (count, order, uniqueness), and designs drawn
    by the checksum, the best one among them, are simulated again to the same bits.

    Raises:
        BoundError: a design is missing, occurs twice, or simulates to another result.
    """
    space: Space = problem.spec.space
    rows = table.designs
    expected = count_designs(space)
    legal = (space.canonical(rows) == rows).all(axis=1) & space.legal(rows)
    if len(rows) != expected or not legal.all() or len(np.unique(rows, axis=0)) != expected:
        msg = f"table of {len(rows)} designs: the space has {expected} (of {raw_size(space)} raw)"
        raise BoundError(msg)
    drawn = np.random.default_rng(int(table.checksum[:15], 16)).integers(0, expected, samples)
    best = int(np.argmin(np.where(feasible(problem, table), table.values[:, 0], np.inf)))
    for row in {best, *drawn.tolist()}:
        found = problem.measured(space.designs(rows[row : row + 1])[0])
        if [found[metric.name] for metric in METRICS] != table.values[row, : len(METRICS)].tolist():
            msg = f"table row {row}: simulating it again gives another result"
            raise BoundError(msg)


class TabledProblem(DesignProblem):
    """A problem whose designs are all known: evaluations at full fidelity are looked up.

    `cost_s` is what the simulation took when the table was made.
    """

    def __init__(self, problem: DramProblem, table: DesignTable) -> None:
        self.problem, self.table = problem, table
        self.spec = problem.spec
        parameters = problem.spec.space.parameters
        counts = np.array([getattr(p, "count", 1) for p in parameters])
        self._radix = np.append(np.cumprod(counts[:0:-1])[::-1], 1)
        self._numbers = table.designs @ self._radix

    @property
    def identity(self) -> str:
        """See `DesignProblem.identity`."""
        return self.problem.identity

    def canonical(self, designs: FloatArray) -> FloatArray:
        """See `DesignProblem.canonical`."""
        return self.problem.canonical(designs)

    def evaluate(self, designs: FloatArray, fidelity: str, seed: int) -> Evaluation:
        """See `DesignProblem.evaluate`."""
        if fidelity != self.spec.fidelities[-1]:
            return self.problem.evaluate(designs, fidelity, seed)
        rows = np.searchsorted(self._numbers, self.canonical(designs) @ self._radix)
        cost = self.table.column(COST)[rows]
        return evaluation_of(self.spec, self.table.metrics(rows), cost, cached=True)

    def evaluate_design(self, design: Mapping[str, Any], fidelity: str, seed: int) -> Evaluation:
        """See `DesignProblem.evaluate_design`; always simulated."""
        return self.problem.evaluate_design(design, fidelity, seed)
