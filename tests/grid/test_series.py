from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import InputFileError
from trimtab_grid.series import clock, load_series, zone_of

START = datetime(2025, 1, 1, tzinfo=UTC)
POWERS = st.lists(st.floats(0.0, 1e5), min_size=1, max_size=48).map(np.array)


@given(POWERS, st.sampled_from([1.0, 5.0, 15.0, 30.0]))
def test_holding_and_averaging_back_returns_the_series(load_kw, step_min):
    series = load_series(START, 60.0, load_kw)
    back = series.resample(step_min, "hold").resample(60.0)
    np.testing.assert_allclose(back.load_kw, load_kw, rtol=1e-12)
    assert back.start == START


@given(POWERS.filter(lambda values: len(values) % 4 == 0))
def test_averaging_keeps_energy(load_kw):
    series = load_series(START, 15.0, load_kw)
    coarse = series.resample(60.0)
    assert coarse.hours == series.hours
    assert np.isclose(coarse.load_kw.sum() * 4, load_kw.sum(), rtol=1e-12)


@given(POWERS.filter(lambda values: len(values) > 1))
def test_linear_refinement_stays_within_the_measured_range(load_kw):
    fine = load_series(START, 60.0, load_kw).resample(1.0, "linear").load_kw
    assert fine.min() >= load_kw.min() - 1e-9
    assert fine.max() <= load_kw.max() + 1e-9


def test_finer_steps_are_refused_unless_the_user_says_how():
    with pytest.raises(InputFileError, match="refine: hold or refine: linear"):
        load_series(START, 60.0, np.ones(3)).resample(1.0)


def test_a_coarse_step_that_is_not_filled_is_refused():
    with pytest.raises(InputFileError, match="cut the last 1"):
        load_series(START, 30.0, np.ones(5)).resample(60.0)


def test_steps_that_do_not_divide_are_refused():
    with pytest.raises(InputFileError, match="do not become"):
        load_series(START, 15.0, np.ones(6)).resample(20.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_a_power_that_is_not_finite_or_negative_is_named_with_its_step(bad):
    with pytest.raises(InputFileError, match="load_kw is .* at step 2"):
        load_series(START, 60.0, np.array([1.0, 2.0, bad]))


def test_columns_of_different_length_are_refused():
    with pytest.raises(InputFileError, match="wind_kw has shape"):
        load_series(START, 60.0, np.ones(3), np.ones(2))


def test_a_start_without_zone_is_refused():
    with pytest.raises(InputFileError, match="no time zone"):
        load_series(datetime(2025, 1, 1), 60.0, np.ones(3))  # noqa: DTZ001


def test_a_window_beyond_the_end_is_refused_and_one_inside_knows_its_begin():
    series = load_series(START, 60.0, np.arange(24.0))
    assert series.window(5, 3).start.hour == 5
    with pytest.raises(InputFileError, match="steps 20 to 30"):
        series.window(20, 10)


def test_the_clock_follows_daylight_saving():
    zone = ZoneInfo("America/Anchorage")
    hour, day = clock(datetime(2025, 3, 9, tzinfo=zone), 60.0, 5)
    assert hour.tolist() == [0.0, 1.0, 3.0, 4.0, 5.0]
    assert int(day[0]) == 67


def test_the_clock_agrees_with_the_calendar_over_a_year():
    series = load_series(
        datetime(2025, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), 60.0, np.ones(8760)
    )
    hour, _ = clock(series.start, 60.0, 8760)
    for step in range(0, 8760, 97):
        assert hour[step] == series.time_of(step).hour


@pytest.mark.parametrize("name", ["UTC", "UTC-09:00", "+05:30", "America/Anchorage"])
def test_zones_are_known_by_name_and_by_offset(name):
    assert datetime(2025, 1, 1, tzinfo=zone_of(name)).utcoffset() is not None


def test_an_unknown_zone_is_told_how_to_mend():
    with pytest.raises(InputFileError, match="IANA name"):
        zone_of("Alaska/Nowhere")
