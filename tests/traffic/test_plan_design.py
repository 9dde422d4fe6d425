"""Plans under `field` keep the derived intergreens, pedestrian clearances among them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from trimtab_traffic.controllers.native import legal_as_shipped
from trimtab_traffic.controllers.rewriting import stage_cycle
from trimtab_traffic.generated import generate
from trimtab_traffic.network import compile_network
from trimtab_traffic.plan_design import templates
from trimtab_traffic.profiles import field_profile
from trimtab_traffic.rules import signal_timing
from trimtab_traffic.scenario import GeneratedNetwork


@pytest.fixture(scope="module")
def crossings(tmp_path_factory: pytest.TempPathFactory):
    """A generated junction of two-lane roads with pedestrian crossings."""
    model = GeneratedNetwork(kind="grid", columns=1, rows=1, lanes=2, pedestrians_per_h=50)
    files = generate(model, Path(tmp_path_factory.mktemp("town")))
    network = compile_network(files.net_file)
    assert any(signal.crossing.any() for signal in network.controllable)
    return network


def least_greens(template):
    return [int(green) for green in template.min_green_s]


def test_only_greens_are_open_and_every_transition_is_whole(crossings):
    for name, template in templates(crossings, field_profile()).items():
        cycle = stage_cycle(signal_timing(crossings, crossings.signal(name), field_profile()))
        assert len(template.open_phases) == len(cycle.stages)
        assert template.lost_s == round(cycle.lost_s)
        program = template.program(least_greens(template), 0.0)
        closed = [p for k, p in enumerate(program.phases) if k not in template.open_phases]
        assert closed == [phase for gap in cycle.gaps for phase in gap]


def test_the_shortest_plan_keeps_every_rule_of_the_monitor(crossings):
    profile = field_profile()
    timings = {}
    for name, template in templates(crossings, profile).items():
        program = template.program(least_greens(template), 0.0)
        timing = signal_timing(crossings, crossings.signal(name), profile)
        signal = replace(timing.signal, programs=(program,))
        timings[name] = replace(timing, signal=signal)
    assert timings
    assert legal_as_shipped(crossings, timings) == set(timings)
