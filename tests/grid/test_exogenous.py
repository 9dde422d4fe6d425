from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from pydantic import ValidationError
from trimtab.contracts.errors import InputFileError
from trimtab_grid.exogenous import Exogenous, ExogenousYear, TableSource
from trimtab_grid.plant import Photovoltaic, load_plant
from trimtab_grid.weather import pv_from_weather, sand_point, wind_from_weather

PLANT = load_plant("plant-a")
SEEDS = np.array([1, 2, 3]), np.zeros(3, dtype=np.int64)


def table(path, days=3, load=300.0):
    start = datetime(2025, 6, 1, tzinfo=UTC)
    rows = [f"{start + timedelta(hours=h)},{load + h},{h % 7}" for h in range(24 * days)]
    path.write_text("time_utc,load_kw,wind_kw\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_generated_scenario_is_labelled_and_keeps_the_limits_of_the_plant():
    year = ExogenousYear(Exogenous(), PLANT, 1.0)
    paths = year.draw(*SEEDS, 1440, lead=30)
    assert paths.load_kw.shape == paths.wind_kw.shape == paths.pv_kw.shape == (3, 1470)
    assert paths.load_kw.max() <= 570.0
    assert all("synthetic" in note for note in year.notes)
    assert len(set(paths.begin.tolist())) == 3
    assert np.all(paths.begin % 1440 == 0)


def test_a_row_depends_on_its_seed_and_episode_alone():
    year = ExogenousYear(Exogenous(), PLANT, 15.0)
    many = year.draw(*SEEDS, 96)
    alone = year.draw(np.array([2]), np.zeros(1, dtype=np.int64), 96)
    other = year.draw(np.array([2]), np.ones(1, dtype=np.int64), 96)
    np.testing.assert_array_equal(many.load_kw[1], alone.load_kw[0])
    np.testing.assert_array_equal(many.wind_kw[1], alone.wind_kw[0])
    assert not np.array_equal(alone.wind_kw, other.wind_kw)


def test_the_clock_of_an_episode_follows_from_where_it_begins():
    year = ExogenousYear(Exogenous(), PLANT, 60.0)
    paths = year.draw(*SEEDS, 24)
    assert np.all(year.hour[paths.begin] == 0.0)
    assert len(year.hour) == 8760
    series = year.series(1, 24)
    assert int(year.day[paths.begin[0]]) == series.start.timetuple().tm_yday - 1
    np.testing.assert_array_equal(series.load_kw, paths.load_kw[0])


def test_weather_gives_wind_and_pv_of_the_same_hour():
    plant = PLANT.model_copy(update={"pv": Photovoltaic(rated_kw=100.0)})
    settings = Exogenous(wind="weather", pv="weather", random_day=False)
    paths = ExogenousYear(settings, plant, 60.0).draw(*SEEDS, 8760)
    np.testing.assert_allclose(paths.wind_kw[0], wind_from_weather(plant.wind, sand_point()))
    np.testing.assert_allclose(paths.pv_kw[2], pv_from_weather(plant.pv, sand_point()))


def test_weather_is_placed_by_the_calendar_in_another_zone():
    settings = Exogenous(wind="weather", random_day=False, zone="UTC")
    paths = ExogenousYear(settings, PLANT, 60.0).draw(*SEEDS, 48)
    whole = wind_from_weather(PLANT.wind, sand_point())
    np.testing.assert_allclose(paths.wind_kw[0, 9:], whole[:39])
    np.testing.assert_allclose(paths.wind_kw[0, :9], whole[-9:])


def test_a_table_brings_load_and_wind_and_is_played_from_whole_days(tmp_path):
    source = TableSource(file=table(tmp_path / "t.csv"))
    year = ExogenousYear(Exogenous(table=source, wind="table"), PLANT, 60.0)
    paths = year.draw(np.arange(20), np.zeros(20, dtype=np.int64), 24)
    assert set(paths.begin.tolist()) == {0, 24, 48}
    row = int(np.flatnonzero(paths.begin == 24)[0])
    np.testing.assert_array_equal(paths.load_kw[row], 324.0 + np.arange(24))
    np.testing.assert_array_equal(paths.wind_kw[row], (24 + np.arange(24)) % 7)


def test_a_table_needs_a_word_on_how_to_refine_it(tmp_path):
    file = table(tmp_path / "t.csv")
    with pytest.raises(InputFileError, match="refine: hold or refine: linear"):
        ExogenousYear(Exogenous(table=TableSource(file=file)), PLANT, 1.0).draw(*SEEDS, 60)
    held = TableSource(file=file, refine="hold")
    year = ExogenousYear(Exogenous(table=held, random_day=False), PLANT, 1.0)
    assert year.draw(*SEEDS, 120).load_kw[0, [0, 59, 60]].tolist() == [300.0, 300.0, 301.0]


def test_an_episode_longer_than_the_table_is_refused(tmp_path):
    year = ExogenousYear(Exogenous(table=TableSource(file=table(tmp_path / "t.csv"))), PLANT, 60.0)
    with pytest.raises(InputFileError, match="has 72 steps of 60 min, an episode needs 100"):
        year.draw(*SEEDS, 100)


def test_a_table_in_the_wrong_unit_is_refused_where_the_plant_is_known(tmp_path):
    source = TableSource(file=table(tmp_path / "t.csv", load=300_000.0))
    with pytest.raises(InputFileError, match="if the column is in W"):
        _ = ExogenousYear(Exogenous(table=source), PLANT, 60.0).notes


def test_wind_from_a_table_needs_a_table():
    with pytest.raises(ValidationError, match="need a table"):
        Exogenous(wind="table")
