"""The design problem `cache.hierarchy`: which two levels serve a reference stream best."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from trimtab.contracts.errors import ContractError
from trimtab.contracts.problem import Constraint, DesignProblem, DesignSpec, Evaluation, Status
from trimtab.contracts.scenario import DataFile, StrictModel
from trimtab.contracts.space import Categorical, Ordinal, Space
from trimtab.contracts.spec import FloatArray, Metric

from trimtab_hardware.cache.model import KIB, Technology, total_cycles, total_pj

MODEL_VERSION = 1
L1_KIB, L1_WAYS = (8, 16, 32, 64), (1, 2, 4, 8)
L2_KIB, L2_WAYS = (128, 256, 512, 1024, 2048), (2, 4, 8, 16)
LINE_BYTES = (32, 64, 128)
REPLACEMENTS = ("lru", "fifo", "plru", "random")
INCLUSIONS = ("nine", "inclusive", "exclusive")
ENERGY_DELAY = Metric(
    "energy_delay_pj_cycles", "pJ·cycles", "min", "energy × time, both per reference"
)
TIME = Metric("access_time_cycles", "cycles", "min", "mean time of a reference")
ENERGY = Metric("access_energy_pj", "pJ", "min", "mean energy of a reference")
SIZE = Metric("size_kib", "KiB", "min", "capacity of both levels")
OBJECTIVES = (ENERGY_DELAY, TIME, ENERGY, SIZE)
METRICS = (
    *OBJECTIVES,
    Metric("l1_hit_share", "1", "max", "references that hit the first level"),
    Metric("l2_hit_share", "1", "max", "first-level misses that hit the second"),
    Metric("memory_reads", "1", "min", "lines read from memory"),
    Metric("memory_writes", "1", "min", "lines written to memory"),
)
PREFIXES = {"prefix-10": 0.1, "full": 1.0}


class CacheScenario(StrictModel):
    """What the user sets: the references, the budget of capacity, the technology."""

    kernel: str | None = Field(None, description="program kernel that makes the references")
    trace: DataFile | None = Field(None, description="file of references, any trace format")
    references: int = Field(100_000, ge=100, le=50_000_000, description="length of the stream")
    seed: int = Field(1, ge=0, description="of random places in a kernel")
    size_limit_kib: float = Field(1088.0, gt=0, description="capacity of both levels together")
    technology: Technology = Field(Technology(), description="delay and energy of each level")

    @model_validator(mode="after")
    def _one_source(self) -> CacheScenario:
        if (self.kernel is None) == (self.trace is None):
            msg = "give either kernel or trace"
            raise ValueError(msg)
        return self


def cache_space() -> Space:
    """11,520 hierarchies of two levels."""
    return Space(
        (
            Ordinal("l1_kib", L1_KIB, "KiB"),
            Ordinal("l1_ways", L1_WAYS),
            Ordinal("l2_kib", L2_KIB, "KiB"),
            Ordinal("l2_ways", L2_WAYS),
            Ordinal("line_bytes", LINE_BYTES, "B"),
            Categorical("replacement", REPLACEMENTS),
            Categorical("inclusion", INCLUSIONS),
        )
    )


def load_references(scenario: CacheScenario) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Byte addresses and write marks of the scenario's stream, in order.

    Raises:
        UnknownNameError: no such kernel.
        InputFileError: the trace cannot be read.
    """
    if scenario.kernel is not None:
        from trimtab_hardware.dram.programs import kernel_references

        return kernel_references(scenario.kernel, scenario.references, scenario.seed)
    from trimtab_hardware.dram.trace_files import read_trace

    if scenario.trace is None:
        msg = "cache scenario: give either kernel or trace"
        raise ContractError(msg)
    trace = read_trace(scenario.trace, 1000.0).prefix(scenario.references)
    return trace.address, trace.is_write


