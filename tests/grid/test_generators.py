from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.streams import Stream
from trimtab_grid.generators import (
    CommunityLoad,
    WindClimate,
    autoregression,
    community_load,
    load_shape,
    wind_power,
    wind_speed,
)
from trimtab_grid.plant import Wind, load_plant

START = datetime(2025, 1, 1, tzinfo=UTC)
LIMITS = load_plant("plant-a").disturbances
ONE = np.array([7], dtype=np.int64), np.zeros(1, dtype=np.int64)


def load_of(step_min, steps, seeds=ONE[0], **changes):
    made = CommunityLoad(**changes)
    shape = np.tile(load_shape(made, START, step_min, steps), (len(seeds), 1))
    episodes = np.zeros(len(seeds), dtype=np.int64)
    return community_load(made, LIMITS, step_min, shape, seeds, episodes)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31 - 1), st.floats(10.0, 2000.0))
def test_load_keeps_the_limits_of_the_plant_in_level_and_ramp(seed, mean_kw):
    load = load_of(1.0, 300, np.array([seed]), mean_kw=mean_kw)
    assert load.min() >= LIMITS.load_min_kw
    assert load.max() <= LIMITS.load_max_kw
    assert np.diff(load).max() <= LIMITS.load_rise_kw_per_min + 1e-9


def test_the_load_of_a_year_has_the_stated_mean_and_all_its_waves():
    load = load_of(60.0, 8760)[0]
    assert load.mean() == pytest.approx(300.0 * (1 - 0.06 * 104 / 365), rel=0.01)
    waves = np.abs(np.fft.rfft(load - load.mean())) * 2 / len(load) / 300.0
    assert waves[1] == pytest.approx(0.15, abs=0.02)
    assert waves[365] == pytest.approx(0.22, abs=0.02)
    assert waves[730] == pytest.approx(0.10, abs=0.02)
    weekend = np.array([(step // 24 + 2) % 7 >= 5 for step in range(8760)])
    assert load[weekend].mean() < load[~weekend].mean() - 0.03 * 300.0


def test_a_longer_series_begins_as_a_shorter_one():
    np.testing.assert_array_equal(load_of(1.0, 400)[:, :100], load_of(1.0, 100))


def test_a_copy_does_not_depend_on_the_others():
    many = load_of(1.0, 50, np.array([3, 7, 9]))
    np.testing.assert_array_equal(many[1:2], load_of(1.0, 50))


def test_the_residual_has_unit_variance_and_forgets_at_the_stated_rate():
    values = autoregression(Stream("test"), *ONE, 200_000, 1.0, 20.0)[0]
    assert values.std() == pytest.approx(1.0, abs=0.05)
    lagged = np.corrcoef(values[:-20], values[20:])[0, 1]
    assert lagged == pytest.approx(np.exp(-1.0), abs=0.05)


def test_wind_has_the_weibull_distribution_and_calms_of_the_climate():
    from scipy.stats import weibull_min

    speed = wind_speed(WindClimate(memory_h=1.0), 60.0, 40_000, *ONE)[0]
    assert (speed == 0.0).mean() == pytest.approx(0.076, abs=0.01)
    shape, _, scale = weibull_min.fit(speed[speed > 0], floc=0)
    assert shape == pytest.approx(1.83, abs=0.06)
    assert scale == pytest.approx(6.20, abs=0.15)


def test_wind_power_falls_no_faster_than_the_climate_allows():
    wind = Wind(rated_kw=400.0)
    power = wind_power(WindClimate(gust_share=1.0, gust_min=1.0), wind, 1.0, 3000, *ONE)[0]
    assert np.diff(power).min() == pytest.approx(-0.18 * 400.0)
    assert 0.0 <= power.min() <= power.max() <= 400.0
