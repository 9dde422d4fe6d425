"""Programs that run inside SUMO: the shipped plan, `actuated` (gap-based) and `delay_based`.

Under ``resco`` the shipped phases are re-typed and nothing else changes. Under ``field`` they are
written anew with legal intergreens and greens (`rewriting`), so that what the network is compared
with keeps the same rules as everything else. SUMO: "Traffic_Lights", actuated and delay_based.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import cycle
from typing import Protocol, cast

from trimtab.contracts.controller import NativeController
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.space import Float, Integer, Space

from trimtab_traffic.controllers.rewriting import (
    STRETCHED,
    GreenLimits,
    fixed_greens,
    legal_actuated,
    legal_as_its_kind,
    legal_fixed,
    limits_s,
    retyped,
)
from trimtab_traffic.monitor import SignalMonitor
from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.rules import SignalTiming, signal_timing
from trimtab_traffic.signals import Program, Signal, TrafficNetwork

ACTUATED_PARAMETERS = Space(
    (
        Integer("min_green_s", 5, 15, "s"),
        Integer("max_green_s", 15, 90, "s"),
        Float("max_gap_s", 1.0, 6.0, "s"),
        Float("detector_gap_s", 1.0, 6.0, "s"),
    )
)
DELAY_BASED_PARAMETERS = Space(
    (
        Integer("min_green_s", 5, 15, "s"),
        Integer("max_green_s", 15, 90, "s"),
        Float("min_time_loss_s", 0.2, 5.0, "s", log=True),
        Float("detector_range_m", 30.0, 200.0, "m"),
    )
)


class InstallsPrograms(Protocol):
    """A problem that can load signal programs before its episode begins."""

    def install_programs(self, programs: Mapping[str, Program]) -> None:
        """Run these programs, by signal id; other signals keep their shipped ones."""


class SignalPrograms(NativeController):
    """Programs derived from the network once, put into every episode.

    Args:
        profile: rule profile the programs keep.
    """

    def __init__(self, problem: ControlProblem, profile: RuleProfile) -> None:
        self._network: TrafficNetwork = problem.resource("model")
        self._profile = profile

    def install(self, problem: ControlProblem) -> None:
        """See `NativeController.install`."""
        cast(InstallsPrograms, problem).install_programs(self.programs())

    def programs(self) -> dict[str, Program]:
        """Programs by signal id; signals left out keep their shipped one."""
        found = ((s.id, self._program(s)) for s in self._network.signals)
        return {name: program for name, program in found if program is not None}

    @abstractmethod
    def _program(self, signal: Signal) -> Program | None:
        """Program of one signal, or None to leave it as shipped."""

    def _timing(self, signal: Signal) -> SignalTiming:
        return signal_timing(self._network, signal, self._profile)


def has_one_cycle(signal: Signal) -> bool:
    """Whether the shipped program is one cycle of stages, so that it can be written anew."""
    return signal.controllable and not any(phase.next for phase in signal.program.phases)


def legal_as_shipped(network: TrafficNetwork, timings: Mapping[str, SignalTiming]) -> set[str]:
    """Signals whose shipped cycle keeps every rule, as the independent monitor sees it.

    Of actuated ones the cycle of shortest greens.

    Args:
        network: the static model.
        timings: rules by signal id, of signals with one cycle.
    """
    monitor = SignalMonitor(
        network.path, {name: asdict(t.requirements) for name, t in timings.items()}
    )
    cycles_s = (sum(_shortest_s(t.signal.program)) for t in timings.values())
    until_s = 3 * max(cycles_s, default=0.0)
    log = [
        (time_s, name, state)
        for name, timing in timings.items()
        for time_s, state in _shown(timing.signal.program, until_s)
    ]
    found = monitor.check_signals({"signal_log": log, "end_s": until_s})
    return {name for name, rules in found.items() if not any(v.count for v in rules.values())}


def _shown(program: Program, until_s: float) -> Iterator[tuple[float, str]]:
    """(time, state) of every phase of the repeated cycle up to `until_s`."""
    time_s = 0.0
    for phase, lasts_s in cycle(zip(program.phases, _shortest_s(program), strict=True)):
        if time_s >= until_s:
            return
        yield time_s, phase.state
        time_s += lasts_s


def _shortest_s(program: Program) -> list[float]:
    """Shortest time of every phase, at least SUMO's step."""
    return [max(1.0, limits_s(program, phase)[0]) for phase in program.phases]


