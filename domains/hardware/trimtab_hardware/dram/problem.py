"""The design problem `hardware.dram`: controllers and address maps on traces, to the cycle."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.errors import UnknownNameError
from trimtab.contracts.problem import Constraint, DesignProblem, DesignSpec, Evaluation, Status
from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray

from trimtab_hardware.dram import spaces
from trimtab_hardware.dram.address_map import AddressMap
from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.mappings import published_map
from trimtab_hardware.dram.metrics import (
    ENERGY_DELAY,
    ENTRIES,
    FRONT,
    METRICS,
    OBJECTIVES,
    REFRESH_GAP,
    measure,
)
from trimtab_hardware.dram.part import Part, load_part
from trimtab_hardware.dram.result import Result
from trimtab_hardware.dram.scenario import (
    MOST_REFRESH_GAP,
    DramScenario,
    base_configuration,
    load_scenario_part,
    load_workload,
)
from trimtab_hardware.dram.simulation import Engine
from trimtab_hardware.dram.traces import Trace

PREFIXES = {"prefix-500": 500, "prefix-2000": 2000, "full": 1 << 62}
"""Fidelity → requests at most."""
WORST_OF_WORKLOADS = (REFRESH_GAP.name, "p99_latency_ns", "max_latency_ns")


def engine_hash() -> str:
    """SHA-256 of the simulator's source: results of another engine are never mixed in."""
    folder = Path(__file__).parent
    names = ("simulation", "channel", "energy", "metrics", "address_map", "part", "timing")
    files = [folder / f"{name}.py" for name in names]
    digest = hashlib.sha256()
    for path in [*files, *sorted((folder / "engine").glob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Setup:
    """A design as the engine takes it."""

    part: Part
    address_map: AddressMap | None
    configuration: Configuration


class DramProblem(DesignProblem):
    """Plays every workload under each design; deterministic, whatever the seed.

    Attributes:
        scenario: what the user set.
        part: memory of one channel.
        traces: requests of each workload, in cycles of `part`.
        weights: share of each workload, sum 1.
        fixed_map: map of one channel and rank where the design has none of its own.
    """

    def __init__(self, scenario: DramScenario) -> None:
        self.scenario = scenario
        self.part = load_scenario_part(scenario)
        self.base = base_configuration(scenario)
        self.traces = tuple(load_workload(w, self.part) for w in scenario.workloads)
        weights = np.array([w.weight for w in scenario.workloads])
        self.weights: FloatArray = weights / weights.sum()
        self.fixed_map = self._chosen_map()
        self._engines: dict[tuple[int, str, str], Engine] = {}
        self._compiled: set[bool] = set()
        self.spec = DesignSpec(
            name=f"hardware.dram-{scenario.space}-1",
            space=self._space(),
            objectives=OBJECTIVES,
            constraints=_constraints(scenario),
            fidelities=tuple(PREFIXES),
            front=FRONT,
        )
        self._identity = self._content_hash()

    def _space(self) -> Space:
        name = self.scenario.space
        if name == "controller+":
            whole = spaces.controller_plus(self.part, self.scenario.grades)
        elif name == "address-map":
            whole = spaces.address_maps(self.part)
        else:
            whole = spaces.seed10(ideal=name == "seed10-ideal")
        return spaces.restricted(whole, self.scenario.fixed)

    def _chosen_map(self) -> AddressMap:
        """Map of one channel and rank where the design has none of its own."""
        if self.scenario.address_map_file is not None:
            from trimtab_hardware.dram.address_map import read_address_map
            from trimtab_hardware.dram.user_files import naming

            chosen = read_address_map(self.scenario.address_map_file)
            with naming(self.scenario.address_map_file):
                self.part.check_map(chosen, self.base.channels, self.base.ranks)
            return chosen
        chosen = published_map(self.part, self.scenario.address_map)
        self.part.check_map(chosen, self.base.channels, self.base.ranks)
        return chosen

    @property
    def identity(self) -> str:
        """Engine, part, map, base controller, limits and every trace."""
        return self._identity

    def _content_hash(self) -> str:
        parts = [load_part(grade) for grade in self.scenario.grades]
        content = [
            engine_hash(),
            self.spec.name,
            [asdict(part) for part in (self.part, *parts)],
            asdict(self.fixed_map),
            asdict(self.base),
            self.scenario.limits.model_dump(),
            [trace.content_hash() for trace in self.traces],
            self.weights.tolist(),
            sorted(self.scenario.fixed.items()),
        ]
        return hashlib.sha256(repr(content).encode()).hexdigest()

    def canonical(self, designs: FloatArray) -> FloatArray:
        """See `DesignProblem.canonical`; bits of one field have no order."""
        if self.scenario.space == "address-map":
            return spaces.canonical_maps(self.part, designs)
        return super().canonical(designs)

    def setup(self, design: Mapping[str, Any]) -> Setup:
        """Part, map and controller of a design in readable values; the rest is the scenario's.

        Raises:
            TrimtabError: a name is unknown, or a value is out of range.
        """
        _check_names(design)
        part = load_part(design["part"]) if "part" in design else self.part
        configuration = spaces.configuration_of(design, self.base)
        if "order" in design:
            return Setup(part, spaces.address_map_of(part, design), configuration)
        if configuration.channels > 1 or configuration.ranks > 1:
            chosen = part.address_map(channels=configuration.channels, ranks=configuration.ranks)
            return Setup(part, chosen, configuration)
        return Setup(part, self.fixed_map, configuration)

    def simulate(
        self, setup: Setup, workload: int, fidelity: str = "full", *, commands: bool = False
    ) -> Result:
        """One workload under one design."""
        free = self.scenario.space == "address-map"
        design = setup.configuration
        key = (workload, fidelity, f"{setup.part.id}/{design.channels}/{design.ranks}")
        engine = None if free else self._engines.get(key)
        if engine is None:
            engine = Engine(
                self.trace(setup.part, workload, fidelity), setup.part, setup.address_map
            )
            if not free:
                self._engines[key] = engine
        return engine.run(setup.configuration, commands=commands)

    def trace(self, part: Part, workload: int, fidelity: str = "full") -> Trace:
        """Requests of a workload in cycles of a part's clock."""
        trace = self.traces[workload].prefix(PREFIXES[fidelity])
        return trace.rescaled(self.part.clock_mhz, part.clock_mhz)

    def evaluate(self, designs: FloatArray, fidelity: str, seed: int) -> Evaluation:
        """See `DesignProblem.evaluate`."""
        return self._scored(self.spec.space.designs(designs), fidelity)

    def evaluate_design(self, design: Mapping[str, Any], fidelity: str, seed: int) -> Evaluation:
        """Any values the engine knows; what is missing is as in the scenario's controller."""
        return self._scored([design], fidelity)

    def _scored(self, designs: Sequence[Mapping[str, Any]], fidelity: str) -> Evaluation:
        rows, cost = [], np.empty(len(designs))
        for k, design in enumerate(designs):
            found, _, cost[k] = self.timed(design, fidelity)
            rows.append(found)
        metrics = {m.name: np.array([row[m.name] for row in rows]) for m in METRICS}
        return evaluation_of(self.spec, metrics, cost)

    def timed(
        self, design: Mapping[str, Any], fidelity: str = "full"
    ) -> tuple[dict[str, float], frozenset[str], float]:
        """What `examined` says, and the CPU seconds that it took once its engine was compiled."""
        self._compile(self.setup(design))
        start = time.thread_time()
        found, met = self.examined(design, fidelity)
        return found, met, time.thread_time() - start

    def _compile(self, setup: Setup) -> None:
        """Compile the engine that a design needs, or load it: no part of what a design costs."""
        from trimtab_hardware.dram.channel import is_wider

        kind = is_wider(setup.configuration)
        if kind not in self._compiled:
            self.simulate(setup, 0, "prefix-500")
            self._compiled.add(kind)

    def measured(self, design: Mapping[str, Any], fidelity: str = "full") -> dict[str, float]:
        """Metrics of one design, mean over workloads; see `combined`."""
        return self.examined(design, fidelity)[0]

    def examined(
        self, design: Mapping[str, Any], fidelity: str = "full"
    ) -> tuple[dict[str, float], frozenset[str]]:
        """Metrics of one design, and the limits that it met on some workload."""
        setup = self.setup(design)
        results = [self.simulate(setup, k, fidelity) for k in range(len(self.traces))]
        found = [
            measure(result, self.trace(setup.part, k, fidelity), setup.part, setup.configuration)
            for k, result in enumerate(results)
        ]
        met: frozenset[str] = frozenset().union(*(result.limits_met for result in results))
        return combined(found, self.weights), met


def combined(found: Sequence[Mapping[str, float]], weights: FloatArray) -> dict[str, float]:
    """Weighted means over workloads: geometric for the headline, worst for tails and refresh."""
    if len(found) == 1:
        return dict(found[0])
    out: dict[str, float] = {}
    for name in found[0]:
        values = np.array([one[name] for one in found])
        if name == ENERGY_DELAY.name:
            out[name] = float(np.exp(weights @ np.log(values)))
        elif name in WORST_OF_WORKLOADS:
            out[name] = float(values.max())
        else:
            out[name] = float(weights @ values)
    return out


def evaluation_of(
    spec: DesignSpec, metrics: Mapping[str, FloatArray], cost_s: FloatArray, *, cached: bool = False
) -> Evaluation:
    """An evaluation made of the metrics [n] of n designs."""
    n = len(cost_s)
    columns = []
    for constraint in spec.constraints:
        values = metrics[constraint.name]
        at_least = constraint.name == "bandwidth_gb_s"
        excess = constraint.limit - values if at_least else values - constraint.limit
        columns.append(excess)
    status: tuple[Status, ...] = tuple("ok" for _ in range(n))
    return Evaluation(
        objectives=np.stack([metrics[o.name] for o in spec.objectives], axis=1),
        constraints=np.stack(columns, axis=1),
        cost_s=cost_s,
        status=status,
        cached=np.full(n, cached),
        metrics=metrics,
    )


def _constraints(scenario: DramScenario) -> tuple[Constraint, ...]:
    limits = scenario.limits
    found = [Constraint(REFRESH_GAP.name, REFRESH_GAP.unit, MOST_REFRESH_GAP)]
    if limits.bandwidth_gb_s is not None:
        found.append(Constraint("bandwidth_gb_s", "GB/s", limits.bandwidth_gb_s))
    if limits.p99_latency_ns is not None:
        found.append(Constraint("p99_latency_ns", "ns", limits.p99_latency_ns))
    if limits.buffer_entries is not None:
        found.append(Constraint(ENTRIES.name, ENTRIES.unit, limits.buffer_entries))
    return tuple(found)


def _check_names(design: Mapping[str, Any]) -> None:
    known = {*Configuration.__dataclass_fields__, "part", "order"}
    for name in design:
        if name not in known and not name.startswith("xor_"):
            raise UnknownNameError(name, "design parameter", known)
