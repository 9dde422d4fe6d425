"""The Pyomo model against the fast program: the same optimum, timers at both ends included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import highspy
import numpy as np
import pytest
from trimtab.contracts.errors import ContractError
from trimtab_grid.arrays import COOL, OFF, RUN, TRIPPED, WARM, PlantArrays, plant_arrays
from trimtab_grid.commitment_model import commitment_model, solve_model, write_model
from trimtab_grid.milp import Horizon, UnitCommitment
from trimtab_grid.plant import load_plant
from trimtab_grid.unit_graph import State

FREE: tuple[State, ...] = (
    ((OFF, 0), (OFF, 0)),
    ((RUN, 1), (OFF, 1)),
    ((OFF, 1), (RUN, 2)),
    ((RUN, 0), (RUN, 1)),
)
ORDER: tuple[State, ...] = (
    ((RUN, 2), (WARM, 1)),
    ((RUN, 2), (WARM, 2)),
    ((RUN, 2), (COOL, 1)),
    ((RUN, 0), (OFF, 0)),
    ((WARM, 1), (OFF, 0)),
    ((OFF, 0), (OFF, 0)),
)
CASES = [("free", state) for state in FREE] + [("order", state) for state in ORDER]


def record(kind: str) -> PlantArrays:
    """Two units whose timers bind over a few steps, the second with a bent fuel curve."""
    plant = load_plant("plant-b")
    timing = {"min_run_min": 120.0, "min_down_min": 120.0}
    if kind == "order":
        timing = {"warm_up_min": 120.0, "warm_up_kw": 50.0, "cool_down_min": 120.0}
        timing |= {"min_run_min": 120.0, "min_down_min": 0.0}
    units = tuple(g.model_copy(update=timing) for g in plant.gensets[1:])
    return plant_arrays(plant.model_copy(update={"gensets": units, "commitment": kind}), 60)


def horizon(state: State, steps: int, seed: int) -> Horizon:
    rng = np.random.default_rng(seed)
    load, wind = rng.uniform(120, 450, steps), rng.uniform(0, 250, steps)
    return Horizon(load, wind, rng.uniform(0, 40, steps), state, 0.5, 0.6, 0.29)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_model_and_fast_program_have_the_same_optimum(case: int) -> None:
    kind, state = CASES[case]
    plant = record(kind)
    given = horizon(state, 7, case)
    fast = UnitCommitment(plant, 7).solve(given, gap=0.0)
    slow = solve_model(commitment_model(plant, given), gap=0.0)
    assert slow.cost_l == pytest.approx(fast.cost_l, abs=1e-4)
    assert slow.bound_l == pytest.approx(fast.cost_l, abs=1e-4)


def test_a_plan_of_the_model_costs_the_same_in_the_fast_program() -> None:
    plant = record("free")
    given = horizon(FREE[0], 6, 5)
    slow = solve_model(commitment_model(plant, given), gap=0.0)
    assert slow.running.shape == slow.start.shape == slow.stop.shape == (2, 6)
    changes = np.diff(np.concatenate([np.zeros((2, 1), np.int64), slow.running], axis=1), axis=1)
    np.testing.assert_array_equal(slow.start - slow.stop, changes)
    assert slow.battery_kw.shape == slow.soc.shape == (6,)


@pytest.mark.parametrize("suffix", [".lp", ".mps"])
def test_an_exported_model_has_the_same_optimum_in_another_program(
    tmp_path: Path, suffix: str
) -> None:
    plant = record("order")
    given = horizon(ORDER[0], 5, 9)
    path = write_model(commitment_model(plant, given), tmp_path / f"plan{suffix}")
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.readModel(str(path))
    solver.run()
    expected = UnitCommitment(plant, 5).solve(given, gap=0.0).cost_l
    assert solver.getInfo().objective_function_value == pytest.approx(expected, rel=1e-4)


def test_other_formats_and_solvers_are_refused_by_name(tmp_path: Path) -> None:
    plant = record("free")
    given = horizon(FREE[0], 2, 0)
    model = commitment_model(plant, given)
    with pytest.raises(ContractError, match=r"written as \.lp or \.mps"):
        write_model(model, tmp_path / "plan.txt")
    with pytest.raises(ContractError, match="finds no solver 'scip'"):
        solve_model(model, solver="scip")
    with pytest.raises(ContractError, match="tripped unit cannot be planned"):
        commitment_model(plant, replace(given, state=((TRIPPED, 3), (OFF, 0))))
