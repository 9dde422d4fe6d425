"""Which pair of metrics shows a choice."""

import pytest
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.spec import Metric
from trimtab.evidence.compare import compare
from trimtab.evidence.contest import contestants, far_out, set_against

# delay_s decides; same_s says it again; wear_1 and stops_1 pull against it; quiet_1 never differs
VALUES = {
    "fixed": (50.0, 51.0, 1.0, 4.0, 7.0),
    "slow": (40.0, 41.0, 2.0, 3.0, 7.0),
    "fast": (20.0, 21.0, 3.0, 5.0, 7.0),
}
NAMES = ("true_delay_s", "same_s", "wear", "stops", "quiet")


@pytest.fixture
def rows(make_matrix):
    records = [
        EpisodeRecord(name, 1, dict(zip(NAMES, values, strict=True)))
        for name, values in VALUES.items()
    ]
    metrics = tuple(Metric(name, "s" if name.endswith("_s") else "1", "min") for name in NAMES)
    plain = {name: [values[0]] for name, values in VALUES.items()}
    return contestants({"run": compare(make_matrix(plain, metrics=metrics, records=records))})


def test_a_metric_that_says_the_same_again_is_not_set_against_the_headline(rows):
    assert set_against(rows, "true_delay_s") == "wear"


def test_a_domain_names_what_is_more_telling(rows):
    assert set_against(rows, "true_delay_s", ("same_s", "stops")) == "stops"


def test_nothing_is_set_against_where_no_metric_tells_rows_apart(rows):
    assert set_against(rows[:1], "true_delay_s") is None


def test_a_row_far_worse_than_the_others_would_press_them_together():
    points = [(15.0, 100.0), (18.0, 90.0), (25.0, 150.0), (43.0, 160.0), (822.0, 1970.0)]
    assert far_out(points) == [False, False, False, False, True]


def test_a_row_on_the_front_is_never_left_out_nor_one_of_a_few():
    assert far_out([(1.0, 2.0), (1.1, 2.1), (1.2, 2.2), (1.3, 2.3), (90.0, 0.1)])[-1] is False
    assert far_out([]) == []
    assert not any(far_out([(1.0, 1.0), (90.0, 90.0)]))
    assert not any(far_out([(1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (2.0, 2.0)]))
