"""The regional agent learns from a teacher that knows every vehicle, round by round of moves."""

from __future__ import annotations

import json

import numpy as np
import pytest
from trimtab.contracts.spec import Action, Obs
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers.regional import REGIONAL, RegionalAgent
from trimtab_traffic.moves import ROUNDS
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.regional_training import (
    Recipe,
    RegionalMoves,
    held_out_towns,
    imitate,
    region_town,
    training_towns,
)
from trimtab_traffic.trips import trips_digest

SMALL = region_town("arterial", 2, 1, 2600, 21, 0.3).model_copy(update={"horizon_s": 300})


def chosen(obs: Obs, choice: int) -> Action:
    """The same choice for every junction that has it, else staying."""
    assert obs.action_mask is not None
    legal = obs.action_mask[:, :, choice]
    return Action(discrete=np.where(legal, choice, 0)[..., None].astype(np.int64))


def test_training_and_held_out_networks_are_disjoint_and_our_own() -> None:
    train = {m.network.generated for m in training_towns()}
    held_out = {m.network.generated for m in held_out_towns()}
    assert None not in train | held_out
    assert not train & held_out


def test_time_passes_after_the_last_round_only() -> None:
    problem = RegionalMoves(SMALL)
    obs = problem.reset(np.array([1]))
    times = []
    for _ in range(2 * ROUNDS):
        obs = problem.step(chosen(obs, 0)).obs
        times.append(problem.signals.state.time_s)
    problem.close()
    cycle_s = problem.signals.interval_s
    assert times == [0.0] * (ROUNDS - 1) + [cycle_s] * ROUNDS + [2 * cycle_s]


def test_a_move_takes_from_its_giver_and_is_offered_within_the_limits_only() -> None:
    problem = RegionalMoves(SMALL)
    obs = problem.reset(np.array([1]))
    region = problem.board.region
    before = region.greens_s.copy()
    giver, taker = problem.board.offered[0][0]
    obs = problem.step(chosen(obs, 1)).obs
    assert region.greens_s[0, giver] == before[0, giver] - 1
    assert region.greens_s[0, taker] == before[0, taker] + 1
    for _ in range(5 * ROUNDS):
        obs = problem.step(chosen(obs, 1)).obs
    problem.close()
    assert (region.greens_s >= region.splits.low_s).all()
    assert (region.greens_s.sum(axis=1) == before.sum(axis=1)).all()


def test_the_teacher_knows_more_vehicles_than_the_student() -> None:
    problem = RegionalMoves(SMALL)
    obs = problem.reset(np.array([1]))
    for _ in range(3 * ROUNDS):
        obs = problem.step(chosen(obs, 0)).obs
    told, known = problem.board.region.estimates, problem.all_knowing.estimates
    problem.close()
    assert known.probes.sum() > 2 * told.probes.sum() > 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_training_is_reproducible_and_its_student_plays_other_networks() -> None:
    recipe = Recipe(rounds=2, steps=3 * ROUNDS, updates=20)
    first, second = (imitate([SMALL], 3, recipe) for _ in range(2))
    assert all(np.array_equal(first.params[k], second.params[k]) for k in first.params)
    other = region_town("grid", 2, 1, 1500, 5, 0.5).model_copy(update={"horizon_s": 300})
    with SignalControl(other, "split") as problem:
        agent = RegionalAgent(problem, problem.profile, first)
        evaluate(problem, agent, [1])
        found = trips_digest(problem.outputs.trips)
        evaluate(problem, agent, [1])
        assert found == trips_digest(problem.outputs.trips)


def test_shipped_weights_come_from_our_own_networks_and_say_what_they_are_worth() -> None:
    notes = json.loads(REGIONAL.with_suffix(".json").read_text())["notes"]
    assert all(set(network) == {"generated"} for network in notes["networks"])
    assert notes["cpu_s"] > 0
    assert {"change", "low", "high", "per_network"} == notes["beside_the_rule"].keys()
