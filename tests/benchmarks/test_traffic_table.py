"""The table of controllers goes on from its log and plays nothing that stands there."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import traffic_table

    return traffic_table


def test_episodes_of_the_log_are_not_played_again(table: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "table.jsonl"
    jobs = [table.Job("no such network", "fixed", seed, "resco") for seed in (1, 2)]
    known = [table.Outcome(job, 40.0 + job.seed, 3.0, True, 1.5) for job in jobs]
    for outcome in reversed(known):
        table.append_row(log, table.as_row(outcome))
    before = log.read_text()
    assert list(table.outcomes(jobs, log)) == known
    assert log.read_text() == before


def test_a_row_tells_mean_worst_seed_jams_and_the_distance_to_the_specification(
    table: ModuleType,
) -> None:
    jobs = [table.Job("cologne8", "fixed", seed, "resco") for seed in (1, 2)]
    rows = [table.Outcome(job, 48.0 + 2 * job.seed, 0.0, job.seed == 2, 1.0) for job in jobs]
    told = table.line(rows).split()
    assert told[:6] == ["cologne8", "fixed", "51.00", "52.00", "0", "1"]
    assert told[-3:] == ["49.0", "+4.08", "%"]
