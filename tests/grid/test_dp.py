"""The DP against brute force: every command path by the automaton, every dispatch by an LP."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog
from trimtab_grid.arrays import RUN, START, PlantArrays, plant_arrays
from trimtab_grid.automaton import commanded, commands_legal, ticked
from trimtab_grid.dp import Planner, value_at
from trimtab_grid.objective import stored_energy_price_l_per_kwh
from trimtab_grid.plant import Plant, Reserve, load_plant
from trimtab_grid.stage import stages, store, stored_kwh
from trimtab_grid.unit_graph import State, all_off, first_running, unit_graph

Vector = NDArray[np.float64]


def small_plant(kind: str) -> Plant:
    """Two units with timers that bind over a few steps; plant B's battery, halved."""
    plant = load_plant("plant-b")
    timing = {"min_run_min": 120.0, "min_down_min": 120.0}
    if kind == "order":
        timing = {"warm_up_min": 60.0, "warm_up_kw": 50.0, "cool_down_min": 60.0}
        timing |= {"min_run_min": 120.0, "min_down_min": 0.0}
    units = tuple(g.model_copy(update=timing) for g in plant.gensets[1:])
    battery = plant.battery
    assert battery is not None
    small = battery.model_copy(update={"energy_kwh": 300.0, "power_kw": 150.0})
    return plant.model_copy(update={"gensets": units, "battery": small, "commitment": kind})


