import numpy as np
import pytest
from trimtab_grid.plant import load_plant

SETPOINTS_KW = (-600.0, 0.0, 577.0)


def _constant(fleet, wind_kw, shield=True, steps=300):
    plant = load_plant("plant-a")
    cases = [(c, b, kw) for c in (-1, 0, 1) for b in SETPOINTS_KW for kw in range(0, 571, 10)]
    choice, wish, load = (np.array(column, float) for column in zip(*cases, strict=True))
    bank = np.zeros((len(cases), steps + 1, 3))
    bank[:, :, 0], bank[:, :, 1] = load[:, None], wind_kw
    ships = fleet(plant, 1.0, bank, shield=shield)
    for _ in range(steps):
        ships.step(choice.astype(np.int64), wish)
    return ships


@pytest.mark.parametrize("wind_kw", [0.0, 150.0])
def test_all_nine_constant_agents_at_every_constant_load_have_no_surplus_and_no_deficit(
    fleet, wind_kw
):
    ships = _constant(fleet, wind_kw)
    assert not ships.states["surplus_kwh"].any()
    assert not ships.states["unserved_kwh"].any()
    assert not ships.states["degraded_min"].any()


def test_without_the_shield_constant_agents_have_both(fleet):
    ships = _constant(fleet, 0.0, shield=False)
    assert ships.states["surplus_kwh"].max() > 100.0
    assert ships.states["unserved_kwh"].max() > 100.0
