"""The matrix [controller x seed] that a comparison is made of, and its checks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trimtab.contracts.controller import Entry
from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import EvidenceError
from trimtab.contracts.problem import Bound
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.scenario import Scenario
from trimtab.contracts.spec import Metric

Headline = Mapping[int, float]
"""The headline metric C of one controller by seed, finished seeds only."""


def sign_of(metric: Metric) -> float:
    """Factor that makes a metric a cost: 1 where small is better, else -1."""
    return 1.0 if metric.sense == "min" else -1.0


@dataclass(frozen=True, slots=True)
class Matrix:
    """Everything one comparison is made of.

    Attributes:
        scenario: name or shipped id.
        headline: C, one of `metrics`.
        references: candidates for C_ref; the best of those that ran is the reference.
        entries: how each controller is offered, by name.
        records: one episode per (controller, seed); a failed episode is absent.
        seeds: seeds asked for, in the order of every `per_seed`.
        bounds: bound of the headline per seed; empty where the domain has none.
        profile: rule profile, where the domain has several.
        notes: one-line notes of the domain for the reader.
        scenario_sha256: hash of the scenario, its data files included.
    """

    scenario: str
    domain: str
    headline: Metric
    metrics: tuple[Metric, ...]
    references: tuple[str, ...]
    entries: Mapping[str, Entry]
    records: Sequence[EpisodeRecord]
    seeds: tuple[int, ...]
    bounds: Mapping[int, Bound]
    profile: str | None = None
    notes: tuple[str, ...] = ()
    scenario_sha256: str = ""

    def __post_init__(self) -> None:
        if not self.records:
            msg = "compare: expected a finished episode, got none. Run the scenario first."
            raise EvidenceError(msg)
        if self.headline not in self.metrics:
            msg = f"compare: headline {self.headline.name} is not among the metrics. Declare it."
            raise EvidenceError(msg)
        seen: set[tuple[str, int]] = set()
        for record in self.records:
            self._check(record, seen)
            seen.add((record.controller, record.seed))

    def _check(self, record: EpisodeRecord, seen: set[tuple[str, int]]) -> None:
        where = f"compare: episode of {record.controller!r} on seed {record.seed}"
        if record.controller not in self.entries or record.seed not in self.seeds:
            msg = f"{where} was not asked for. Pass its entry and its seed."
            raise EvidenceError(msg)
        if (record.controller, record.seed) in seen:
            msg = f"{where} comes twice. Pass one record per controller and seed."
            raise EvidenceError(msg)
        value = record.metrics.get(self.headline.name, math.nan)
        if not math.isfinite(value):
            msg = (
                f"{where}: expected a finite {self.headline.name}, got {value}. "
                "Leave failed episodes out."
            )
            raise EvidenceError(msg)

    @classmethod
    def of_domain(
        cls,
        domain: Domain,
        scenario: Scenario[Any],
        entries: Mapping[str, Entry],
        records: Sequence[EpisodeRecord],
        bounds: Mapping[int, Bound],
        scenario_sha256: str = "",
    ) -> Matrix:
        """The matrix of a scenario's run, with what the domain declares about it.

        Args:
            domain: gives headline, metrics, reference candidates, profile, flags and notes.
            scenario: gives name, problem and seeds.
            entries: the controllers that were run, the user's own among them.
            records: finished episodes; the domain's flags are added to theirs.
            bounds: bound per seed, empty where the domain has none.
            scenario_sha256: hash of the scenario and its data files.
        """
        return cls(
            scenario=scenario.name,
            domain=domain.name,
            headline=domain.headline,
            metrics=domain.metrics,
            references=domain.reference(scenario.problem),
            entries=entries,
            records=[_flagged(r, domain.flags(r)) for r in records],
            seeds=scenario.seeds,
            bounds=bounds,
            profile=domain.profile(scenario.problem),
            notes=domain.notes(scenario.problem),
            scenario_sha256=scenario_sha256,
        )

    @property
    def sign(self) -> float:
        """Factor that makes the headline a cost."""
        return sign_of(self.headline)

    def episodes(self, name: str) -> dict[int, EpisodeRecord]:
        """Episodes of one controller by seed, in the order of `seeds`."""
        own = {r.seed: r for r in self.records if r.controller == name}
        return {seed: own[seed] for seed in self.seeds if seed in own}

    def headlines(self) -> dict[str, Headline]:
        """The headline of every controller that finished an episode, in entry order."""
        found = {name: self.episodes(name) for name in self.entries}
        return {
            name: {seed: r.metrics[self.headline.name] for seed, r in episodes.items()}
            for name, episodes in found.items()
            if episodes
        }


def _flagged(record: EpisodeRecord, flags: Sequence[str]) -> EpisodeRecord:
    """The record with these flags too, each once."""
    return replace(record, flags=tuple(dict.fromkeys((*record.flags, *flags))))
