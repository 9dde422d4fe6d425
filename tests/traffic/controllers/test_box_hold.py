"""A held controller strands nobody inside the junction, and waits no longer than it says."""

import numpy as np
import pytest
from trimtab.contracts.controller import Controller
from trimtab.contracts.spec import Action
from trimtab_traffic.controllers.box_hold import HOLD_S, BoxHold, held
from trimtab_traffic.features import abandoned_links
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.state import STANDING_MPS

BUSY = SignalsProblem.model_validate(
    {
        "network": {"generated": {"columns": 1, "rows": 1, "vehicles_per_h": 2800}},
        "rules": {"profile": "resco", "decision_interval_s": 10},
        "horizon_s": 600,
    }
)


INTERVAL_S = 10


class Restless(Controller):
    """Leaves the present stage for the following one, if that is left to choose."""

    def __init__(self, problem):
        self.state = problem.resource("state")

    def act(self, obs):
        shown = int(self.state.stage()[0])
        following = (shown + 1) % obs.action_mask.shape[2]
        stage = following if obs.action_mask[0, 0, following] else shown
        return Action(discrete=np.array([[[stage]]], dtype=np.int64))


def play(hold_s):
    """(stage strands vehicles, stage changes) of every decision."""
    with SignalControl(BUSY) as problem:
        controller = held(Restless, problem, hold_s)
        obs = problem.reset(np.array([1]))
        controller.reset(np.array([1]))
        abandoned = abandoned_links(problem.network.controllable[0])
        seen = []
        while obs.alive.any():
            shown = int(problem.state.stage()[0])
            slow = problem.state.box_slow_veh(STANDING_MPS)
            action = controller.act(obs)
            chosen = int(action.discrete[0, 0, 0])
            seen.append((chosen != shown and abandoned[chosen] @ slow > 0, chosen != shown))
            obs = problem.step(action).obs
    return seen


def test_vehicles_standing_in_the_junction_keep_their_stage():
    without, long = play(0.0), play(600.0)
    assert sum(strands for strands, _ in without) > 0
    assert not any(strands for strands, _ in long)


@pytest.mark.parametrize("hold_s", [10.0, 20.0])
def test_no_stage_is_held_longer_than_asked(hold_s):
    longest = held_for = 0
    for _, changed in play(hold_s):
        held_for = 0 if changed else held_for + 1
        longest = max(longest, held_for)
    assert 1 <= longest <= hold_s // INTERVAL_S


def test_a_hold_of_nothing_is_the_controller_itself():
    with SignalControl(BUSY) as problem:
        assert isinstance(held(Restless, problem, 0.0), Restless)
        assert isinstance(held(Restless, problem, HOLD_S), BoxHold)
