"""Pareto fronts of a run: what every optimizer found, beside the true front and today's design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from trimtab.contracts.domain import Domain
from trimtab.contracts.dominance import non_dominated
from trimtab.contracts.problem import Bound
from trimtab.contracts.records import DesignRecord
from trimtab.contracts.spec import FloatArray
from trimtab.evidence.pareto import hypervolume_ratio, worst_point
from trimtab.evidence.result import FrontMember, FrontSummary

Values = Mapping[str, float]


def front_summary(
    records: Sequence[DesignRecord], domain: Domain, bound: Bound | None, reference: str | None
) -> FrontSummary | None:
    """Fronts of all rows; None where the domain has one objective.

    Args:
        records: searches and given designs.
        domain: declares sense and unit of every objective among its metrics.
        bound: brings the true front, where it is known.
        reference: name of today's design, if it is feasible.
    """
    names = next((list(r.front[0].values) for r in records if r.front), [])
    metrics = {metric.name: metric for metric in domain.metrics}
    if not names or not set(names) <= set(metrics):
        return None
    members = [
        FrontMember(row=r.name, seed=r.seed, design=dict(p.design), values=dict(p.values))
        for r in records
        for p in r.front
    ]
    today = next(({n: r.metrics[n] for n in names} for r in records if r.name == reference), None)
    true = () if bound is None else tuple(dict(point) for point in bound.front)
    summary = FrontSummary(
        senses={n: metrics[n].sense for n in names},
        units={n: metrics[n].unit for n in names},
        found=(),
        by_row={},
        true=true,
        today=today,
    )
    update = {
        "found": tuple(_undominated(members, summary)),
        "by_row": {
            name: tuple(
                m.values for m in _undominated([m for m in members if m.row == name], summary)
            )
            for name in dict.fromkeys(m.row for m in members)
        },
        "worst": _worst(summary),
    }
    return summary.model_copy(update=update)


def costs(points: Sequence[Values], front: FrontSummary) -> FloatArray:
    """[n, K] of points, every objective turned so that small is better."""
    signs = [1.0 if sense == "min" else -1.0 for sense in front.senses.values()]
    rows = [[s * point[n] for n, s in zip(front.senses, signs, strict=True)] for point in points]
    return np.array(rows, dtype=np.float64).reshape(len(points), len(signs))


def ratio_of(record: DesignRecord, front: FrontSummary | None) -> float | None:
    """Hypervolume of a search's front in that of the true one; None where that is unknown."""
    if front is None or front.worst is None:
        return None
    found = costs([point.values for point in record.front], front)
    return hypervolume_ratio(found, costs(front.true, front), costs([front.worst], front)[0])


def _undominated(members: Sequence[FrontMember], front: FrontSummary) -> list[FrontMember]:
    points = costs([member.values for member in members], front)
    kept = non_dominated(points)
    order = np.lexsort(points.T[::-1])
    return [members[i] for i in order if kept[i]]


def _worst(front: FrontSummary) -> dict[str, float] | None:
    if not front.true:
        return None
    today = None if front.today is None else costs([front.today], front)[0]
    worst = worst_point(costs(front.true, front), today)
    signs = [1.0 if sense == "min" else -1.0 for sense in front.senses.values()]
    return {n: s * float(w) for n, s, w in zip(front.senses, signs, worst, strict=True)}