def paths(plant: PlantArrays, state: State, steps: int) -> Iterator[tuple[list[State], float]]:
    """Held states and start fuel of every legal sequence of commands."""
    if steps == 0:
        yield [], 0.0
        return
    n = int(plant.n)
    modes, timers = zip(*state, strict=True)
    for code in range(3**n):
        command = [code // 3**i % 3 - 1 for i in range(n)]
        if not commands_legal(int(plant.order), command, modes, timers, n, plant.min_run_steps):
            continue
        held = tuple(
            commanded(m, t, c, int(w), int(k), int(d))
            for (m, t), c, w, k, d in zip(
                state,
                command,
                plant.warm_steps,
                plant.cool_steps,
                plant.min_down_steps,
                strict=False,
            )
        )
        fuel = sum(plant.start_fuel_l[i] for i, c in enumerate(command) if c == START)
        after = tuple(
            ticked(m, t, int(r), int(d))
            for (m, t), r, d in zip(held, plant.min_run_steps, plant.min_down_steps, strict=False)
        )
        for rest, more in paths(plant, after, steps - 1):
            yield [held, *rest], fuel + more


def dispatch_l(
    plant: PlantArrays,
    held: list[State],
    load: Vector,
    wind: Vector,
    price: float,
    outer: NDArray[np.float64] | None = None,
) -> float:
    """Least cost of a path of held states: one LP over units, battery, wind, shedding, exchange."""
    steps, n, h = load.size, int(plant.n), float(plant.step_h)
    width = n + 6  # unit powers, charge, discharge, wind, unserved, import, export
    size = steps * width + 1
    cost, low, high = np.zeros(size), np.zeros(size), np.zeros(size)
    balance, right, fixed = np.zeros((steps, size)), load.astype(float).copy(), 0.0
    upper, limit = [], []
    stored = np.zeros(size)
    first = plant.soc_initial * plant.energy_kwh
    for t, state in enumerate(held):
        k, reserve = t * width, np.zeros(size)
        headroom = plant.power_kw
        for i, (mode, _) in enumerate(state):
            powers = {1: plant.warm_kw[i], 2: plant.min_kw[i], 3: plant.cool_kw[i]}
            if mode not in powers:
                continue
            fixed += h * plant.no_load_l_h[i]
            low[k + i], high[k + i] = powers[mode], powers[mode]
            cost[k + i] = h * plant.slope_l_kwh[i]
            if mode == RUN:
                high[k + i] = plant.prime_kw[i]
                headroom += plant.prime_kw[i]
                reserve[k + i] = 1.0
        bought, dear, sold, paid = np.zeros(4) if outer is None else outer[t]
        high[k + n : k + width] = plant.power_kw, plant.power_kw, wind[t], load[t], bought, sold
        cost[k + n : k + width] = 0.01 * h, 0.01 * h, 0.0, 3.0 * h, dear * h, -paid * h
        balance[t, k : k + width] = [1.0] * n + [-1.0, 1.0, 1.0, 1.0, 1.0, -1.0]
        reserve[k + n : k + n + 3] = -1.0, 1.0, plant.reserve_wind_share
        upper.append(reserve)
        limit.append(headroom - plant.reserve_load_share * load[t])
        stored[k + n], stored[k + n + 1] = plant.charge_efficiency * h, -h / 0.95
        upper += [stored.copy(), -stored]
        limit += [
            plant.reserve_soc_max * plant.energy_kwh - first,
            first - plant.reserve_soc_min * plant.energy_kwh,
        ]
    owed = -stored.copy()
    owed[-1] = -1.0
    high[-1], cost[-1] = np.inf, price
    solved = linprog(
        cost,
        A_ub=np.array([*upper, owed]),
        b_ub=[*limit, 0.0],
        A_eq=balance,
        b_eq=right,
        bounds=list(zip(low, high, strict=True)),
    )
    return fixed + solved.fun if solved.status == 0 else np.inf


@pytest.mark.parametrize("kind", ["free", "order"])
def test_the_plan_costs_what_brute_force_costs_with_timers_at_both_ends(kind: str) -> None:
    plant = small_plant(kind)
    record = plant_arrays(plant, 60)
    rng = np.random.default_rng(1)
    load, wind = rng.uniform(60, 420, 4), rng.uniform(0, 200, 4)
    price = stored_energy_price_l_per_kwh(plant)
    states = [all_off(record), first_running(record)]
    states.append(((RUN, 1), (0, 1 if kind == "free" else 0)))  # a run just begun
    for state in states:
        brute = min(
            fuel + dispatch_l(record, held, load, wind, price)
            for held, fuel in paths(record, state, load.size)
        )
        graph = unit_graph(record, (state,))
        stage = stages(record, load, wind, np.zeros(load.size))
        planner = Planner(graph, store(record, price, record.soc_initial), stage)
        costs = planner.cost_to_go(0.0)
        first = stored_kwh(record, record.soc_initial)
        assert value_at(costs, 0, 0, first) == pytest.approx(brute, abs=1e-6)
        assert planner.schedule(costs, 0, first).total_l == pytest.approx(brute, abs=1e-6)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_with_an_outer_grid_the_plan_costs_what_brute_force_costs(seed: int) -> None:
    plant = small_plant("free").model_copy(update={"reserve": Reserve()})
    record = plant_arrays(plant, 60)
    rng = np.random.default_rng(seed)
    load, wind = rng.uniform(60, 420, 4), rng.uniform(0, 300, 4)
    outer = rng.uniform([0, 0.2, 0, 0.0], [150, 0.5, 120, 0.4], (4, 4))
    outer[1, [0, 2]] = 0.0  # an outage
    price = stored_energy_price_l_per_kwh(plant)
    brute = min(
        fuel + dispatch_l(record, held, load, wind, price, outer)
        for held, fuel in paths(record, all_off(record), load.size)
    )
    stage = stages(record, load, wind, np.zeros(4), outer)
    graph = unit_graph(record, (all_off(record),))
    planner = Planner(graph, store(record, price, record.soc_initial), stage)
    costs, first = planner.cost_to_go(0.0), stored_kwh(record, record.soc_initial)
    assert value_at(costs, 0, 0, first) == pytest.approx(brute, abs=1e-6)
    assert planner.schedule(costs, 0, first).total_l == pytest.approx(brute, abs=1e-6)
    alone = planner.stage._replace(outer=np.zeros((0, 4)))
    island = Planner(graph, planner.store, alone).cost_to_go(0.0)
    assert value_at(island, 0, 0, first) > brute


def year_part(hours: int) -> Planner:
    plant = load_plant("plant-b")
    record = plant_arrays(plant, 60)
    hour = np.arange(hours)
    load = 300 + 80 * np.sin(hour / 24 * 2 * np.pi) + 40 * np.sin(hour * 1.7)
    wind = np.clip(200 + 220 * np.sin(hour / 31) + 90 * np.sin(hour * 0.9), 0, 600)
    price = stored_energy_price_l_per_kwh(plant)
    stage = stages(record, load, wind, np.zeros(hours))
    return Planner(unit_graph(record, (all_off(record),)), store(record, price, 0.5), stage)


def test_thinning_lowers_the_bound_by_no_more_than_its_tolerances() -> None:
    planner = year_part(72)
    exact = value_at(planner.cost_to_go(0.0), 0, 0, 300.0)
    for tolerance in (0.01, 0.3):
        costs = planner.cost_to_go(tolerance)
        bound = value_at(costs, 0, 0, 300.0)
        assert exact - 72 * tolerance <= bound <= exact + 1e-9
        assert planner.schedule(costs, 0, 300.0).total_l >= exact - 1e-9


def test_more_stored_energy_never_costs_more() -> None:
    costs = year_part(48).cost_to_go(0.0)
    levels = [value_at(costs, 0, 3, s) for s in np.linspace(60, 540, 40)]
    assert np.all(np.diff(levels) <= 1e-9)


def test_relaxed_timers_give_a_lower_bound() -> None:
    record = plant_arrays(small_plant("free"), 60)
    rng = np.random.default_rng(3)
    stage = stages(record, rng.uniform(60, 420, 24), rng.uniform(0, 300, 24), np.zeros(24))
    tank = store(record, 0.3, 0.5)
    values = []
    for relaxed in (True, False):
        graph = unit_graph(record, (all_off(record),), relaxed)
        costs = Planner(graph, tank, stage).cost_to_go(0.0)
        values.append(value_at(costs, 0, 0, stored_kwh(record, 0.5)))
    assert values[0] <= values[1] + 1e-9
