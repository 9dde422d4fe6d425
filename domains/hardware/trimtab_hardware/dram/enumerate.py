"""Exact tables: every design of space A simulated once, with a proof that none is missing."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.dominance import non_dominated
from trimtab.contracts.errors import BoundError
from trimtab.contracts.problem import DesignProblem, Evaluation
from trimtab.contracts.space import Space
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray
from trimtab.search.exhaustive import count_designs, enumerate_designs, raw_size

from trimtab_hardware.dram.metrics import FRONT, METRICS
from trimtab_hardware.dram.problem import DramProblem, evaluation_of
from trimtab_hardware.dram.scenario import DramScenario

BLOCK = 2048
COST = "cost_s"
COLUMNS = (*(metric.name for metric in METRICS), COST)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class DesignTable:
    """Metrics of every design of a finite space.

    Attributes:
        identity: of the problem, see `DramProblem.identity`.
        designs: [n, width] coded canonical rows in lexicographic order.
        values: [n, columns] float64, in the order of `COLUMNS`.
    """

    identity: str
    designs: FloatArray
    values: FloatArray

    @property
    def checksum(self) -> str:
        """SHA-256 of identity, designs and metrics (not of the time they took)."""
        digest = hashlib.sha256(self.identity.encode())
        digest.update(np.ascontiguousarray(self.designs).tobytes())
        digest.update(np.ascontiguousarray(self.values[:, :-1]).tobytes())
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
        with np.load(path, allow_pickle=False) as stored:
            table = DesignTable(problem.identity, stored["designs"], stored["values"])
            whole = str(stored["checksum"]) == table.checksum
    except (OSError, ValueError, KeyError):
        return None
    return table if whole else None


def enumerate_space(
    problem: DramProblem, folder: Path, *, processes: int = 2, progress: Progress | None = None
) -> DesignTable:
    """Simulate every design of the problem's space, or load the table if it is stored.

    Blocks of designs are stored as they are done, so that a broken run goes on where it was.

    Args:
        problem: of space A.
        folder: where the table and its blocks are kept.
        processes: simulators that work at the same time.
        progress: called with (designs done, designs in all).
    """
    stored = load_table(problem, folder)
    if stored is not None:
        return stored
    blocks = folder / f"{table_path(problem, folder).stem}.blocks"
    blocks.mkdir(parents=True, exist_ok=True)
    designs = np.concatenate(list(enumerate_designs(problem.spec.space)))
    starts = range(0, len(designs), BLOCK)
    missing = [first for first in starts if not _block_path(blocks, first).exists()]
    text = problem.scenario.model_dump_json()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running: list[Future[int]] = [
            pool.submit(
                _simulate_block, text, designs[first : first + BLOCK], _block_path(blocks, first)
            )
            for first in missing
        ]
        for k, done in enumerate(running):
            done.result()
            if progress is not None:
                at_hand = len(starts) - len(missing) + k + 1
                progress(min(at_hand * BLOCK, len(designs)), len(designs))
    values = np.concatenate([np.load(_block_path(blocks, first)) for first in starts])
    table = DesignTable(problem.identity, designs, values)
    _store(table, table_path(problem, folder))
    for first in starts:
        _block_path(blocks, first).unlink()
    blocks.rmdir()
    return table


def _block_path(folder: Path, first: int) -> Path:
    return folder / f"{first}.npy"


def _simulate_block(scenario: str, rows: FloatArray, path: Path) -> int:
    """Simulate designs in this process and store their metrics; return how many."""
    problem = DramProblem(DramScenario.model_validate_json(scenario))
    values = np.empty((len(rows), len(COLUMNS)))
    for k, design in enumerate(problem.spec.space.designs(rows)):
        start = time.thread_time()
        found = problem.measured(design)
        values[k] = [*(found[metric.name] for metric in METRICS), time.thread_time() - start]
    with path.with_suffix(".part").open("wb") as file:
        np.save(file, values)
    path.with_suffix(".part").replace(path)
    return len(rows)


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


def check_table(problem: DramProblem, table: DesignTable, samples: int = 16) -> None:
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
        if [found[metric.name] for metric in METRICS] != table.values[row, :-1].tolist():
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
