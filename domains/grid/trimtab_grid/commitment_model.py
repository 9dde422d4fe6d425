"""The unit commitment of `milp` as a Pyomo model: to read, to export, to give to any solver.

Written from the automaton's rules, constraint by constraint, and held equal to the fast program of
`milp` by test; loops use that one, which builds and solves in a fraction of the time. Steps before
the first are constants: a start or stop there is 0 or 1 as the observed timers tell.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.errors import ContractError, MissingDependencyError

from trimtab_grid.arrays import OFF, RUN, PlantArrays
from trimtab_grid.milp import Horizon, Plan, UnitData, past_of, unit_data
from trimtab_grid.objective import THROUGHPUT_L_PER_KWH, UNSERVED_L_PER_KWH

SOLVER = "appsi_highs"
"""Pyomo's name of HiGHS; any other solver that Pyomo knows and that is installed will do."""
FORMATS = (".lp", ".mps")


def commitment_model(plant: PlantArrays, horizon: Horizon) -> Any:
    """A Pyomo `ConcreteModel`; its objective is the cost in L.

    Args:
        plant: its record at the step of the horizon.
        horizon: series, first state and terminal term.

    Raises:
        ContractError: a unit of the first state has tripped.
        MissingDependencyError: Pyomo is not installed.
    """
    return _Commitment(plant, horizon).model


def write_model(model: Any, path: Path) -> Path:
    """Write the model as LP or MPS, by the path's suffix; returns the path.

    Raises:
        ContractError: another suffix.
    """
    if path.suffix not in FORMATS:
        msg = f"{path}: a program is written as {' or '.join(FORMATS)}; rename it"
        raise ContractError(msg)
    model.write(str(path), io_options={"symbolic_solver_labels": True})
    return path


def solve_model(model: Any, solver: str = SOLVER, gap: float = 1e-4, limit_s: float = 60.0) -> Plan:
    """Solve a model of `commitment_model`; gap and limit are handed to HiGHS only.

    Raises:
        ContractError: the solver is not installed or found no plan.
    """
    pyo = _pyomo()
    engine = pyo.SolverFactory(solver)
    if not engine.available(exception_flag=False):
        msg = f"Pyomo finds no solver {solver!r}: install it, or use {SOLVER!r}"
        raise ContractError(msg)
    if "highs" in solver:
        engine.options.update({"mip_rel_gap": gap, "time_limit": limit_s, "threads": 1})
    found = engine.solve(model, load_solutions=False)
    if len(found.solution) == 0:
        reason = found.solver.termination_condition
        msg = f"{solver}: {reason}: check limits and the first state, or allow more time"
        raise ContractError(msg)
    model.solutions.load_from(found)
    bound = found.problem.lower_bound
    return _plan(model, pyo.value(model.cost_l), float(bound))


def _plan(model: Any, cost_l: float, bound_l: float) -> Plan:
    units, steps = len(model.units), len(model.steps)

    def whole(variable: Any) -> Any:
        values = [[variable[i, t].value for t in range(steps)] for i in range(units)]
        return np.rint(np.array(values, np.float64)).astype(np.int64)

    def series(variable: Any) -> Any:
        return np.array([variable[t].value for t in range(steps)], np.float64)

    power = series(model.discharge_kw) - series(model.charge_kw)
    return Plan(
        cost_l,
        bound_l,
        whole(model.running),
        whole(model.start),
        whole(model.stop),
        power,
        series(model.soc),
    )


def _pyomo() -> Any:
    try:
        import pyomo.environ
    except ModuleNotFoundError:
        raise MissingDependencyError(
            package="pyomo", extra="grid", purpose="the unit commitment as a model"
        ) from None
    return pyomo.environ


