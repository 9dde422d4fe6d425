"""Ring-barrier structures derived from junctions, and the NEMA programs written from them."""

from __future__ import annotations

from itertools import product
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from trimtab_traffic.controllers.nema import Nema
from trimtab_traffic.controllers.ring_barrier import RingBarrier, ring_barrier
from trimtab_traffic.network import compile_network
from trimtab_traffic.plans import write_programs
from trimtab_traffic.profiles import RuleProfile, field_profile, resco_profile
from trimtab_traffic.replay import read_signal_log
from trimtab_traffic.rules import conflicting_greens
from trimtab_traffic.simulation import RunOptions, Session
from trimtab_traffic.sources import find_net

RANK = "rgG"


class StaticModel:
    """What a native controller is built on: the network and nothing else."""

    def __init__(self, name: str) -> None:
        self.network = compile_network(find_net(name).net_file)

    def resource(self, need: str) -> object:
        assert need == "model"
        return self.network


@pytest.fixture(scope="module")
def grid() -> StaticModel:
    return StaticModel("grid4x4")


@pytest.fixture(scope="module")
def cologne() -> StaticModel:
    return StaticModel("cologne8")


def together(one: str, two: str) -> str:
    return "".join(max(a, b, key=RANK.index) for a, b in zip(one, two, strict=True))


def test_a_four_legged_junction_with_left_lanes_has_all_eight_phases(grid):
    structure = ring_barrier(grid.network, grid.network.signal("B1"))
    assert sorted(structure.states) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert structure.rings == ((1, 2, 3, 4), (5, 6, 7, 8))


def test_a_t_junction_repeats_its_stem_in_both_rings(cologne):
    structure = ring_barrier(cologne.network, cologne.network.signal("256201389"))
    assert structure.rings == ((0, 2, 0, 4), (0, 6, 0, 4))
    assert structure.barriers == ((2, 6), (4, 4))


def test_a_signal_without_a_crossing_street_says_why_it_has_no_structure(cologne):
    why = ring_barrier(cologne.network, cologne.network.signal("32319828"))
    assert "nothing crosses" in why


def test_phases_that_run_together_never_conflict(grid, cologne):
    for model in (grid, cologne):
        for signal in model.network.controllable:
            structure = ring_barrier(model.network, signal)
            if isinstance(structure, str):
                continue
            for street in (slice(0, 2), slice(2, 4)):
                rings = (filter(None, ring[street]) for ring in structure.rings)
                for p, q in product(*rings):
                    state = together(structure.states[p], structure.states[q])
                    assert not conflicting_greens(state, signal.foes, signal.yields)


def test_every_connected_link_is_green_in_some_phase(grid, cologne):
    for model in (grid, cologne):
        for signal in model.network.controllable:
            structure = ring_barrier(model.network, signal)
            if isinstance(structure, RingBarrier):
                served = {
                    k for s in structure.states.values() for k, c in enumerate(s) if c in "gG"
                }
                assert served == {c.link for c in signal.connections}


@pytest.mark.parametrize("profile", [resco_profile(), field_profile()], ids=["resco", "field"])
def test_both_rings_spend_equally_long_on_each_street(grid, profile: RuleProfile):
    for program in Nema(grid, profile).programs().values():
        split = {
            int(p.name): p.max_duration_s + sum(float(dict(p.extra)[k]) for k in ("yellow", "red"))
            for p in program.phases
        }
        for one, two in (((1, 2), (5, 6)), ((3, 4), (7, 8))):
            totals = [sum(split.get(p, 0.0) for p in ring) for ring in (one, two)]
            assert totals[0] == totals[1]


def test_field_rules_bound_the_greens_and_the_cycle(grid):
    profile = field_profile()
    for program in Nema(grid, profile, min_green_s=5, max_green_s=60).programs().values():
        cycle = float(dict(program.parameters)["total-cycle-length"])
        assert cycle - profile.min_green_s <= profile.max_red_s
        assert all(p.min_duration_s >= profile.min_green_s for p in program.phases)
        assert not any(isnan(p.max_duration_s) for p in program.phases)


def test_signals_without_structure_are_named(cologne):
    controller = Nema(cologne, resco_profile())
    assert len(controller.notes) == 1
    assert "1 of 8 signals keep the shipped plan ('32319828')" in controller.notes[0]
    assert "32319828" not in controller.programs()


def test_sumo_runs_the_derived_programs_without_conflicting_greens(cologne, tmp_path: Path):
    source = find_net("cologne8")
    programs = write_programs(tmp_path / "nema.add.xml", Nema(cologne, field_profile()).programs())
    session = Session()
    options = RunOptions(
        net=source.net_file,
        routes=source.route_files,
        begin_s=25200.0,
        end_s=25500.0,
        seed=1,
        additional=(programs,),
        signals=tuple(s.id for s in cologne.network.controllable),
    )
    session.start(options)
    session.advance(options.end_s)
    session.close()
    log = read_signal_log(session.outputs.signals)
    session.dispose()
    for signal in cologne.network.controllable:
        shown = {moment.state for moment in log[signal.id]}
        assert len(shown) > 2
        assert not any(conflicting_greens(s, signal.foes, signal.yields) for s in shown)
    assert np.mean([len(moments) for moments in log.values()]) > 10
