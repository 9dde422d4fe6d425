from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.streams import Stream
from trimtab_grid.generators import (
    Clock,
    CommunityLoad,
    WindClimate,
    autoregression,
    community_load,
    synthetic_series,
    wind_power,
    wind_speed,
)
from trimtab_grid.plant import Wind, load_plant

MINUTES = Clock(datetime(2025, 1, 1, tzinfo=UTC), 1.0)
HOURS = Clock(datetime(2025, 1, 1, tzinfo=UTC), 60.0)
ONE = np.array([7], dtype=np.int64), np.zeros(1, dtype=np.int64)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31 - 1), st.floats(10.0, 2000.0))
def test_load_keeps_the_limits_of_the_plant_in_level_and_ramp(seed, mean_kw):
    limits = load_plant("plant-a").disturbances
    seeds, episodes = np.array([seed]), np.zeros(1, dtype=np.int64)
    load = community_load(CommunityLoad(mean_kw=mean_kw), limits, MINUTES, 300, seeds, episodes)
    assert load.min() >= limits.load_min_kw
    assert load.max() <= limits.load_max_kw
    assert np.diff(load).max() <= limits.load_rise_kw_per_min + 1e-9


def test_the_load_of_a_year_has_the_stated_mean_and_all_its_waves():
    limits = load_plant("plant-a").disturbances
    load = community_load(CommunityLoad(), limits, HOURS, 8760, *ONE)[0]
    assert load.mean() == pytest.approx(300.0 * (1 - 0.06 * 104 / 365), rel=0.01)
    waves = np.abs(np.fft.rfft(load - load.mean())) * 2 / len(load) / 300.0
    assert waves[1] == pytest.approx(0.15, abs=0.02)
    assert waves[365] == pytest.approx(0.22, abs=0.02)
    assert waves[730] == pytest.approx(0.10, abs=0.02)
    weekend = np.array([(step // 24 + 2) % 7 >= 5 for step in range(8760)])
    assert load[weekend].mean() < load[~weekend].mean() - 0.03 * 300.0


def test_a_longer_series_begins_as_a_shorter_one():
    limits = load_plant("plant-a").disturbances
    short = community_load(CommunityLoad(), limits, MINUTES, 100, *ONE)
    long = community_load(CommunityLoad(), limits, MINUTES, 400, *ONE)
    np.testing.assert_array_equal(long[:, :100], short)


def test_a_copy_does_not_depend_on_the_others():
    limits = load_plant("plant-a").disturbances
    seeds, episodes = np.array([3, 7, 9]), np.zeros(3, dtype=np.int64)
    many = community_load(CommunityLoad(), limits, MINUTES, 50, seeds, episodes)
    np.testing.assert_array_equal(
        many[1:2], community_load(CommunityLoad(), limits, MINUTES, 50, *ONE)
    )


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


def test_a_generated_series_is_labelled_synthetic():
    plant = load_plant("plant-a")
    series = synthetic_series(
        CommunityLoad(), plant.disturbances, MINUTES, 60, 1, (WindClimate(), plant.wind)
    )
    assert series.source == "synthetic, seed 1"
    assert len(series) == 60
