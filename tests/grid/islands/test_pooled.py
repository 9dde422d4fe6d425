import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import BoundError
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.bounds import Year, lower_bound, verify_bound
from trimtab_grid.islands.domain import DOMAIN
from trimtab_grid.islands.pooled import _merged, pooled_episode, pooled_plant, unpoolable
from trimtab_grid.model import fuel_l_h, soc_after
from trimtab_grid.objective import stored_energy_price_l_per_kwh
from trimtab_grid.plant import Battery, Disturbances, FuelCurve, Genset, Plant, load_plant
from trimtab_grid.unit_graph import AT_ONCE

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
    scenario = cluster(horizon_h=3)
    bound = DOMAIN.bound(scenario, 2)
    DOMAIN.verify(scenario, 2, bound)
    with pytest.raises(BoundError, match="above what its certificate proves"):
        DOMAIN.verify(scenario, 2, replace(bound, value=bound.value * 1.05 + 1.0))


def costs_l(scenario, seed):
    """What a sharing and a planning controller pay."""
    found = []
    for name in ("combined_sharing", "milp_perfect"):
        entry = DOMAIN.controllers(scenario)[name]
        with DOMAIN.build(scenario, 1, entry.interface) as problem:
            controller = entry.factory(problem, **entry.defaults)
            obs = problem.reset(np.array([seed]))
            controller.reset(np.array([seed]))
            for _ in range(scenario.horizon):
                step = problem.step(controller.act(obs))
                obs = step.obs
        found.append(float(step.metrics["cost_l"][0]))
    return found


def struck(scenario):
    """Islands of a scenario with faults on two of them."""
    islands = [island.model_dump() for island in scenario.islands]
    islands[0]["faults"] = [{"kind": "trip", "unit": "H1", "at_min": 30, "for_min": 90}]
    islands[2]["faults"] = [{"kind": "soc_bias", "at_min": 60, "for_min": 60, "size": 0.1}]
    return islands


def test_a_cluster_with_faults_has_a_bound_that_no_controller_beats(cluster):
    scenario = cluster(islands=struck(cluster()))
    bound = DOMAIN.bound(scenario, 1)
    DOMAIN.verify(scenario, 1, bound)
    assert "limits that faults may lift left out" in bound.how
    # equal where no limit binds; the last bits depend on the processor's vector width
    assert bound.value <= DOMAIN.bound(cluster(), 1).value * (1 + 1e-12)
    least = min(costs_l(scenario, 1))
    assert 0.4 * least < bound.value < least
    with pytest.raises(BoundError, match="above what its certificate proves"):
        DOMAIN.verify(scenario, 1, replace(bound, value=bound.value * 1.01 + 0.1))


def test_more_units_than_a_plant_has_are_pooled_with_the_smallest_as_one(cluster):
    harbour, *_, bay = (island.model_dump() for island in cluster().islands)
    others = [harbour | {"name": name} for name in ("ridge", "fjord", "cape")]
    scenario = cluster(islands=[harbour, *others, bay], horizon_h=1)
    with DOMAIN.build(scenario, 1) as control:
        year = pooled_episode(control, 3)
    assert [g.name for g in year.plant.gensets][-1] == "others"
    assert len(year.plant.gensets) == len(year.units_first) == 6
    assert sum(g.prime_kw for g in year.plant.gensets) == 8 * 200 + 120 + 80
    bound = DOMAIN.bound(scenario, 3)
    DOMAIN.verify(scenario, 3, bound)
    least = min(costs_l(scenario, 3))
    assert 0.5 * least < bound.value < least


@given(st.lists(st.tuples(st.floats(0.2, 0.4), powers), min_size=1, max_size=30))
def test_units_in_one_give_any_power_for_no_more_than_each_alone(offers):
    units = [
        Genset(name="u", prime_kw=kw + 10.0, fuel=FuelCurve(slope_l_kwh=rate, no_load_l_h=5.0))
        for rate, kw in offers
    ]
    one = _merged(units)
    assert one.prime_kw == pytest.approx(sum(unit.prime_kw for unit in units))
    record = plant_arrays(pooled_plant([PLANTS[0].model_copy(update={"gensets": (one,)})]), 60.0)
    together = sum(fuel_of(unit, 0.7 * unit.prime_kw) for unit in units)
    assert fuel_l_h(record, 0, 0.7 * one.prime_kw) <= together + 1e-9


def fuel_of(unit, power_kw):
    """L/h of an affine unit."""
    return unit.fuel.slope_l_kwh * power_kw + unit.fuel.no_load_l_h


@pytest.mark.parametrize("model", ["quadratic", "compat"])
@pytest.mark.parametrize("margin", [None, 0.1])
def test_a_cell_stack_counts_as_a_linear_battery_that_is_never_worse(model, margin):
    plant = load_plant("plant-a")
    battery = plant.battery.model_copy(update={"model": model, "standby_kw": 2.0})
    plant = plant.model_copy(update={"battery": battery})
    for step_min in (1.0, 60.0):
        true = plant_arrays(plant, step_min)
        pooled = plant_arrays(pooled_plant([plant], step_min, margin), step_min)
        for soc, power in itertools.product(np.linspace(0.2, 0.85, 14), np.linspace(-400, 400, 41)):
            after = [soc_after(record, soc, power, step_min / 60.0) for record in (true, pooled)]
            assert after[1] >= after[0] - 1e-12


