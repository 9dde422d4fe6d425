"""From the searches of a design scenario to a result that may be believed.

Optimizers are rows like controllers: the headline of the best feasible design of each seed is
judged against today's design and the bound. Beside that come regret against unique simulator
calls, hits of the optimum, and Pareto fronts. The recommendation is a design.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trimtab.contracts.controller import Entry
from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import RunFailedError
from trimtab.contracts.problem import Bound, Budget
from trimtab.contracts.records import DesignRecord, EpisodeRecord
from trimtab.contracts.scenario import Scenario
from trimtab.evidence.bootstrap import bootstrap_interval, generator
from trimtab.evidence.compare import compare
from trimtab.evidence.front import front_summary, ratio_of
from trimtab.evidence.matrix import Matrix, sign_of
from trimtab.evidence.recommend_design import recommend_design
from trimtab.evidence.regret import (
    HIT,
    Curve,
    Target,
    calls_to,
    median_calls,
    open_gap,
    regret_curve,
)
from trimtab.evidence.result import (
    BoundSummary,
    CurveSummary,
    DesignSummary,
    Estimate,
    FrontSummary,
    Result,
    Row,
    SearchSummary,
)
from trimtab.evidence.statistics import mean


@dataclass(frozen=True, slots=True)
class Searches:
    """Everything that one comparison of searches is made of.

    Attributes:
        entries: rows by name, given designs among them.
        records: one per (optimizer, seed), and one per given design.
        bound: of the headline, or None.
        evaluations: budget of one search in unique simulator calls.
    """

    domain: Domain
    scenario: Scenario[Any]
    entries: Mapping[str, Entry]
    records: Sequence[DesignRecord]
    bound: Bound | None
    evaluations: int
    scenario_sha256: str = ""

    @property
    def sign(self) -> float:
        """Factor that makes the headline a cost."""
        return sign_of(self.domain.headline)

    @property
    def feasible(self) -> list[DesignRecord]:
        """Records whose design keeps every constraint."""
        return [record for record in self.records if record.feasible]

    def of(self, name: str) -> list[DesignRecord]:
        """Feasible records of one row."""
        return [record for record in self.feasible if record.name == name]

    def headline(self, record: DesignRecord) -> float:
        """Headline of a record's design."""
        return record.metrics[self.domain.headline.name]


def compare_searches(searches: Searches, seed: int = 0) -> Result:
    """Judge every optimizer and given design of a run.

    Args:
        searches: records, bound and declarations.
        seed: of the bootstrap; same input and seed, same result.

    Raises:
        RunFailedError: no record has a feasible design.
        BoundError: a proven bound was beaten by a feasible design.
    """
    if not searches.feasible:
        worst = min(searches.records, key=lambda r: max(r.excess.values(), default=0.0))
        broken = ", ".join(name for name, value in worst.excess.items() if value > 0.0)
        msg = f"no design of this run keeps {broken}: raise the budget, or ease the limits"
        raise RunFailedError(msg)
    judged = compare(_matrix(searches), seed)
    target = _target(searches, judged.reference)
    front = front_summary(searches.records, searches.domain, searches.bound, judged.reference)
    rows = tuple(_with_search(row, searches, target, front, seed) for row in judged.rows)
    update = {"kind": "design", "rows": rows, "front": front, "bound": _bound(judged)}
    judged = judged.model_copy(update=update)
    notes = (*judged.notes, *_notes(searches, judged))
    recommendation = recommend_design(judged, target, searches.sign)
    return judged.model_copy(update={"recommendation": recommendation, "notes": notes})


def _bound(result: Result) -> BoundSummary | None:
    """The bound, its certificate once: all seeds of optimizers share it."""
    if result.bound is None:
        return None
    once = dict(list(result.bound.certificate.items())[:1])
    return result.bound.model_copy(update={"certificate": once})


def _matrix(searches: Searches) -> Matrix:
    """The searches as episodes: a given design counts on every seed."""
    episodes: list[EpisodeRecord] = []
    for record in searches.feasible:
        seeds = searches.scenario.seeds if record.given else (record.seed,)
        episodes += [_episode(record, s, free=s != seeds[0]) for s in seeds]
    bounds = {} if searches.bound is None else dict.fromkeys(
        searches.scenario.seeds, searches.bound
    )  # fmt: skip
    matrix = Matrix.of_domain(
        searches.domain,
        searches.scenario,
        searches.entries,
        episodes,
        bounds,
        searches.scenario_sha256,
    )
    names = tuple(searches.domain.reference_designs(searches.scenario.problem))
    return replace(matrix, references=names)


