"""Native controllers hand their programs to the problem before the episode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from trimtab_traffic.controllers.native import Actuated, DelayBased, Fixed
from trimtab_traffic.network import compile_network
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


def test_an_actuated_program_that_is_written_anew_with_fixed_greens_is_told(site):
    assert Fixed(site, field_profile()).notes == ()
    first, *others = site.network.signals
    actuated = replace(first, programs=(replace(first.program, type="actuated"),))
    site.network = replace(site.network, signals=(actuated, *others))
    (note,) = Fixed(site, field_profile()).notes
    assert note.startswith(f"1 of {len(others) + 1} signals ({first.id!r}) are shipped as actuated")
    assert Fixed(site, resco_profile()).notes == ()


def test_a_plan_written_anew_is_legal_and_then_left_as_it_is(site):
    anew = Fixed(site, field_profile()).programs()
    signals = tuple(
        replace(s, programs=(anew[s.id],)) if s.id in anew else s for s in site.network.signals
    )
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
