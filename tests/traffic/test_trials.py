"""Trials: who would retime a plan must first beat it on seeds of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import SimulatorError
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers import entries
from trimtab_traffic.controllers.regional_rule import DEFAULTS, RegionalRule
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.trials import LEAST_GAIN, Trial, trial_of
from trimtab_traffic.trips import trips_digest

UNASKED = {**DEFAULTS, "trials": 0}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Trials of these tests are kept apart from the machine's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def unheard() -> SignalsProblem:
    """A network whose centre hears no vehicle, so that it never leaves the plan."""
    return SignalsProblem.model_validate(
        {
            "network": {"generated": {"columns": 1, "rows": 1, "vehicles_per_h": 900}},
            "rules": {"profile": "resco"},
            "sensors": {"penetration": 1e-9},
            "horizon_s": 200,
        }
    )


def told(problem: SignalControl) -> tuple[tuple[str, ...], str]:
    """Notes of the rule as the scenario offers it, and what it played."""
    rule = make_controller(problem, entries(problem.model)["regional_rule"], name="regional_rule")
    (record,) = evaluate(problem, rule, [1], name="regional_rule")
    return record.notes, trips_digest(problem.outputs.trips)


@given(st.lists(st.floats(5.0, 200.0), min_size=1, max_size=4), st.integers(1, 4))
def test_a_trial_is_passed_only_if_every_seed_asked_for_shows_the_gain(
    tried_s: list[float], asked: int
) -> None:
    trial = Trial(asked, (100.0,) * len(tried_s), tuple(tried_s))
    gains = [delay_s <= 100.0 * (1.0 - LEAST_GAIN) for delay_s in tried_s]
    close = any(abs(delay_s - 100.0 * (1.0 - LEAST_GAIN)) < 1e-6 for delay_s in tried_s)
    assert close or trial.passed == (len(tried_s) == asked and all(gains))


def test_a_gridlock_that_the_plan_does_not_have_fails_a_trial_whatever_was_gained() -> None:
    assert Trial(1, (100.0,), (50.0,)).passed
    jammed = Trial(1, (100.0,), (50.0,), jams=1)
    assert not jammed.passed
    assert str(jammed).endswith("-50% on seeds 900001 ff., 1 gridlock")


def test_who_plays_the_plan_shows_no_gain_and_its_trial_ends_with_the_first_seed() -> None:
    trial = trial_of(unheard(), "regional_rule", UNASKED, 3)
    assert trial.changes == (0.0,)
    assert not trial.passed


def test_a_trial_is_simulated_once(own_cache: Path) -> None:
    first = trial_of(unheard(), "regional_rule", UNASKED, 1)
    (path,) = own_cache.rglob("trials/*.json")
    path.write_text(
        '{"asked": 1, "plan_s": [100.0], "tried_s": [50.0], "jams": 0}', encoding="utf-8"
    )
    again = trial_of(unheard(), "regional_rule", UNASKED, 1)
    assert (first.passed, again.passed) == (False, True)


def test_where_the_trial_shows_no_gain_the_plan_is_kept_and_the_row_says_so() -> None:
    model = unheard()
    with SignalControl(model, "split") as problem:
        notes, played = told(problem)
    with SignalControl(model, "native") as problem:
        evaluate(problem, make_controller(problem, entries(model)["fixed"], name="fixed"), [1])
        plan = trips_digest(problem.outputs.trips)
    assert notes == (
        "keeps the plan, its trial shows no gain here: "
        "delay beside the plan +0% on seeds 900001 ff.",
    )
    assert played == plan


def test_where_greens_are_stretched_as_shipped_the_row_says_that_it_does_not() -> None:
    with SignalControl(unheard(), "split") as problem:
        first, *others = problem.network.signals
        actuated = replace(first, programs=(replace(first.program, type="actuated"),))
        problem.network = replace(problem.network, signals=(actuated, *others))
        (note,) = told(problem)[0]
    assert note.startswith(
        "keeps the shipped plan with fixed greens (the row fixed stretches them), its trial"
    )


def test_who_passed_its_trial_plays_and_says_by_how_much(own_cache: Path) -> None:
    trial_of(unheard(), "regional_rule", UNASKED, 3)
    (path,) = own_cache.rglob("trials/*.json")
    path.write_text(
        '{"asked": 1, "plan_s": [100.0], "tried_s": [60.0], "jams": 0}', encoding="utf-8"
    )
    with SignalControl(unheard(), "split") as problem:
        rule = make_controller(problem, entries(problem.model)["regional_rule"], name="x")
    assert isinstance(rule, RegionalRule)
    assert rule.notes == ("passed its trial: delay beside the plan -40% on seeds 900001 ff.",)


def test_a_trial_that_cannot_be_played_says_why() -> None:
    with pytest.raises(SimulatorError, match="trial of nobody against the plan failed: KeyError"):
        trial_of(unheard(), "nobody", {}, 1)
