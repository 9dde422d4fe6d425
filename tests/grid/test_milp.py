"""The MILP against the DP, which equals brute force: same costs from every kind of first state."""

from __future__ import annotations

import numpy as np
import pytest
from trimtab.contracts.errors import ContractError
from trimtab_grid.arrays import COOL, OFF, RUN, TRIPPED, WARM, PlantArrays, plant_arrays
from trimtab_grid.dp import Planner, value_at
from trimtab_grid.milp import Horizon, Plan, UnitCommitment
from trimtab_grid.plant import load_plant
from trimtab_grid.stage import stages, store, stored_kwh
from trimtab_grid.unit_graph import State, all_off, first_running, unit_graph

PRICE = 0.29


def record(kind: str) -> PlantArrays:
    """Two units whose timers bind over a few steps."""
    plant = load_plant("plant-b")
    timing = {"min_run_min": 120.0, "min_down_min": 120.0}
    if kind == "order":
        timing = {"warm_up_min": 120.0, "warm_up_kw": 50.0, "cool_down_min": 120.0}
        timing |= {"min_run_min": 120.0, "min_down_min": 0.0}
    units = tuple(g.model_copy(update=timing) for g in plant.gensets[1:])
    return plant_arrays(plant.model_copy(update={"gensets": units, "commitment": kind}), 60)


def series(steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(120, 450, steps), rng.uniform(0, 250, steps)


def solved(plant: PlantArrays, state: State, steps: int, seed: int) -> Plan:
    load, wind = series(steps, seed)
    horizon = Horizon(load, wind, np.zeros(steps), state, 0.5, 0.5, PRICE)
    return UnitCommitment(plant, steps).solve(horizon, gap=0.0)


def states(kind: str, plant: PlantArrays) -> list[State]:
    """Idle, running, just started, about to be free."""
    common = [all_off(plant), first_running(plant), ((RUN, 1), (OFF, 0))]
    if kind == "free":
        return [*common, ((RUN, 1), (OFF, 1)), ((OFF, 1), (RUN, 2))]
    return [*common, ((RUN, 2), (WARM, 1)), ((RUN, 2), (COOL, 1)), ((RUN, 0), (OFF, 0))]


@pytest.mark.parametrize("kind", ["free", "order"])
def test_program_and_dp_cost_the_same_from_every_first_state(kind: str) -> None:
    plant = record(kind)
    steps = 8
    for seed, state in enumerate(states(kind, plant)):
        load, wind = series(steps, seed)
        planner = Planner(
            unit_graph(plant, (state,)),
            store(plant, PRICE, 0.5),
            stages(plant, load, wind, np.zeros(steps)),
        )
        expected = value_at(planner.cost_to_go(0.0), 0, 0, stored_kwh(plant, 0.5))
        plan = solved(plant, state, steps, seed)
        assert plan.cost_l == pytest.approx(expected, abs=1e-4)
        assert plan.bound_l == pytest.approx(expected, abs=1e-4)


def test_a_plan_keeps_minimum_times_and_the_charge_window() -> None:
    plan = solved(record("free"), all_off(record("free")), 12, 3)
    for i in range(2):
        for t in np.flatnonzero(plan.start[i]):
            assert plan.running[i, t : t + 2].all()
        for t in np.flatnonzero(plan.stop[i]):
            assert not plan.running[i, t : t + 2].any()
    assert plan.soc.min() >= 0.1 - 1e-9
    assert plan.soc.max() <= 0.9 + 1e-9


def test_a_plan_cut_off_by_nodes_still_encloses_the_optimum() -> None:
    plant = record("order")
    load, wind = series(14, 3)
    first = all_off(plant)
    horizon = Horizon(load, wind, np.zeros(14), first, 0.5, 0.5, PRICE)
    program = UnitCommitment(plant, 14)
    cut, again = (program.solve(horizon, gap=0.0, nodes=1) for _ in range(2))
    best = program.solve(horizon, gap=0.0)
    assert cut.cost_l == again.cost_l
    assert cut.bound_l < best.cost_l - 1e-6 <= cut.cost_l


def test_a_tripped_unit_is_refused() -> None:
    with pytest.raises(ContractError, match="tripped unit cannot be planned"):
        solved(record("free"), ((TRIPPED, 3), (OFF, 0)), 4, 0)
