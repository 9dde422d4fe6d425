"""SUMO's NEMA dual-ring controller, its ring-barrier structure derived from the junction.

SUMO user documentation, "Traffic Lights with NEMA Phases". Fully actuated, not coordinated: each
phase runs from its minimum green until a gap or its maximum; both rings cross barriers together.
Signals whose geometry has no ring-barrier structure keep the shipped plan and say why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.space import Float, Integer, Space

from trimtab_traffic.controllers.native import Fixed
from trimtab_traffic.controllers.rewriting import change_s
from trimtab_traffic.controllers.ring_barrier import SIDES, RingBarrier, ring_barrier
from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.rules import SignalTiming
from trimtab_traffic.signals import Phase, Program, Signal

PARAMETERS = Space(
    (
        Integer("min_green_s", 5, 12, "s"),
        Integer("max_green_s", 15, 60, "s"),
        Integer("max_left_green_s", 8, 30, "s"),
        Float("extension_s", 1.0, 5.0, "s"),
        Float("detector_m", 5.0, 50.0, "m"),
    )
)


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """Times of one NEMA phase, s."""

    min_s: float
    max_s: float
    yellow_s: float
    red_s: float

    @property
    def split_s(self) -> float:
        """Longest green and the change after it."""
        return self.max_s + self.yellow_s + self.red_s


class Nema(Fixed):
    """SUMO's NEMA controller where the geometry permits, elsewhere the plan of `Fixed`.

    Args:
        profile: rule profile the programs keep.
        min_green_s: shortest green of a phase, s; the rules may ask for more.
        max_green_s: longest green of through phases, s; the rules may ask for less.
        max_left_green_s: longest green of left-turn phases, s.
        extension_s: gap that ends a phase, s (``vehext``).
        detector_m: length of the stop-bar detectors, m.

    Attributes:
        notes: one line per reason for which signals keep the shipped plan.
    """

    def __init__(
        self,
        problem: ControlProblem,
        profile: RuleProfile,
        min_green_s: int = 7,
        max_green_s: int = 40,
        max_left_green_s: int = 20,
        extension_s: float = 2.0,
        detector_m: float = 20.0,
    ) -> None:
        super().__init__(problem, profile)
        self._min_s = float(min_green_s)
        self._max_s, self._max_left_s = float(max_green_s), float(max_left_green_s)
        self._extension_s, self._detector_m = extension_s, detector_m
        structures = {s.id: ring_barrier(self._network, s) for s in self._network.controllable}
        self._structures = {k: v for k, v in structures.items() if isinstance(v, RingBarrier)}
        self.notes = tuple(_told(structures))

    def _program(self, signal: Signal) -> Program | None:
        structure = self._structures.get(signal.id)
        if structure is None:
            return super()._program(signal)
        timing = self._timing(signal)
        times = self._times(timing, structure)
        phases = tuple(
            Phase(
                state=structure.states[number],
                duration_s=99.0,  # SUMO asks for it and does not use it
                min_duration_s=t.min_s,
                max_duration_s=t.max_s,
                name=str(number),
                extra=(
                    ("vehext", f"{self._extension_s:g}"),
                    ("yellow", f"{t.yellow_s:g}"),
                    ("red", f"{t.red_s:g}"),
                ),
            )
            for number, t in times.items()
        )
        return Program(
            id=f"{signal.program.id}-NEMA",
            type="NEMA",
            offset_s=0.0,
            phases=phases,
            parameters=self._parameters(structure, times),
        )

    def _parameters(
        self, structure: RingBarrier, times: dict[int, PhaseTimes]
    ) -> tuple[tuple[str, str], ...]:
        one, two = structure.rings
        cycle = sum(times[p].split_s for p in one if p)
        always = structure.states if self._profile.name == "field" else structure.barriers[0]
        return (
            ("detector-length", f"{self._detector_m:g}"),
            ("detector-length-leftTurnLane", f"{self._detector_m:g}"),
            ("total-cycle-length", f"{cycle:g}"),
            ("ring1", _listed(one)),
            ("ring2", _listed(two)),
            ("barrierPhases", _listed(structure.barriers[0])),
            ("barrier2Phases", _listed(structure.barriers[1])),
            ("coordinate-mode", "false"),
            ("minRecall", _listed(sorted(set(always)))),
            ("maxRecall", ""),
            ("whetherOutputState", "false"),
            ("fixForceOff", "false"),
        )

    def _times(self, timing: SignalTiming, structure: RingBarrier) -> dict[int, PhaseTimes]:
        """Times of every phase; both rings spend equally long on each street at the most."""
        low = max(self._min_s, float(timing.rules.min_green_s))
        through = max(low, min(self._max_s, float(timing.rules.max_green_s or self._max_s)))
        left = max(low, min(self._max_left_s, through))
        limit = timing.rules.max_red_s
        while True:
            times = self._with_greens(timing, structure, low, through, left)
            cycle = sum(times[p].split_s for p in structure.rings[0] if p)
            if limit is None or cycle - low <= limit or through <= low:
                return times
            through = max(low, through - 1.0)
            left = max(low, min(left, through))

    def _with_greens(
        self, timing: SignalTiming, structure: RingBarrier, low: float, through: float, left: float
    ) -> dict[int, PhaseTimes]:
        times: dict[int, PhaseTimes] = {}
        for phase, state in structure.states.items():
            yellow, red = change_s(timing, state)
            if self._profile.name == "resco":  # as the other native programs: the net's own
                yellow = timing.signal.shipped_yellow_s or yellow
            longest = left if phase % 2 else through
            times[phase] = PhaseTimes(low, longest, yellow, red)
        for street in SIDES:
            rings = [[p for p in half if p in times] for half in (street[:2], street[2:])]
            totals = [sum(times[p].split_s for p in ring) for ring in rings]
            for ring, total in zip(rings, totals, strict=True):
                if ring:  # the last phase of the shorter ring takes what the longer has more
                    last = times[ring[-1]]
                    longer = last.max_s + max(totals) - total
                    times[ring[-1]] = PhaseTimes(last.min_s, longer, last.yellow_s, last.red_s)
        return times


def _told(structures: Mapping[str, RingBarrier | str]) -> Iterator[str]:
    """Which signals keep their plan, reason by reason."""
    reasons: dict[str, list[str]] = {}
    for name, why in structures.items():
        if isinstance(why, str):
            reasons.setdefault(why, []).append(repr(name))
    for why, names in reasons.items():
        kept = f"{len(names)} of {len(structures)} signals keep the shipped plan"
        yield f"{kept} ({', '.join(names)}): {why}"


def _listed(phases: Iterable[int]) -> str:
    return ",".join(map(str, phases))
