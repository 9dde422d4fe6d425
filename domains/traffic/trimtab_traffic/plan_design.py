"""Fixed-time plans: Webster's cycle and splits for every signal, on the cycle it is shipped with.

A signal keeps its order of stages and its intergreens; only greens, cycle and offset change. Under
``resco`` the intergreens are the network's own, under ``field`` those derived from the rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.spec import FloatArray

from trimtab_traffic.controllers.native import has_one_cycle
from trimtab_traffic.controllers.rewriting import longest_red_s, stage_cycle
from trimtab_traffic.plans import is_stage
from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.queue_model import QueueNetwork
from trimtab_traffic.rules import signal_timing
from trimtab_traffic.signals import Phase, Program, Signal, TrafficNetwork
from trimtab_traffic.webster import (
    CycleLimits,
    critical_flow_ratios,
    cycle_s,
    green_splits_s,
    whole_seconds,
)

SHORTEST_GREEN_S = 5
"""Shortest green of a plan under ``resco``, unless the shipped one is shorter, s."""
PERMISSIVE_SHARE = 0.4
"""Part of its saturation flow that a movement with opposing traffic is taken to discharge."""

Programs = dict[str, Program]


@dataclass(frozen=True, slots=True)
class CycleTemplate:
    """One signal's cycle with open green times.

    Attributes:
        phases: the cycle in order; durations of open phases are placeholders.
        open_phases: indices of the greens to choose.
        min_green_s, max_green_s: limits of each open phase; infinite where there is none.
        max_red_s: longest red of a served link, or None.
        shipped: the shipped program, whose offset is the default.
    """

    phases: tuple[Phase, ...]
    open_phases: tuple[int, ...]
    min_green_s: FloatArray
    max_green_s: FloatArray
    max_red_s: float | None
    shipped: Program

    @property
    def lost_s(self) -> int:
        """Time of the closed phases, s."""
        closed = set(range(len(self.phases))) - set(self.open_phases)
        return round(sum(self.phases[k].duration_s for k in closed))

    @property
    def shortest_cycle_s(self) -> int:
        """Cycle with all minimum greens, s."""
        return self.lost_s + int(self.min_green_s.sum())

    def program(self, greens_s: Sequence[int], offset_s: float) -> Program:
        """The cycle with these greens."""
        phases = list(self.phases)
        for k, green in zip(self.open_phases, greens_s, strict=True):
            phases[k] = replace(phases[k], duration_s=float(green))
        return Program(f"{self.shipped.id}-webster", "static", offset_s, tuple(phases), ())

    def greens_s(self, program: Program) -> list[int]:
        """Open greens of a program made from this template, s."""
        return [round(program.phases[k].duration_s) for k in self.open_phases]

    def allows(self, program: Program) -> bool:
        """Whether greens and reds keep their limits."""
        greens = np.array(self.greens_s(program))
        if (greens < self.min_green_s).any() or (greens > self.max_green_s).any():
            return False
        return self.max_red_s is None or longest_red_s(program.phases) <= self.max_red_s


def templates(network: TrafficNetwork, profile: RuleProfile) -> dict[str, CycleTemplate]:
    """Template of every signal whose shipped program is one cycle of stages."""
    return {
        signal.id: _field(network, signal, profile) if profile.name == "field" else _resco(signal)
        for signal in network.controllable
        if has_one_cycle(signal)
    }


def _resco(signal: Signal) -> CycleTemplate:
    phases = tuple(replace(p, duration_s=float(round(p.duration_s))) for p in signal.program.phases)
    greens = tuple(k for k, phase in enumerate(phases) if is_stage(phase))
    low = np.array([max(1.0, min(SHORTEST_GREEN_S, phases[k].duration_s)) for k in greens])
    return CycleTemplate(phases, greens, low, np.full(len(greens), np.inf), None, signal.program)


def _field(network: TrafficNetwork, signal: Signal, profile: RuleProfile) -> CycleTemplate:
    """Greens are known by their place: a step of a transition may look like a stage."""
    timing = signal_timing(network, signal, profile)
    cycle, limits = stage_cycle(timing), timing.rules
    low = timing.min_green_s[list(cycle.stages)].astype(np.float64)
    greens = [
        Phase(timing.stage_states[k], green) for k, green in zip(cycle.stages, low, strict=True)
    ]
    places = np.cumsum([0, *(1 + len(gap) for gap in cycle.gaps[:-1])])
    longest = np.inf if limits.max_green_s is None else float(limits.max_green_s)
    return CycleTemplate(
        phases=cycle.phases(greens),
        open_phases=tuple(int(k) for k in places),
        min_green_s=low,
        max_green_s=np.maximum(low, longest),
        max_red_s=limits.max_red_s,
        shipped=replace(signal.program, offset_s=signal.program.offset_s + cycle.start_s),
    )


class SplitDesigner:
    """Webster's rules for one signal.

    Args:
        queues: the network with its traffic.
        signal: id.
        template: its cycle.
    """

    def __init__(self, queues: QueueNetwork, signal: str, template: CycleTemplate) -> None:
        self.template = template
        own = np.flatnonzero(queues.signal_of == queues.signals.index(signal))
        self._flow_ratios = (queues.flow_veh_s / queues.saturation_veh_s)[own]
        self._serves = np.zeros((len(template.open_phases), len(own)))
        for column, movement in enumerate(own):
            opposed = bool(queues.yields_to[movement])
            for row, phase in enumerate(template.open_phases):
                state = template.phases[phase].state
                shown = {state[link] for link in queues.turns[movement].links}
                permissive = PERMISSIVE_SHARE if opposed else 1.0
                self._serves[row, column] = 1.0 if "G" in shown else permissive * ("g" in shown)

    @property
    def flow_ratio(self) -> float:
        """Y, sum of the critical flow ratios."""
        if not len(self._flow_ratios):
            return 0.0
        return float(critical_flow_ratios(self._serves, self._flow_ratios).sum())

    def program(self, cycle: int, offset_s: float) -> Program | None:
        """Program with splits of equal saturation, or None where the cycle does not fit."""
        available = cycle - self.template.lost_s
        low, high = self.template.min_green_s, self.template.max_green_s
        if len(low) == 1:
            greens = np.array([float(available)])
        else:
            try:
                greens = green_splits_s(self._serves, self._flow_ratios, available, low, high)
            except TrimtabError:
                return None
        program = self.template.program(whole_seconds(greens, available), offset_s)
        return program if self.template.allows(program) else None


def webster_cycle_s(designers: Mapping[str, SplitDesigner], limits: CycleLimits) -> int:
    """Common cycle: Webster's of the most critical signal, s."""
    cycles = [cycle_s(d.template.lost_s, d.flow_ratio, limits) for d in designers.values()]
    return round(max(cycles, default=float(limits.shortest_s)))


def common_cycle_programs(
    designers: Mapping[str, SplitDesigner], cycle: int, shipped: Mapping[str, Program]
) -> Programs | None:
    """Programs of all signals on one cycle with their shipped offsets.

    Args:
        designers: by signal id.
        cycle: the common cycle, s.
        shipped: programs of signals without a designer.

    Returns:
        Programs by signal id, or None where a signal does not fit into the cycle.
    """
    programs = dict(shipped)
    for name, designer in designers.items():
        program = designer.program(cycle, designer.template.shipped.offset_s % cycle)
        if program is None:
            return None
        programs[name] = program
    return programs
