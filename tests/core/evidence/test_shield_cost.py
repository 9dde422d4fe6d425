"""Rows that play without their shield are folded, what the shield costs is a table."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from trimtab.evidence.compare import compare
from trimtab.evidence.content import build_document
from trimtab.evidence.content_safety import safety
from trimtab.evidence.content_tables import controllers, paired
from trimtab.evidence.csv_tables import result_tables
from trimtab.evidence.document import FigureBlock, Folded, TableBlock
from trimtab.evidence.html import render_html
from trimtab.evidence.markdown import render_markdown
from trimtab.evidence.shield_cost import bare_twins, listed, shield_costs
from trimtab.evidence.shown import shown_first
from trimtab.evidence.table import render_result

BARE = {"shielded": False}
DELAYS = {
    "fixed": [50.0, 51.0, 52.0],
    "fast": [40.0, 42.0, 44.0],
    "fast_unshielded": [39.0, 40.0, 41.0],
    "native": [60.0, 61.0, 62.0],
    "perfect": [30.0, 31.0, 32.0],
}


@pytest.fixture
def result(make_matrix):
    options = {
        "fixed": {"role": "reference"},
        "fast_unshielded": {**BARE, "violations": 7},
        "native": BARE,
        "perfect": {"role": "clairvoyant", "needs": ("future",)},
    }
    return compare(make_matrix(DELAYS, options, bound=20.0))


def names(block):
    return [row[0].text for row in block.rows]


def test_only_a_row_of_the_same_name_without_the_shield_is_a_twin(result):
    assert {name: row.name for name, row in bare_twins(result.rows).items()} == {
        "fast": "fast_unshielded"
    }
    assert "native" in [row.name for row in listed(result.rows)]


def test_tables_and_bars_list_each_controller_once(result):
    first = controllers(result)[0]
    assert names(first) == ["perfect", "fast", "fixed", "native"]
    assert all("fast_unshielded" not in names(b) for b in paired(result) if hasattr(b, "rows"))
    figures = [
        block.figure
        for section in build_document(result, (), (), "").sections
        for block in section.blocks
        if isinstance(block, FigureBlock)
    ]
    assert all("unshielded" not in bar.label for bar in figures[0].bars)


def test_the_other_rows_are_folded_and_kept_in_the_files(result):
    folded = next(block for block in controllers(result) if isinstance(block, Folded))
    assert names(folded.table) == ["fast_unshielded"]
    assert all("fast_unshielded" in result_tables(result)[name] for name in ("controllers.csv",))
    document = build_document(result, (), (), "")
    assert f"<summary>{folded.title}</summary>" in render_html(document)
    assert f"### {folded.title}" in render_markdown(document, ("figure-01.svg",))


def test_the_cost_of_the_shield_is_paired_and_names_what_it_prevents(result):
    table = shield_costs(result)
    assert isinstance(table, TableBlock)
    (line,) = table.rows
    assert [cell.text for cell in line] == ["fast", "42.0", "40.0", "2.0", "0.0 %", "0", "21"]
    assert line[3].detail == "[1.0, 3.0]"
    assert line[6].tone == "bad"
    assert table in safety(result)


def test_without_a_twin_there_is_no_such_table(make_matrix):
    result = compare(make_matrix({"fixed": [50.0, 51.0]}))
    assert shield_costs(result) is None
    assert not any(isinstance(block, Folded) for block in controllers(result))


def test_the_terminal_counts_the_rows_it_leaves_out(result):
    console = Console(width=160, file=StringIO())
    console.print(render_result(result, 160))
    said = console.file.getvalue()
    assert "fast_unshielded" not in said
    assert "1 rows without it" in said


def test_figures_show_the_recommended_row_the_reference_and_the_future_last(result):
    order = [row.name for row in shown_first(result)]
    assert order[:2] == [result.recommendation.name, "fixed"]
    assert order[-1] == "perfect"
    assert order.index("fast_unshielded") > order.index("fast")
