"""What every domain does with the episodes of a comparison before it draws them."""

from trimtab.contracts.comparison import by_controller, headline_bars, in_order_shown
from trimtab.contracts.records import EpisodeRecord

RECORDS = [
    EpisodeRecord(name, seed, {"cost": cost})
    for name, costs in {"chosen": (5.0, 7.0), "today": (9.0, 9.0), "seer": (1.0, 2.0)}.items()
    for seed, cost in enumerate(costs)
]


def test_controllers_are_ranked_by_their_mean():
    assert list(by_controller(RECORDS, "cost")) == ["seer", "chosen", "today"]


def test_what_is_drawn_of_one_controller_follows_the_order_of_the_records():
    rows = by_controller(RECORDS, "cost")
    assert list(in_order_shown(rows, RECORDS)) == ["chosen", "today", "seer"]
    assert list(in_order_shown({"today": rows["today"]}, RECORDS)) == ["today"]


def test_bars_give_the_mean_with_best_and_worst_seed():
    bar = headline_bars(by_controller(RECORDS, "cost"), "cost", "cost", "L").bars[1]
    assert (bar.label, bar.value, bar.low, bar.high) == ("chosen", 6.0, 5.0, 7.0)
