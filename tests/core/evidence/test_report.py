"""The report: complete, self-contained, escaped, and the same bytes for the same inputs."""

import csv
import hashlib
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.figure import Axis, Figure, MapLine, Series
from trimtab.contracts.spec import Metric
from trimtab.evidence.compare import compare
from trimtab.evidence.content import build_document
from trimtab.evidence.content_safety import safety
from trimtab.evidence.content_tables import controllers
from trimtab.evidence.csv_text import csv_text, guard
from trimtab.evidence.document import Folded, TableBlock
from trimtab.evidence.markdown import escape_markdown
from trimtab.evidence.report import write_report
from trimtab.evidence.result import ViolationSummary
from trimtab.evidence.words import rate_text

EVIL = '<img src=x onerror="alert(1)">|=cmd()'
ROWS = {
    "fixed": [49.0, 50.0, 48.0, 51.0, 49.5],
    "wave_50": [18.4, 18.9, 18.0, 19.5, 18.7],
    "learned": [16.0, 16.6, 15.9, 17.0, 16.4],
}
OPTIONS = {"learned": {"role": "learned"}, "fixed": {"violations": 2, "shielded": False}}
FIGURES = (
    Figure("map", "Roads", "The centre is slow.", Axis("delay", "s"),
           lines=(MapLine("e1", ((0, 0), (90, 40)), 3.0), MapLine("e2", ((0, 0), (50, 90)), 8.0))),
    Figure("series", "Queues", "Queues grow.", Axis("queue", "m"), Axis("time", "s"),
           series=(Series("fixed", (0.0, 1.0, 2.0), (3.0, 5.0, float("nan"))),)),
)  # fmt: skip


@pytest.fixture
def result(make_matrix):
    return compare(
        make_matrix(
            ROWS, OPTIONS, bound=7.5, profile="resco", notes=(f"Data licence: {EVIL}",),
            scenario_sha256="ab" * 32,
        )
    )  # fmt: skip


@pytest.fixture
def report(result, tmp_path):
    return write_report(
        result, FIGURES, tmp_path, command="trimtab run traffic/test --seeds 1..5",
        manifest={"started": "2025-01-01T00:00:00Z"},
    )  # fmt: skip


def test_sections_come_in_the_order_of_the_product(report):
    titles = re.findall(r'<h2 id="([a-z]+)-title">', report.html.read_text("utf-8"))
    assert titles == [
        "scenario", "gap", "controllers", "paired", "safety", "figures", "untested", "artefacts",
        "reproduce",
    ]  # fmt: skip


def test_the_page_asks_no_host_for_anything_and_runs_no_script(report):
    page = report.html.read_text("utf-8")
    assert "default-src 'none'" in page
    assert re.findall(r"(?:src|href)=\"(?!#)[^\"]*\"", page) == []
    assert "<script" not in page
    assert "@import" not in page
    assert re.findall(r"url\(", page) == []


def test_text_of_users_is_escaped_in_the_page(report):
    page = report.html.read_text("utf-8")
    assert "<img" not in page
    assert "&lt;img src=x" in page


def test_the_page_shows_reference_bound_recommendation_and_bounds_of_rates(report):
    page = report.html.read_text("utf-8")
    assert "Recommended: learned" in page
    assert "fixed, true delay of 49.5 s" in page
    assert "7.50 s, simulation floor (conflict-free run)" in page
    assert "≤ 6.0e−04" in page
    assert "ab" * 32 in page


def test_same_inputs_give_the_same_bytes_in_every_file(result, tmp_path):
    for name in ("a", "b"):
        write_report(result, FIGURES, tmp_path / name, command="x")
    first, second = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.*")}
        for n in ("a", "b")
    )
    assert len(first) > 10
    assert first == second


def test_writing_twice_into_one_folder_leaves_no_draft_behind(result, tmp_path):
    for _ in range(2):
        write_report(result, FIGURES, tmp_path)
    assert not list(tmp_path.rglob("*.part"))


def test_the_manifest_lists_every_file_with_its_hash(report, tmp_path):
    manifest = json.loads(report.manifest.read_text("utf-8"))
    assert manifest["schema"] == "trimtab/report/1"
    assert manifest["run"] == {"started": "2025-01-01T00:00:00Z"}
    on_disk = {
        p.relative_to(tmp_path).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in tmp_path.rglob("*.*")
        if p != report.manifest
    }
    assert manifest["files"] == on_disk


