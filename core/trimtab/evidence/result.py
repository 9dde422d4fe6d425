"""The result object of one comparison, `trimtab/result/1`: what scripts, table and report read.

Key names are public; a change needs a new schema id and a migration. `null` means "not
applicable" or "could not be said from this many seeds", never zero.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from trimtab.contracts.controller import Role
from trimtab.contracts.errors import UnknownNameError
from trimtab.contracts.problem import BoundKind, Need
from trimtab.contracts.scenario import StrictModel
from trimtab.contracts.spec import Sense

Ci95 = tuple[float, float]
Verdict = Literal["better", "worse", "not shown", "too few seeds"]


class MetricSummary(StrictModel):
    """One metric of one row; `per_seed` follows `Result.seeds`, null where a seed failed."""

    unit: str
    sense: Sense
    mean: float | None
    ci95: Ci95 | None = Field(description="null for fewer than three seeds")
    iqm: float | None = Field(default=None, description="interquartile mean over seeds")
    worst: float | None
    worst_seed: int | None = None
    per_seed: tuple[float | None, ...]


class GapClosed(StrictModel):
    """Share of the gap closed, (C_ref - C) / (C_ref - C_bound) per seed; null where n/a."""

    mean: float | None = None
    ci95: Ci95 | None = None
    per_seed: tuple[float | None, ...] = ()


class ViolationSummary(StrictModel):
    """Violations of one constraint; `upper95` bounds their rate per check of the rule."""

    count: int
    upper95: float | None
    exposure: int


class BudgetSummary(StrictModel):
    """What something cost."""

    evaluations: int = 0
    env_steps: int = 0
    cpu_s: float = 0.0


class PairedSummary(StrictModel):
    """Row minus another row on common seeds, in the headline's unit.

    Attributes:
        p_holm: Student p-value, Holm-adjusted over all such comparisons of the result.
        verdict: "better" or "worse" only where the interval excludes 0 and p_holm < 0.05.
        probability: chance that a random seed of this row beats a random one of the other.
        crn_gain: variance of the unpaired over the paired difference.
    """

    versus: str
    mean: float
    ci95: Ci95 | None
    p_holm: float | None
    verdict: Verdict
    probability: float
    seeds: int
    crn_gain: float | None


class Estimate(StrictModel):
    """A mean over searches with its interval; `per_seed` as in `MetricSummary`."""

    mean: float | None = None
    ci95: Ci95 | None = None
    per_seed: tuple[float | None, ...] = ()


class CurveSummary(StrictModel):
    """Relative regret against unique simulator calls; null before a feasible design was met."""

    calls: tuple[int, ...]
    median: tuple[float | None, ...]
    q25: tuple[float | None, ...]
    q75: tuple[float | None, ...]
    low95: tuple[float | None, ...]
    high95: tuple[float | None, ...]


class SearchSummary(StrictModel):
    """How an optimizer searched.

    Attributes:
        searches: that ended with a feasible design.
        hits: of them, those that met the optimum; `within_1_percent` as it says.
        calls_to_optimum: median unique calls until it was met; null where half never did.
        final_regret: relative, |best - optimum| / |optimum|.
        open_gap: area under the regret curve, in that of today's design.
        hypervolume_ratio: of the feasible front in that of the true one, where that is known.
    """

    evaluations: int
    searches: int
    hits: int
    within_1_percent: int
    calls_to_optimum: float | None
    final_regret: Estimate
    open_gap: Estimate
    hypervolume_ratio: Estimate | None
    curve: CurveSummary


class DesignSummary(StrictModel):
    """One design: where it comes from, its values and its metrics.

    Attributes:
        seed, calls: search and unique call that found it; null for a given design.
        excess: constraint to simulated quantity minus limit; at most 0 where it is kept.
    """

    row: str
    seed: int | None
    calls: int | None
    design: dict[str, Any]
    metrics: dict[str, float]
    excess: dict[str, float]


class FrontMember(StrictModel):
    """One undominated design; `values` by objective."""

    row: str
    seed: int
    design: dict[str, Any]
    values: dict[str, float]


class FrontSummary(StrictModel):
    """Pareto fronts of a design run.

    Attributes:
        senses, units: by objective.
        found: designs of all searches that no other one beats everywhere.
        by_row: objective values of the front that the searches of a row found together.
        true: the true front, where the bound brings it.
        today: the reference design's values.
        worst: point that hypervolumes are measured from; null where the true front is unknown.
    """

    senses: dict[str, Sense]
    units: dict[str, str]
    found: tuple[FrontMember, ...]
    by_row: dict[str, tuple[dict[str, float], ...]]
    true: tuple[dict[str, float], ...] = ()
    today: dict[str, float] | None = None
    worst: dict[str, float] | None = None


class Row(StrictModel):
    """One controller, design or optimizer.

    Attributes:
        budget: tuning, training and the episodes of this comparison together.
        trained: the part of it spent before this comparison.
        regret: mean distance to the bound, in the headline's unit; null without a bound.
        flags: what to know before trusting the row ("gridlock", "incomplete").
        search: how an optimizer searched; null for controllers and given designs.
        best: the best design of the row, over all seeds.
    """

    name: str
    role: Role
    shielded: bool
    needs: tuple[Need, ...]
    metrics: dict[str, MetricSummary]
    gap_closed: GapClosed
    violations: dict[str, ViolationSummary]
    interventions: int
    decisions: int
    budget: BudgetSummary
    trained: BudgetSummary
    regret: float | None = None
    flags: tuple[str, ...] = ()
    versus_reference: PairedSummary | None = None
    versus_best_classical: PairedSummary | None = None
    search: SearchSummary | None = None
    best: DesignSummary | None = None

    @property
    def violation_count(self) -> int:
        """Violations of all constraints together."""
        return sum(v.count for v in self.violations.values())

    @property
    def checks(self) -> int:
        """How often the monitor looked, all constraints together."""
        return sum(v.exposure for v in self.violations.values())

    @property
    def run_cpu_s(self) -> float:
        """CPU seconds of this comparison, without what was spent before it."""
        return max(self.budget.cpu_s - self.trained.cpu_s, 0.0)


class BoundSummary(StrictModel):
    """The bound on the headline; `beaten_by` names rows that went past it."""

    kind: BoundKind
    mean: float
    per_seed: tuple[float | None, ...]
    how: str
    certificate: dict[str, Any] = Field(description="seed to plain data that can be verified")
    beaten_by: tuple[str, ...] = ()


class Recommendation(StrictModel):
    """What to deploy, and why, in one plain sentence; of design domains, the design itself."""

    name: str | None
    why: str
    design: dict[str, Any] | None = None


class Result(StrictModel):
    """One comparison: rows of controllers, or of optimizers, on one scenario, best first.

    Attributes:
        kind: what the rows are: controllers of a system, or searches for a design.
        bound_failure: why the bound of some seed could not be computed, or empty.
        front: Pareto fronts of a design run with several objectives.
    """

    schema_id: Literal["trimtab/result/1"] = Field(default="trimtab/result/1", alias="schema")
    scenario: str
    domain: str
    kind: Literal["control", "design"] = "control"
    profile: str | None
    headline: str
    seeds: tuple[int, ...]
    reference: str | None
    reference_candidates: tuple[str, ...] = ()
    bound: BoundSummary | None
    bound_failure: str = ""
    rows: tuple[Row, ...] = Field(min_length=1)
    recommendation: Recommendation
    front: FrontSummary | None = None
    notes: tuple[str, ...] = ()
    scenario_sha256: str = ""
    run_id: str = ""
    run_dir: str = ""
    report: str | None = None
    manifest: str | None = None

    def row(self, name: str) -> Row:
        """The row of that name.

        Raises:
            UnknownNameError: no row has that name.
        """
        rows = {row.name: row for row in self.rows}
        if name not in rows:
            raise UnknownNameError(name, "row", rows)
        return rows[name]

    @property
    def row_word(self) -> str:
        """What a row is."""
        return "controller" if self.kind == "control" else "optimizer"

    def headline_of(self, row: Row) -> MetricSummary:
        """The headline metric of a row."""
        return row.metrics[self.headline]

    @property
    def unit(self) -> str:
        """Unit of the headline."""
        return self.headline_of(self.rows[0]).unit

    def to_json(self) -> str:
        """The public JSON document, keys in the documented order."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Result:
        """Read what `to_json` wrote.

        Raises:
            pydantic.ValidationError: not a document of this schema.
        """
        return cls.model_validate_json(text)
