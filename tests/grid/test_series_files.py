"""Every bad input of a user's table: one message with row, field and fix; nothing is filled in."""

import contextlib
import io
import zipfile
from datetime import UTC, datetime, timedelta

import numpy as np
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import InputFileError
from trimtab_grid.plant import load_plant
from trimtab_grid.series import load_series
from trimtab_grid.series_files import Reading, check_scale, columns_of, parse_series, read_series
from trimtab_grid.tables import parse_table

GOOD = "time_utc,load_kw\n2025-01-01 00:00,300\n2025-01-01 01:00,310\n2025-01-01 02:00,320\n"


def read(text, **reading):
    from trimtab_grid.series_files import series_of

    return series_of(columns_of(parse_table(text.encode(), "load.csv"), Reading(**reading)))


def hourly(times, header="time", zone_line=""):
    return f"{zone_line}{header},load_kw\n" + "".join(f"{time},100\n" for time in times)


def test_a_table_that_describes_itself_needs_nothing_else():
    series = parse_series(GOOD.encode())
    assert series.load_kw.tolist() == [300.0, 310.0, 320.0]
    assert series.start == datetime(2025, 1, 1, tzinfo=UTC)
    assert series.step_min == 60.0
    assert series.wind_kw.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("header", "cell", "kw"),
    [
        ("load [kW]", "5", 5.0),
        ("Load (MW)", "0.5", 500.0),
        ("demand_w", "5000", 5.0),
        ("AC Primary Load (kW)", "5", 5.0),
        ("consumption [kWh]", "5", 20.0),
        ("load_mwh", "0.005", 20.0),
    ],
)
def test_units_are_converted_and_energy_becomes_mean_power(header, cell, kw):
    rows = "".join(f"2025-01-01T00:{minute:02}Z,{cell}\n" for minute in (0, 15, 30))
    assert read(f"time,{header}\n{rows}").load_kw[0] == pytest.approx(kw)


def test_a_mapping_names_columns_that_do_not_say_what_they_are():
    text = "Zeit;Leistung;Rest\n2025-01-01 00:00;1,5;x\n2025-01-01 00:15;2,5;y\n"
    series = read(text, columns={"Zeit": "time", "Leistung": "load_mw"}, zone="Europe/Berlin")
    assert series.load_kw.tolist() == [1500.0, 2500.0]
    assert series.step_min == 15.0
    assert series.start.utcoffset() == timedelta(hours=1)


def test_units_in_a_second_row_are_read_as_homer_writes_them():
    text = (
        "Time,AC Primary Load,PV Power Output,Ambient Temperature\n,kW,kW,°C\n"
        "1/1/2007 0:00,10,0,3\n1/1/2007 1:00,11,1,4\n"
    )
    series = read(text, zone="UTC-09:00")
    assert series.pv_kw.tolist() == [0.0, 1.0]
    assert series.temperature_c.tolist() == [3.0, 4.0]


def test_a_column_of_numbers_alone_is_a_year_as_homer_takes_it():
    text = "".join("42.5\n" for _ in range(8760))
    series = read(text, zone="UTC-09:00")
    assert (len(series), series.step_min) == (8760, 60.0)
    with pytest.raises(InputFileError, match="no time zone; give zone: UTC-09:00"):
        read(text)
    with pytest.raises(InputFileError, match="no time column and 100 rows"):
        read("42.5\n" * 100, zone="UTC")


