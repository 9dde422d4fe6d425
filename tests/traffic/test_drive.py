"""The short way through a drive gives what the shield's own tables give."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.spec import Action
from trimtab_traffic.drive import StageDrive
from trimtab_traffic.rules import field_profile, resco_profile
from trimtab_traffic.shield import compile_shield
from trimtab_traffic.signals import TrafficNetwork

Compiler = Callable[[str], TrafficNetwork]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8))
def test_free_choice_equals_the_shields_schedule_and_clock(
    wheel_net: Compiler, wishes: list[int]
) -> None:
    shield = compile_shield(wheel_net("cologne8"), resco_profile(10, 3))
    drive = StageDrive(shield)
    state = shield.initial()
    sizes = np.array([len(a.timing.stage_states) for a in shield.automata])
    for wish in wishes:
        stages = np.array([wish // (k + 1) for k in range(len(sizes))]) % sizes
        played = drive.play(Action(discrete=stages[None, :, None]), None, 10)
        assert list(played.changes) == shield.schedule(state, stages)
        state = shield.advance(state, stages)
        assert drive.stage().tolist() == state.stage.tolist()
        assert drive.elapsed_s().tolist() == state.elapsed_s.tolist()
        assert drive.mask(None).tolist() == shield.legal(state).mask.tolist()


def test_field_rules_do_forbid_choices(wheel_net: Compiler) -> None:
    drive = StageDrive(compile_shield(wheel_net("cologne8"), field_profile()))
    drive.play(Action(discrete=np.ones((1, 8, 1), dtype=np.int64)), None, 5)
    assert drive.mask(None).sum() == 8
