"""Stage programs show, second by second, what setting every state on its own would show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.errors import SimulatorError
from trimtab.contracts.spec import Action
from trimtab_traffic.drive import Change, StageDrive
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.replay import Shown, read_signal_log
from trimtab_traffic.rules import field_profile, resco_profile
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.shield import compile_shield
from trimtab_traffic.signals import Phase, TrafficNetwork
from trimtab_traffic.stage_programs import PROGRAM_ID, stage_phases, stage_programs
from trimtab_traffic.trips import trips_digest

Compiler = Callable[[str], TrafficNetwork]
Maker = Callable[..., SignalsProblem]
PROFILES = {"resco": resco_profile(10, 3), "field": field_profile()}


class Player:
    """Goes through a program as SUMO does."""

    def __init__(self, phases: Sequence[Phase]) -> None:
        self.phases, self.phase, self.left_s = phases, 0, phases[0].duration_s

    def set(self, phase: int) -> None:
        self.phase, self.left_s = phase, self.phases[phase].duration_s

    def second(self) -> str:
        if not self.left_s:
            self.set(self.phases[self.phase].next[0])
        self.left_s -= 1.0
        return self.phases[self.phase].state


def listed(changes: Sequence[Change], shown: list[str], seconds: int) -> list[list[str]]:
    """State of every signal in every second of an interval."""
    rows = []
    for second in range(seconds):
        for at, row, state in changes:
            if at == second:
                shown[row] = state
        rows.append(list(shown))
    return rows


@pytest.mark.parametrize("profile", PROFILES)
@settings(deadline=None, max_examples=15)
@given(wishes=st.lists(st.integers(0, 10**6), min_size=1, max_size=10))
def test_the_program_shows_what_the_shield_schedules(
    wheel_net: Compiler, profile: str, wishes: list[int]
) -> None:
    shield = compile_shield(wheel_net("cologne8"), PROFILES[profile])
    by_state, by_program = StageDrive(shield), StageDrive(shield, by_program=True)
    players = [Player(signal.phases) for signal in by_program.programs]
    shown = list(by_state.begin(0.0))
    sizes = np.array([len(a.timing.stage_states) for a in shield.automata])
    for wish in wishes:
        stages = np.array([wish // (k + 1) for k in range(len(sizes))]) % sizes
        action = Action(discrete=stages[None, :, None])
        expected = listed(
            by_state.play(action, None, shield.decision_s).changes, shown, shield.decision_s
        )
        for row, phase in by_program.play(action, None, shield.decision_s).phases:
            players[row].set(phase)
        played = [[player.second() for player in players] for _ in range(shield.decision_s)]
        assert played == expected
        assert by_program.elapsed_s().tolist() == by_state.elapsed_s().tolist()


def test_only_transitions_that_the_rules_permit_are_written(wheel_net: Compiler) -> None:
    def count(profile: RuleProfile) -> int:
        automata = compile_shield(wheel_net("cologne8"), profile).automata
        return sum(len(stage_phases(automaton).phases) for automaton in automata)

    assert count(field_profile(successors="fixed")) < count(field_profile())


def test_a_program_begins_with_the_first_stage_at_the_begin(wheel_net: Compiler) -> None:
    automaton = compile_shield(wheel_net("cologne8"), PROFILES["resco"]).automata[0]
    program = stage_programs({"C": stage_phases(automaton)}, 25_200.0)["C"]
    assert (program.id, program.offset_s) == (PROGRAM_ID, 25_200.0)
    assert program.phases[0].state == automaton.timing.stage_states[0]


@pytest.mark.parametrize("profile", PROFILES)
def test_day_plans_of_the_user_do_not_change_what_is_shown(
    two_street_problem: Maker, tmp_path: Path, profile: str
) -> None:
    day = tmp_path / "day.add.xml"
    day.write_text(
        '<additional><WAUT id="w" refTime="0" startProg="0"/>'
        '<wautJunction wautID="w" junctionID="C"/></additional>'
    )
    plain = two_street_problem(rules={"profile": profile})
    network = plain.network.model_copy(update={"additional": (day,)})
    seen = [_played(model) for model in (plain, plain.model_copy(update={"network": network}))]
    assert seen[0] == seen[1]


def test_a_signal_that_somebody_else_switched_ends_the_run_with_its_name(
    two_street_problem: Maker,
) -> None:
    with SignalControl(two_street_problem()) as problem:
        problem.reset(np.array([1]))
        problem.step(Action(discrete=np.zeros((1, 1, 1), np.int64)))
        problem.session.api.trafficlight.setProgram("C", "0")
        with pytest.raises(SimulatorError, match=r"signal 'C' was taken .* at 10 s"):
            problem.step(Action(discrete=np.ones((1, 1, 1), np.int64)))


def _played(model: SignalsProblem) -> tuple[list[Shown], str]:
    """What signal C showed, and the trips."""
    draw = np.random.default_rng(5)
    with SignalControl(model) as problem:
        problem.reset(np.array([1]))
        done = False
        while not done:
            stage = draw.integers(0, 2, (1, 1, 1))
            done = bool(problem.step(Action(discrete=stage)).done[0])
        log = read_signal_log(problem.episode_log(0)["signal_log"])
        return log["C"], trips_digest(problem.outputs.trips)