def timings_to_write_anew(network: TrafficNetwork, profile: RuleProfile) -> dict[str, SignalTiming]:
    """Rules of the signals whose shipped cycle breaks them; under ``resco`` there are none."""
    if profile.name != "field":
        return {}
    timings = {
        s.id: signal_timing(network, s, profile) for s in network.signals if has_one_cycle(s)
    }
    legal = legal_as_shipped(network, timings)
    return {name: timing for name, timing in timings.items() if name not in legal}


def static_programs(network: TrafficNetwork, profile: RuleProfile) -> dict[str, Program]:
    """The shipped plan with fixed greens, for the design of plans; the others are shipped so."""
    anew = timings_to_write_anew(network, profile)
    found = {name: legal_fixed(timing) for name, timing in anew.items()}
    stretched = (s for s in network.signals if s.program.type in STRETCHED and s.id not in found)
    return found | {s.id: fixed_greens(s.program) for s in stretched if has_one_cycle(s)}


class Fixed(SignalPrograms):
    """The shipped program; under ``field`` with legal intergreens and minimum greens.

    What keeps the rules is left exactly as it is. What is actuated stays so, with its own limits of
    greens and parameters.

    Attributes:
        notes: which signals are actuated, and which break the rules and cannot be written anew.
    """

    def __init__(self, problem: ControlProblem, profile: RuleProfile) -> None:
        super().__init__(problem, profile)
        timings = timings_to_write_anew(self._network, profile)
        self._anew = {name: legal_as_its_kind(timing) for name, timing in timings.items()}
        adaptive = [n for n, t in timings.items() if t.signal.program.type != "static"]
        self.notes = tuple(self._told(adaptive))

    def _program(self, signal: Signal) -> Program | None:
        return self._anew.get(signal.id)

    def _told(self, adaptive: Sequence[str]) -> Iterator[str]:
        """What becomes of signals that follow traffic and break the rules as shipped."""
        for kept, told in (
            (True, "are actuated and stay so; intergreens and minimum greens are made legal"),
            (False, "run as shipped, which cannot be written anew; breaches are counted"),
        ):
            names = [repr(name) for name in adaptive if (self._anew[name] is not None) is kept]
            if names:
                signals = f"{len(names)} of {len(self._network.signals)} signals"
                yield f"{signals} ({', '.join(names)}) {told}"


class Actuated(SignalPrograms):
    """SUMO's gap-based actuation of the shipped stages.

    Args:
        profile: rule profile the programs keep.
        min_green_s: shortest green, s; the rules may ask for more.
        max_green_s: longest green, s; the rules may ask for less.
        max_gap_s: time gap that ends a green, s (SUMO's default is 3); None: as shipped.
        detector_gap_s: driving time from detector to stop line, s (SUMO's default is 2).
    """

    kind = "actuated"

    def __init__(
        self,
        problem: ControlProblem,
        profile: RuleProfile,
        min_green_s: int = 5,
        max_green_s: int = 50,
        max_gap_s: float | None = None,
        detector_gap_s: float | None = None,
    ) -> None:
        super().__init__(problem, profile)
        self._limits = GreenLimits(float(min_green_s), float(max_green_s))
        self._parameters = _given({"max-gap": max_gap_s, "detector-gap": detector_gap_s})

    def _program(self, signal: Signal) -> Program | None:
        if self._profile.name == "resco":
            return retyped(signal.program, self.kind, self._limits, self._parameters)
        if not has_one_cycle(signal):
            return None
        return legal_actuated(self._timing(signal), self.kind, self._limits, self._parameters)


class DelayBased(Actuated):
    """SUMO's delay-based actuation of the shipped stages: greens last while time loss is cleared.

    Args:
        profile: rule profile the programs keep.
        min_green_s: shortest green, s; the rules may ask for more.
        max_green_s: longest green, s; the rules may ask for less.
        min_time_loss_s: time loss that makes a vehicle count, s (SUMO's default is 1).
        detector_range_m: how far from the stop line vehicles are seen, m (SUMO's default is 100).
    """

    kind = "delay_based"

    def __init__(
        self,
        problem: ControlProblem,
        profile: RuleProfile,
        min_green_s: int = 5,
        max_green_s: int = 50,
        min_time_loss_s: float | None = None,
        detector_range_m: float | None = None,
    ) -> None:
        super().__init__(problem, profile, min_green_s, max_green_s)
        self._parameters = _given(
            {"minTimeLoss": min_time_loss_s, "detectorRange": detector_range_m}
        )


def _given(parameters: Mapping[str, float | None]) -> dict[str, str]:
    return {name: f"{value:g}" for name, value in parameters.items() if value is not None}
