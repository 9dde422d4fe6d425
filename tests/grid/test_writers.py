import csv
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from trimtab.contracts.errors import TrimtabError
from trimtab_grid.series import load_series
from trimtab_grid.series_files import read_series
from trimtab_grid.writers import with_parquet, write_schedule, write_series


@given(
    arrays(np.float64, 30, elements=st.floats(0.0, 1e6)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/Anchorage"]),
    st.sampled_from([1.0, 15.0, 60.0]),
)
def test_a_written_series_reads_back_as_it_is(tmp_path_factory, load_kw, zone, step_min):
    start = datetime(2025, 10, 25, 20, tzinfo=ZoneInfo(zone))
    series = load_series(start, step_min, load_kw, load_kw / 2.0)
    path = write_series(tmp_path_factory.mktemp("s") / "s.csv", series)
    back = read_series(path)
    np.testing.assert_array_equal(back.load_kw, series.load_kw)
    np.testing.assert_array_equal(back.wind_kw, series.wind_kw)
    assert back.start == series.start
    assert back.time_of(29).utcoffset() == series.time_of(29).utcoffset()
    assert back.step_min == step_min


def test_a_schedule_holds_what_was_met_and_what_was_done(tmp_path):
    series = load_series(datetime(2025, 1, 1, tzinfo=UTC), 60.0, np.array([5.0, 6.0]))
    path = write_schedule(tmp_path / "s.csv", series, {"G1_kw": np.array([5.0, 6.0])})
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert rows[1]["time"] == "2025-01-01T01:00:00+00:00"
    assert float(rows[1]["G1_kw"]) == 6.0
    written = with_parquet([path])
    assert [p.suffix for p in written] in ([".csv", ".parquet"], [".csv"])


def test_a_schedule_of_another_length_is_refused(tmp_path):
    series = load_series(datetime(2025, 1, 1, tzinfo=UTC), 60.0, np.array([5.0, 6.0]))
    with pytest.raises(TrimtabError, match="G1_kw has 1 steps"):
        write_schedule(tmp_path / "s.csv", series, {"G1_kw": np.array([5.0])})
