"""The shield of a scenario: tables, the window of safe first charges, or blanks without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from trimtab.contracts.errors import ContractError, InputFileError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.shield import Placement, Projection, Shield
from trimtab.contracts.spec import Action

from trimtab_grid.arrays import PlantArrays
from trimtab_grid.first_units import FirstUnits
from trimtab_grid.shield_kernel import REASONS
from trimtab_grid.shield_rules import SHIELD, ShieldTables


@dataclass(frozen=True, slots=True)
class Guard:
    """What the simulator needs of the shield.

    Attributes:
        tables: of the shield; blank ones that need nothing where there is none.
        on: whether the shield stands before the plant.
        soc_window: charge states from which an episode may begin.
    """

    tables: ShieldTables
    on: bool
    soc_window: tuple[float, float]


REASON_TEXTS = (*REASONS, "battery setpoint moved to its limits")
"""Text of each code of `Step.reason`."""


class GridShield(Shield):
    """The proven shield; it stands inside the simulator's step, after which disturbances realise.

    Commands are projected before the next load and wind are known, the setpoint after. Both are
    what `Step.executed` tells.
    """

    placement: Placement = "in_step"
    reasons = REASON_TEXTS

    def project(self, problem: ControlProblem, action: Action) -> Projection:
        """What a step would execute; the problem is left as it was.

        Raises:
            ContractError: the problem cannot be snapshot.
        """
        if not problem.spec.supports_snapshot or problem.autoreset:
            msg = f"{problem.spec.name}: projecting outside the step needs autoreset off"
            raise ContractError(msg)
        rows = np.arange(problem.copies)
        before = problem.snapshot(rows)
        step = problem.step(action)
        problem.restore(before, rows)
        executed = action if step.executed is None else step.executed
        return Projection(executed, step.intervened, step.reason)


def blank_tables() -> ShieldTables:
    """Tables of a plant without shield: no energy is ever needed."""
    key = np.zeros(1, SHIELD).view(np.recarray)[0]
    key.cell_kw[:] = np.inf
    return ShieldTables(key, np.zeros((1, 1)), np.zeros((1, 1)))


def guard_of(plant: PlantArrays, shield: bool, first: FirstUnits | None = None) -> Guard:
    """Tables and window of a plant.

    Args:
        plant: its record.
        shield: whether there is one.
        first: units at the begin of an episode; all off, long since, if None.

    Raises:
        InputFileError: the shield cannot promise anything on this plant, or not from that begin.
    """
    low, high = float(plant.reserve_soc_min), float(plant.reserve_soc_max)
    normal = max(low, float(plant.soc_min)), min(high, float(plant.soc_max))
    if not shield:
        return Guard(blank_tables(), on=False, soc_window=normal)
    from trimtab_grid.safe_start import (
        Start,
        require_last_resort,
        require_reachable,
        told_missing,
    )
    from trimtab_grid.safety import safe_tables

    built = safe_tables(plant)
    require_last_resort(plant)
    if first is not None:
        require_reachable(built, plant, first)
    start = Start.of(plant, built, first)
    safe = [soc for soc in np.linspace(*normal, 81) if start.holds(float(soc))]
    if not safe:
        msg = (
            f"the shield finds no charge from which {start.told} is safe at every load: "
            f"{told_missing(start)}: bring more battery energy or power, shorter warm-up, or "
            "shield: false"
        )
        raise InputFileError(msg)
    given = float(plant.soc_initial)
    if not start.holds(given):
        msg = (
            f"battery.soc_initial {given:g} lies outside the charge states {safe[0]:.3g} to "
            f"{safe[-1]:.3g} from which {start.told} is safe at every load, "
            f"{told_missing(start, given)}: choose one inside, or shield: false"
        )
        raise InputFileError(msg)
    return Guard(built.tables, on=True, soc_window=(float(safe[0]), float(safe[-1])))
