"""Conditions (A), (P), (W) of the shield's theorem, with slack, and the refusal of a plant.

(A) capacity covers the highest load, also after any single trip with load shed, and the units that
must run fit under the lowest load; (P) no tube asks for more power than the battery has; (W) the
worst tubes of both sides and one step of battery power fit into the reserve window together, so
that never both fallbacks are barred. All are computed from exact fractions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from trimtab.contracts.errors import InputFileError

from trimtab_grid.arrays import PlantArrays
from trimtab_grid.exact import exact_plant
from trimtab_grid.shield_tables import BuiltTables, exact_limits
from trimtab_grid.tubes import QUANTUM_KWH


@dataclass(frozen=True, slots=True)
class Condition:
    """One inequality of the theorem: `required` <= `available`.

    Attributes:
        name: such as "A: highest load".
        required: what the worst case asks for.
        available: what the plant has.
        unit: kW or kWh.
        remedy: what would mend it.
    """

    name: str
    required: float
    available: float
    unit: str
    remedy: str

    @property
    def slack(self) -> float:
        """What is left; negative: what is missing."""
        return self.available - self.required

    @property
    def holds(self) -> bool:
        """Whether the inequality holds."""
        return self.required <= self.available

    def __str__(self) -> str:
        state = "slack" if self.holds else "missing"
        return f"{self.name}: {abs(self.slack):.1f} {self.unit} {state}"


def conditions(built: BuiltTables) -> tuple[Condition, ...]:
    """All conditions of a plant, in the order of the theorem."""
    return (*adequacy(built), *powers(built), window(built))


def adequacy(built: BuiltTables) -> tuple[Condition, ...]:
    """(A): capacity with and without each unit, and the floor of what must run."""
    return _adequacy(built.plant, built.exact.key)


def _adequacy(p: Any, key: Any) -> tuple[Condition, ...]:
    """(A) of a plant in exact fractions and its look-up rules; needs no tables."""
    band = key.band_kw
    most = p.load_max_kw + p.standby_kw / p.charge_efficiency
    found = [Condition("A: highest load", float(most), float(sum(band)), "kW", "add prime power")]
    if p.unit_trips:
        left = min(sum(band) - band[j] for j in range(p.n)) + p.shed_kw
        name = "A: highest load after the worst trip"
        remedy = "add prime power, or declare load that may be shed (shed_kw)"
        found.append(Condition(name, float(most), float(left), "kW", remedy))
    must_run = sum(sorted(p.min_kw, reverse=True)[: key.forming_units])
    room = p.load_min_kw + p.dump_kw
    remedy = "add a dump load (dump_kw) or a grid-forming battery"
    found.append(Condition("A: floor of what must run", float(must_run), float(room), "kW", remedy))
    return tuple(found)


def powers(built: BuiltTables) -> tuple[Condition, ...]:
    """(P): the highest power of any tube against the battery's."""
    p = built.plant
    return (
        Condition(
            "P: highest deficit",
            float(built.up.worst.peak_kw),
            float(p.discharge_kw),
            "kW",
            "raise the battery's discharge power",
        ),
        Condition(
            "P: highest surplus",
            float(built.down.worst.peak_kw),
            float(p.charge_kw),
            "kW",
            "raise the battery's charge power or the dump load",
        ),
    )


def window(built: BuiltTables) -> Condition:
    """(W): both worst tubes and one step of battery power within the reserve window."""
    p = built.plant
    step = max(p.discharge_kw / p.discharge_efficiency, p.charge_kw * p.charge_efficiency)
    quanta = built.up.worst.quanta + built.down.worst.quanta
    tubes = quanta if math.isinf(quanta) else Fraction(int(quanta)) * QUANTUM_KWH
    return Condition(
        "W: both worst tubes and one step of battery power",
        float(tubes + step * p.step_h),
        float(window_kwh(p)),
        "kWh",
        "enlarge the battery or its reserve window, or shorten the step",
    )


def window_kwh(plant: Any) -> Fraction:
    """Energy of the reserve window less the width of the charge belief."""
    width = plant.reserve_soc_max - plant.reserve_soc_min - 2 * plant.soc_error
    return Fraction(width * plant.energy_kwh)


def both_fallbacks_fit(built: BuiltTables) -> bool:
    """Whether one fallback is always admissible because both halves of S never bind together.

    Sharper than (P) and (W): with the true worst step of any legal command in any reachable state
    in place of one step of full battery power.
    """
    return built.up.free_kwh + built.down.free_kwh <= float(window_kwh(built.plant))


def require_adequate(built: BuiltTables) -> None:
    """Refuse a plant without enough capacity, naming what is missing.

    Raises:
        InputFileError: a condition (A) fails, which no state of charge can mend.
    """
    told = _told(adequacy(built))
    if told:
        msg = f"the plant cannot be kept safe: {told}. {cheapest_repair(built)}"
        raise InputFileError(msg)


def require_capacity(record: PlantArrays) -> None:
    """The same at once, before any table is built; what mends it is not computed.

    Raises:
        InputFileError: a condition (A) fails.
    """
    plant = exact_plant(record)
    told = _told(_adequacy(plant, exact_limits(plant).key))
    if told:
        msg = f"the plant cannot be kept safe: {told}; or set shield: false"
        raise InputFileError(msg)


def _told(found: Sequence[Condition]) -> str:
    """The conditions that fail, with remedies; empty if none does."""
    return "; ".join(f"{c} ({c.remedy})" for c in found if not c.holds)


def cheapest_repair(built: BuiltTables) -> str:
    """The least kW and kWh in all that would make every condition hold, by an LP (HiGHS)."""
    added = least_additions(built)
    if not added:
        return "Nothing needs to be added."
    listed = ", ".join(f"{amount:.1f} {name}" for name, amount in added.items())
    return f"The least that mends it: {listed}."


_ADDITIONS = (
    "kW of firm capacity",
    "kW of load that may be shed",
    "kW of dump load",
    "kW of discharge power",
    "kW of charge power",
    "kWh of reserve window",
)


def least_additions(built: BuiltTables) -> dict[str, float]:
    """Additions with the least sum that satisfy the conditions as they stand today.

    Tubes are those of today's plant, so that additions to the battery are enough but capacity may
    need a second look at the new tubes.

    Returns:
        Addition -> amount, only those above zero. Empty if nothing is missing.
    """
    from scipy.optimize import linprog

    relief = {
        "A: highest load": (0,),
        "A: highest load after the worst trip": (0, 1),
        "A: floor of what must run": (2,),
        "P: highest deficit": (3,),
        "P: highest surplus": (4,),
        "W: both worst tubes and one step of battery power": (5,),
    }
    rows, slacks = [], []
    for condition in conditions(built):
        if math.isfinite(condition.required):
            helps = relief[condition.name]
            rows.append([-1.0 if k in helps else 0.0 for k in range(len(_ADDITIONS))])
            slacks.append(condition.slack)
    cost = [1.0, 0.9, 1.0, 1.0, 1.0, 1.0]  # shedding is declared, not bought: preferred on a tie
    solved = linprog(cost, A_ub=rows, b_ub=slacks, method="highs")
    return {
        name: float(amount)
        for name, amount in zip(_ADDITIONS, solved.x, strict=True)
        if amount > 1e-6
    }