class _Commitment:
    """Builds the model; `v(i, t)` and `w(i, t)` are starts and stops at any step, past ones too."""

    def __init__(self, plant: PlantArrays, horizon: Horizon) -> None:
        self.pyo = _pyomo()
        self.plant, self.horizon = plant, horizon
        self.step_h = float(plant.step_h)
        self.data: list[UnitData] = [unit_data(plant, i) for i in range(int(plant.n))]
        states = zip(self.data, horizon.state, strict=True)
        self.past = [past_of(unit, *state) for unit, state in states]
        self.model = self.pyo.ConcreteModel("unit commitment")
        self._variables()
        self._timers()
        if plant.order:
            self._order()
        self._powers()
        self._battery()
        self._objective()

    def v(self, i: int, t: int) -> Any:
        return self.model.start[i, t] if t >= 0 else self.past[i][0].get(t, 0.0)

    def w(self, i: int, t: int) -> Any:
        return self.model.stop[i, t] if t >= 0 else self.past[i][1].get(t, 0.0)

    def running(self, i: int, t: int) -> Any:
        return self.model.running[i, t] if t >= 0 else float(self.horizon.state[i][0] == RUN)

    def warming(self, i: int, t: int) -> Any:
        return sum(self.v(i, k) for k in range(t - self.data[i].warm + 1, t + 1))

    def cooling(self, i: int, t: int) -> Any:
        return sum(self.w(i, k) for k in range(t - self.data[i].cool + 1, t + 1))

    def _variables(self) -> None:
        pyo, m, plant, horizon = self.pyo, self.model, self.plant, self.horizon
        m.steps = pyo.RangeSet(0, len(horizon.load_kw) - 1)
        m.units = pyo.RangeSet(0, len(self.data) - 1)
        pieces = [(i, k) for i, unit in enumerate(self.data) for k in range(len(unit.segments))]
        m.pieces = pyo.Set(initialize=pieces, dimen=2)
        for name in ("running", "start", "stop"):
            setattr(m, name, pyo.Var(m.units, m.steps, within=pyo.Binary))
        m.part_kw = pyo.Var(m.pieces, m.steps, within=pyo.NonNegativeReals)
        m.charging = pyo.Var(m.steps, within=pyo.Binary)
        power = (0.0, float(plant.power_kw))
        m.charge_kw, m.discharge_kw = pyo.Var(m.steps, bounds=power), pyo.Var(m.steps, bounds=power)
        m.soc = pyo.Var(
            m.steps, bounds=(float(plant.reserve_soc_min), float(plant.reserve_soc_max))
        )
        m.wind_kw = pyo.Var(m.steps, bounds=lambda _, t: (0.0, float(horizon.wind_kw[t])))
        m.pv_kw = pyo.Var(m.steps, bounds=lambda _, t: (0.0, float(horizon.pv_kw[t])))
        m.unserved_kw = pyo.Var(m.steps, bounds=lambda _, t: (0.0, float(horizon.load_kw[t])))
        m.dump_kw = pyo.Var(m.steps, bounds=(0.0, float(plant.dump_kw)))
        m.owed = pyo.Var(within=pyo.NonNegativeReals)

    def _timers(self) -> None:
        """A warmed-up start begins a run, a stop ends it; minimum run; minimum time off."""
        pyo, m, data = self.pyo, self.model, self.data

        def balance(_: Any, i: int, t: int) -> Any:
            unit = data[i]
            arrives = t - unit.warm
            begun = 0.0 if arrives < 0 and self.horizon.state[i][0] == RUN else self.v(i, arrives)
            return m.running[i, t] == self.running(i, t - 1) - m.stop[i, t] + begun

        def minimum_run(_: Any, i: int, t: int) -> Any:
            last = t - data[i].warm
            runs = range(last - data[i].min_run + 1, last + 1)
            return m.running[i, t] >= sum(self.v(i, k) for k in runs)

        def one_state(_: Any, i: int, t: int) -> Any:
            ending = sum(self.w(i, k) for k in range(t - data[i].off + 1, t + 1))
            return self.warming(i, t) + m.running[i, t] + ending <= 1

        m.balance_of_runs = pyo.Constraint(m.units, m.steps, rule=balance)
        m.minimum_run = pyo.Constraint(m.units, m.steps, rule=minimum_run)
        m.one_state = pyo.Constraint(m.units, m.steps, rule=one_state)

    def _order(self) -> None:
        """One change a step; starts first to last unit, stops last to first (`automaton`)."""
        pyo, m, data = self.pyo, self.model, self.data

        def one_change(_: Any, t: int) -> Any:
            return sum(m.start[i, t] + m.stop[i, t] for i in m.units) <= 1

        def no_start_while_cooling(_: Any, i: int, j: int, t: int) -> Any:
            cooling = (self.w(i, k) for k in range(t - data[i].cool + 1, t))
            return m.start[j, t] + sum(cooling) <= 1

        def no_stop_while_warming(_: Any, i: int, j: int, t: int) -> Any:
            warming = (self.v(i, k) for k in range(t - data[i].warm + 1, t))
            return m.stop[j, t] + sum(warming) <= 1

        def first_startable_starts(_: Any, i: int, j: int, t: int) -> Any:
            if i >= j:
                return pyo.Constraint.Skip
            return m.start[j, t] + self._startable(i, t) <= 1

        def last_running_stops(_: Any, i: int, j: int, t: int) -> Any:
            if j >= i:
                return pyo.Constraint.Skip
            return m.stop[j, t] + self.running(i, t - 1) + self._warmed_up(i, t) <= 1

        pairs = (m.units, m.units, m.steps)
        m.one_change = pyo.Constraint(m.steps, rule=one_change)
        m.no_start_while_cooling = pyo.Constraint(*pairs, rule=no_start_while_cooling)
        m.no_stop_while_warming = pyo.Constraint(*pairs, rule=no_stop_while_warming)
        m.first_startable_starts = pyo.Constraint(*pairs, rule=first_startable_starts)
        m.last_running_stops = pyo.Constraint(*pairs, rule=last_running_stops)

    def _startable(self, i: int, t: int) -> Any:
        """1 where unit i is observed off with its minimum time off over."""
        free = float(self.horizon.state[i] == (OFF, 0))
        first = -self.data[i].off
        ended = sum(self.w(i, k) for k in range(first, t - self.data[i].off + 1))
        return free + ended - sum(self.v(i, k) for k in range(t))

    def _warmed_up(self, i: int, t: int) -> Any:
        """1 where unit i is observed running for the first time: its warm-up has just ended."""
        warm = self.data[i].warm
        ran = self.horizon.state[i][0] == RUN
        return 0.0 if warm == 0 or (ran and t < warm) else self.v(i, t - warm)

    def _powers(self) -> None:
        """Units within their pieces, balance of power, spinning reserve."""
        pyo, m, plant, load = self.pyo, self.model, self.plant, self.horizon.load_kw

        def piece(_: Any, i: int, k: int, t: int) -> Any:
            return m.part_kw[i, k, t] <= self.data[i].segments[k][0] * m.running[i, t]

        def balance(_: Any, t: int) -> Any:
            given = sum(self._run_kw(i, t) + self._fixed_kw(i, t) for i in m.units)
            given += m.discharge_kw[t] - m.charge_kw[t] + m.wind_kw[t] + m.pv_kw[t]
            return given + m.unserved_kw[t] - m.dump_kw[t] == float(load[t])

        def reserve(_: Any, t: int) -> Any:
            units = range(len(self.data))
            head = sum(self.data[i].prime_kw * m.running[i, t] - self._run_kw(i, t) for i in units)
            head += float(plant.discharge_kw) - m.discharge_kw[t] + m.charge_kw[t]
            need = float(plant.reserve_load_share) * float(load[t])
            need += float(plant.reserve_wind_share) * m.wind_kw[t]
            return head >= need + float(plant.reserve_pv_share) * m.pv_kw[t]

        m.piece = pyo.Constraint(m.pieces, m.steps, rule=piece)
        m.balance_of_power = pyo.Constraint(m.steps, rule=balance)
        m.spinning_reserve = pyo.Constraint(m.steps, rule=reserve)

    def _run_kw(self, i: int, t: int) -> Any:
        parts = (self.model.part_kw[i, k, t] for k in range(len(self.data[i].segments)))
        return self.data[i].min_kw * self.model.running[i, t] + sum(parts)

    def _fixed_kw(self, i: int, t: int) -> Any:
        unit = self.data[i]
        return unit.warm_kw * self.warming(i, t) + unit.cool_kw * self.cooling(i, t)

    def _battery(self) -> None:
        """Charge or discharge, the energy between, and what the end owes."""
        pyo, m, plant = self.pyo, self.model, self.plant
        power, energy = float(plant.power_kw), float(plant.energy_kwh)

        def stored(_: Any, t: int) -> Any:
            before = m.soc[t - 1] if t else self.horizon.soc
            into = float(plant.charge_efficiency) * m.charge_kw[t] - float(plant.standby_kw)
            into -= m.discharge_kw[t] / float(plant.discharge_efficiency)
            return m.soc[t] == before + into * self.step_h / energy

        m.charge_only = pyo.Constraint(
            m.steps, rule=lambda _, t: m.charge_kw[t] <= power * m.charging[t]
        )
        m.discharge_only = pyo.Constraint(
            m.steps, rule=lambda _, t: m.discharge_kw[t] <= power * (1 - m.charging[t])
        )
        m.stored = pyo.Constraint(m.steps, rule=stored)
        m.owes = pyo.Constraint(expr=m.owed >= self.horizon.soc_owed - m.soc[m.steps.last()])

    def _objective(self) -> None:
        """Fuel of runs, warm-ups and cool-downs, starts, wear, unserved load, terminal term."""
        m, h = self.model, self.step_h
        cost = self.horizon.price_l_kwh * float(self.plant.energy_kwh) * m.owed
        for t in m.steps:
            wear = THROUGHPUT_L_PER_KWH * (m.charge_kw[t] + m.discharge_kw[t])
            cost += h * (wear + UNSERVED_L_PER_KWH * m.unserved_kw[t])
            for i, unit in enumerate(self.data):
                rate = unit.min_l_h * m.running[i, t]
                rate += unit.warm_l_h * self.warming(i, t) + unit.cool_l_h * self.cooling(i, t)
                rate += sum(s * m.part_kw[i, k, t] for k, (_, s) in enumerate(unit.segments))
                cost += h * rate + unit.start_l * m.start[i, t]
        m.cost_l = self.pyo.Objective(expr=cost)
