"""A whole comparison of a toy domain: runner, bounds, result, table and report."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from trimtab.contracts.registry import load_domain
from trimtab.contracts.scenario import Scenario
from trimtab.evidence.compare import compare
from trimtab.evidence.matrix import Matrix
from trimtab.evidence.report import write_report
from trimtab.evidence.result import Result
from trimtab.evidence.table import print_result
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate

SEEDS = (1, 2, 3, 4, 5)


@pytest.fixture(scope="module")
def domain():
    return load_domain("toy.tank")


@pytest.fixture(scope="module")
def scenario(domain):
    problem = domain.problem_model()
    return Scenario(name="tank-test", domain="toy.tank", problem=problem, seeds=SEEDS)


@pytest.fixture(scope="module")
def entries(domain, scenario):
    offered = domain.controllers(scenario.problem)
    return {name: entry for name, entry in offered.items() if not entry.untrained}


@pytest.fixture(scope="module")
def records(domain, scenario, entries):
    found = []
    for name, entry in entries.items():
        with domain.build(scenario.problem, copies=len(SEEDS)) as problem:
            controller = make_controller(problem, entry, name=name)
            shield = domain.shield(scenario.problem, problem)
            monitor = domain.monitor(scenario.problem)
            found += evaluate(problem, controller, SEEDS, name=name, shield=shield, monitor=monitor)
    return found


@pytest.fixture(scope="module")
def matrix(domain, scenario, entries, records):
    bounds = {s: domain.bound(scenario.problem, s) for s in SEEDS}
    return Matrix.of_domain(domain, scenario, entries, records, bounds, "ab" * 32)


@pytest.fixture(scope="module")
def result(matrix):
    return compare(matrix)


def test_every_controller_gets_a_row_and_the_proven_bound_stands(entries, result):
    assert {r.name for r in result.rows} == set(entries)
    assert result.bound.kind == "proven"
    assert result.bound.beaten_by == ()
    assert all(row.regret >= 0 for row in result.rows)


def test_the_domain_gives_reference_headline_and_hash(result):
    assert result.reference == "level_band"
    assert result.headline == "pumping_cost"
    assert result.scenario_sha256 == "ab" * 32


def test_records_in_another_order_give_the_same_result(matrix, result):
    assert compare(replace(matrix, records=matrix.records[::-1])) == result


def test_flags_of_the_domain_reach_the_rows(domain, scenario, records, matrix):
    class Flagging(type(domain)):
        def flags(self, record):
            return ("gridlock",) if record.controller == "level_band" else ()

    flagged = Matrix.of_domain(Flagging(), scenario, matrix.entries, records, matrix.bounds)
    assert compare(flagged).row("level_band").flags == ("gridlock",)


def test_the_result_survives_json_and_makes_a_report_and_a_table(
    domain, scenario, records, result, tmp_path
):
    assert Result.from_json(result.to_json()) == result
    figures = domain.views(scenario.problem, records)
    page = write_report(result, figures, tmp_path).html.read_text("utf-8")
    assert "Pumping cost" in page
    assert "pumping cost (1)" not in page
    console = Console(file=io.StringIO(), width=140)
    print_result(result, console)
    assert "level_band" in console.file.getvalue()
