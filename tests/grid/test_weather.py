from pathlib import Path

import numpy as np
import pytest
from scipy.stats import weibull_min
from trimtab.contracts.errors import InputFileError
from trimtab_grid.plant import Photovoltaic, Wind
from trimtab_grid.weather import pv_from_weather, pvlib_folder
from trimtab_grid.weather import wind_from_weather as wind_from
from trimtab_grid.weather_files import SAND_POINT, parse_weather, read_weather, sand_point
from trimtab_grid.weather_year import round_the_year

TEXT = (pvlib_folder() / SAND_POINT).read_text(encoding="utf-8")
DAY = "\n".join(TEXT.splitlines()[: 2 + 24])


def test_sand_point_has_the_stated_wind_and_temperature():
    weather = sand_point()
    speed = weather.wind_speed_m_s
    shape, _, scale = weibull_min.fit(speed[speed > 0], floc=0)
    assert len(weather) == 8760
    assert (round(shape, 2), round(scale, 2)) == (1.83, 6.20)
    assert round(100 * float((speed == 0).mean()), 1) == 7.6
    assert round(float(weather.temperature_c.mean()), 1) == 4.4


def test_our_reader_agrees_with_pvlib():
    from pvlib import iotools

    theirs, about = iotools.read_tmy3(
        Path(pvlib_folder() / SAND_POINT), coerce_year=2001, map_variables=True
    )
    ours = sand_point()
    np.testing.assert_array_equal(ours.wind_speed_m_s, theirs["wind_speed"])
    np.testing.assert_array_equal(ours.dni_w_m2, theirs["dni"])
    assert ours.latitude_deg == about["latitude"]
    assert ours.zone_hours == about["TZ"]


def test_wind_of_sand_point_is_what_its_speeds_give():
    wind = Wind(rated_kw=400.0)
    power = wind_from(wind, sand_point())
    assert power.max() == 400.0
    assert 0.25 < power.mean() / 400.0 < 0.45


@pytest.mark.parametrize("step_min", [1.0, 15.0, 60.0])
def test_an_hour_becomes_minutes_without_steps_and_the_end_of_the_year_joins_its_begin(step_min):
    weather = sand_point()
    hourly = wind_from(Wind(rated_kw=400.0), weather)
    fine = round_the_year(weather, hourly, step_min)
    hours = np.abs(np.diff(hourly, append=hourly[:1]))
    steps = np.abs(np.diff(fine, append=fine[:1]))
    assert len(fine) == 8760 * 60 / step_min
    assert steps.max() == pytest.approx(hours.max() * step_min / 60.0)
    assert fine.mean() == pytest.approx(hourly.mean(), rel=1e-9)


def test_hours_may_be_held_or_averaged_instead():
    weather = sand_point()
    hourly = wind_from(Wind(rated_kw=400.0), weather)
    held = round_the_year(weather, hourly, 30.0, "hold")
    np.testing.assert_array_equal(held, np.repeat(hourly, 2))
    np.testing.assert_array_equal(round_the_year(weather, hourly, 60.0), hourly)


def test_pv_is_dark_at_night_and_below_the_inverter_limit():
    pv = Photovoltaic(rated_kw=100.0, inverter_kw=70.0)
    weather = sand_point()
    power = pv_from_weather(pv, weather)
    dark = (weather.ghi_w_m2 == 0.0) & (weather.dni_w_m2 == 0.0) & (weather.dhi_w_m2 == 0.0)
    assert power[dark].max() == 0.0
    assert power.max() <= 70.0
    assert 700 < power.sum() / 100.0 < 1100  # kWh per kW and year at 55 degrees north


def test_an_epw_file_gives_the_same_weather_as_its_numbers():
    weather = parse_weather(_epw(), "site.epw")
    assert len(weather) == 24
    assert weather.temperature_c[3] == 3.0
    assert weather.wind_speed_m_s[3] == 5.0
    assert weather.zone_hours == -9.0
    assert weather.start.hour == 0


def _epw(**changes):
    head = ["LOCATION,Site,AK,USA,TMY,703165,55.3,-160.5,-9.0,7.0"] + ["x"] * 7
    rows = []
    for hour in range(24):
        row = ["2001", "1", "1", str(hour + 1), "0", "?"] + ["0"] * 29
        row[6], row[21] = str(float(hour)), "5.0"
        rows.append(row)
    for (hour, column), text in changes.get("cells", {}).items():
        rows[hour][column] = text
    return "\n".join(head + [",".join(row) for row in rows])


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({(4, 6): "99.9"}, "site.epw:13: temperature_c .* missing"),
        ({(4, 21): "999"}, "site.epw:13: wind_speed_m_s .* missing"),
        ({(4, 13): ""}, "site.epw:13: ghi_w_m2 .* missing"),
        ({(4, 3): "4"}, "site.epw:13: hour 01-01 03:00, expected 01-01 04:00"),
        ({(4, 3): "x"}, "site.epw:13: no date and hour"),
        ({(4, 3): "9" * 30}, "site.epw:13: no date and hour"),
        ({(4, 21): "-3"}, "wind_speed_m_s is -3 at step 4"),
    ],
)
def test_bad_weather_is_named_with_its_row(cells, told):
    with pytest.raises(InputFileError, match=told):
        parse_weather(_epw(cells=cells), "site.epw")


def test_a_missing_hour_of_tmy3_is_named_with_its_row():
    lines = DAY.splitlines()
    with pytest.raises(InputFileError, match="t.csv:10: hour"):
        parse_weather("\n".join(lines[:9] + lines[10:] + TEXT.splitlines()[26:30]), "t.csv")


def test_what_is_no_weather_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputFileError, match="neither TMY3"):
        read_weather(tmp_path / "a.csv")
