"""The domain `hardware.cache`: two-level cache hierarchies on reference streams."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.contracts.domain import Domain
from trimtab.contracts.problem import Bound

from trimtab_hardware.cache.problem import (
    ENERGY_DELAY,
    METRICS,
    CacheProblem,
    CacheScenario,
    load_references,
)

CHECKED = 20_000
"""References that the cross-check walks through in plain Python."""


class CacheDomain(Domain):
    """Sizes, ways, line, replacement and inclusion of two levels."""

    name = "hardware.cache"
    title = "Cache hierarchies"
    problem_model = CacheScenario
    headline = ENERGY_DELAY
    metrics = METRICS

    def build(
        self,
        problem: CacheScenario,
        copies: int = 1,
        interface: str = "default",
        autoreset: bool = False,
    ) -> CacheProblem:
        """See `Domain.build`."""
        return CacheProblem(problem)

    def reference_designs(self, problem: CacheScenario) -> Mapping[str, Mapping[str, Any]]:
        """The private levels of a server core: 32 KiB and 1 MiB, not inclusive (Skylake-SP)."""
        return {
            "server_core": {
                "l1_kib": 32,
                "l1_ways": 8,
                "l2_kib": 1024,
                "l2_ways": 16,
                "line_bytes": 64,
                "replacement": "lru",
                "inclusion": "nine",
            }
        }

    def bound(self, problem: CacheScenario, seed: int) -> Bound:
        """Compulsory misses through the cheapest arrays."""
        from trimtab_hardware.cache.bounds import cache_bound

        return cache_bound(problem)

    def verify(self, problem: CacheScenario, seed: int, bound: Bound) -> None:
        """See `Domain.verify`."""
        from trimtab_hardware.cache.bounds import verify_cache_bound

        verify_cache_bound(problem, bound)

    def cross_checks(self, problem: CacheScenario, seed: int) -> Mapping[str, tuple[float, float]]:
        """Hits of the reference's first level, and compulsory misses, by stack distances."""
        from trimtab_hardware.cache.model import KIB
        from trimtab_hardware.cache.problem import simulate_hierarchy
        from trimtab_hardware.cache.stack_distance import lru_hits

        design = self.reference_designs(problem)["server_core"]
        address, is_write = load_references(problem)
        address, is_write = address[:CHECKED], is_write[:CHECKED]
        counts = simulate_hierarchy(design, address, is_write)
        lines = (address // design["line_bytes"]).tolist()
        sets = design["l1_kib"] * KIB // (design["l1_ways"] * design["line_bytes"])
        huge = {**design, "l2_kib": 1 << 20}
        reads = simulate_hierarchy(huge, address, is_write)[2]
        return {
            "l1_hits": (float(counts[0]), float(lru_hits(lines, sets, design["l1_ways"]))),
            "compulsory_misses": (float(reads), float(len(set(lines)))),
        }

    def data_files(self, problem: CacheScenario) -> tuple[Path, ...]:
        """The file of references, if there is one."""
        return () if problem.trace is None else (problem.trace,)

    def check(self, problem: CacheScenario) -> tuple[str, ...]:
        """Read the user's references."""
        if problem.trace is None:
            return ()
        address, is_write = load_references(problem)
        return (f"{len(address)} references, {is_write.mean():.0%} of them writes",)

    def notes(self, problem: CacheScenario) -> tuple[str, ...]:
        """What the model leaves out."""
        return (
            "prefetch, bandwidth, leakage and coherence are not modelled; references are serial",
        )


DOMAIN = CacheDomain()
