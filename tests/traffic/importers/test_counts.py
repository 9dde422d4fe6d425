from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.importers.counts import Count, Counts, Detector, on_edges, read_counts
from trimtab_traffic.importers.counts import read_detectors as read_places

E1 = (
    '<detector><interval begin="0.00" end="300.00" id="d1" nVehContrib="{}" flow="600" '
    'occupancy="3.1" speed="11.0" nVehEntered="51"/></detector>'
)


def counts_of(*rows: tuple[str, float]) -> Counts:
    return Counts(
        Path("c.csv"), "detector", tuple(Count(p, 0.0, 300.0, n, "c.csv:2") for p, n in rows)
    )


def test_table_and_e1_output_say_the_same(tmp_path: Path) -> None:
    table = tmp_path / "counts.csv"
    table.write_text("Detector;Begin;End;Volume\nd1;0;00:05:00;50\n")
    output = tmp_path / "e1.xml"
    output.write_text(E1.format(50))
    for path in (table, output):
        counts = read_counts(path)
        (row,) = counts.rows
        assert (counts.per, counts.total) == ("detector", 50.0)
        assert (row.place, row.begin_s, row.end_s) == ("d1", 0.0, 300.0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.csv", "begin_s,end_s,count\n0,1,2\n", "no column 'edge' or 'detector'"),
        ("c.csv", "edge,begin_s,end_s,count\n", "holds no counts"),
        ("c.csv", "edge,begin_s,end_s,count\nA,9,9,2\n", r"c\.csv:2: the interval ends at 9 s"),
        ("c.csv", "edge,begin_s,end_s,count\nA,0,9,-2\n", r"c\.csv:2: count is '-2'"),
        ("c.csv", "edge,begin_s,end_s,count\n,0,9,2\n", r"c\.csv:2: column 'edge' is empty"),
        ("e1.xml", E1.format(-4), "nVehContrib is -4"),
        ("e1.xml", E1.format("many"), "nVehContrib is 'many'"),
        ("e1.xml", "<tripinfos/>", "root element is <tripinfos>"),
    ],
)
def test_wrong_counts_are_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputFileError, match=message):
        read_counts(path)


def test_detectors_of_all_file_kinds_are_read(tmp_path: Path) -> None:
    path = tmp_path / "det.add.xml"
    path.write_text(
        '<additional><inductionLoop id="a" lane="e_0" pos="5" period="60" file="x"/>'
        '<e1Detector id="b" lane="e_1" pos="-5" freq="60" file="x"/></additional>'
    )
    assert read_places(path)["b"] == Detector("b", "e_1", -5.0)
    path.write_text('<detectors><detectorDefinition id="a" lane="e_0_1" pos="5"/></detectors>')
    assert read_places(path)["a"].edge == "e_0"


def test_file_without_detectors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "det.add.xml"
    path.write_text("<additional/>")
    with pytest.raises(InputFileError, match="holds no induction loop"):
        read_places(path)


def test_lanes_of_an_edge_are_added_and_loops_in_line_averaged() -> None:
    places = {
        name: Detector(name, lane, 5.0)
        for name, lane in (("a", "e_0"), ("b", "e_1"), ("c", "e_1"), ("d", "f_0"))
    }
    counts = on_edges(counts_of(("a", 10), ("b", 20), ("c", 30), ("d", 7)), places)
    assert {row.place: row.vehicles for row in counts.rows} == {"e": 35.0, "f": 7.0}


def test_count_of_an_unknown_detector_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InputFileError, match=r"c\.csv:2: detector 'loop1' has no .*'loop_1'"):
        on_edges(counts_of(("loop1", 10)), {"loop_1": Detector("loop_1", "e_0", 5.0)})
