"""What an evaluated episode or a finished search leaves behind: what stores keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trimtab.contracts.problem import Budget
from trimtab.contracts.shield import Violations


@dataclass(frozen=True, slots=True)
class EpisodeRecord:
    """One (controller, seed) episode of a scenario.

    Attributes:
        metrics: episode metrics in the domain's units.
        violations: per constraint, from the independent monitor.
        shielded: a shield stood between controller and system.
        interventions: agent-decisions that the shield changed, of `decisions` made.
        flags: what a reader must know before trusting the row ("gridlock", "starved").
        budget: cost of this episode (not of training).
        details: per-element figures for views, e.g. {"edge_delay_s": {edge: value}}.
        notes: those of the controller that played.
        dt_s: seconds between two decisions.
        series_units: unit of each series that was stored per step.
    """

    controller: str
    seed: int
    metrics: Mapping[str, float]
    violations: Mapping[str, Violations] = field(default_factory=dict)
    shielded: bool = False
    interventions: int = 0
    decisions: int = 0
    flags: tuple[str, ...] = ()
    budget: Budget = Budget()
    details: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    dt_s: float | None = None
    series_units: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A feasible design that no other one of its search beats in every objective.

    Attributes:
        design: readable values by parameter.
        values: objective → value, those of `DesignSpec.front_metrics`.
    """

    design: Mapping[str, Any]
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class DesignRecord:
    """One search of a design space (optimizer, seed), or one design that was given.

    Attributes:
        name: optimizer id, or the name of the given design.
        seed: of the optimizer.
        design: the best design in canonical form, readable values by parameter; feasible where
            the search met a feasible one.
        metrics: of that design, the domain's headline among them.
        excess: constraint → simulated quantity minus its limit; positive is a violation.
        improvements: (unique simulator calls, headline) whenever the best feasible design
            improved; empty where none was feasible.
        front: feasible designs of the search that none dominates; empty for one objective.
        budget: unique simulator calls and their CPU seconds, the optimizer's own included.
        repeats: asked designs that were known already and cost no call.
        flags: what a reader must know before trusting the record ("infeasible").
        given: the design was given and only scored; nothing was searched.
    """

    name: str
    seed: int
    design: Mapping[str, Any]
    metrics: Mapping[str, float]
    excess: Mapping[str, float] = field(default_factory=dict)
    improvements: tuple[tuple[int, float], ...] = ()
    front: tuple[FrontPoint, ...] = ()
    budget: Budget = Budget()
    repeats: int = 0
    flags: tuple[str, ...] = ()
    given: bool = False

    @property
    def feasible(self) -> bool:
        """Whether the design keeps every constraint."""
        return all(value <= 0.0 for value in self.excess.values())
