"""Unit commitment with a battery as a mixed-integer linear program, solved by HiGHS.

Per unit and step: start v, stop w, running u; timers of `automaton` as sums of past starts and
stops, those before the first step fixed by the observed timers, those that reach beyond the last
step simply cut. Fuel is the convex hull of the curve (as `stage`); the battery is linear with
exclusive charging; curtailment, dump, unserved load, reserve and the terminal term are those of
`objective` and of the simulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from trimtab.contracts.errors import ContractError
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_grid.arrays import COOL, OFF, RUN, TRIPPED, WARM, PlantArrays
from trimtab_grid.highs import Program, Solution, Terms
from trimtab_grid.model import fuel_l_h
from trimtab_grid.objective import THROUGHPUT_L_PER_KWH, UNSERVED_L_PER_KWH
from trimtab_grid.stage import unit_segments
from trimtab_grid.unit_graph import State


@dataclass(frozen=True, slots=True)
class Horizon:
    """What a program is solved for.

    Attributes:
        load_kw: demand, [T].
        wind_kw: available wind, [T].
        pv_kw: available PV, [T].
        state: observed (mode, timer) of each unit before the first step.
        soc: charge state before the first step.
        soc_owed: charge state below which the end owes.
        price_l_kwh: what it owes per stored kWh.
    """

    load_kw: FloatArray
    wind_kw: FloatArray
    pv_kw: FloatArray
    state: State
    soc: float
    soc_owed: float
    price_l_kwh: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A solved program.

    Attributes:
        cost_l: objective, no-load fuel of committed warm-ups included.
        bound_l: the solver's proven lower bound of it.
        running: [units, T].
        start: [units, T].
        stop: [units, T].
        battery_kw: discharge positive, [T].
        soc: at the end of each step, [T].
    """

    cost_l: float
    bound_l: float
    running: IntArray
    start: IntArray
    stop: IntArray
    battery_kw: FloatArray
    soc: FloatArray


@dataclass(frozen=True, slots=True)
class UnitData:
    """One unit at the program's step: times in steps, powers in kW, fuel in L/h and L/kWh."""

    warm: int
    cool: int
    min_run: int
    off: int
    warm_kw: float
    cool_kw: float
    warm_l_h: float
    cool_l_h: float
    min_kw: float
    min_l_h: float
    prime_kw: float
    start_l: float
    segments: tuple[tuple[float, float], ...]


def unit_data(plant: PlantArrays, i: int) -> UnitData:
    """The figures of unit i; `off` counts from the stop to the first step it may start again."""
    cool = int(plant.cool_steps[i])
    return UnitData(
        int(plant.warm_steps[i]),
        cool,
        int(plant.min_run_steps[i]),
        max(1, cool + int(plant.min_down_steps[i])),
        float(plant.warm_kw[i]),
        float(plant.cool_kw[i]),
        float(fuel_l_h(plant, i, plant.warm_kw[i])),
        float(fuel_l_h(plant, i, plant.cool_kw[i])),
        float(plant.min_kw[i]),
        float(fuel_l_h(plant, i, plant.min_kw[i])),
        float(plant.prime_kw[i]),
        float(plant.start_fuel_l[i]),
        tuple(unit_segments(plant, i)),
    )


def past_of(unit: UnitData, mode: int, timer: int) -> tuple[dict[int, float], dict[int, float]]:
    """Starts and stops before step 0 that an observed state tells of: step → 1.

    Raises:
        ContractError: the unit has tripped; plan without it.
    """
    if mode == TRIPPED:
        msg = "a tripped unit cannot be planned: leave it out of the plant"
        raise ContractError(msg)
    if mode == WARM:
        return {timer - unit.warm: 1.0}, {}
    if mode == RUN:
        return {-unit.warm - min(timer, unit.min_run): 1.0}, {}
    if mode == COOL:
        return {}, {timer - unit.cool: 1.0}
    return {}, {timer - unit.off: 1.0} if timer > 0 else {}


