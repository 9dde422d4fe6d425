"""Figures say in words and lines what the records hold."""

from __future__ import annotations

import pytest
from trimtab.contracts.records import EpisodeRecord
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.views import figures


def test_bars_queues_and_maps_come_from_the_records(
    two_street_scenario: SignalsProblem, two_street_records: list[EpisodeRecord]
) -> None:
    bars, queues, *maps = figures(two_street_scenario, two_street_records)
    means = {bar.label: bar.value for bar in bars.bars}
    delays = [r.metrics["true_delay_s"] for r in two_street_records if r.controller == "fixed"]
    assert means["fixed"] == pytest.approx(sum(delays) / 2)
    assert bars.bars[0].label in bars.alt
    assert queues.series[0].x == (0.5, 1.0, 1.5, 2.0)
    assert {figure.title.rpartition(" ")[2] for figure in maps} == {"fixed", bars.bars[0].label}
    assert {line.name for line in maps[0].lines} >= {"WC", "SC"}
    street = next(line for line in maps[0].lines if line.name == "WC")
    assert street.points == ((-208.0, -1.6), (-8.0, -1.6))
    assert street.value > 0
