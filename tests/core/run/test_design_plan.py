"""Optimizers that a scenario names and this machine lacks are left out by name."""

from dataclasses import replace

import pytest
from trimtab.run import design_plan
from trimtab.run.design_plan import left_out
from trimtab.run.plan import Plan, RunOptions
from trimtab.run.scenario_file import load_scenario
from trimtab.search.catalogue import OPTIMIZERS


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let some optimizers' packages be missing."""
    absent = {name: replace(OPTIMIZERS[name], package="not_installed_anywhere") for name in names}
    monkeypatch.setattr(design_plan, "OPTIMIZERS", {**OPTIMIZERS, **absent})


def test_a_scenario_runs_without_the_optimizers_that_are_not_installed_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without(monkeypatch, "gp", "sac")
    loaded = load_scenario("toy/beam", ["controllers=[random,gp,sac]"])
    plan = Plan.of(loaded, RunOptions())
    searched = [choice.name for choice in plan.choices if choice.kind == "search"]
    assert searched == ["random"]
    assert plan.loaded.notes[-1] == (
        "names gp, sac, left out here: install trimtab[bo], trimtab[train] to run them"
    )


def test_an_optimizer_that_is_missing_stays_an_error_where_no_other_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without(monkeypatch, "gp")
    assert left_out(["gp"]) == {}
    assert left_out(["gp", "random"]) == {"gp": "bo"}
