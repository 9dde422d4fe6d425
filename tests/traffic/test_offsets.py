import numpy as np
import pytest
from trimtab_traffic.corridors import band_offsets
from trimtab_traffic.floor import Turn
from trimtab_traffic.offsets import FINE_STEPS, PlanClimber
from trimtab_traffic.plan_design import CycleTemplate, SplitDesigner
from trimtab_traffic.queue_model import (
    PERMISSIVE,
    PROTECTED,
    RED,
    SNEAKING,
    QueueNetwork,
    Timetable,
    model_delay,
    timetable,
)
from trimtab_traffic.signals import Phase, Program
from trimtab_traffic.webster import uniform_delay_s

CYCLE_S = 60
SATURATION = 0.5


def network_of(movements, feeds=(), *, slots=3600, storage=np.inf, yields_to=None):
    """Movements (signal, link, entering flow veh/s) and feeds (from, to, share, travel s)."""
    entering = np.array([[flow] for _, _, flow in movements], dtype=float)
    flow = entering[:, 0].copy()
    for source, target, share, _ in feeds:
        flow[target] += share * flow[source]
    table = np.array(feeds, dtype=float).reshape(-1, 4)
    n = len(movements)
    signals = 1 + max(signal for signal, _, _ in movements)
    return QueueNetwork(
        turns=tuple(
            Turn(s, f"in{k}", f"out{k}", (j,), ()) for k, (s, j, _) in enumerate(movements)
        ),
        signals=tuple("ABCDE"[:signals]),
        flow_veh_s=flow,
        entering_veh_s=entering,
        saturation_veh_s=np.full(n, SATURATION),
        approach=np.arange(n),
        storage_veh=np.full(n, storage),
        feed_from=table[:, 0].astype(np.int64),
        feed_to=table[:, 1].astype(np.int64),
        feed_share=table[:, 2],
        feed_travel_s=table[:, 3],
        yields_to=yields_to or ((),) * n,
        slots=slots,
    )


def two_stages(green_s=27, offset_s=0.0, first="Gr", second="rG"):
    phases = (
        Phase(first, float(green_s)),
        Phase(first.replace("G", "y").replace("g", "y"), 3.0),
        Phase(second, float(CYCLE_S - 6 - green_s)),
        Phase(second.replace("G", "y"), 3.0),
    )
    return Program("plan", "static", offset_s, phases, ())


def climber_of(queues, **programs):
    templates = dict.fromkeys(programs, template())
    return PlanClimber(queues, templates, programs, 0, 2000, steady=True)


def template():
    program = two_stages()
    return CycleTemplate(program.phases, (0, 2), np.full(2, 5.0), np.full(2, np.inf), None, program)


def queued(queues, programs):
    return model_delay(queues, timetable(queues, programs)).queued_veh_s


def test_uniform_arrivals_wait_as_the_manual_says():
    queues = network_of([(0, 0, 0.15), (0, 1, 0.15)])
    per_vehicle = queued(queues, {"A": two_stages()}) / (queues.flow_veh_s * queues.slots)
    expected = uniform_delay_s(CYCLE_S, 26.0, 0.15 / (SATURATION * 26 / CYCLE_S))
    assert per_vehicle == pytest.approx([expected, expected], rel=0.06)


def test_a_queue_beyond_capacity_grows_without_end():
    queues = network_of([(0, 0, 0.3)])
    short = queued(queues, {"A": two_stages(15)})[0]
    served = SATURATION * 14 / CYCLE_S
    assert short == pytest.approx(0.5 * (0.3 - served) * 3600**2, rel=0.05)


def test_a_platoon_that_meets_green_does_not_wait():
    queues = network_of([(0, 0, 0.15), (1, 0, 0.0)], [(0, 1, 1.0, 20.0)])
    in_time = queued(queues, {"A": two_stages(), "B": two_stages(offset_s=18.0)})[1]
    out_of_time = queued(queues, {"A": two_stages(), "B": two_stages(offset_s=48.0)})[1]
    assert in_time < 0.2 * out_of_time


def test_a_full_approach_holds_its_feeder_back():
    feeds = [(0, 1, 1.0, 10.0)]
    programs = {"A": two_stages(40), "B": two_stages(10)}
    free = queued(network_of([(0, 0, 0.15), (1, 0, 0.0)], feeds), programs)
    full = queued(network_of([(0, 0, 0.15), (1, 0, 0.0)], feeds, storage=5.0), programs)
    assert full[0] > 3 * free[0]
    assert full[1] <= 5.0 * 3600 * 1.2


