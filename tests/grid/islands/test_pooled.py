import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import BoundError
from trimtab_grid.islands.domain import DOMAIN
from trimtab_grid.islands.pooled import poolable, pooled_episode, pooled_plant
from trimtab_grid.objective import stored_energy_price_l_per_kwh
from trimtab_grid.plant import load_plant

PLANTS = [load_plant(name) for name in ("isle-harbour", "isle-ridge", "isle-bay")]
powers = st.floats(0.0, 300.0)
efficiencies = st.floats(0.7, 1.0)


def test_the_pooled_plant_has_everything_of_all_islands():
    pooled = pooled_plant(PLANTS)
    assert sum(g.prime_kw for g in pooled.gensets) == 750.0
    assert pooled.wind.rated_kw == 330.0
    assert pooled.battery.energy_kwh == 510.0
    assert pooled.battery.power_kw == 540.0
    assert pooled.commitment == "free"


@given(st.lists(st.tuples(powers, powers, efficiencies, efficiencies), min_size=1, max_size=4))
def test_at_the_same_net_power_the_pooled_battery_keeps_no_less_and_moves_no_more(batteries):
    stored = sum(eta_c * c - d / eta_d for c, d, eta_c, eta_d in batteries)
    best_c, best_d = max(b[2] for b in batteries), max(b[3] for b in batteries)
    net = sum(c - d for c, d, _, _ in batteries)
    pooled = net * best_c if net >= 0.0 else net / best_d
    assert pooled >= stored - 1e-9
    assert abs(net) <= sum(c + d for c, d, _, _ in batteries)


def test_the_pooled_price_of_stored_energy_is_no_higher_than_any_islands():
    pooled = stored_energy_price_l_per_kwh(pooled_plant(PLANTS))
    assert pooled <= min(stored_energy_price_l_per_kwh(plant) for plant in PLANTS)


def test_pooling_sums_what_the_islands_are_played_with(cluster):
    with DOMAIN.build(cluster(), 1) as control:
        year = pooled_episode(control, 4)
        future = control.resource("future")[0]
        assert np.allclose(year.load_kw, future[:, :, 0].sum(axis=0))
        assert np.allclose(year.wind_kw, future[:, :, 1].sum(axis=0))
    assert year.soc_first == pytest.approx(0.5)


def test_a_bound_is_verified_anew_and_a_tighter_one_is_refused(cluster):
    from dataclasses import replace

    scenario = cluster(horizon_h=3)
    bound = DOMAIN.bound(scenario, 2)
    DOMAIN.verify(scenario, 2, bound)
    with pytest.raises(BoundError, match="above what its certificate proves"):
        DOMAIN.verify(scenario, 2, replace(bound, value=bound.value * 1.05 + 1.0))


def test_clusters_that_are_no_relaxation_have_no_bound(cluster):
    scenario = cluster()
    faulty = scenario.islands[0].model_dump() | {
        "faults": [{"kind": "trip", "unit": "H1", "at_min": 30}]
    }
    others = [island.model_dump() for island in scenario.islands[1:]]
    assert poolable(scenario)
    assert DOMAIN.bound(cluster(islands=[faulty, *others]), 1) is None


def test_plants_without_a_linear_battery_are_not_pooled():
    with pytest.raises(BoundError, match="linear"):
        pooled_plant([PLANTS[0], load_plant("plant-a")])
