"""Proven lower bound and schedule of one episode, with a certificate that is checked anew.

The bound is the cost-to-go of the relaxed plant (see `stage`) from the episode's first state, by
the one-sided DP of `dp`. It holds for every controller, whether it keeps the reserve rule or not
(which the simulator counts and does not enforce): trips, failed starts, ramps and mean-power limits
only cost more. Schedules keep the rule.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from trimtab.contracts.errors import BoundError, InputFileError
from trimtab.contracts.problem import Bound
from trimtab.contracts.spec import FloatArray

from trimtab_grid.arrays import COOL, NO_BATTERY, OFF, RUN, WARM, PlantArrays, plant_arrays
from trimtab_grid.bound_check import battery_excess_kw, end_excess_l, proven_l
from trimtab_grid.dp import CostToGo, Planner, Schedule, value_at
from trimtab_grid.objective import best_specific_fuel_l_per_kwh, stored_energy_price_l_per_kwh
from trimtab_grid.plant import Plant
from trimtab_grid.stage import stages, store, stored_kwh
from trimtab_grid.unit_graph import (
    AT_ONCE,
    NO_TIMERS,
    State,
    UnitGraph,
    all_off,
    relaxed_plant,
    unit_graph,
)

MANY_STATES = 40
"""Beyond this many joint unit states, minimum run and down times are relaxed."""
ROUNDED_KW = 0.005
"""Most that rounding a power of the published plant changes it."""
_LEFT_OUT = ("", ", minimum run and down times left out", ", all times of units left out")
_ROUNDING = 1e-7
"""Share of the value given away for rounding of sums."""
_EXACT = 1e-6


@dataclass(frozen=True, slots=True)
class Year:
    """One episode of one plant, as the bound sees it.

    Attributes:
        plant: the plant.
        step_min: length of a step, minutes.
        load_kw: demand, [T].
        wind_kw: available wind, [T].
        pv_kw: available PV, [T].
        soc_first: charge state at the start.
        units_first: observed (mode, timer) of each unit at the start; empty: all free to start.
        outer: limits, kW, and prices, L/kWh, of an outer grid, [T, 4] as in `Stage`; None: none.
        beyond: faults may let limits be crossed; charge may then leave 0..1 by this much (the bias
            of a charge reading); None: no faults.
    """

    plant: Plant
    step_min: float
    load_kw: FloatArray
    wind_kw: FloatArray
    pv_kw: FloatArray
    soc_first: float
    units_first: State = ()
    outer: FloatArray | None = None
    beyond: float | None = None

    @property
    def record(self) -> PlantArrays:
        """The plant at this step length."""
        return plant_arrays(self.plant, self.step_min)

    @property
    def relaxed_record(self) -> PlantArrays:
        """The plant that the bound is of: at least what the true one can do, faults included."""
        record = self.record.copy()
        record.reserve_load_share = 0.0
        record.reserve_wind_share = record.reserve_pv_share = 0.0
        record.prime_kw = np.maximum(record.prime_kw, record.overload_kw)
        if self.beyond is not None:
            record.min_kw[:] = 0.0
            record.warm_steps[:] = record.cool_steps[:] = 0
            record.min_run_steps[:] = record.min_down_steps[:] = 0
            record.order = 0
            record.reserve_soc_min, record.reserve_soc_max = -self.beyond, 1.0 + self.beyond
        return record

    def planner(self, relaxed: int | None = None, reserve: bool = True) -> Planner:
        """The DP of this episode; by itself it relaxes the units where there are many states.

        Args:
            relaxed: what is left out: nothing, `NO_TIMERS` or `AT_ONCE`; None: as little as the
                number of joint states allows.
            reserve: keep the spinning reserve rule; then units never start and stop `AT_ONCE`.

        Raises:
            InputFileError: there are too many joint states even so.
        """
        record = self.record if reserve else self.relaxed_record
        first = self.units_first or all_off(record)
        if self.beyond is not None and not reserve:
            first = tuple((RUN, 0) if m in (WARM, RUN, COOL) else (OFF, 0) for m, _ in first)
        if relaxed is not None:
            graph = unit_graph(record, (first,), int(relaxed))
        else:
            graph = _least_relaxed(record, first, NO_TIMERS if reserve else AT_ONCE)
        price = stored_energy_price_l_per_kwh(self.plant)
        load = self.load_kw
        if record.published and not reserve:
            load = np.maximum(0.0, load - ROUNDED_KW * (int(record.n) + 1))
        stage = stages(record, load, self.wind_kw, self.pv_kw, self.outer)
        return Planner(graph, store(record, price, self.soc_first), stage)

    @property
    def first_kwh(self) -> float:
        """Stored energy at the start, in the planner's coordinate."""
        return stored_kwh(self.record, self.soc_first)

    @property
    def fingerprint(self) -> str:
        """Of plant, step and series: what a certificate belongs to."""
        found = hashlib.sha256(self.plant.model_dump_json().encode())
        found.update(np.array([self.step_min, self.soc_first], np.float64).tobytes())
        found.update(np.array(self.units_first, np.int64).tobytes())
        outer = np.zeros(0) if self.outer is None else self.outer
        beyond = np.array([-1.0 if self.beyond is None else self.beyond])
        for values in (self.load_kw, self.wind_kw, self.pv_kw, outer, beyond):
            found.update(np.ascontiguousarray(values, np.float64).tobytes())
        return found.hexdigest()


