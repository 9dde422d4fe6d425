"""Which jobs of a workspace are meant: those of one run, of one sweep, or all."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from trimtab.run.rows import OPEN_STATES


@dataclass(frozen=True, slots=True)
class Scope:
    """One run, one sweep, or (both empty) everything."""

    run: str = ""
    sweep: str = ""

    @property
    def is_limited(self) -> bool:
        """Whether it is one run or sweep."""
        return bool(self.run or self.sweep)

    @property
    def jobs(self) -> str:
        """SQL condition on `job`, to be joined with others by "and"; uses `values`."""
        if self.run:
            return "exists (select 1 from run_job where run=:run and job=job.id)"
        if self.sweep:
            return (
                "exists (select 1 from run_job join run on run.id=run_job.run "
                "where run_job.job=job.id and run.sweep=:sweep)"
            )
        return "1"

    @property
    def values(self) -> dict[str, str]:
        """Values of `jobs`."""
        return {"run": self.run, "sweep": self.sweep}

    def states(self, db: sqlite3.Connection) -> dict[str, int]:
        """Job state → number of jobs; a job of two runs of a sweep counts twice."""
        where = "1"
        if self.run:
            where = "run=:run"
        elif self.sweep:
            where = "run in (select id from run where sweep=:sweep)"
        rows = db.execute(
            f"select state, sum(n) from tally where n>0 and {where} group by state",  # noqa: S608
            self.values,
        )
        return dict(rows.fetchall())

    def open_jobs(self, db: sqlite3.Connection) -> int:
        """Jobs that are not settled."""
        states = self.states(db)
        return sum(states.get(state, 0) for state in OPEN_STATES)