class UnitCommitment:
    """The program as rows and columns for HiGHS.

    Args:
        plant: its record at the program's step.
        steps: length of the horizon.
    """

    def __init__(self, plant: PlantArrays, steps: int) -> None:
        self.plant, self.steps = plant, steps
        self.units = [unit_data(plant, i) for i in range(int(plant.n))]

    def solve(self, horizon: Horizon, gap: float = 1e-4, nodes: int = 100_000) -> Plan:
        """Solve for new data.

        Raises:
            ContractError: HiGHS found no feasible plan within the nodes.
        """
        rows = Program()
        columns, _ = self.state(rows, horizon)
        return self.read(rows.solve(gap, nodes), columns)

    def state(self, rows: Program, horizon: Horizon) -> tuple[dict[str, IntArray], list[int]]:
        """State the plant in a program that may hold others; its columns and balance rows [T]."""
        columns = self._columns(rows, horizon)
        self._unit_rows(rows, columns, horizon)
        if self.plant.order:
            self._order_rows(rows, columns, horizon)
        return columns, self._power_rows(rows, columns, horizon)

    def _columns(self, rows: Program, horizon: Horizon) -> dict[str, IntArray]:
        plant, steps, h = self.plant, self.steps, float(self.plant.step_h)
        made: dict[str, IntArray] = {}
        for i, unit in enumerate(self.units):
            made[f"u{i}"] = rows.add(steps, 0.0, 1.0, h * unit.min_l_h, whole=True)
            made[f"v{i}"] = rows.add(steps, 0.0, 1.0, unit.start_l, whole=True)
            made[f"w{i}"] = rows.add(steps, 0.0, 1.0, 0.0, whole=True)
            for k, (length, slope) in enumerate(unit.segments):
                made[f"p{i},{k}"] = rows.add(steps, 0.0, length, h * slope)
        wear = h * THROUGHPUT_L_PER_KWH
        made["charge"] = rows.add(steps, 0.0, float(plant.power_kw), wear)
        made["discharge"] = rows.add(steps, 0.0, float(plant.power_kw), wear)
        made["charging"] = rows.add(steps, 0.0, 1.0, 0.0, whole=True)
        window = (float(plant.reserve_soc_min), float(plant.reserve_soc_max))
        made["soc"] = rows.add(steps, *window, 0.0)
        for name, limit in (("wind", horizon.wind_kw), ("pv", horizon.pv_kw)):
            made[name] = rows.add(steps, 0.0, limit, 0.0)
        made["unserved"] = rows.add(steps, 0.0, horizon.load_kw, h * UNSERVED_L_PER_KWH)
        made["dump"] = rows.add(steps, 0.0, float(plant.dump_kw), 0.0)
        made["owed"] = rows.add(1, 0.0, np.inf, horizon.price_l_kwh * float(plant.energy_kwh))
        return made

    def _past(self, horizon: Horizon) -> list[tuple[dict[int, float], dict[int, float]]]:
        return [past_of(u, *s) for u, s in zip(self.units, horizon.state, strict=True)]

    def _unit_rows(self, rows: Program, x: dict[str, IntArray], horizon: Horizon) -> None:
        """Balance of starts and stops, minimum run, minimum off."""
        for i, (unit, (v_past, w_past)) in enumerate(
            zip(self.units, self._past(horizon), strict=True)
        ):
            u, v, w = x[f"u{i}"], x[f"v{i}"], x[f"w{i}"]
            ran = float(horizon.state[i][0] == RUN)
            warm_past = {} if ran else v_past
            for t in range(self.steps):
                before = [(u[t - 1], -1.0)] if t else []
                known = ran if t == 0 else 0.0
                starts, begun = _part(v, warm_past, t - unit.warm, t - unit.warm)
                row = [(u[t], 1.0), *before, (w[t], 1.0), *_signed(starts, -1.0)]
                rows.row(row, known + begun, known + begun)
                starts, begun = _part(v, v_past, t - unit.warm - unit.min_run + 1, t - unit.warm)
                rows.row([*starts, (u[t], -1.0)], -np.inf, -begun)
                warming, w0 = _part(v, v_past, t - unit.warm + 1, t)
                ending, w1 = _part(w, w_past, t - unit.off + 1, t)
                rows.row([*warming, (u[t], 1.0), *ending], -np.inf, 1.0 - w0 - w1)

    def _order_rows(self, rows: Program, x: dict[str, IntArray], horizon: Horizon) -> None:
        """One start or stop a step; starts first to last, stops last to first (`automaton`)."""
        past = self._past(horizon)
        count = range(len(self.units))
        for t in range(self.steps):
            changes = [(x[f"{k}{i}"][t], 1.0) for k in "vw" for i in count]
            rows.row(changes, -np.inf, 1.0)
            for i, unit in enumerate(self.units):
                cooling, c0 = _part(x[f"w{i}"], past[i][1], t - unit.cool + 1, t - 1)
                warming, w0 = _part(x[f"v{i}"], past[i][0], t - unit.warm + 1, t - 1)
                ready, r0 = self._ready(x, horizon, i, t)
                for j in count:
                    start, stop = (x[f"v{j}"][t], 1.0), (x[f"w{j}"][t], 1.0)
                    rows.row([start, *cooling], -np.inf, 1.0 - c0)
                    rows.row([stop, *warming], -np.inf, 1.0 - w0)
                    if j > i:
                        rows.row([start, *ready], -np.inf, 1.0 - r0)
                    if j < i:
                        rows.row([stop, *self._was_running(x, i, t)], -np.inf, 1.0)

    def _ready(
        self, x: dict[str, IntArray], horizon: Horizon, i: int, t: int
    ) -> tuple[list[tuple[int, float]], float]:
        """Whether unit i is observed off and free to start: terms and constant."""
        _, w_past = self._past(horizon)[i]
        starts, _ = _part(x[f"v{i}"], {}, 0, t - 1)
        ends, over = _part(x[f"w{i}"], w_past, -(10**6), t - self.units[i].off)
        ready = 1.0 if horizon.state[i] == (OFF, 0) else 0.0
        return [*_signed(starts, -1.0), *ends], ready + over

    def _was_running(self, x: dict[str, IntArray], i: int, t: int) -> list[tuple[int, float]]:
        """Whether unit i is observed running: what runs or stops now and did not start now."""
        terms = [(x[f"u{i}"][t], 1.0), (x[f"w{i}"][t], 1.0)]
        return [*terms, (x[f"v{i}"][t], -1.0)] if self.units[i].warm == 0 else terms

    def _power_rows(self, rows: Program, x: dict[str, IntArray], horizon: Horizon) -> list[int]:
        """Segments only while running, balance, reserve, battery and what its end owes.

        Returns:
            The rows of the balance, one a step.
        """
        balances = []
        plant, h, past = self.plant, float(self.plant.step_h), self._past(horizon)
        for t in range(self.steps):
            given: list[tuple[int, float]] = []
            headroom: list[tuple[int, float]] = []
            fixed = 0.0
            for i, unit in enumerate(self.units):
                for k, (length, _) in enumerate(unit.segments):
                    column = x[f"p{i},{k}"][t]
                    rows.row([(column, 1.0), (x[f"u{i}"][t], -length)], -np.inf, 0.0)
                    given.append((column, 1.0))
                    headroom.append((column, -1.0))
                given.append((x[f"u{i}"][t], unit.min_kw))
                headroom.append((x[f"u{i}"][t], unit.prime_kw - unit.min_kw))
                for name, known, power, rate, last in (
                    ("v", past[i][0], unit.warm_kw, unit.warm_l_h, unit.warm),
                    ("w", past[i][1], unit.cool_kw, unit.cool_l_h, unit.cool),
                ):
                    terms, begun = _part(x[f"{name}{i}"], known, t - last + 1, t)
                    given += _signed(terms, power)
                    fixed += begun * power
                    rows.charge(terms, h * rate, begun)
            c, d = x["charge"][t], x["discharge"][t]
            sources = [(x[k][t], 1.0) for k in ("wind", "pv", "unserved")]
            balance = [*given, (d, 1.0), (c, -1.0), *sources, (x["dump"][t], -1.0)]
            served = float(horizon.load_kw[t]) - fixed
            balances.append(rows.row(balance, served, served))
            shares = [
                (x["wind"][t], -float(plant.reserve_wind_share)),
                (x["pv"][t], -float(plant.reserve_pv_share)),
            ]
            need = float(plant.reserve_load_share) * float(horizon.load_kw[t])
            held = [*headroom, (d, -1.0), (c, 1.0), *shares]
            rows.row(held, need - float(plant.discharge_kw), np.inf)
            self._battery_rows(rows, x, horizon, t, h)
        rows.row([(x["owed"][0], 1.0), (x["soc"][-1], 1.0)], horizon.soc_owed, np.inf)
        return balances

    def _battery_rows(
        self, rows: Program, x: dict[str, IntArray], horizon: Horizon, t: int, h: float
    ) -> None:
        plant, power = self.plant, float(self.plant.power_kw)
        c, d, z = x["charge"][t], x["discharge"][t], x["charging"][t]
        rows.row([(c, 1.0), (z, -power)], -np.inf, 0.0)
        rows.row([(d, 1.0), (z, power)], -np.inf, power)
        energy = float(plant.energy_kwh)
        loss = float(plant.standby_kw) * h / energy
        change = [
            (c, -float(plant.charge_efficiency) * h / energy),
            (d, h / energy / float(plant.discharge_efficiency)),
        ]
        before = [(x["soc"][t - 1], -1.0)] if t else []
        known = (horizon.soc if t == 0 else 0.0) - loss
        rows.row([(x["soc"][t], 1.0), *before, *change], known, known)

    def read(self, solved: Solution, x: dict[str, IntArray]) -> Plan:
        """The plan of this plant in a solved program."""
        value = solved.value
        whole = [
            np.array([np.rint(value[x[f"{k}{i}"]]) for i in range(len(self.units))], np.int64)
            for k in "uvw"
        ]
        power = value[x["discharge"]] - value[x["charge"]]
        u, v, w = whole
        return Plan(solved.cost, solved.bound, u, v, w, power, value[x["soc"]])


def _part(columns: IntArray, past: dict[int, float], first: int, last: int) -> tuple[Terms, float]:
    """Sum of a series over [first, last]: terms from step 0 on, and the known part before."""
    terms = [(int(columns[t]), 1.0) for t in range(max(first, 0), last + 1)]
    return terms, sum(a for t, a in past.items() if first <= t <= last and t < 0)


def _signed(terms: Sequence[tuple[int, float]], factor: float) -> Terms:
    return [(column, factor * a) for column, a in terms]
