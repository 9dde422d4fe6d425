"""Figures over the steps of stored episodes."""

from __future__ import annotations

from trimtab_app import steps


def test_many_lines_share_what_a_browser_can_draw() -> None:
    assert steps.points(6) == steps.POINTS
    assert steps.points(120) * 120 <= steps.POINTS_IN_ALL
