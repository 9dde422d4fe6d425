"""Rollout MPC: the search against brute force, and the controller in the simulator."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers import entries
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.rollout_kernel import stage_costs

INTERVAL_S, START_LOSS_S = 5, 1


def junction(queue, *, present=0, legal=None, arrivals=None, horizon=15, weight=None, tail=5.0):
    """Two or three exclusive links with a stage each; transitions 2 s, minimum green 3 s."""
    n = len(queue)
    return {
        "queue": np.array(queue, dtype=float),
        "arrivals": np.zeros((n, horizon)) if arrivals is None else np.array(arrivals, dtype=float),
        "rate": np.full(n, 0.5),
        "lane": np.arange(n),
        "weight": np.ones(n) if weight is None else np.array(weight, dtype=float),
        "green": np.eye(n, dtype=bool),
        "yields": np.zeros((n, n), dtype=bool),
        "change_s": 2 * (1 - np.eye(n, dtype=np.int64)),
        "min_green_s": np.full(n, 3),
        "legal": np.ones(n, dtype=bool) if legal is None else np.array(legal),
        "present": present,
        "interval_s": INTERVAL_S,
        "start_loss_s": START_LOSS_S,
        "tail_s": tail,
        "margin": 0.0,
    }


def search(case):
    """Cheapest stage and its cost."""
    costs = stage_costs(*case.values())
    return int(costs.argmin()), costs.min()


def brute_force(case):
    """Cost of every sequence of one stage per interval, simulated second by second."""
    n, horizon = case["arrivals"].shape
    costs = {}
    for sequence in product(range(n), repeat=horizon // INTERVAL_S):
        queue, cost, shown, since = case["queue"].copy(), 0.0, case["present"], 10**6
        for t in range(horizon):
            if t % INTERVAL_S == 0:
                before, shown = shown, sequence[t // INTERVAL_S]
                since = 0 if shown != before else 10**6 if since >= INTERVAL_S else since
            queue += case["arrivals"][:, t]
            if since >= 2 + START_LOSS_S:
                queue[shown] -= min(queue[shown], 0.5)
            cost += float(case["weight"] @ queue)
            since += 1
        costs[sequence] = cost + case["tail_s"] * float(case["weight"] @ queue)
    return costs


queues = st.lists(st.integers(0, 8), min_size=2, max_size=3)


@settings(max_examples=40, deadline=None)
@given(queues, st.data())
def test_search_finds_the_cheapest_of_all_sequences(queue, data):
    present = data.draw(st.integers(0, len(queue) - 1))
    flow = st.lists(st.integers(0, 1), min_size=15, max_size=15)
    arrivals = data.draw(st.lists(flow, min_size=len(queue), max_size=len(queue)))
    case = junction(queue, present=present, arrivals=arrivals)
    stage, cost = search(case)
    costs = brute_force(case)
    assert cost == pytest.approx(min(costs.values()))
    assert min(c for s, c in costs.items() if s[0] == stage) == pytest.approx(cost)


def test_margin_gives_the_cost_of_every_stage_up_to_it():
    case = junction([3, 5, 0], arrivals=np.tile([1, 0, 0, 0, 1], (3, 3)))
    by_first = {k: min(c for s, c in brute_force(case).items() if s[0] == k) for k in range(3)}
    assert stage_costs(*(case | {"margin": 1e9}).values()) == pytest.approx(
        [by_first[k] for k in range(3)]
    )
    spread = sorted(by_first.values())
    narrow = stage_costs(*(case | {"margin": spread[1] - spread[0] + 1e-6}).values())
    assert sorted(narrow) == pytest.approx([spread[0], spread[1], np.inf])


def test_present_stage_is_kept_where_nobody_waits():
    assert search(junction([0, 0, 0], present=1))[0] == 1


def test_longer_queue_is_worth_a_change():
    assert search(junction([0, 6]))[0] == 1


def test_platoon_about_to_arrive_is_waited_for():
    platoon = np.zeros((2, 15))
    platoon[0, 1:9] = 0.5
    assert search(junction([0, 1], arrivals=platoon))[0] == 0


def test_illegal_stage_is_never_chosen_first():
    assert search(junction([0, 9, 0], legal=[True, False, True]))[0] != 1


def test_long_wait_outweighs_a_longer_queue():
    assert search(junction([4, 2], present=0))[0] == 0
    assert search(junction([4, 2], present=0, weight=[1.0, 6.0]))[0] == 1


def test_movement_without_room_beyond_gets_no_green():
    case = junction([6, 1], present=1)
    case["rate"] = np.array([0.0, 0.5])
    assert search(case)[0] == 1


def test_permissive_green_does_not_pass_an_opposing_queue():
    case = junction([5, 2])
    case["green"] = np.array([[True, True], [False, True]])
    free = search(case)[1]
    case["yields"] = np.array([[False, False], [True, False]])
    assert search(case)[1] > free


def test_mpc_waits_less_than_the_shipped_plan(two_street_scenario):
    offered = entries(two_street_scenario)
    delays = {}
    for name in ("fixed", "mpc"):
        entry = offered[name]
        with DOMAIN.build(two_street_scenario, interface=entry.interface) as problem:
            record = evaluate(problem, entry.factory(problem, **entry.defaults), [1], name=name)
        delays[name] = record[0].metrics["true_delay_s"]
    assert delays["mpc"] < delays["fixed"]


def test_mpc_repeats_itself_on_one_seed(two_street_problem):
    scenario = two_street_problem(rules={"profile": "field"})
    entry = entries(scenario)["mpc"]
    with DOMAIN.build(scenario, interface=entry.interface) as problem:
        controller = entry.factory(problem, **entry.defaults)
        first, second = (
            evaluate(problem, controller, [1], name="mpc"),
            evaluate(problem, controller, [1], name="mpc"),
        )
    assert first[0].metrics == second[0].metrics


def test_a_movement_into_a_road_shorter_than_a_vehicle_is_served(two_street_scenario):
    net = two_street_scenario.network.net
    text = net.read_text(encoding="utf-8")
    short = text.replace(
        'id="CE_0" index="0" speed="13.89" length="200.00"',
        'id="CE_0" index="0" speed="13.89" length="6.00"',
    )
    assert short != text
    net.write_text(short, encoding="utf-8")
    entry = entries(two_street_scenario)["mpc"]
    with DOMAIN.build(two_street_scenario, interface=entry.interface) as problem:
        record = evaluate(problem, entry.factory(problem, **entry.defaults), [1], name="mpc")
    assert record[0].metrics["true_delay_s"] < 15
