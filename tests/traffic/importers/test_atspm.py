from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.importers.atspm import (
    Actuation,
    counts_of_actuations,
    read_actuations,
    read_channels,
)

LOG = """TimeStamp,DeviceId,EventId,Parameter
2026-01-31 07:00:00.0,7,1,2
2026-01-31 07:00:05.0,7,82,11
2026-01-31 07:00:20.5,7,8,2
2026-01-31 07:00:24.5,7,10,2
2026-01-31 07:00:26.0,7,11,2
2026-01-31 07:05:10.0,7,82,11
2026-01-31 07:05:11.0,7,82,12
2026-01-31 07:05:12.0,7,81,11
2026-01-31 07:05:30.0,7,1,2
2026-01-31 07:06:00.0,7,8,2
"""


def log(folder: Path, text: str = LOG) -> Path:
    path = folder / "events.csv"
    path.write_text(text)
    return path


def test_lines_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    head, *lines = LOG.splitlines()
    shuffled = "\n".join([head, *reversed(lines)])
    assert read_actuations(log(tmp_path, shuffled)) == [
        Actuation(25205.0, "7", 11),
        Actuation(25510.0, "7", 11),
        Actuation(25511.0, "7", 12),
    ]


def test_actuations_become_counts_per_edge_and_interval(tmp_path: Path) -> None:
    channels = tmp_path / "channels.csv"
    channels.write_text("signal,channel,edge\n7,11,A1B1\n7,12,C1B1\n")
    path = log(tmp_path)
    counts = counts_of_actuations(path, read_actuations(path), read_channels(channels), 300.0)
    assert [(r.place, r.begin_s, r.vehicles) for r in counts.rows] == [
        ("A1B1", 25200.0, 1.0),
        ("A1B1", 25500.0, 1.0),
        ("C1B1", 25500.0, 1.0),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TimeStamp,DeviceId,EventId,Parameter\n", "no actuation of a detector"),
        (LOG.replace("07:00:05.0", "seven"), r"events\.csv:3: time is '2026-01-31 seven'"),
        (LOG.replace(",82,11", ",x,11", 1), r"events\.csv:3: code is 'x'"),
        (LOG.replace("EventId", "What"), "no column 'code'"),
    ],
)
def test_wrong_log_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        read_actuations(log(tmp_path, text))


def test_channels_that_never_fire_are_reported(tmp_path: Path) -> None:
    path = log(tmp_path)
    with pytest.raises(InputFileError, match="no actuation on a mapped channel"):
        counts_of_actuations(path, read_actuations(path), {("7", 99): "A1B1"}, 300.0)