def test_a_permissive_green_waits_for_gaps_in_the_opposing_flow():
    program = {"A": two_stages(first="Gg", second="rr")}
    alone = network_of([(0, 0, 0.2), (0, 1, 0.05)])
    opposed = network_of([(0, 0, 0.2), (0, 1, 0.05)], yields_to=((), (0,)))
    assert queued(opposed, program)[1] > 1.3 * queued(alone, program)[1]


def test_green_begins_late_and_a_permissive_one_ends_with_those_in_the_junction():
    queues = network_of([(0, 0, 0.1), (0, 1, 0.1)])
    plan = timetable(queues, {"A": two_stages(first="Gg", second="rr")})
    assert plan.code[0, :3].tolist() == [RED, PROTECTED, PROTECTED]
    assert plan.code[1, 26:29].tolist() == [PERMISSIVE, SNEAKING, RED]


def test_changing_one_program_changes_only_its_rows():
    queues = network_of([(0, 0, 0.1), (1, 0, 0.1)])
    both = {"A": two_stages(), "B": two_stages(offset_s=7.0)}
    plan = timetable(queues, both)
    again = timetable(queues, {"B": two_stages(40, 11.0)}, plan)
    whole = timetable(queues, {**both, "B": two_stages(40, 11.0)})
    assert isinstance(again, Timetable)
    assert (again.code == whole.code).all()
    assert again.offset_s.tolist() == [0, 11]


def test_climbed_offsets_are_as_good_as_trying_every_second():
    queues = network_of([(0, 0, 0.15), (1, 0, 0.0), (1, 1, 0.02)], [(0, 1, 1.0, 23.0)])
    climber = climber_of(queues, A=two_stages(), B=two_stages())
    climber.climb_offsets(FINE_STEPS)
    steady = {"steady_s": (240, 120)}
    every = [
        model_delay(
            queues, timetable(queues, {"A": two_stages(), "B": two_stages(offset_s=s)}), **steady
        ).total_veh_s
        for s in range(CYCLE_S)
    ]
    assert climber.delay_veh_s <= 1.02 * min(every)


def test_climbed_splits_are_as_good_as_trying_every_second():
    queues = network_of([(0, 0, 0.22), (0, 1, 0.08)])
    climber = climber_of(queues, A=two_stages())
    climber.climb_splits()
    every = [
        model_delay(
            queues, timetable(queues, {"A": two_stages(g)}), steady_s=(240, 120)
        ).total_veh_s
        for g in range(5, 50)
    ]
    assert climber.delay_veh_s <= 1.02 * min(every)


def test_climbing_never_makes_a_plan_worse():
    queues = network_of([(0, 0, 0.22), (0, 1, 0.2), (1, 0, 0.1)], [(0, 2, 0.5, 31.0)])
    climber = climber_of(queues, A=two_stages(), B=two_stages())
    before = climber.delay_veh_s
    climber.climb_splits()
    climber.climb_offsets(FINE_STEPS)
    assert climber.delay_veh_s <= before


def test_designed_splits_give_the_busier_stage_more_green_and_fill_the_cycle():
    queues = network_of([(0, 0, 0.2), (0, 1, 0.1)])
    designer = SplitDesigner(queues, "A", template())
    assert designer.flow_ratio == pytest.approx(0.6)
    greens = template().greens_s(designer.program(CYCLE_S, 0.0))
    assert greens == [36, 18]


def test_a_cycle_too_short_for_the_minimum_greens_has_no_design():
    queues = network_of([(0, 0, 0.2), (0, 1, 0.1)])
    assert SplitDesigner(queues, "A", template()).program(15, 0.0) is None


def test_climbing_stops_when_its_trials_are_spent():
    queues = network_of([(0, 0, 0.22), (0, 1, 0.08)])
    climber = PlanClimber(queues, {"A": template()}, {"A": two_stages()}, 0, 0, steady=False)
    climber.climb_splits()
    assert climber.programs == {"A": two_stages()}


def test_bands_let_the_platoon_of_a_one_way_road_pass():
    queues = network_of([(0, 0, 0.15), (1, 0, 0.0)], [(0, 1, 1.0, 20.0)])
    start = {"A": two_stages(offset_s=5.0), "B": two_stages(offset_s=31.0)}
    banded = band_offsets(queues, start)
    assert (banded["B"].offset_s - banded["A"].offset_s) % CYCLE_S == pytest.approx(20, abs=1)
    assert queued(queues, banded)[1] < 0.3 * queued(queues, start)[1]