class CacheProblem(DesignProblem):
    """Plays the stream through each hierarchy from cold; deterministic."""

    def __init__(self, scenario: CacheScenario) -> None:
        self.scenario = scenario
        self.address, self.is_write = load_references(scenario)
        self.spec = DesignSpec(
            name="cache.hierarchy-1",
            space=cache_space(),
            objectives=OBJECTIVES,
            constraints=(Constraint("size", "KiB", scenario.size_limit_kib),),
            fidelities=tuple(PREFIXES),
            front=(TIME.name, ENERGY.name, SIZE.name),
        )

    @property
    def identity(self) -> str:
        """Version of the model, its constants and the stream."""
        digest = hashlib.sha256(f"cache/{MODEL_VERSION}".encode())
        digest.update(self.scenario.technology.model_dump_json().encode())
        digest.update(f"{self.scenario.size_limit_kib}".encode())
        digest.update(self.address.tobytes())
        digest.update(self.is_write.tobytes())
        return digest.hexdigest()

    def evaluate(self, designs: FloatArray, fidelity: str, seed: int) -> Evaluation:
        """See `DesignProblem.evaluate`."""
        return self._scored(self.spec.space.designs(designs), fidelity)

    def evaluate_design(self, design: Mapping[str, Any], fidelity: str, seed: int) -> Evaluation:
        """Any powers of two, in the space or not."""
        return self._scored([design], fidelity)

    def _scored(self, designs: list[Mapping[str, Any]] | list[Any], fidelity: str) -> Evaluation:
        count = max(1, int(len(self.address) * PREFIXES[fidelity]))
        rows, cost = np.empty((len(designs), 6)), np.empty(len(designs))
        for k, design in enumerate(designs):
            start = time.thread_time()
            rows[k] = simulate_hierarchy(design, self.address[:count], self.is_write[:count])
            cost[k] = time.thread_time() - start
        metrics = cache_metrics(self.scenario.technology, designs, rows, count)
        status: tuple[Status, ...] = tuple("ok" for _ in designs)
        return Evaluation(
            objectives=np.stack([metrics[o.name] for o in OBJECTIVES], axis=1),
            constraints=(metrics[SIZE.name] - self.scenario.size_limit_kib)[:, None],
            cost_s=cost,
            status=status,
            cached=np.zeros(len(designs), dtype=bool),
            metrics=metrics,
        )


def simulate_hierarchy(
    design: Mapping[str, Any], address: NDArray[np.int64], is_write: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Counts of one hierarchy on a stream, in the order of `hierarchy.COUNTS`.

    Raises:
        ContractError: no power of two of sets fits a size, or a parameter is missing.
    """
    missing = [name for name in (p.name for p in cache_space().parameters) if name not in design]
    if missing:
        msg = f"the design lacks {', '.join(missing)}: give every parameter of a hierarchy"
        raise ContractError(msg)
    from trimtab_hardware.cache.hierarchy import run_hierarchy
    from trimtab_hardware.cache.level import Level, empty_level

    def level(name: str) -> Level:
        kib, ways = int(design[f"{name}_kib"]), int(design[f"{name}_ways"])
        sets = kib * KIB // (ways * line)
        if sets < 1 or sets & (sets - 1) or ways & (ways - 1) or sets * ways * line != kib * KIB:
            msg = f"{name}: {kib} KiB in {ways} ways of {line} bytes is no power of two of sets"
            raise ContractError(msg)
        return empty_level(sets, ways, REPLACEMENTS.index(design["replacement"]))

    line = int(design["line_bytes"])
    return np.asarray(
        run_hierarchy(
            level("l1"),
            level("l2"),
            INCLUSIONS.index(design["inclusion"]),
            line.bit_length() - 1,
            address,
            is_write,
        )
    )


def cache_metrics(
    technology: Technology, designs: list[Any], counts: FloatArray, references: int
) -> dict[str, FloatArray]:
    """Metrics of n designs from their counts [n, 6]."""

    def column(name: str) -> FloatArray:
        return np.array([float(design[name]) for design in designs])

    hits, l2_hits, reads, writes, fills, marks = counts.T
    misses = references - hits
    l1 = (column("l1_kib"), column("l1_ways"))
    l2 = (column("l2_kib"), column("l2_ways"))
    cycles = total_cycles(
        technology, l1[0], l2[0], np.full(len(designs), float(references)), misses, reads
    )
    traffic = (reads + writes) * column("line_bytes")
    energy = total_pj(technology, l1, l2, references + misses, misses + fills + marks, traffic)
    per_cycle, per_pj = cycles / references, energy / references
    return {
        ENERGY_DELAY.name: per_cycle * per_pj,
        TIME.name: per_cycle,
        ENERGY.name: per_pj,
        SIZE.name: l1[0] + l2[0],
        "l1_hit_share": hits / references,
        "l2_hit_share": l2_hits / np.maximum(misses, 1),
        "memory_reads": reads,
        "memory_writes": writes,
    }
