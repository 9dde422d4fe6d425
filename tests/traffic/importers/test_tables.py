from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.importers.tables import Row, read_table

COLUMNS = {"edge": ("edge_id", "link"), "begin_s": ("begin",), "count": ("veh",)}


def read(folder: Path, content: bytes) -> list[Row]:
    path = folder / "counts.csv"
    path.write_bytes(content)
    return list(read_table(path, COLUMNS, ("edge", "count")))


@pytest.mark.parametrize(
    "content",
    [
        b"edge,begin_s,count\nA,0,12\n\nB,07:00:00,3.5\n",
        b"\xef\xbb\xbfEdge_ID;Begin;Veh\r\nA;0;12\r\nB;07:00:00;3,5\r\n",
        b"link\tbegin\tveh\tignored\nA\t0\t12\tx\nB\t07:00:00\t3.5\tx\n",
    ],
)
def test_commas_semicolons_tabs_and_column_aliases_are_read(tmp_path: Path, content: bytes) -> None:
    first, second = read(tmp_path, content)
    assert (first.text("edge"), first.seconds("begin_s"), first.number("count")) == ("A", 0, 12)
    assert (second.text("edge"), second.seconds("begin_s"), second.number("count")) == (
        "B",
        25200,
        3.5,
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"counts\.csv:1: no column 'edge'"),
        (b"edgeid,count\n", r"no column 'edge' \(accepted: edge, edge_id, link\).*'edgeid'"),
        (b"edge,count\nA,\xff\n", r"counts\.csv:2: not UTF-8"),
        (b"edge,count\n\0,1\n", r"counts\.csv:2: holds a NUL"),
        (b"edge,count\n" + b"\n" * 600_000, r"counts\.csv: more than 600000 rows"),
        (b"edge,count\n" + b"0," * 40_000, r"counts\.csv:2: a row of 80000 characters"),
        (bytes((50 << 20) + 1), r"counts\.csv: larger than 50 MB"),
    ],
)
def test_unreadable_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        read(tmp_path, content)


@pytest.mark.parametrize("cell", ["x", "-1", "nan", "inf", "", "1e999"])
def test_count_that_is_none_is_refused_with_its_line(tmp_path: Path, cell: str) -> None:
    (row,) = read(tmp_path, f"edge,count\nA,{cell}\n".encode())
    with pytest.raises(InputFileError, match=r"counts\.csv:2: "):
        row.number("count")


def test_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="no such file"):
        next(read_table(tmp_path / "x.csv", COLUMNS, ("edge",)))