def test_the_zone_may_stand_in_a_remark_above_the_header():
    series = read(
        "# time zone: America/Anchorage\n" + hourly(["2025-01-01 00:00", "2025-01-01 01:00"])
    )
    assert str(series.start.tzinfo) == "America/Anchorage"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD.replace("310", ""), "load.csv:3: load_kw is missing; put a measured value"),
        (GOOD.replace("310", "NaN"), "load.csv:3: load_kw is missing"),
        (GOOD.replace("310", "inf"), "load.csv:3: load_kw is 'inf', which is no finite number"),
        (GOOD.replace("310", "3l0"), "load.csv:3: load_kw is '3l0'"),
        (GOOD.replace("310", "-310"), "load.csv:3: load_kw is -310; a power is not negative"),
        (GOOD.replace("02:00", "04:00").replace("01:00,310\n", "01:00,310\n2025-01-01 02:00,1\n"),
         "load.csv:5: 1 rows are missing before it; add them, nothing is filled in"),
        (GOOD.replace("02:00", "01:00"), "load.csv:4: the same time as the row before"),
        (GOOD.replace("02:00", "00:30"), "load.csv:4: goes back by 30 min; sort the rows"),
        (GOOD.replace("_utc", ""), "load.csv:2: 2025-01-01 00:00:00 has no time zone; add an off"),
        (GOOD.replace("_utc", "_mars"), "time zone 'MARS' is not known"),
        (GOOD.replace("load_kw", "load"), "column 'load' has no unit; write load_kw, or map it"),
        (GOOD.replace("load_kw", "load_kv"), "has the unit 'kv', which does not fit"),
        (GOOD.replace("load_kw", "foo"), "no column has a known meaning .*map them in columns"),
        (GOOD.replace("load_kw", "wind_kw"), "no column is the load"),
        (GOOD.replace("01:00,310", "01:00"), "load.csv:3: has 1 cells, the header has 2"),
        (GOOD.replace("2025-01-01 01:00", "yesterday"), "load.csv:3: 'yesterday' is no date and"),
        (GOOD.replace("2025-01-01 01:00", "0001-01-01 01:00"), "load.csv:3: .* is no date and"),
        (GOOD.replace("2025-01-01 01:00", "2025-01-01T01:00Z"), "load.csv:3: some times have an"),
        ("time_utc,load_kw\n", "has a header but no rows"),
        ("time_utc,load_kw\n2025-01-01,1\n", "one row has no step"),
        ("time_utc,load_kw\n2025-01-01,1\n2025-01-02,1\n", "rows are 1440 min apart"),
        ("time_utc,load_kw,load_kw\n2025-01-01,1,1\n", "two columns are called 'load_kw'"),
        ("time_utc,load_kw,demand_kw\n2025-01-01,1,1\n2025-01-01 01:00,1,1\n",
         "two columns are load_kw"),
        ('time_utc,load_kw\n2025-01-01,"1\n', "load.csv:2: is no table row"),
        ("\n\n", "has no rows"),
    ],
)  # fmt: skip
def test_a_bad_table_is_refused_with_its_row_field_and_fix(text, told):
    with pytest.raises(InputFileError, match=told):
        read(text)


def local_hours(start, end, zone):
    from zoneinfo import ZoneInfo

    now, stop = start, end
    while now < stop:
        yield now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        now += timedelta(hours=1)


@pytest.mark.parametrize(
    "day", [datetime(2025, 3, 30, tzinfo=UTC), datetime(2025, 10, 26, tzinfo=UTC)]
)
def test_local_times_over_a_clock_change_are_read_hour_for_hour(day):
    begin, end = day - timedelta(hours=6), day + timedelta(hours=12)
    times = list(local_hours(begin, end, "Europe/Berlin"))
    series = read(hourly(times), zone="Europe/Berlin")
    assert len(series) == 18
    assert series.start.astimezone(UTC) == begin


def test_an_hour_that_comes_once_in_autumn_is_a_gap():
    times = list(
        local_hours(
            datetime(2025, 10, 25, 20, tzinfo=UTC), datetime(2025, 10, 26, 6, tzinfo=UTC),
            "Europe/Berlin",
        )
    )  # fmt: skip
    times.remove(datetime(2025, 10, 26, 2))  # noqa: DTZ001
    with pytest.raises(InputFileError, match="1 rows are missing before it"):
        read(hourly(times), zone="Europe/Berlin")


def test_an_hour_that_comes_twice_without_daylight_saving_is_a_repeat():
    times = list(
        local_hours(
            datetime(2025, 10, 25, 20, tzinfo=UTC), datetime(2025, 10, 26, 6, tzinfo=UTC),
            "Europe/Berlin",
        )
    )  # fmt: skip
    with pytest.raises(InputFileError, match="the same time as the row before"):
        read(hourly(times), zone="UTC+01:00")


def test_an_hour_that_spring_skips_does_not_exist():
    times = [f"2025-03-30 {hour:02}:00" for hour in range(5)]
    with pytest.raises(InputFileError, match="load.csv:4: .*02:00:00 does not exist in Europe"):
        read(hourly(times), zone="Europe/Berlin")


def test_dates_that_may_be_day_or_month_first_are_settled_by_their_order():
    month = [f"{m}/{d}/2025 {h}:00" for m, d in ((1, 31), (2, 1)) for h in range(24)]
    assert read(hourly(month), zone="UTC").start == datetime(2025, 1, 31, tzinfo=UTC)
    with pytest.raises(InputFileError, match="may be day or month first"):
        read(hourly([f"1/2/2025 {h}:00" for h in range(3)]), zone="UTC")


def test_a_mapping_of_a_column_that_is_not_there_or_to_nothing_known_is_refused():
    with pytest.raises(InputFileError, match="columns maps 'Last'; the header has time_utc"):
        read(GOOD, columns={"Last": "load_kw"})
    with pytest.raises(InputFileError, match="is mapped to 'lod_kw'.*Did you mean 'load_kw'"):
        read(GOOD, columns={"load_kw": "lod_kw"})


@pytest.mark.parametrize(("scale", "unit"), [(1e-3, "MW"), (1e3, "W")])
def test_a_load_a_thousand_times_off_is_told_as_a_mixed_up_unit(scale, unit):
    series = load_series(datetime(2025, 1, 1, tzinfo=UTC), 60.0, np.full(24, 400.0 * scale))
    with pytest.raises(InputFileError, match=f"if the column is in {unit}, call it load_"):
        check_scale(series, load_plant("plant-a"))


