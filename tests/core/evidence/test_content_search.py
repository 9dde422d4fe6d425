import csv
import io
from pathlib import Path

import pytest
from rich.console import Console
from trimtab.evidence.content import build_document
from trimtab.evidence.csv_tables import result_tables
from trimtab.evidence.document import figures_of
from trimtab.evidence.report import write_report
from trimtab.evidence.result import Result
from trimtab.evidence.search_figures import front_figure, regret_figure
from trimtab.evidence.table import print_result
from trimtab.run.comparison import compare_run, render_again
from trimtab.run.plan import RunOptions
from trimtab.run.scenario_file import load_scenario


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    loaded = load_scenario(
        "toy/beam", ["budget.evaluations=30", "controllers=[random, cmaes]", "seeds=[1, 2, 3]"]
    )
    folder = tmp_path_factory.mktemp("beam")
    done = compare_run(loaded, RunOptions(workspace=folder, workers=1), command="trimtab run")
    return done.outcome.run_dir


@pytest.fixture
def result(run_dir: Path) -> Result:
    return Result.from_json((run_dir / "result.json").read_bytes())


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_design_report_shows_design_searches_regret_and_front(result: Result) -> None:
    document = build_document(result, (), (), "trimtab run toy/beam")
    assert [section.key for section in document.sections] == [
        "scenario", "gap", "design", "searches", "regret", "front", "paired", "untested",
        "reproduce",
    ]  # fmt: skip
    assert [figure.kind for figure in figures_of(document)] == ["bars", "series", "scatter"]
    assert "2 optimizers" in document.subtitle
    assert document.tiles[2][2].startswith("best design; mean over seeds")


def test_a_design_report_is_written_again_to_the_same_bytes(run_dir: Path) -> None:
    first = (run_dir / "report.html").read_bytes()
    render_again(run_dir)
    assert (run_dir / "report.html").read_bytes() == first
    assert b"No monitor watched" not in first


def test_the_regret_figure_is_logarithmic_and_has_an_interval(result: Result) -> None:
    figure = regret_figure(result)
    assert figure is not None
    assert figure.value_axis.log
    assert {series.name for series in figure.series} == {"random", "cmaes"}
    assert all(series.low is not None and series.x[-1] == 30 for series in figure.series)
    assert "cmaes" in figure.alt


def test_a_run_of_given_designs_alone_has_no_regret_figure(result: Result) -> None:
    said = result.recommendation.model_copy(update={"name": "square_bar"})
    alone = result.model_copy(
        update={"rows": (result.row("square_bar"),), "recommendation": said, "front": None}
    )
    assert regret_figure(alone) is None
    assert "regret" not in {s.key for s in build_document(alone, (), (), "").sections}


def test_the_front_figure_sets_optimizers_beside_truth_and_today(result: Result) -> None:
    assert result.front is not None
    figure = front_figure(result, result.front)
    names = [series.name for series in figure.series]
    assert names[0] == "true front"
    assert names[-1] == "square_bar (today)"
    assert figure.series[-1].x == (15.89625,)


def test_the_tables_hold_every_design_and_curve(result: Result) -> None:
    tables = {name: rows(text) for name, text in result_tables(result).items()}
    assert "violations.csv" not in tables
    assert [row["optimizer"] for row in tables["searches.csv"]] == [
        row.name for row in result.rows if row.search is not None
    ]
    last = [row for row in tables["regret.csv"] if row["calls"] == "30"]
    assert len(last) == 2
    assert all(float(row["low95"]) <= float(row["median"]) for row in last)
    best = [row for row in tables["designs.csv"] if row["optimizer"] == "square_bar"]
    assert {row["name"]: row["value"] for row in best}["material"] == "steel"
    assert {"mass_kg", "deflection_m", "material"} <= set(tables["front.csv"][0])
    assert tables["front.csv"][-1]["optimizer"] == "true front"


def test_the_terminal_table_speaks_of_optimizers(result: Result) -> None:
    console = Console(width=140, record=True, file=io.StringIO())
    print_result(result, console)
    said = console.export_text()
    assert "met bound" in said
    assert "violations" not in said
    assert "material" in said.partition("design ")[2]


def test_a_failed_bound_is_said_where_the_bound_is_read(result: Result, tmp_path: Path) -> None:
    failed = result.model_copy(update={"bound": None, "bound_failure": "seed 0: no licence"})
    console = Console(width=140, record=True, file=io.StringIO())
    print_result(failed, console)
    assert "failed on seed 0: no licence" in console.export_text()
    written = write_report(failed, (), tmp_path)
    assert "C_bound: failed on seed 0: no licence" in written.markdown.read_text()
