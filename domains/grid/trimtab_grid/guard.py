"""The shield of a scenario: tables, the window of safe first charges, or blanks without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from trimtab.contracts.errors import ContractError, InputFileError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.shield import Placement, Projection, Shield
from trimtab.contracts.spec import Action

from trimtab_grid.arrays import PlantArrays
from trimtab_grid.shield_kernel import REASONS, is_safe
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


def guard_of(plant: PlantArrays, shield: bool) -> Guard:
    """Tables and window of a plant.

    Raises:
        InputFileError: the shield cannot promise anything on this plant.
    """
    low, high = float(plant.reserve_soc_min), float(plant.reserve_soc_max)
    normal = max(low, float(plant.soc_min)), min(high, float(plant.soc_max))
    if not shield:
        return Guard(blank_tables(), on=False, soc_window=normal)
    from trimtab_grid.safety import safe_tables

    tables = safe_tables(plant).tables
    safe = [soc for soc in np.linspace(*normal, 81) if _safe_start(plant, tables, float(soc))]
    if not safe:
        msg = (
            "the shield finds no charge from which all units off is safe at every load: bring "
            "more battery energy or power, shorter warm-up, or shield: false"
        )
        raise InputFileError(msg)
    first = float(plant.soc_initial)
    if not _safe_start(plant, tables, first):
        msg = (
            f"battery.soc_initial {first:g} lies outside the charge states {safe[0]:.3g} to "
            f"{safe[-1]:.3g} from which all units off is safe at every load: choose one inside, "
            "or shield: false"
        )
        raise InputFileError(msg)
    return Guard(tables, on=True, soc_window=(float(safe[0]), float(safe[-1])))


def _safe_start(plant: PlantArrays, tables: Any, soc: float) -> bool:
    """Whether all units off at this charge lies in the safe set at any load."""
    units = np.zeros(len(plant.prime_kw), np.int64)
    loads = np.linspace(plant.load_min_kw, plant.load_max_kw, 41)
    return all(is_safe(plant, tables, units, units, soc, soc, float(load)) for load in loads)