def _episode(record: DesignRecord, seed: int, *, free: bool) -> EpisodeRecord:
    """A record as an episode; its cost is counted on one seed only."""
    return EpisodeRecord(
        controller=record.name,
        seed=seed,
        metrics=record.metrics,
        flags=record.flags,
        budget=Budget() if free else record.budget,
    )


def _target(searches: Searches, reference: str | None) -> Target:
    """Regret is against the bound, or against the best design known where there is none."""
    start = None if reference is None else searches.headline(searches.of(reference)[0])
    if searches.bound is not None:
        return Target(searches.bound.value, start, searches.sign)
    best = min(searches.feasible, key=lambda r: searches.sign * searches.headline(r))
    return Target(searches.headline(best), start, searches.sign)


def _with_search(
    row: Row, searches: Searches, target: Target, front: FrontSummary | None, seed: int
) -> Row:
    own = searches.of(row.name)
    best = min(own, key=lambda r: searches.sign * searches.headline(r))
    update: dict[str, Any] = {
        "best": DesignSummary(
            row=row.name,
            seed=None if best.given else best.seed,
            calls=None if best.given else best.improvements[-1][0],
            design=dict(best.design),
            metrics={k: v for k, v in best.metrics.items() if math.isfinite(v)},
            excess=dict(best.excess),
        ),
        "versus_best_classical": None,
    }
    if not best.given:
        update["search"] = _summary(row.name, own, searches, target, front, seed)
    return row.model_copy(update=update)


def _summary(
    name: str,
    own: Sequence[DesignRecord],
    searches: Searches,
    target: Target,
    front: FrontSummary | None,
    seed: int,
) -> SearchSummary:
    n, seeds = searches.evaluations, searches.scenario.seeds
    by_seed = {record.seed: record for record in own}
    final = {s: float(target.of(np.array(searches.headline(r)))) for s, r in by_seed.items()}
    gaps = {s: open_gap(r, n, target) for s, r in by_seed.items()}
    ratios = {s: ratio_of(r, front) for s, r in by_seed.items()}
    curve = regret_curve(own, n, target, generator(seed, name, "regret"))
    known = front is not None and front.worst is not None
    return SearchSummary(
        evaluations=n,
        searches=len(own),
        hits=sum(math.isfinite(calls_to(r, target, HIT)) for r in own),
        within_1_percent=sum(math.isfinite(calls_to(r, target, 0.01)) for r in own),
        calls_to_optimum=median_calls(own, target),
        final_regret=_estimate(final, seeds, seed, name, "final regret"),
        open_gap=_estimate(gaps, seeds, seed, name, "open gap"),
        hypervolume_ratio=_estimate(ratios, seeds, seed, name, "hypervolume") if known else None,
        curve=_curve(curve),
    )


def _estimate(
    values: Mapping[int, float | None], seeds: Sequence[int], seed: int, *labels: str
) -> Estimate:
    defined = [value for value in values.values() if value is not None]
    if not defined:
        return Estimate()
    interval = bootstrap_interval([defined], mean, generator(seed, *labels))
    return Estimate(
        mean=float(mean(defined)),
        ci95=None if interval is None else (interval.low, interval.high),
        per_seed=tuple(values.get(s) for s in seeds),
    )


def _curve(curve: Curve) -> CurveSummary:
    def plain(values: Any) -> tuple[float | None, ...]:
        return tuple(v if math.isfinite(v) else None for v in values.tolist())

    return CurveSummary(
        calls=tuple(curve.calls.tolist()),
        median=plain(curve.median),
        q25=plain(curve.q25),
        q75=plain(curve.q75),
        low95=plain(curve.low),
        high95=plain(curve.high),
    )


def _notes(searches: Searches, result: Result) -> list[str]:
    notes = []
    for record in searches.records:
        if not record.feasible:
            broken = ", ".join(name for name, value in record.excess.items() if value > 0.0)
            spent = record.budget.evaluations
            notes.append(
                f"The given design {record.name} breaks {broken}, so it is not compared."
                if record.given
                else f"{record.name}, seed {record.seed}: no feasible design in {spent} calls "
                f"(closest breaks {broken})."
            )
    if result.bound is None:
        notes.append("Regret is against the best design of this run, for want of a bound.")
    elif not any(row.search and row.search.hits for row in result.rows):
        notes.append("No search met the bound; it may lie below what any design reaches.")
    return notes
