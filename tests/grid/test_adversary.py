import numpy as np
import pytest
from trimtab_grid.adversary import CHECKS, GREEDY, OPTIMISED, RANDOM, attack
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.plant import load_plant
from trimtab_grid.shield_tables import build_tables


@pytest.fixture(scope="module")
def record():
    plant = load_plant("plant-a")
    quick = tuple(unit.model_copy(update={"repair_min": 45.0}) for unit in plant.gensets)
    limits = plant.disturbances.model_copy(update={"soc_error": 0.02})
    return plant_arrays(plant.model_copy(update={"gensets": quick, "disturbances": limits}), 1.0)


@pytest.fixture(scope="module")
def tables(record):
    return build_tables(record).tables


@pytest.mark.parametrize("kind", [RANDOM, GREEDY, OPTIMISED])
def test_no_attack_within_the_declared_disturbances_breaks_a_constraint(record, tables, kind):
    outcome = attack(record, tables, kind, 300_000, seed=kind, genes=np.full(6, 0.4))
    assert dict(zip(CHECKS, outcome.violations.tolist(), strict=True)) == dict.fromkeys(CHECKS, 0)
    assert outcome.trips > 1000
    assert outcome.changed > 1000
    assert outcome.tight > 100


def test_the_same_attack_breaks_a_shield_whose_tables_need_nothing(record, tables):
    blind = tables._replace(
        low_kwh=np.zeros_like(tables.low_kwh), high_kwh=np.zeros_like(tables.high_kwh)
    )
    outcome = attack(record, blind, GREEDY, 20_000, seed=1)
    found = dict(zip(CHECKS, outcome.violations.tolist(), strict=True))
    assert found["no_safe_command"] > 0
    assert found["balance"] + found["charge_window"] > 0