def test_steps_outside_the_disturbances_of_the_plant_are_counted():
    load = np.array([100.0, 700.0, 650.0, 200.0])
    notes = check_scale(
        load_series(datetime(2025, 1, 1, tzinfo=UTC), 1.0, load), load_plant("plant-a")
    )
    assert "2 steps above load_max_kw 570" in notes[0]
    assert "1 steps rise by more" in notes[1]


@pytest.mark.parametrize(
    ("wind", "pv", "told"),
    [
        (0.2, 0.0, "wind is rated 400 kW: if the column is in MW, call it wind_mw"),
        (450.0, 0.0, "above the rated 400 kW"),
        (300.0, 5.0, "pv_kw peaks at 5, but the plant has no pv"),
    ],
)
def test_wind_and_pv_that_do_not_fit_the_plant_are_noted(wind, pv, told):
    start, load = datetime(2025, 1, 1, tzinfo=UTC), np.full(24, 300.0)
    series = load_series(start, 60.0, load, np.full(24, wind), np.full(24, pv))
    (note,) = check_scale(series, load_plant("plant-a"))
    assert told in note


def test_wind_in_watts_is_told_as_a_mixed_up_unit():
    start, load = datetime(2025, 1, 1, tzinfo=UTC), np.full(24, 300.0)
    series = load_series(start, 60.0, load, np.full(24, 200e3))
    with pytest.raises(InputFileError, match="if the column is in W, call it wind_w"):
        check_scale(series, load_plant("plant-a"))


def test_a_load_that_falls_faster_than_declared_is_counted():
    plant = load_plant("plant-a")
    slow = plant.disturbances.model_copy(update={"load_fall_kw_per_min": 20.0})
    plant = plant.model_copy(update={"disturbances": slow})
    start, load = datetime(2025, 1, 1, tzinfo=UTC), np.array([300.0, 270.0, 255.0])
    (note,) = check_scale(load_series(start, 1.0, load), plant)
    assert "1 steps fall by more than load_fall_kw_per_min 20" in note


@given(st.binary(max_size=200))
def test_any_bytes_give_a_series_or_one_clear_error(content):
    with contextlib.suppress(InputFileError):
        assert np.isfinite(parse_series(content, "x").load_kw).all()


def workbook(rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def test_an_excel_file_reads_as_the_same_table(tmp_path):
    rows = [["time_utc", "load_kw"], *([datetime(2025, 1, 1, h), 300 + h] for h in range(3))]  # noqa: DTZ001
    path = tmp_path / "load.xlsx"
    path.write_bytes(workbook(rows))
    assert read_series(path).load_kw.tolist() == [300.0, 301.0, 302.0]


def test_an_empty_cell_of_a_workbook_is_told_with_its_row():
    rows = [["time_utc", "load_kw"], [datetime(2025, 1, 1), 1], [datetime(2025, 1, 1, 1), None]]  # noqa: DTZ001
    with pytest.raises(InputFileError, match="w.xlsx:3: has 1 cells"):
        parse_series(workbook(rows), "w.xlsx")


def test_a_workbook_with_several_filled_sheets_is_refused_with_their_names():
    rows = [["time_utc", "load_kw"], [datetime(2025, 1, 1), 1.0], [datetime(2025, 1, 1, 1), 2.0]]  # noqa: DTZ001
    book = openpyxl.load_workbook(io.BytesIO(workbook(rows)))
    book.create_sheet("notes", 0)
    content = io.BytesIO()
    book.save(content)
    assert parse_series(content.getvalue(), "w.xlsx").load_kw.tolist() == [1.0, 2.0]
    book["notes"].append(["made by hand"])
    book.save(content)
    with pytest.raises(InputFileError, match="w.xlsx: has sheets 'notes', 'Sheet': keep the one"):
        parse_series(content.getvalue(), "w.xlsx")


def _repacked(change):
    content = io.BytesIO()
    old = zipfile.ZipFile(io.BytesIO(workbook([["time_utc", "load_kw"]])))
    with old, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, change(member.filename, old.read(member)))
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            _repacked(lambda name, part: b" " * 30_000_000 if "sheet1" in name else part),
            "unpacks to",
        ),
        (_repacked(lambda _, part: b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + part), "document type"),
        (b"PK\x03\x04" + b"x" * 50, "no readable workbook"),
        (_repacked(lambda _, part: part[:-20]), "no readable workbook"),
    ],
    ids=["bomb", "entities", "noise", "cut"],
)
def test_a_hostile_or_damaged_workbook_is_refused_before_it_is_unpacked(content, told):
    with pytest.raises(InputFileError, match=told):
        parse_series(content, "w.xlsx")
