"""The formulas and the queue model against SUMO on a generated isolated junction."""

from __future__ import annotations

from pathlib import Path

import pytest
from trimtab_traffic.floor import run_floor
from trimtab_traffic.queue_model import build_queue_network, model_delay, timetable
from trimtab_traffic.rawrun import Case, prepare, simulate_plan
from trimtab_traffic.scenario import NetworkSource, RuleSettings, SignalsProblem
from trimtab_traffic.signals import Phase, Program
from trimtab_traffic.webster import control_delay_s

CYCLE_S, GREEN_S = 60, 27
SATURATION_VEH_H = 1875.0
"""Measured: headway 1.92 s of default vehicles at 50 km/h behind a saturated stop line."""
EFFECTIVE_GREEN_S = GREEN_S - 1.2
CAPACITY_VEH_H = SATURATION_VEH_H * EFFECTIVE_GREEN_S / CYCLE_S
SEEDS = (1, 2)


@pytest.fixture(scope="module")
def poisson(crossing_net, tmp_path_factory):
    """Maker of a case with Poisson arrivals of the given rate on both streets, veh/h."""
    folder = tmp_path_factory.mktemp("poisson")

    def make(rate: float, seed: int) -> Case:
        routes = folder / f"{rate:.0f}.rou.xml"
        routes.write_text(
            "<routes>"
            + "".join(
                f'<flow id="{a}" from="{a}" to="{b}" begin="0" end="3600" departSpeed="max" '
                f'period="exp({rate / 3600})"/>'
                for a, b in (("WC", "CE"), ("SC", "CN"))
            )
            + "</routes>",
            encoding="utf-8",
        )
        problem = SignalsProblem(
            network=NetworkSource(net=crossing_net, routes=(routes,)),
            rules=RuleSettings(profile="resco"),
        )
        return prepare(problem, seed, Path(tmp_path_factory.mktemp("run")))

    return make


@pytest.fixture(scope="module")
def lone_loss_s(poisson):
    """What a vehicle that meets nobody loses on this road, s."""
    return run_floor(poisson(30, 1)).delay.mean_s


def fixed_time(case):
    signal = case.network.controllable[0]
    first, second = signal.stage_states[:2]
    phases = [
        phase
        for state in (first, second)
        for phase in (Phase(state, GREEN_S), Phase(state.replace("G", "y"), 3.0))
    ]
    return {signal.id: Program("fixed", "static", 0.0, tuple(phases), ())}


@pytest.mark.parametrize("saturation", [0.4, 0.6, 0.8])
def test_simulated_control_delay_is_the_manuals(poisson, lone_loss_s, saturation):
    simulated, flow = 0.0, 0.0
    for seed in SEEDS:
        case = poisson(saturation * CAPACITY_VEH_H, seed)
        simulated += simulate_plan(case, fixed_time(case), seed) / len(SEEDS)
        flow += run_floor(case).delay.inserted / 2 / len(SEEDS)
    expected = control_delay_s(CYCLE_S, EFFECTIVE_GREEN_S, flow, SATURATION_VEH_H)
    assert simulated - lone_loss_s == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("saturation", [0.5, 0.8])
def test_queue_model_predicts_the_simulated_delay(poisson, saturation):
    case = poisson(saturation * CAPACITY_VEH_H, 1)
    floor = run_floor(case)
    queues = build_queue_network(case.network, floor.passages, case.slots)
    plan = fixed_time(case)
    predicted = model_delay(queues, timetable(queues, plan)).total_veh_s / floor.delay.inserted
    assert predicted + floor.delay.mean_s == pytest.approx(simulate_plan(case, plan, 1), rel=0.2)