def test_a_cluster_with_published_batteries_and_slow_units_has_a_bound(cluster):
    plant = load_plant("plant-a")
    battery = plant.battery.model_copy(update={"model": "compat"})
    slow = plant.model_copy(update={"battery": battery}).model_dump()
    islands = [{"name": name, "plant": slow} for name in ("north", "south")]
    ties = [{"name": "tie", "between": ["north", "south"], "capacity_kw": 100}]
    scenario = cluster(islands=islands, ties=ties, step_min=1, horizon_h=1)
    with DOMAIN.build(scenario, 1) as control:
        year = pooled_episode(control, 1)
    assert [unit.min_run_min for unit in year.plant.gensets] == [29.0] * 4
    assert year.planner(reserve=False).graph.relaxed == AT_ONCE
    bound = DOMAIN.bound(scenario, 1)
    DOMAIN.verify(scenario, 1, bound)
    assert "all times of units left out" in bound.how
    with DOMAIN.build(scenario, 1) as control:
        control.reset(np.array([1]))
        load = control.resource("future")[0, :, :, 0].sum()
    assert year.load_kw.sum() == pytest.approx(load - 60 * 2 * 3 * 0.005)


def test_islands_without_batteries_are_pooled_too():
    bare = [plant.model_copy(update={"battery": None}) for plant in PLANTS]
    assert pooled_plant(bare).battery is None
    assert pooled_plant([PLANTS[0], *bare[1:]]).battery.energy_kwh == 240.0


def test_batteries_that_would_make_energy_together_have_no_bound_and_a_note(cluster):
    stack = load_plant("plant-a").battery
    lossless = {"charge_efficiency": 1.0, "discharge_efficiency": 1.0}
    odd = load_plant("plant-a").model_copy(
        update={"battery": stack.model_copy(update=lossless), "name": "odd"}
    )
    islands = [{"name": "one", "plant": odd.model_dump()}, cluster().islands[1].model_dump()]
    scenario = cluster(
        islands=islands, ties=[{"name": "t", "between": ["one", "ridge"], "capacity_kw": 50}]
    )
    assert DOMAIN.bound(scenario, 1) is None
    assert unpoolable(scenario) in DOMAIN.notes(scenario)
    with pytest.raises(BoundError, match="leave the bound out"):
        pooled_plant([odd, PLANTS[0]])


def tiny(name, slope):
    """One unit and a small battery."""
    return Plant(
        name=name,
        gensets=(
            Genset(
                name=name.upper(),
                prime_kw=100.0,
                min_kw=30.0,
                fuel=FuelCurve(slope_l_kwh=slope, no_load_l_h=4.0),
                start_fuel_l=1.0,
            ),
        ),
        battery=Battery(power_kw=40.0, energy_kwh=50.0, soc_initial=0.5),
        disturbances=Disturbances(load_max_kw=120.0, unit_trips=False),
    )


def best_l(plants, loads, lost, price):
    """Least cost of two islands over every command, battery power and flow on a grid.

    Args:
        plants: of the islands, one unit each.
        loads: [2, T] kW.
        lost: (island, step) pairs in which the unit is out.
        price: per missing stored kWh at the end, L/kWh, of each island.
    """
    battery, flows = (-20.0, 0.0, 20.0), (-30.0, 0.0, 30.0)
    states = {(False, False, 0.5, 0.5): 0.0}
    for t, load in enumerate(loads.T):
        after = {}
        for (on, cost), runs in itertools.product(
            states.items(), itertools.product((False, True), repeat=2)
        ):
            if any(runs[k] and (k, t) in lost for k in range(2)):
                continue
            begun = sum(1.0 for k in range(2) if runs[k] and not on[k])
            for flow, *powers in itertools.product(flows, battery, battery):
                paid = stepped(plants, load, runs, on[2:], flow, powers)
                if paid is not None:
                    key = (*runs, *paid[1])
                    after[key] = min(after.get(key, np.inf), cost + begun + paid[0])
        states = after
    owed = [price[k] * plants[k].battery.energy_kwh for k in range(2)]
    return min(
        cost + sum(owed[k] * max(0.0, 0.5 - s[2 + k]) for k in range(2))
        for s, cost in states.items()
    )


def stepped(plants, load, runs, soc, flow, powers):
    """Cost of one step and the charges after it; None where a limit is broken."""
    brought = (-flow, 0.9 * flow) if flow >= 0.0 else (0.9 * -flow, flow)
    total, charges = 0.0, []
    for k, plant in enumerate(plants):
        given = load[k] - powers[k] - brought[k]
        cell, unit = plant.battery, plant.gensets[0]
        moved = powers[k] / 0.95 if powers[k] > 0.0 else powers[k] * 0.95
        charges.append(round(soc[k] - moved / cell.energy_kwh, 9))
        if not 0.1 <= charges[k] <= 0.9:
            return None
        if runs[k] and not 30.0 <= given <= 100.0:
            return None
        if not runs[k] and given < 0.0:
            return None
        total += fuel_of(unit, given) if runs[k] else 3.0 * given
        total += 0.01 * abs(powers[k])
    return total, charges


@pytest.mark.parametrize(("lost", "near"), [((), 0.8), (((1, 1),), 0.6), (((0, 0),), 0.5)])
def test_the_pooled_bound_is_below_brute_force_and_near_it(lost, near):
    plants = [tiny("one", 0.25), tiny("two", 0.27)]
    loads = np.array([[50.0, 60.0, 40.0], [30.0, 20.0, 50.0]])
    margin = 0.0 if lost else None
    plant = pooled_plant(plants, 60.0, margin)
    year = Year(plant, 60.0, loads.sum(axis=0), np.zeros(3), np.zeros(3), 0.5, beyond=margin)
    bound = lower_bound(year, 0.0)
    verify_bound(year, bound)
    price = [stored_energy_price_l_per_kwh(plant) for plant in plants]
    best = best_l(plants, loads, lost, price)
    assert near * best < bound.value < best
