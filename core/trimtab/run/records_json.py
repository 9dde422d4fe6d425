"""Records and bounds as plain JSON data, for the store, the pipe and the run folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from trimtab.contracts.problem import Bound, Budget
from trimtab.contracts.records import DesignRecord, EpisodeRecord, FrontPoint
from trimtab.contracts.shield import Violations


def record_to_json(record: EpisodeRecord | DesignRecord) -> dict[str, Any]:
    """Plain data of a record; numbers that are not finite become null."""
    if isinstance(record, DesignRecord):
        return {**asdict(record), "metrics": _finite(record.metrics)}
    return {**asdict(record), "metrics": _finite(record.metrics), "details": _nested(record)}


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {k: v if math.isfinite(v) else None for k, v in values.items()}


def _nested(record: EpisodeRecord) -> dict[str, Any]:
    return {name: _finite(values) for name, values in record.details.items()}


def record_from_json(data: Mapping[str, Any]) -> EpisodeRecord:
    """Read what `record_to_json` wrote; null becomes NaN."""
    return EpisodeRecord(
        controller=data["controller"],
        seed=data["seed"],
        metrics=_numbers(data["metrics"]),
        violations={k: Violations(**v) for k, v in data["violations"].items()},
        shielded=data["shielded"],
        interventions=data["interventions"],
        decisions=data["decisions"],
        flags=tuple(data["flags"]),
        budget=Budget(**data["budget"]),
        details={k: _numbers(v) for k, v in data["details"].items()},
        notes=tuple(data.get("notes", ())),
        dt_s=data.get("dt_s"),
        series_units=data.get("series_units", {}),
    )


def design_from_json(data: Mapping[str, Any]) -> DesignRecord:
    """Read what `record_to_json` wrote of a design record."""
    return DesignRecord(
        name=data["name"],
        seed=data["seed"],
        design=data["design"],
        metrics=_numbers(data["metrics"]),
        excess=data["excess"],
        improvements=tuple((int(calls), float(value)) for calls, value in data["improvements"]),
        front=tuple(FrontPoint(**point) for point in data["front"]),
        budget=Budget(**data["budget"]),
        repeats=data["repeats"],
        flags=tuple(data["flags"]),
        given=data["given"],
    )


def _numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    return {k: math.nan if v is None else v for k, v in values.items()}


def bound_to_json(bound: Bound | None) -> dict[str, Any] | None:
    """Plain data of a bound; None where the domain has none."""
    return None if bound is None else asdict(bound)


def bound_from_json(data: Mapping[str, Any] | None) -> Bound | None:
    """Read what `bound_to_json` wrote."""
    return None if data is None else Bound(**{**data, "front": tuple(data.get("front", ()))})