def test_artefacts_of_the_run_are_listed_with_their_hash(result, tmp_path):
    plan = tmp_path / "plan.add.xml"
    plan.write_text("<additional/>")
    report = write_report(result, (), tmp_path / "report", artefacts=[plan])
    digest = hashlib.sha256(plan.read_bytes()).hexdigest()
    assert digest in report.html.read_text("utf-8")
    assert digest in report.markdown.read_text("utf-8")


def test_what_was_not_tested_names_seeds_coverage_bound_and_notes(report):
    text = report.markdown.read_text("utf-8").partition("## What was not tested, and notes")[2]
    assert "on the seeds 1, 2, 3, 4, 5" in text
    assert "covers about 83 %" in text
    assert "The bound is a simulation floor, not a proof." in text
    assert "Data licence" in text


def test_markdown_links_every_figure_and_says_what_it_shows(report, tmp_path):
    links = re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", report.markdown.read_text("utf-8"))
    assert [alt for alt, _ in links][1:] == ["The centre is slow.", "Queues grow."]
    assert all((tmp_path / path).is_file() for _, path in links)


def test_markdown_tables_keep_their_shape_whatever_the_names(make_matrix, tmp_path):
    result = compare(make_matrix(ROWS | {"a|b": [30.0] * 5}, OPTIONS, bound=7.5))
    report = write_report(result, (), tmp_path)
    table = [
        line for line in report.markdown.read_text("utf-8").splitlines() if line.startswith("|")
    ]
    headers = [line for line in table if "Worst seed" in line]
    assert len(headers) == 1
    start = table.index(headers[0])
    pipes = [len(re.findall(r"(?<!\\)\|", line)) for line in table[start : start + 6]]
    assert len(set(pipes)) == 1


def test_tables_hold_full_precision(report, result, tmp_path):
    rows = list(csv.DictReader(io.StringIO((tmp_path / "tables/seeds.csv").read_text("utf-8"))))
    found = [
        float(r["value"])
        for r in rows
        if (r["controller"], r["metric"]) == ("wave_50", "gap_closed")
    ]
    assert tuple(found) == result.row("wave_50").gap_closed.per_seed


@pytest.mark.parametrize("name", ["controllers", "metrics", "paired", "violations"])
def test_every_table_has_a_row_per_controller_or_more(report, tmp_path, name):
    rows = list(csv.reader(io.StringIO((tmp_path / f"tables/{name}.csv").read_text("utf-8"))))
    assert len(rows) >= 3
    assert {len(row) for row in rows} == {len(rows[0])}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_cell_can_be_run_as_a_formula(start):
    assert guard(f"{start}cmd()") == f"'{start}cmd()"
    assert csv_text(["x"], [[f"{start}1"]]).splitlines()[1].lstrip('"').startswith("'")


def test_numbers_are_not_guarded_and_missing_ones_are_empty():
    text = csv_text(["a", "b", "c"], [[-1.5, None, float("nan")]])
    assert next(csv.reader(io.StringIO(text.splitlines()[1]))) == ["-1.5", "", ""]


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_escaped_markdown_has_no_live_markup(content):
    escaped = escape_markdown(content)
    assert "\n" not in escaped
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*<>\[\]|#]", escaped)


def test_two_seeds_without_a_bound_still_make_a_report(make_matrix, tmp_path):
    result = compare(make_matrix({"fixed": [49.0, 50.0], "x": [20.0, 21.0]}))
    report = write_report(result, (), tmp_path)
    page = report.html.read_text("utf-8")
    assert "True delay by controller" in page
    assert "no interval from fewer than three seeds" in page
    assert "Reproduce" not in page


def test_learned_rows_alone_make_a_report_without_recommendation(make_matrix, tmp_path):
    result = compare(make_matrix({"learned": ROWS["learned"]}, OPTIONS))
    page = write_report(result, (), tmp_path).html.read_text("utf-8")
    assert "Recommended: nothing yet" in page


def test_rows_without_a_monitor_and_a_beaten_bound_are_named(make_matrix, tmp_path):
    matrix = make_matrix(ROWS, {"fixed": {"role": "reference"}}, bound=17.0, kind="model")
    matrix = replace(matrix, records=[replace(r, violations={}) for r in matrix.records])
    report = write_report(compare(matrix), (), tmp_path)
    text = report.markdown.read_text("utf-8")
    assert "No monitor watched learned, wave_50, fixed." in text
    assert "best known value (conflict-free run); beaten by learned" in text
    assert "not watched" not in report.html.read_text("utf-8").partition("</header>")[0]


