"""Hostile choices in SUMO: the shield withstands them, and a shield that is too lax is caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from trimtab.contracts.controller import Controller
from trimtab.contracts.shield import Violations
from trimtab.contracts.spec import Action, IntArray, Obs
from trimtab.run.runner import evaluate
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.shield import ShieldInputs
from trimtab_traffic.stage_programs import PROGRAM_ID

Choice = Callable[[SignalControl, IntArray, np.random.Generator], IntArray]


class Attack(Controller):
    """Proposes what `choose` makes of the problem, the numbers of stages and a generator."""

    def __init__(self, problem: SignalControl, choose: Choice) -> None:
        self.problem, self.choose = problem, choose
        automata = problem.signal_shield.automata
        self.sizes = np.array([len(a.timing.stage_states) for a in automata])
        self.rng = np.random.default_rng(1)

    def act(self, obs: Obs) -> Action:
        return Action(discrete=self.choose(self.problem, self.sizes, self.rng)[None, :, None])


def flip(problem: SignalControl, sizes: IntArray, rng: np.random.Generator) -> IntArray:
    """Another stage at every decision."""
    return (problem.shield_state.stage + 1) % sizes


def anything(problem: SignalControl, sizes: IntArray, rng: np.random.Generator) -> IntArray:
    """Any stage."""
    return np.asarray(rng.integers(0, sizes))


def starve(problem: SignalControl, sizes: IntArray, rng: np.random.Generator) -> IntArray:
    """All stages in turn but the first."""
    return 1 + problem.shield_state.stage % (sizes - 1)


def lengthen_reds(problem: SignalControl, sizes: IntArray, rng: np.random.Generator) -> IntArray:
    """A stage that does not serve the longest red."""
    oldest = problem.shield_state.age_s.argmax(axis=1)
    automata = problem.signal_shield.automata
    served = [a.served[:, c] for a, c in zip(automata, oldest.tolist(), strict=True)]
    return np.array([rng.choice(np.flatnonzero(~column)) for column in served])


def forge_requests(problem: SignalControl, sizes: IntArray, rng: np.random.Generator) -> IntArray:
    """Any stage, while emergency vehicles, buses, full exits and dead sensors are pretended."""
    shape = (len(sizes), problem.signal_shield.n_links)
    problem.shield_inputs = ShieldInputs(
        exit_space_m=40 * rng.random(shape),
        preemption=rng.random(shape) < 0.05,
        bus=rng.random(shape) < 0.1,
        stale_s=60 * rng.random(len(sizes)),
        time_s=problem.session.time_s,
    )
    return anything(problem, sizes, rng)


@pytest.fixture
def crossroads(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Maker of an eight-minute problem on a generated street with crossings; keywords: limits."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "towns"))

    def make(interval_s: int = 3, **limits: object) -> SignalsProblem:
        town = {"columns": 2, "rows": 1, "block_m": 100, "vehicles_per_h": 200}
        rules = {"profile": "field", "decision_interval_s": interval_s, "limits": limits}
        raw = {"network": {"generated": town}, "horizon_s": 480, "rules": rules}
        return SignalsProblem.model_validate(raw)

    return make


def judged(
    played: SignalsProblem, rules: SignalsProblem, choose: Choice
) -> tuple[dict[str, Violations], int]:
    """Violations of `rules` where the shield keeps those of `played`, and interventions."""
    problem = SignalControl(played)
    with problem:
        (record,) = evaluate(problem, Attack(problem, choose), [1], monitor=DOMAIN.monitor(rules))
    return dict(record.violations), record.interventions


def broken(found: dict[str, Violations]) -> set[str]:
    return {name for name, violations in found.items() if violations.count}


@pytest.mark.parametrize("interval_s", [1, 5])
@pytest.mark.parametrize("choose", [flip, starve, lengthen_reds, forge_requests])
def test_no_hostile_choice_breaks_a_rule_on_the_street(
    choose: Choice, interval_s: int, crossroads: Callable[..., SignalsProblem]
) -> None:
    model = crossroads(interval_s)
    found, interventions = judged(model, model, choose)
    assert broken(found) == set()
    assert all(violations.exposure > 20 for violations in found.values())
    assert interventions > 20


@pytest.mark.parametrize(
    ("lax", "choose", "constraints"),
    [
        ({"all_red_rule": "none"}, flip, {"all_red"}),
        ({"walking_speed_mps": None}, anything, {"pedestrian_clearance"}),
        ({"yellow_rule": "fixed", "yellow_s": 1}, flip, {"yellow"}),
        ({"min_green_s": 3, "walk_s": 3}, anything, {"min_green", "walk"}),
        ({"max_red_s": None, "max_green_s": None}, starve, {"max_red"}),
    ],
)
def test_a_shield_that_skips_a_rule_is_caught_on_the_street(
    lax: dict[str, object],
    choose: Choice,
    constraints: set[str],
    crossroads: Callable[..., SignalsProblem],
) -> None:
    found, _ = judged(crossroads(**lax), crossroads(), choose)
    assert broken(found) == constraints


def test_a_signal_switched_past_the_shield_is_caught(
    crossroads: Callable[..., SignalsProblem],
) -> None:
    def all_green(problem: SignalControl, sizes: IntArray, rng: np.random.Generator) -> IntArray:
        if 300 <= problem.session.time_s < 310:
            signal, lights = problem.network.controllable[0], problem.session.api.trafficlight
            lights.setRedYellowGreenState(signal.id, "G" * signal.n_links)
            problem.session.advance(problem.session.time_s + 1.0)
            lights.setProgram(signal.id, PROGRAM_ID)
        return flip(problem, sizes, rng)

    model = crossroads()
    found, _ = judged(model, model, all_green)
    assert {"conflict", "yellow"} <= broken(found)
