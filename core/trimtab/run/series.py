"""Series of figures per step as the store keeps them, read back thinned for charts."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Series:
    """A thinned series: lowest and highest value of each span; both the value where it is one."""

    name: str
    step: tuple[int, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class StepUnits:
    """Seconds of a step and unit of each series; unknown of searches and of older episodes."""

    dt_s: float | None
    units: Mapping[str, str]


def read_units(db: sqlite3.Connection, job: str) -> StepUnits:
    """What a finished job says of its steps."""
    row = db.execute(
        "select json_extract(text, '$.dt_s'), json_extract(text, '$.series_units') "
        "from result where job=?",
        (job,),
    ).fetchone()
    dt_s, units = row or (None, None)
    return StepUnits(dt_s, json.loads(units or "{}"))


def write_envelope(db: sqlite3.Connection, job: str, points: int) -> None:
    """Keep the thinned copy of each long series of a finished job, in the caller's transaction."""
    long = db.execute(
        "select name from metric where job=? group by name having count(*)>?", (job, points)
    ).fetchall()
    for (name,) in long:
        thin = read_series(db, job, name, points)
        db.executemany(
            "insert or replace into envelope values(?, ?, ?, ?, ?)",
            [(job, name, *row) for row in zip(thin.step, thin.low, thin.high, strict=True)],
        )


_NAMES = """
with recursive each(name) as (
  select min(name) from metric where job=:job
  union all
  select (select min(name) from metric where job=:job and name>each.name) from each
  where each.name is not null)
select name from each where name is not null
  and exists (select 1 from metric where job=:job and name=each.name and step>0)
"""
"""Goes from name to name by the key; `distinct` would read every row."""


def series_names(db: sqlite3.Connection, job: str) -> list[str]:
    """Names of the series of a job (episode metrics have a single row and are none)."""
    return [row[0] for row in db.execute(_NAMES, {"job": job})]


def read_series(db: sqlite3.Connection, job: str, name: str, points: int = 1000) -> Series:
    """One series with at most `points` spans, from its stored thinned copy where there is one."""
    kept = db.execute(
        "select step, low, high from envelope where job=? and name=? order by step", (job, name)
    ).fetchall()
    rows = (
        kept
        or db.execute(
            "select step, value, value from metric where job=? and name=? order by step",
            (job, name),
        ).fetchall()
    )
    size = max(math.ceil(len(rows) / points), 1)
    if size == 1:
        return _series(name, rows)
    return _series(name, [_span(rows[i : i + size]) for i in range(0, len(rows), size)])


def _span(
    rows: Sequence[tuple[int, float | None, float | None]],
) -> tuple[int, float | None, float | None]:
    """Several spans as one: the lowest of all lows, the highest of all highs."""
    lows = [low for _, low, _ in rows if low is not None]
    highs = [high for _, _, high in rows if high is not None]
    return rows[-1][0], min(lows, default=None), max(highs, default=None)


def _series(name: str, rows: Sequence[tuple[int, float | None, float | None]]) -> Series:
    steps, low, high = zip(*rows, strict=True) if rows else ((), (), ())
    return Series(name, tuple(steps), tuple(low), tuple(high))