def test_two_candidates_for_the_reference_are_both_printed(make_matrix, tmp_path):
    result = compare(make_matrix(ROWS, references=("fixed", "wave_50"), bound=7.5))
    text = write_report(result, (), tmp_path).markdown.read_text("utf-8")
    assert "wave_50, true delay of 18.7 s (best of fixed 49.5 s, wave_50 18.7 s)" in text


def test_a_rule_that_was_never_due_is_not_shown_as_broken(result):
    seen = ViolationSummary(count=0, upper95=None, exposure=0)
    rows = tuple(row.model_copy(update={"violations": {"walk": seen}}) for row in result.rows)
    _, by_row, by_rule, never = safety(result.model_copy(update={"rows": rows}))
    assert {(cells[4].text, cells[4].tone) for cells in by_row.rows} == {("0", "")}
    assert by_rule.rows == ()
    assert never.text == "Never due in these runs: walk."


def test_rules_are_counted_apart_behind_the_shield_and_without_one(result):
    kept = ViolationSummary(count=0, upper95=1e-3, exposure=3000)
    broken = ViolationSummary(count=4, upper95=None, exposure=100)
    first, *others = result.rows
    rows = [first.model_copy(update={"violations": {"red_max": broken}, "shielded": False})]
    rows += [
        row.model_copy(update={"violations": {"red_max": kept}, "shielded": True}) for row in others
    ]
    _, by_row, by_rule = safety(result.model_copy(update={"rows": tuple(rows)}))
    assert [cell.text for cell in by_row.rows[0][4:]] == ["4", "red max"]
    (line,) = by_rule.rows
    checks = f"{3000 * len(others):,}"
    limit = rate_text(3 / (3000 * len(others)))
    assert [cell.text for cell in line[:6]] == ["red max", checks, "0", limit, "100", "4"]
    assert line[5].tone == "bad"


def test_what_is_the_same_in_every_row_is_said_once(make_matrix):
    matrix = make_matrix({"fixed": [49.0, 50.0, 51.0], "actuated": [39.0, 41.0, 43.0]})
    matrix = replace(matrix, metrics=(matrix.headline, Metric("alarms", "1", "min")))
    records = [replace(r, metrics={**r.metrics, "alarms": 0.0}) for r in matrix.records]
    _, said = controllers(compare(replace(matrix, records=records)))
    assert said.text == "The same in every row, on every seed: alarms 0."


def test_what_does_not_apply_is_named_without_a_unit(make_matrix):
    matrix = make_matrix({"fixed": [49.0, 50.0, 51.0], "actuated": [39.0, 41.0, 43.0]})
    matrix = replace(matrix, metrics=(matrix.headline, Metric("bus_delay_s", "s", "min")))
    _, said = controllers(compare(matrix))
    assert said.text == "Not applicable here: bus delay."


def test_tables_of_all_metrics_are_folded_where_they_are_long(make_matrix):
    many = [Metric(f"metric_{i}", "s", "min") for i in range(13)]
    matrix = make_matrix({f"row_{i}": [49.0 + i, 50.0, 51.0] for i in range(12)})
    records = [
        replace(r, metrics={**r.metrics, **{m.name: float(r.seed + i) for i, m in enumerate(many)}})
        for r in matrix.records
    ]
    made = controllers(compare(replace(matrix, metrics=(matrix.headline, *many), records=records)))
    folded = [block for block in made if isinstance(block, Folded)]
    assert folded[0].title == "All metrics, part 1 of 3"
    assert sum(len(block.table.rows) for block in folded) == 36


def test_a_wide_table_comes_in_parts_that_fit_a_page(make_matrix):
    many = [Metric(f"metric_{i}", "s", "min") for i in range(13)]
    matrix = make_matrix({"fixed": [49.0, 50.0, 51.0]})
    records = [
        replace(r, metrics={**r.metrics, **{m.name: float(r.seed + i) for i, m in enumerate(many)}})
        for r in matrix.records
    ]
    result = compare(replace(matrix, metrics=(matrix.headline, *many), records=records))
    document = build_document(result, (), (), "")
    tables = [b for s in document.sections for b in s.blocks if isinstance(b, TableBlock)]
    parts = [t for t in tables if t.caption.startswith("All metrics")]
    assert [len(t.header) for t in parts] == [6, 6, 5]
    assert "part 3 of 3" in parts[2].caption
    assert max(len(t.header) for t in tables) <= 7
