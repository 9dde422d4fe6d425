import pytest
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.mutation import mutants, refuted, small_plant
from trimtab_grid.proof import Theorem, unit_states
from trimtab_grid.shield_tables import build_tables

CELLS = 3
RECORD = plant_arrays(small_plant(), 1.0)


@pytest.fixture(scope="module")
def everything():
    return list(mutants())


@pytest.fixture(scope="module")
def states():
    return unit_states(build_tables(RECORD, CELLS))


def test_at_least_two_hundred_mutants_are_made(everything):
    assert len(everything) >= 200
    assert len({mutant.module for mutant in everything}) == 5
    assert len({(m.module, m.function, m.place) for m in everything}) == len(everything)


def test_the_small_plant_is_proven_without_a_mutation(states):
    assert Theorem(build_tables(RECORD, CELLS)).check(states).proven


@pytest.mark.parametrize(
    ("function", "change"),
    [
        ("stored_kwh", "plant.charge_efficiency  ->  plant.discharge_efficiency"),
        ("surplus_kw", "_max  ->  _min"),
        ("unit_cap_kw", "plant.warm_kw  ->  plant.cool_kw"),
        ("above_kwh", "plant.reserve_soc_min  ->  plant.reserve_soc_max"),
        ("below_kwh", "soc_hi  ->  soc_lo"),
        ("scenario_holds", "need_below  ->  need_above"),
        ("lower_holds", "above - drawn_kwh(plant, deficit)  ->  above * 1"),
        ("admissible", "for j in range(plant.n)"),
    ],
)
def test_a_fault_of_the_shield_is_refuted(everything, states, function, change):
    chosen = [m for m in everything if m.function == function and m.change.startswith(change)]
    assert chosen
    assert refuted(chosen[0], RECORD, states, CELLS)
