"""Webster's plan with coordinated offsets, as a fixed-time program that runs inside SUMO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.space import Categorical, Space

from trimtab_traffic.controllers.native import SignalPrograms, static_programs
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.signals import Program, Signal

if TYPE_CHECKING:
    from trimtab_traffic.plan_choice import OffsetMethod

PARAMETERS = Space((Categorical("offsets", ("platoon", "maxband")),))


class Webster(SignalPrograms):
    """Fixed-time plan: Webster's cycle and splits, offsets climbed on a platoon model.

    The plan is designed for the demand of the scenario's files and is proved in the simulator, on
    seeds of its own, to be no worse than the shipped plan with fixed greens; otherwise it is that
    plan.

    Args:
        problem: the control problem.
        model: the scenario the plan is for.
        offsets: `platoon` (hill climb after TRANSYT) or `maxband` (widest two-way bands).

    Attributes:
        notes: says where it is the shipped plan.
    """

    def __init__(
        self, problem: ControlProblem, model: SignalsProblem, offsets: OffsetMethod = "platoon"
    ) -> None:
        from trimtab_traffic.plan_choice import NONE_PROVED, chosen_plan, is_designed  # loads Numba

        super().__init__(problem, model.profile)
        today = static_programs(self._network, model.profile)
        self._plan = chosen_plan(model, today, offsets)
        self.notes = () if is_designed(self._plan, today) else (NONE_PROVED,)

    def _program(self, signal: Signal) -> Program | None:
        return self._plan.get(signal.id)
