"""Self-organising lights: gather, change at the threshold, keep platoons and minimum greens."""

from __future__ import annotations

import numpy as np
from trimtab_traffic.controllers.sotl import Sotl


def until_change(made, no_obs, decisions: int, **parameters: float) -> int | None:
    """Decision at which the first signal leaves its present stage, traffic standing still."""
    controller = Sotl(made, **parameters)
    controller.reset(np.array([1]))
    for k in range(decisions):
        if controller.act(no_obs).discrete[0, 0, 0] != made.traffic.present[0]:
            return k
    return None


def waiting_at_red(junctions):
    """Two vehicles on one link that is red now and green in another stage; nobody else."""
    for seed in range(100):
        made = junctions(seed)
        signal, present = made.network.signals[0], made.traffic.present[0]
        green = signal.stage_green
        red_now = np.flatnonzero(~green[present] & green.any(axis=0))
        if len(red_now):
            made.traffic.approaching[:] = 0.0
            made.traffic.approaching[red_now[0]] = 2.0
            made.traffic.elapsed_s[:] = 100.0
            return made, int(red_now[0])
    raise AssertionError


def test_a_stage_takes_over_when_it_gathered_the_threshold(junctions, no_obs):
    made, _ = waiting_at_red(junctions)
    # 2 vehicles x 10 s a decision: 20 after the first, 60 after the third
    assert until_change(made, no_obs, 9, threshold_veh_s=50.0, platoon_veh=0) == 2


def test_the_stage_taken_serves_who_waited(junctions, no_obs):
    made, link = waiting_at_red(junctions)
    stage = Sotl(made, threshold_veh_s=5.0).act(no_obs).discrete[0, 0, 0]
    assert made.network.signals[0].stage_green[stage, link]


def test_nothing_changes_before_the_minimum_green(junctions, no_obs):
    made, _ = waiting_at_red(junctions)
    made.traffic.elapsed_s[:] = 12.0
    assert until_change(made, no_obs, 9, threshold_veh_s=5.0, min_green_s=15) is None


def test_the_tail_of_a_platoon_is_not_cut(junctions, no_obs):
    made, link = waiting_at_red(junctions)
    signal, present = made.network.signals[0], made.traffic.present[0]
    made.traffic.approaching[np.flatnonzero(signal.stage_green[present])[0]] = 2.0
    made.traffic.elapsed_s[:] = 20.0
    assert until_change(made, no_obs, 9, threshold_veh_s=5.0, platoon_veh=3) is None
    assert until_change(made, no_obs, 9, threshold_veh_s=5.0, platoon_veh=1) == 0


def test_a_platoon_that_does_not_move_is_cut_after_the_maximum_green(junctions, no_obs):
    made, _ = waiting_at_red(junctions)
    signal, present = made.network.signals[0], made.traffic.present[0]
    made.traffic.approaching[np.flatnonzero(signal.stage_green[present])[0]] = 2.0
    made.traffic.elapsed_s[:] = 60.0
    assert until_change(made, no_obs, 9, threshold_veh_s=5.0, platoon_veh=3) == 0


def test_an_empty_junction_keeps_its_stage(junctions, no_obs):
    made, _ = waiting_at_red(junctions)
    made.traffic.approaching[:] = 0.0
    assert until_change(made, no_obs, 50, threshold_veh_s=5.0) is None
