"""Native controllers hand their programs to the problem before the episode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isnan

import pytest
from trimtab_traffic.controllers.native import Actuated, DelayBased, Fixed, static_programs
from trimtab_traffic.network import compile_network
from trimtab_traffic.plans import is_stage
from trimtab_traffic.profiles import field_profile, resco_profile
from trimtab_traffic.signals import Program
from trimtab_traffic.sources import find_net


class Site:
    """A network that remembers the programs installed on it."""

    def __init__(self) -> None:
        self.network = compile_network(find_net("cologne3").net_file)
        self.installed: Mapping[str, Program] | None = None

    def resource(self, need: str) -> object:
        assert need == "model"
        return self.network

    def install_programs(self, programs: Mapping[str, Program]) -> None:
        self.installed = programs


@pytest.fixture
def site() -> Site:
    return Site()


def test_the_shipped_plan_stays_as_it_is_under_benchmark_rules(site):
    Fixed(site, resco_profile()).install(site)
    assert site.installed == {}


def test_the_shipped_plan_is_written_anew_under_field_rules(site):
    Fixed(site, field_profile()).install(site)
    assert set(site.installed) == {s.id for s in site.network.controllable}
    assert {p.type for p in site.installed.values()} == {"static"}


def as_own(site: Site, kind: str, **phase: object) -> Program:
    """The first signal's program as its owner's of another type; all its phases are altered."""
    first, *others = site.network.signals
    phases = tuple(replace(p, **phase) if is_stage(p) else p for p in first.program.phases)
    own = replace(first.program, type=kind, phases=phases, parameters=(("max-gap", "2.2"),))
    site.network = replace(site.network, signals=(replace(first, programs=(own,)), *others))
    return own


@pytest.mark.parametrize("kind", ["actuated", "delay_based"])
def test_an_own_actuated_program_stays_what_it_is_but_for_the_rules(site, kind):
    assert Fixed(site, field_profile()).notes == ()
    own = as_own(site, kind, min_duration_s=4.0, max_duration_s=33.0)
    fixed = Fixed(site, field_profile())
    written = fixed.programs()[site.network.signals[0].id]
    assert (written.type, written.parameters) == (kind, own.parameters)
    stretched = [p for p in written.phases if p.min_duration_s != p.max_duration_s and is_stage(p)]
    greens = [p for p in stretched if not isnan(p.min_duration_s)]
    assert {(p.min_duration_s, p.max_duration_s) for p in greens} == {(7.0, 33.0)}
    assert len(greens) == sum(map(is_stage, own.phases))
    (note,) = fixed.notes
    assert note.startswith(f"1 of {len(site.network.signals)} signals (")
    assert "are actuated and stay so" in note


def test_an_own_actuated_program_is_left_alone_under_benchmark_rules(site):
    as_own(site, "actuated", min_duration_s=4.0, max_duration_s=33.0)
    fixed = Fixed(site, resco_profile())
    assert (fixed.programs(), fixed.notes) == ({}, ())


@pytest.mark.parametrize(
    ("kind", "extra"), [("NEMA", ()), ("actuated", (("earliestEnd", "20"),))], ids=str
)
def test_an_own_program_that_is_more_than_a_cycle_runs_as_shipped_and_is_told(site, kind, extra):
    as_own(site, kind, min_duration_s=4.0, max_duration_s=33.0, extra=extra)
    fixed = Fixed(site, field_profile())
    assert site.network.signals[0].id not in fixed.programs()
    (note,) = fixed.notes
    assert "run as shipped" in note


@pytest.mark.parametrize("profile", [resco_profile(), field_profile()], ids=["resco", "field"])
def test_plans_are_designed_from_fixed_greens(site, profile):
    as_own(site, "actuated", min_duration_s=4.0, max_duration_s=33.0)
    plan = static_programs(site.network, profile)[site.network.signals[0].id]
    assert (plan.type, plan.parameters) == ("static", ())


def test_a_plan_written_anew_is_legal_and_then_left_as_it_is(site):
    anew = Fixed(site, field_profile()).programs()
    signals = tuple(
        replace(s, programs=(anew[s.id],)) if s.id in anew else s for s in site.network.signals
    )
    site.network = replace(site.network, signals=signals)
    assert Fixed(site, field_profile()).programs() == {}


def test_an_actuated_program_written_anew_is_legal_and_then_left_as_it_is(site):
    as_own(site, "actuated", min_duration_s=4.0, max_duration_s=33.0)
    anew = Fixed(site, field_profile()).programs()
    signals = tuple(replace(s, programs=(anew[s.id],)) for s in site.network.signals)
    site.network = replace(site.network, signals=signals)
    assert Fixed(site, field_profile()).programs() == {}


@pytest.mark.parametrize(
    ("controller", "kind"), [(Actuated, "actuated"), (DelayBased, "delay_based")]
)
@pytest.mark.parametrize("profile", [resco_profile(), field_profile()], ids=["resco", "field"])
def test_actuated_programs_have_the_type_sumo_knows(site, controller, kind, profile):
    controller(site, profile).install(site)
    assert {p.type for p in site.installed.values()} == {kind}


def test_only_parameters_that_are_given_are_written(site):
    plain = Actuated(site, resco_profile()).programs()
    tuned = Actuated(site, resco_profile(), max_gap_s=2.5, detector_gap_s=1.5).programs()
    for name in plain:
        added = dict(tuned[name].parameters).items() - dict(plain[name].parameters).items()
        assert dict(added) == {"max-gap": "2.5", "detector-gap": "1.5"}


def test_a_program_that_names_its_successors_is_left_as_shipped_under_field_rules(site):
    signals = []
    for signal in site.network.signals:
        phases = tuple(replace(p, next=(0,)) for p in signal.program.phases)
        signals.append(replace(signal, programs=(replace(signal.program, phases=phases),)))
    site.network = replace(site.network, signals=tuple(signals))
    assert Fixed(site, field_profile()).programs() == {}
    assert Actuated(site, field_profile()).programs() == {}
