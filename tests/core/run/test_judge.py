"""A reader of a result is told which rows were not played as they ship."""

from __future__ import annotations

from trimtab.contracts.controller import Entry
from trimtab.run.controllers import Choice
from trimtab.run.judge import given_parameters


def test_a_run_tells_what_it_was_given_in_place_of_what_ships() -> None:
    entry = Entry("classical", lambda problem: problem, "", defaults={"green_s": 50, "gap_s": 3.0})
    rows = [
        Choice("tuned", entry, parameters={"green_s": 38, "gap_s": 3.0, "seen_m": 12.3456789}),
        Choice("as_shipped", entry),
        Choice("said_again", entry, parameters={"green_s": 50}),
        Choice("point", entry, parameters={"green_s": 1}, kind="design"),
    ]
    assert given_parameters(rows) == ["tuned was given green_s 38 instead of 50, seen_m 12.3457."]
