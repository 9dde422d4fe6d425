"""The report with charts to zoom into."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from trimtab.cli.app import app
from trimtab.contracts.figure import Axis, Bar, Figure, Series
from trimtab.evidence.figures_json import FIGURES_FILE, figures_from_json, figures_to_json
from trimtab.run.comparison import INTERACTIVE
from trimtab_app.interactive import Drawer, _scripts, write_interactive

LINE = Series("level", (0.0, 1.0), (1.0, 2.0))


@pytest.fixture
def run_dir(finished_runs: tuple[Path, list[str]], tmp_path: Path) -> Path:
    """A finished run whose domain drew one series beside its bars."""
    folder, runs = finished_runs
    copy = shutil.copytree(folder / "runs" / runs[0], tmp_path / "run")
    known = figures_from_json((copy / FIGURES_FILE).read_bytes())
    series = Figure("series", "Level", "It rises.", Axis("level"), Axis("time"), (LINE,))
    (copy / FIGURES_FILE).write_text(figures_to_json((*known, series)), encoding="utf-8")
    return copy


@pytest.fixture
def interactive(run_dir: Path) -> str:
    return write_interactive(run_dir).read_text(encoding="utf-8")


def test_the_page_holds_its_library_once_and_asks_no_host(interactive: str) -> None:
    assert interactive.count("plotly.js v") == 1
    assert "default-src 'none'" in interactive
    outside = re.sub(r"<script>.*?</script>", "", interactive, flags=re.DOTALL)
    assert not re.search(r"(src|href)=\"(https?:)?//", outside)


def test_every_chart_has_its_place_and_its_picture_for_readers_without_scripts(
    interactive: str,
) -> None:
    content = re.search(r'id="charts">(.*?)</script>', interactive, re.DOTALL)
    assert content is not None
    (chart,) = json.loads(content[1])["charts"]
    assert chart["data"][0]["y"] == [1.0, 2.0]
    assert interactive.count('<div class="chart" id="chart-0"') == 1
    assert interactive.count('<noscript><div class="tt-wide"><svg') == 1


def test_a_report_of_bars_alone_needs_no_library(run_dir: Path) -> None:
    (run_dir / FIGURES_FILE).write_text(figures_to_json(()), encoding="utf-8")
    assert "<script" not in write_interactive(run_dir).read_text(encoding="utf-8")


def test_a_name_cannot_end_the_script() -> None:
    drawer = Drawer()
    line = Series("</script><img src=x>", (0.0, 1.0), (1.0, 2.0))
    drawer(Figure("series", "t", "a", Axis("y"), Axis("x"), (line,)))
    drawer(Figure("bars", "t", "a", Axis("y"), bars=(Bar("b", 1.0),)))
    assert len(drawer.charts) == 1
    assert "</script><img" not in _scripts("", drawer.charts)


def test_the_command_writes_it_beside_the_report(
    finished_runs: tuple[Path, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = shutil.copytree(finished_runs[0], tmp_path / "work")
    words = ["report", finished_runs[1][0], "--interactive", "--workspace", str(folder), "--json"]
    monkeypatch.setattr(sys, "argv", ["trimtab", *words])
    with pytest.raises(SystemExit) as ended:
        app(prog_name="trimtab")
    assert not ended.value.code
    page = Path(json.loads(capfd.readouterr().out)["files"][-1])
    assert page.name == INTERACTIVE
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
