import math
from fractions import Fraction

import numpy as np
import pytest
from trimtab_grid import shield_rules
from trimtab_grid.arrays import OFF, plant_arrays
from trimtab_grid.plant import load_plant
from trimtab_grid.proof import Theorem, prove, unit_states
from trimtab_grid.shield_tables import build_tables


def reduced_plant(**changes):
    """Plant A with short timers, a load that rises and falls by 150 kW, and sensor error."""
    plant = load_plant("plant-a")
    timers = {"warm_up_min": 1, "cool_down_min": 2, "min_run_min": 3}
    limits = {
        "load_rise_kw_per_min": 150.0,
        "load_fall_kw_per_min": 150.0,
        "load_min_kw": 30.0,
        "soc_error": 0.02,
    }
    return plant.model_copy(
        update={
            "gensets": tuple(unit.model_copy(update=timers) for unit in plant.gensets),
            "disturbances": plant.disturbances.model_copy(update=limits),
            **changes,
        }
    )


@pytest.fixture(scope="module")
def built():
    return build_tables(plant_arrays(reduced_plant(), 1.0), cells=8)


def test_every_query_of_the_reduced_plant_is_unsatisfiable(built):
    states = unit_states(built)
    result = Theorem(built).check(states)
    assert result.failures == ()
    assert result.proven
    assert result.live_queries == len(states) > 30
    assert result.sound_queries > len(states)


def test_the_theorem_of_plant_b_holds_with_the_coming_hour_known():
    result = prove(plant_arrays(load_plant("plant-b"), 60.0))
    assert result.failures == ()
    assert result.proven


def test_the_safe_set_of_every_unit_state_is_not_empty(built):
    theorem = Theorem(built)
    for units in unit_states(built):
        member = theorem.safe(units, theorem.soc_lo, theorem.soc_hi, theorem.load)
        assert theorem.ask(theorem.disturbance)[0] == "sat"
        assert theorem.ask(member)[0] == "sat"


def test_forgetting_trips_in_the_tables_is_refuted():
    record = plant_arrays(reduced_plant(), 1.0)
    record.unit_trips = 0
    careless = build_tables(record, cells=8)
    careless.plant.unit_trips = 1
    result = Theorem(careless).check(unit_states(careless), stop_at_failure=True)
    assert not result.proven
    assert result.failures[0].answer == "sat"


def test_a_shield_without_tubes_is_refuted_by_a_state_with_units_off(built):
    no_tubes = np.where(np.isinf(built.tables.low_kwh), math.inf, 0.0)
    theorem = Theorem(built)
    theorem.tables.low_kwh = no_tubes
    result = theorem.check([((OFF, 0), (OFF, 0))])
    assert not result.proven
    assert Fraction(result.failures[0].model["load"]) > 0


def test_symbols_change_no_expression_of_the_shield(built):
    rules = Theorem(built).rules
    assert rules.admissible.__code__ is shield_rules.admissible.__code__
    assert rules.battery_bounds_kw.__code__ is shield_rules.battery_bounds_kw.__code__
    assert rules.in_safe_set.__code__ is shield_rules.in_safe_set.__code__
