import math

from trimtab.contracts.figure import Axis, Bar, Figure, MapLine, Series
from trimtab.evidence.figures_json import figures_from_json, figures_to_json

FIGURES = (
    Figure("series", "queue", "a queue", Axis("queue", "m"), series=(Series("a", (0.0,), (1.5,)),)),
    Figure("bars", "cost", "a cost", Axis("cost"), bars=(Bar("b", 2.0, 1.0, 3.0),)),
    Figure("map", "net", "a net", Axis("s"), lines=(MapLine("e", ((0.0, 0.0), (1.0, 2.0)), 4.0),)),
)


def test_figures_come_back_as_they_were_written() -> None:
    assert figures_from_json(figures_to_json(FIGURES)) == FIGURES


def test_a_gap_in_a_series_survives() -> None:
    gap = Figure("series", "t", "a", Axis("y"), series=(Series("s", (0.0, 1.0), (math.nan, 1.0)),))
    (read,) = figures_from_json(figures_to_json((gap,)))
    assert math.isnan(read.series[0].y[0])
