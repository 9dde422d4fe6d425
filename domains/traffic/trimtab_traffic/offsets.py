"""Hill climbing of offsets and splits on the platoon model, after TRANSYT.

Each signal in turn moves its offset by TRANSYT's steps, large ones first, and then passes seconds
of green from one stage to another, for as long as the network's delay in the queue model falls
(D. I. Robertson, RRL LR 253, 1969, with "15, 40, 15, 1" per cent steps).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations

import numpy as np

from trimtab_traffic.plan_design import CycleTemplate, Programs
from trimtab_traffic.queue_model import QueueNetwork, Timetable, model_delay, timetable
from trimtab_traffic.signals import Program

COARSE_STEPS = (0.15, 0.4)
FINE_STEPS = (0.15, 0.4, 0.07, 0.02)
"""Offset steps as shares of the cycle."""
GREEN_STEPS_S = (5, 2, 1)
WARM_UP_S = 240
EVALUATED_CYCLES = 2
_LEAST_GAIN = 1e-6


class PlanClimber:
    """Improves the programs of a network signal by signal.

    Args:
        queues: the network with its traffic.
        templates: cycles by signal id; other signals are left alone.
        programs: start, by signal id.
        begin_s: absolute time at which the horizon begins.
        most_trials: model runs after which climbing ends.
        steady: judge by a few cycles with mean flows (all programs must have one cycle), not by the
            whole horizon.

    Attributes:
        programs: the best programs found so far.
        delay_veh_s: their delay in the model.
    """

    def __init__(
        self,
        queues: QueueNetwork,
        templates: Mapping[str, CycleTemplate],
        programs: Mapping[str, Program],
        begin_s: int,
        most_trials: int,
        *,
        steady: bool,
    ) -> None:
        self._queues, self._templates, self._begin_s = queues, templates, begin_s
        self._trials_left = most_trials
        self.programs: Programs = dict(programs)
        self._plan = timetable(queues, self.programs)
        volume = np.bincount(
            queues.signal_of, weights=queues.flow_veh_s, minlength=len(queues.signals)
        )
        self._order = [
            queues.signals[k] for k in np.argsort(-volume) if queues.signals[k] in templates
        ]
        cycle = round(max(program.cycle_s for program in programs.values()))
        self._steady_s = (WARM_UP_S, EVALUATED_CYCLES * cycle) if steady else (0, 0)
        self.delay_veh_s = self._delay(self._plan)

    def climb_offsets(self, steps: tuple[float, ...]) -> None:
        """One round over all signals and steps."""
        for name in self._order:
            for share in steps:
                cycle = self.programs[name].cycle_s
                step = max(1.0, round(share * cycle))
                for direction in (step, -step):
                    while self._try(name, self._shifted(name, direction)):
                        pass

    def climb_splits(self) -> None:
        """One round of passing green between the stages of each signal."""
        for name in self._order:
            stages = range(len(self._templates[name].open_phases))
            for seconds in GREEN_STEPS_S:
                for giver, taker in permutations(stages, 2):
                    while self._try(name, self._passed(name, giver, taker, seconds)):
                        pass

    def _shifted(self, name: str, seconds: float) -> Program:
        program = self.programs[name]
        return replace(program, offset_s=(program.offset_s + seconds) % program.cycle_s)

    def _passed(self, name: str, giver: int, taker: int, seconds: int) -> Program | None:
        template, program = self._templates[name], self.programs[name]
        greens = template.greens_s(program)
        greens[giver] -= seconds
        greens[taker] += seconds
        changed = template.program(greens, program.offset_s)
        return changed if template.allows(changed) else None

    def _try(self, name: str, program: Program | None) -> bool:
        """Keep the program if the network's delay falls."""
        if program is None or self._trials_left <= 0:
            return False
        self._trials_left -= 1
        plan = timetable(self._queues, {name: program}, self._plan)
        delay = self._delay(plan)
        if delay >= self.delay_veh_s * (1.0 - _LEAST_GAIN):
            return False
        self.programs[name], self._plan, self.delay_veh_s = program, plan, delay
        return True

    def _delay(self, plan: Timetable) -> float:
        found = model_delay(self._queues, plan, begin_s=self._begin_s, steady_s=self._steady_s)
        return found.total_veh_s
