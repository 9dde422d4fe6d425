"""The terminal table: what it must show, and that it never wraps a row."""

import io

import pytest
from rich.console import Console
from trimtab.contracts.problem import Budget
from trimtab.evidence.compare import compare
from trimtab.evidence.table import print_result

ROWS = {
    "fixed": [49.0, 50.0, 48.0, 51.0, 49.5],
    "wave_50": [18.4, 18.9, 18.0, 19.5, 18.7],
    "regional": [30.0, 31.0, 29.0, 32.0, 33.0],
    "oracle": [12.0, 12.5, 11.8, 12.9, 12.2],
}
OPTIONS = {
    "fixed": {"violations": 2, "shielded": False},
    "wave_50": {"interventions": 36},
    "regional": {"role": "learned", "flags": ("gridlock",)},
    "oracle": {"role": "clairvoyant", "needs": ("future", "model")},
}


@pytest.fixture
def show(make_matrix):
    def show(width=140, delays=None, report=None, **changes):
        result = compare(make_matrix(delays or ROWS, OPTIONS, bound=7.5, **changes))
        console = Console(file=io.StringIO(), width=width, color_system=None)
        print_result(result.model_copy(update={"report": report}), console)
        return console.file.getvalue()

    return show


def _line(text, start):
    return next(line.rstrip() for line in text.splitlines() if line.lstrip("▶ ").startswith(start))


def test_a_row_shows_headline_worst_seed_share_verdict_and_shield(show):
    line = _line(show(), "wave_50")
    assert "18.7 ± 0.4" in line
    assert "19.5" in line
    assert "better" in line
    assert "0 (≤ 6.0e−04)" in line
    assert "5.0 %" in line


def test_the_recommended_row_is_marked_without_colour(show):
    assert _line(show(), "wave_50").startswith("▶ ")


def test_violations_flags_and_missing_shields_are_shown(show):
    text = show()
    assert "10" in _line(text, "fixed")
    assert "no shield" in _line(text, "fixed")
    assert "gridlock" in _line(text, "regional")


def test_reference_bound_needs_reason_and_report_follow(show):
    text = show(report="runs/1/report/report.html", profile="resco")
    assert "profile resco" in text
    assert "fixed, true delay of 49.5 s" in _line(text, "reference")
    assert "simulation floor (conflict-free run)" in _line(text, "bound")
    assert "oracle: future, model" in _line(text, "needs")
    assert "wave_50 has a true delay of 18.7 s" in _line(text, "because")
    assert "runs/1/report/report.html" in _line(text, "report")


@pytest.mark.parametrize("width", [80, 90, 100, 120, 140, 200])
def test_every_row_stays_on_one_line_at_any_width(show, width):
    text = show(width)
    assert sum(_name in text for _name in ROWS) == len(ROWS)
    assert all("±" in _line(text, name) and "…" not in _line(text, name) for name in ROWS)
    assert max(len(line) for line in text.splitlines()) <= width


def test_narrow_consoles_lose_columns_in_their_order(show):
    assert "CPU s" in show(200)
    narrow = show(80)
    assert "vs reference" not in narrow
    assert "flagged" in narrow


def test_cpu_time_of_training_stands_apart_from_that_of_the_run(make_matrix):
    options = {"regional": {"trained": Budget(40, 1000, 90.0)}}
    console = Console(file=io.StringIO(), width=200, color_system=None)
    print_result(compare(make_matrix(ROWS, options)), console)
    text = console.file.getvalue()
    assert "CPU s  trained CPU s" in text
    assert _line(text, "regional").endswith("2.5           90.0")


def test_a_column_without_content_is_left_out(show):
    assert "trained CPU s" not in show(200)


def test_without_reference_bound_and_interval_the_table_says_so(show):
    text = show(delays={"wave_50": [18.0, 19.0]}, references=(), bounds={})
    assert _line(text, "reference").endswith("none ran")
    assert _line(text, "bound").endswith("none")
    assert "n/a" in _line(text, "wave_50")
    assert "2 seeds carry no interval" in text


def test_markup_in_names_is_shown_as_text(show):
    assert "[red]x[/red]" in show(delays=ROWS | {"[red]x[/red]": [20.0] * 5})


def test_two_seeds_show_their_raw_values(show):
    assert "18, 19.5" in _line(
        show(delays={"fixed": [49.0, 50.0], "wave_50": [18.0, 19.5]}), "wave"
    )
