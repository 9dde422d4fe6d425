"""Limits on what is read of a user's file."""

import os
from pathlib import Path

import pytest
from trimtab.contracts.bounded import MAX_LINE, bounded_lines, read_bounded
from trimtab.contracts.errors import InputFileError


def test_a_file_up_to_its_limit_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert read_bounded(tmp_path / "f", 3) == b"abc"
    with pytest.raises(InputFileError, match=r"f: is larger than 2e-06 MB"):
        read_bounded(tmp_path / "f", 2)


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    os.truncate(tmp_path / "f", 1 << 40)
    with pytest.raises(InputFileError, match="larger than 16 MB"):
        read_bounded(tmp_path / "f")
    with pytest.raises(InputFileError, match="larger than 16 MB"):
        read_bounded(Path("/dev/zero"))


@pytest.mark.parametrize("end", ["\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028"])
def test_lines_are_counted_however_they_end(end: str) -> None:
    assert bounded_lines(f"a{end}b{end}", "t.csv", 2) == ["a", "b"]
    with pytest.raises(InputFileError, match=r"t\.csv: more than 2 rows"):
        bounded_lines(f"a{end}b{end}{end}", "t.csv", 2)


def test_a_row_longer_than_any_is_named_by_its_line() -> None:
    assert bounded_lines("x" * MAX_LINE, "t.csv") == ["x" * MAX_LINE]
    with pytest.raises(InputFileError, match=r"t\.csv:2: a row of 65537 characters"):
        bounded_lines("a\n" + "x" * (MAX_LINE + 1), "t.csv")