def _least_relaxed(record: PlantArrays, first: State, most: int) -> UnitGraph:
    """The least relaxed graph, `most` at most: `MANY_STATES` exactly, `MAX_NODES` without timers.

    Raises:
        InputFileError: there are too many states even so.
    """
    for relaxed in range(most):
        try:
            graph = unit_graph(record, (first,), relaxed)
        except InputFileError:
            continue
        if relaxed > 0 or len(graph.states) <= MANY_STATES:
            return graph
    return unit_graph(record, (first,), most)


@dataclass(frozen=True, slots=True)
class Solved:
    """Bound and schedule of one episode.

    Attributes:
        bound_l: proven lower bound of C, among controllers that keep the reserve rule if
            it was asked for, L.
        schedule: a path of the relaxed plant; feasible as it stands for linear batteries.
        costs: the functions that prove the bound.
        planner: what they were computed with.
        cpu_s: of both.
    """

    bound_l: float
    schedule: Schedule
    costs: CostToGo
    planner: Planner
    cpu_s: float

    @property
    def gap(self) -> float:
        """Schedule over bound, less 1."""
        return self.schedule.total_l / self.bound_l - 1.0 if self.bound_l > 0.0 else 0.0


def default_tolerance_l(steps: int) -> float:
    """Thinning per step, for a proven gap of some 0.01 % of a day and 0.03 % of a year."""
    return 0.03 if steps > 2000 else 0.003  # noqa: PLR2004


def solve(year: Year, tolerance_l: float, reserve: bool = True) -> Solved:
    """Lower bound and schedule of an episode.

    Both with or both without the reserve rule.
    """
    began = time.process_time()
    planner = year.planner(reserve=reserve)
    costs = planner.cost_to_go(tolerance_l)
    first = year.first_kwh
    value = value_at(costs, 0, 0, first)
    schedule = planner.schedule(costs, 0, first)
    bound_l = value - _ROUNDING * abs(value)
    return Solved(bound_l, schedule, costs, planner, time.process_time() - began)


def lower_bound(year: Year, tolerance_l: float | None = None) -> Bound:
    """The proven bound of C of an episode, with its certificate."""
    steps = year.load_kw.size
    tolerance = default_tolerance_l(steps) if tolerance_l is None else tolerance_l
    solved = solve(year, tolerance, reserve=False)
    relaxed = solved.planner.graph.relaxed
    return Bound(
        solved.bound_l,
        "proven",
        f"dynamic programming over {len(solved.planner.graph.states)} joint unit states and "
        f"stored energy, costs-to-go rounded down by at most {tolerance:g} L a step"
        + _LEFT_OUT[relaxed]
        + (", limits that faults may lift left out" if year.beyond is not None else ""),
        {
            "fingerprint": year.fingerprint,
            "tolerance_l": tolerance,
            "relaxed": relaxed,
            "steps": steps,
            "knots": int(solved.costs.x.size),
            "genset_kwh_floor": genset_kwh_floor(year),
            "no_diesel_floor_l": fuel_floor_l(year),
        },
        cpu_s=solved.cpu_s,
    )


def verify_bound(year: Year, bound: Bound) -> None:
    """Prove the bound anew: the functions are made again, and checked by their corners.

    The check does not trust the way they were made: `bound_check` shares neither the DP nor the
    step cost with it, and holds battery and terminal term against the simulator's equations.

    Raises:
        BoundError: it belongs to another episode, or the functions do not carry the value.
    """
    certificate: Mapping[str, Any] = bound.certificate
    if certificate.get("fingerprint") != year.fingerprint:
        msg = "the certificate belongs to another plant or series: compute the bound again"
        raise BoundError(msg)
    planner = year.planner(int(certificate["relaxed"]), reserve=False)
    costs = planner.cost_to_go(float(certificate["tolerance_l"]))
    record = relaxed_plant(year.relaxed_record, planner.graph.relaxed)
    price = stored_energy_price_l_per_kwh(year.plant)
    for what, excess in (
        ("battery", battery_excess_kw(record, planner.store)),
        ("terminal term", end_excess_l(record, costs, price, year.soc_first)),
    ):
        if excess > _EXACT:
            msg = f"the bound's {what} costs {excess:.3g} more than the plant's: not a bound"
            raise BoundError(msg)
    proven = proven_l(
        record, planner.graph, planner.store, planner.stage, costs, (0, year.first_kwh)
    )
    if bound.value > proven + _EXACT * max(1.0, abs(proven)):
        msg = f"bound {bound.value:.6f} L is above what its certificate proves, {proven:.6f} L"
        raise BoundError(msg)


def genset_kwh_floor(year: Year) -> float:
    """No-diesel energy balance: what load less renewables and the stored energy leave, kWh."""
    hours = year.step_min / 60.0
    net = float(np.sum(year.load_kw - year.wind_kw - year.pv_kw)) * hours
    record = year.record
    if record.battery_model == NO_BATTERY:
        return max(0.0, net)
    usable = stored_kwh(record, year.soc_first) - stored_kwh(record, record.reserve_soc_min)
    return max(0.0, net - float(usable) * float(record.discharge_efficiency))


def fuel_floor_l(year: Year) -> float:
    """That energy at the least litres per kWh of any unit: a far weaker bound, for comparison."""
    best = min(best_specific_fuel_l_per_kwh(genset) for genset in year.plant.gensets)
    return genset_kwh_floor(year) * best
