"""Tubes against the published figures and against a brute-force enumeration of all (j, m)."""

import math
from fractions import Fraction

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_grid.arrays import COOL, OFF, RUN, TRIPPED, WARM, plant_arrays
from trimtab_grid.plant import load_plant
from trimtab_grid.shield_tables import build_tables, table_key
from trimtab_grid.tubes import QUANTUM_KWH

PER_STEP_DOWN = Fraction(1, 60) * Fraction(20, 19)
PER_STEP_UP = Fraction(1, 60) * Fraction(19, 20)


@pytest.fixture(scope="module")
def built():
    return build_tables(plant_arrays(load_plant("plant-a"), 1.0))


@pytest.fixture(scope="module")
def built_free():
    plant = load_plant("plant-a").model_copy(update={"commitment": "free"})
    return build_tables(plant_arrays(plant, 1.0))


def test_the_worst_tubes_of_plant_a_under_priority_order_are_the_published_ones(built):
    assert built.up.energy_kwh == pytest.approx(79.5, abs=0.05)
    assert built.down.energy_kwh == pytest.approx(122.9, abs=0.05)


def test_the_worst_tubes_of_plant_a_with_parallel_starts_are_the_published_ones(built_free):
    assert built_free.up.energy_kwh == pytest.approx(72.5, abs=0.05)
    assert built_free.down.energy_kwh == pytest.approx(120.3, abs=0.05)


def test_the_highest_powers_of_plant_a_are_within_the_battery(built):
    assert built.up.worst.peak_kw == 570 <= built.plant.discharge_kw == 577
    assert built.down.worst.peak_kw == 240 <= built.plant.charge_kw == 600


class OrderPlant:
    """Plant A written again for the test: dictionaries instead of the automaton."""

    power = {OFF: (0, 0), WARM: (100, 100), RUN: (400, 120), COOL: (0, 0), TRIPPED: (0, 0)}

    def __init__(self, units):
        self.units = [list(unit) for unit in units]

    def start_next(self):
        if all(mode != COOL for mode, _ in self.units):
            for unit in self.units:
                if unit[0] == OFF:
                    unit[:] = [WARM, 3]
                    return

    def stop_last(self):
        if all(mode != WARM for mode, _ in self.units):
            for unit in reversed(self.units):
                if unit[0] == RUN:
                    if unit[1] >= 30:
                        unit[:] = [COOL, 6]
                    return

    def end_of_step(self):
        for unit in self.units:
            mode, timer = unit
            if mode in (WARM, COOL):
                after = RUN if mode == WARM else OFF
                unit[:] = [mode, timer - 1] if timer > 1 else [after, 0]
            elif mode == RUN:
                unit[1] += 1

    def total(self, which):
        return sum(self.power[mode][which] for mode, _ in self.units)


def deficit_tube(units, load, tripped_unit, quiet_steps, horizon=40):
    plant, energy, peak = OrderPlant(units), Fraction(0), 0
    for k in range(1, horizon + 1):
        plant.start_next()
        if k > quiet_steps and tripped_unit is not None:
            plant.units[tripped_unit] = [TRIPPED, 0]
        demand = min(load + 80 * k, 570)
        if tripped_unit is not None and k >= quiet_steps + 2:
            demand -= 170
        deficit = max(0, demand - plant.total(0))
        energy, peak = energy + deficit * PER_STEP_DOWN, max(peak, deficit)
        plant.end_of_step()
    return energy, peak


def surplus_tube(units, horizon=80):
    plant, energy, peak = OrderPlant(units), Fraction(0), 0
    for _ in range(horizon):
        plant.stop_last()
        surplus = plant.total(1)
        energy, peak = energy + surplus * PER_STEP_UP, max(peak, surplus)
        plant.end_of_step()
    return energy, peak


def worst_deficit(units, load):
    tubes = [deficit_tube(units, load, None, 0)]
    tubes += [deficit_tube(units, load, j, m) for j in range(2) for m in range(25)]
    return max(energy for energy, _ in tubes)


def test_tabulated_needs_below_cover_every_single_trip_scenario_and_no_more(built):
    grid, states = built.grids[0], sorted(built.up.states)
    for units in states[::3]:
        if any(mode == TRIPPED for mode, _ in units):
            continue
        key = table_key(built.exact.key, 0, built.plant, units)
        for cell in (0, grid.count // 2, grid.count - 1):
            exact = worst_deficit(units, grid.load_kw(cell))
            tabulated = Fraction(built.up.kwh[key, cell])
            assert exact <= tabulated <= exact + 60 * QUANTUM_KWH


def test_tabulated_needs_above_are_the_surplus_tubes_and_no_more(built):
    for units in sorted(built.down.states)[::40]:
        if any(mode == TRIPPED for mode, _ in units):
            continue
        key = table_key(built.exact.key, 1, built.plant, units)
        exact, _ = surplus_tube(units)
        tabulated = Fraction(built.down.kwh[key, 0])
        assert exact <= tabulated <= exact + 100 * QUANTUM_KWH


def test_needs_grow_with_load_below_and_shrink_with_load_above():
    plant = load_plant("plant-a")
    limits = plant.disturbances.model_copy(update={"load_fall_kw_per_min": 60.0})
    built = build_tables(plant_arrays(plant.model_copy(update={"disturbances": limits}), 5.0))
    assert len(built.up.states) > 10
    assert len(built.down.states) > 10
    assert min(grid.count for grid in built.grids) > 1
    low, high = built.up.kwh, built.down.kwh
    rows = [table_key(built.exact.key, 0, built.plant, units) for units in built.up.states]
    assert (low[rows, 1:] >= low[rows, :-1]).all()
    rows = [table_key(built.exact.key, 1, built.plant, units) for units in built.down.states]
    assert (high[rows, 1:] <= high[rows, :-1]).all()


def test_a_load_cell_divides_the_change_per_step_exactly(built):
    grid = built.grids[0]
    assert grid.width_kw * grid.change_cells == 80
    assert grid.load_kw(grid.count - 1) == 570


def test_without_load_to_shed_a_trip_of_plant_a_asks_for_energy_without_end():
    plant = load_plant("plant-a").model_copy(update={"shed_kw": 0.0})
    built = build_tables(plant_arrays(plant, 1.0))
    assert math.isinf(built.up.worst.quanta)


def test_a_plant_with_too_many_unit_states_is_refused_with_its_size():
    plant = load_plant("plant-a")
    more = tuple(plant.gensets[0].model_copy(update={"name": f"G{i}"}) for i in range(6))
    with pytest.raises(InputFileError, match="unit states x 30 loads"):
        build_tables(plant_arrays(plant.model_copy(update={"gensets": more}), 1.0))
