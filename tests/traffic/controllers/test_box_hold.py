"""A held controller strands nobody who is trapped, and waits no longer than it says."""

import numpy as np
import pytest
from trimtab.contracts.controller import Controller
from trimtab.contracts.spec import Action
from trimtab_traffic.controllers.box_hold import HOLD_S, BoxHold, held, priority_links
from trimtab_traffic.features import abandoned_links
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem

INTERVAL_S = 10
JUNCTION = SignalsProblem.model_validate(
    {
        "network": {"generated": {"columns": 1, "rows": 1, "vehicles_per_h": 900}},
        "rules": {"profile": "resco", "decision_interval_s": INTERVAL_S},
        "horizon_s": 200,
    }
)


class Restless(Controller):
    """Goes back and forth between the first stage and another, where it may choose."""

    def __init__(self, problem, other):
        self.state = problem.resource("state")
        self.other = other

    def act(self, obs):
        shown = int(self.state.stage()[0])
        following = self.other if shown == 0 else 0
        stage = following if obs.action_mask[0, 0, following] else shown
        return Action(discrete=np.array([[[stage]]], dtype=np.int64))


def strandable(signal, *, priority):
    """A stage, and a link of the first stage, with or without right of way, that it strands."""
    served = signal.stage_green[0] & (priority_links(signal)[0] == priority)
    stages, links = np.nonzero(abandoned_links(signal) * served)
    return int(stages[0]), int(links[0])


def play(monkeypatch, hold_s, *, priority=True):
    """Stage of every decision while a vehicle of the first stage stands in the junction."""
    with SignalControl(JUNCTION) as problem:
        signal = problem.network.controllable[0]
        other, link = strandable(signal, priority=priority)
        standing = np.eye(signal.n_links)[link]
        monkeypatch.setattr(problem.state, "box_slow_veh", lambda below_mps: standing)
        controller = held(Restless, problem, hold_s, other=other)
        obs = problem.reset(np.array([1]))
        controller.reset(np.array([1]))
        stages = []
        while obs.alive.any():
            action = controller.act(obs)
            stages.append(int(action.discrete[0, 0, 0]))
            obs = problem.step(action).obs
    return stages


def longest_first(stages):
    """Decisions that keep the first stage at a stretch, at most."""
    return max(len(run) for run in "".join("x" if s == 0 else " " for s in stages).split())


def test_a_trapped_vehicle_keeps_its_stage(monkeypatch):
    assert set(play(monkeypatch, 600.0)) == {0}


def test_a_turner_that_gives_way_keeps_none(monkeypatch):
    free = play(monkeypatch, 0.0, priority=False)
    assert len(set(free)) > 1
    assert play(monkeypatch, 600.0, priority=False) == free


@pytest.mark.parametrize("hold_s", [10.0, 20.0])
def test_no_stage_is_held_longer_than_asked(monkeypatch, hold_s):
    longer = longest_first(play(monkeypatch, hold_s)) - longest_first(play(monkeypatch, 0.0))
    assert longer == hold_s // INTERVAL_S


def test_a_hold_of_nothing_is_the_controller_itself():
    with SignalControl(JUNCTION) as problem:
        assert isinstance(held(Restless, problem, 0.0, other=1), Restless)
        assert isinstance(held(Restless, problem, HOLD_S, other=1), BoxHold)
