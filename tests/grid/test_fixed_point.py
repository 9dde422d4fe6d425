import math

import numpy as np
import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.conditions import both_fallbacks_fit
from trimtab_grid.fixed_point import greatest_safe_set, longest
from trimtab_grid.mutation import small_plant
from trimtab_grid.plant import load_plant
from trimtab_grid.proof import Theorem, unit_states
from trimtab_grid.safety import safe_tables
from trimtab_grid.shield_tables import build_tables, table_key

CELLS = 3


def with_energy(kwh):
    plant = small_plant()
    battery = plant.battery.model_copy(update={"energy_kwh": kwh})
    limits = plant.disturbances.model_copy(update={"load_fall_kw_per_min": 150.0})
    changes = {"battery": battery, "disturbances": limits}  # both sides share one load grid
    return plant_arrays(plant.model_copy(update=changes), 1.0)


def test_a_battery_too_small_for_both_tubes_has_a_smaller_safe_set_that_is_proven():
    record = with_energy(40.0)
    assert not both_fallbacks_fit(build_tables(record, CELLS))
    built = greatest_safe_set(record, CELLS)
    assert np.isfinite(built.tables.low_kwh).sum() >= 40
    result = Theorem(built).check(unit_states(built))
    assert result.failures == ()
    assert result.proven


def test_the_greatest_safe_set_holds_the_tubes_where_both_fallbacks_fit():
    record = with_energy(49.5)
    tubes, greatest = build_tables(record, CELLS), greatest_safe_set(record, CELLS)
    quantum = 49.5 / 2**13
    key, plant = greatest.exact.key, greatest.plant
    for units in unit_states(greatest):
        row = greatest.tables.low_kwh[table_key(key, 0, plant, units)]
        tube = tubes.tables.low_kwh[table_key(tubes.exact.key, 0, plant, units)]
        assert (row[1:] <= tube[1:] + 20 * quantum).all()


def test_plant_b_needs_no_margin_because_the_coming_hour_is_known():
    built = safe_tables(plant_arrays(load_plant("plant-b"), 60.0))
    low = built.tables.low_kwh
    assert low[np.isfinite(low)].max() == 0.0


def test_without_knowing_the_coming_hour_plant_b_is_refused_and_told_what_is_missing():
    plant = load_plant("plant-b")
    blind = plant.disturbances.model_copy(update={"step_known": False})
    record = plant_arrays(plant.model_copy(update={"disturbances": blind}), 60.0)
    with pytest.raises(InputFileError, match=r"load of 0 to 700 kW .* battery power is missing"):
        safe_tables(record)


def test_a_plant_whose_safe_set_is_empty_is_refused_with_the_missing_kilowatts():
    plant = small_plant()
    battery = plant.battery.model_copy(update={"discharge_kw": 10.0})
    record = plant_arrays(plant.model_copy(update={"battery": battery}), 1.0)
    with pytest.raises(InputFileError, match=r"P: highest deficit: 442\.2 kW missing"):
        safe_tables(record)


def test_where_the_load_may_change_at_will_the_refusal_names_the_rate_to_declare():
    plant = small_plant()
    battery = plant.battery.model_copy(update={"discharge_kw": 10.0})
    rates = {"load_rise_kw_per_min": 150.0, "load_fall_kw_per_min": None}
    known = plant.disturbances.model_copy(update=rates)
    plant = plant.model_copy(update={"battery": battery, "disturbances": known})
    with pytest.raises(InputFileError, match=r"how fast the load changes \(load_fall_kw_per_min\)"):
        safe_tables(plant_arrays(plant, 1.0))


@pytest.mark.parametrize(
    ("parts", "overlap", "expected"),
    [
        ([(0.0, 4.0), (3.0, 9.0)], 0.5, (0.0, 9.0)),
        ([(0.0, 4.0), (3.0, 9.0)], 2.0, (3.0, 9.0)),
        ([(0.0, 2.0), (5.0, 6.0)], 0.0, (0.0, 2.0)),
        ([], 0.0, (math.inf, -math.inf)),
    ],
)
def test_the_longest_covered_interval_needs_overlap(parts, overlap, expected):
    assert longest(parts, overlap, (0.0, 10.0)) == expected
