"""The automaton shows what the rules say and knows SUMO's own plan to the second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from trimtab_traffic.automaton import barrier_groups, compile_automaton, successor_graph
from trimtab_traffic.monitor import read_signal_log
from trimtab_traffic.network import TrafficNetwork, compile_network
from trimtab_traffic.rules import field_profile, resco_profile, signal_timing
from trimtab_traffic.sources import find_net
from trimtab_traffic.toolchain import run_binary

Compiler = Callable[[str], TrafficNetwork]


@pytest.mark.parametrize("offset_s", [0, 17, -25])
def test_the_shipped_plan_is_known_to_the_second(
    offset_s: int, tmp_path: Path, wheel_net: Compiler
) -> None:
    source, out = find_net("cologne1"), tmp_path / "log.xml"
    shipped = wheel_net("cologne1").signals[0]
    phases = "".join(
        f'<phase duration="{p.duration_s}" state="{p.state}"/>' for p in shipped.program.phases
    )
    extra = tmp_path / "plan.add.xml"
    extra.write_text(
        f"<additional><tlLogic id={quoteattr(shipped.id)} type='static' programID='moved' "
        f"offset='{offset_s}'>{phases}</tlLogic>"
        f"<timedEvent type='SaveTLSStates' source={quoteattr(shipped.id)} dest='{out}'/>"
        "</additional>"
    )
    arguments = ["-n", str(source.net_file), "-a", str(extra), "-b", "25200", "-e", "25400"]
    run_binary("sumo", [*arguments, "--no-step-log", "--no-warnings"], source=source.net_file)
    network = compile_network(source.net_file, [extra])
    timing = signal_timing(network, network.signals[0], resco_profile())
    automaton = compile_automaton(timing)
    seen = [(t, s) for t, _, s in read_signal_log(out) if s in timing.stage_states]
    assert len(seen) > 100
    for time_s, state in seen:
        second = (int(time_s) - automaton.plan_offset_s) % len(automaton.plan_stage)
        assert timing.stage_states[automaton.plan_stage[second]] == state


def test_a_transition_counts_down_and_ends_in_the_stage(wheel_net: Compiler) -> None:
    network = wheel_net("cologne1")
    automaton = compile_automaton(
        signal_timing(network, network.controllable[0], field_profile()), 1
    )
    stages = automaton.timing.stage_states
    length = int(automaton.transition_s[0, 1])
    shown = [automaton.state_string(0, 1, second) for second in range(-length, 2)]
    assert shown[0] not in stages
    assert shown[-2:] == [stages[1]] * 2
    assert automaton.shown_before(0, 1, -length) == stages[0]
    assert automaton.shown_before(0, 1, 0) == shown[-3]


def test_link_classes_partition_the_links_that_change(wheel_net: Compiler) -> None:
    network = wheel_net("fokr_bs")
    signal = network.controllable[0]
    automaton = compile_automaton(signal_timing(network, signal, field_profile()), 1)
    links = [link for group in automaton.class_links for link in group]
    green = signal.stage_green
    changing = np.flatnonzero(green.any(axis=0) & ~green.all(axis=0))
    assert sorted(links) == changing.tolist()
    for c, group in enumerate(automaton.class_links):
        assert (green[:, list(group)] == automaton.served[:, [c]]).all()
        assert (signal.crossing[list(group)] == automaton.pedestrian_class[c]).all()


def test_streets_are_the_sides_of_the_barrier(wheel_net: Compiler) -> None:
    assert barrier_groups(wheel_net("2way-gen").controllable[0]) == (0, 0, 1, 1)


def test_every_stage_can_be_kept_under_every_successor_graph(wheel_net: Compiler) -> None:
    for signal in wheel_net("cologne8").controllable:
        for kind in ("free", "fixed", "ring_barrier"):
            graph = successor_graph(signal, kind)
            assert graph.diagonal().all()
            assert (graph.sum(axis=1) >= 2).all()
