from types import SimpleNamespace

import numpy as np
import pytest
from trimtab_grid.engine.rows import FAULT_COLUMNS
from trimtab_grid.plant import Plant, load_plant


def random_plant(rng):
    """A plant of any shape: curves, ramps, batteries, order rules and sharing at random."""
    gensets = [_random_genset(rng, i) for i in range(int(rng.integers(1, 5)))]
    primes = sum(g["prime_kw"] for g in gensets)
    plant = {
        "name": "random",
        "gensets": gensets,
        "wind": {"rated_kw": 200.0},
        "dump_kw": float(rng.choice([0.0, 40.0])),
        "shed_kw": float(rng.choice([0.0, 100.0])),
        "commitment": str(rng.choice(["order", "free"])),
        "sharing": str(rng.choice(["per_unit", "economic"])),
        "disturbances": {
            "load_max_kw": primes,
            "soc_error": float(rng.choice([0.0, 0.01])),
        },
    }
    if plant["shed_kw"] and rng.random() < 0.7:
        plant["ufls"] = _random_relays(rng)
    if rng.random() < 0.85:
        plant["battery"] = _random_battery(rng)
    return Plant.model_validate(plant)


def _random_relays(rng):
    thresholds = np.sort(rng.uniform(57.0, 59.95, 3))[::-1]
    stages = [
        {"threshold_hz": float(f), "load_share": float(rng.uniform(0.05, 0.3)), "delay_s": 0.3}
        for f in thresholds
    ]
    return {"stages": stages, "hold_min": float(rng.integers(5, 30))}


def _random_genset(rng, i):
    prime = float(rng.integers(80, 400))
    if rng.random() < 0.5:
        shares = np.sort(rng.uniform(0.2, 1.0, 4))
        litres = np.cumsum(rng.uniform(2.0, 30.0, 4))
        fuel = {
            "points": [(float(s * prime), float(v)) for s, v in zip(shares, litres, strict=True)]
        }
    else:
        fuel = {
            "slope_l_kwh": float(rng.uniform(0.2, 0.3)),
            "no_load_l_h": float(rng.uniform(1, 9)),
        }
    return {
        "name": f"G{i}",
        "prime_kw": prime,
        "min_kw": float(prime * rng.uniform(0.0, 0.4)),
        "overload_kw": float(prime * rng.choice([1.0, 1.1])),
        "fuel": fuel,
        "start_fuel_l": float(rng.uniform(0, 5)),
        "warm_up_min": float(rng.choice([0, 2, 5])),
        "warm_up_kw": float(prime * rng.choice([0.0, 0.2])),
        "cool_down_min": float(rng.choice([0, 3])),
        "min_run_min": float(rng.choice([0, 10])),
        "min_down_min": float(rng.choice([0, 7])),
        "ramp_kw_per_min": float(rng.uniform(5, 80)) if rng.random() < 0.4 else None,
        "repair_min": float(rng.integers(10, 60)),
        "mean_power_share": float(rng.uniform(0.4, 0.9)) if rng.random() < 0.5 else None,
        "mean_power_window_min": 120.0,
        "overload_min": 5.0,
        "overload_window_min": 60.0,
        "droop_hz": float(rng.choice([0.0, 2.0])),
    }


def _random_battery(rng):
    quadratic = {
        "capacity_ah": 300.0,
        "current_max_a": 300.0,
        "voltage_slope_v": 39.6,
        "voltage_base_v": 900.0,
        "resistance_ohm": 0.04,
    }
    return {
        "power_kw": 200.0,
        "energy_kwh": 250.0,
        "charge_efficiency": 0.94,
        "discharge_efficiency": 0.96,
        "standby_kw": float(rng.choice([0.0, 1.0])),
        "model": str(rng.choice(["linear", "quadratic"])),
        "quadratic": quadratic,
        "grid_forming": bool(rng.random() < 0.7),
    }


def _bank(rng, plant, steps, step_min):
    limits = plant.disturbances
    rise = (limits.load_rise_kw_per_min or 50.0) * step_min
    load = np.clip(
        np.cumsum(rng.uniform(-0.9 * rise, 0.9 * rise, steps + 1)) + limits.load_max_kw / 2,
        limits.load_min_kw,
        limits.load_max_kw,
    )
    wind = rng.uniform(0.0, plant.wind.rated_kw, steps + 1)
    return np.stack([load, wind, rng.uniform(0, 20, steps + 1)], axis=1)[None]


def _played(fleet, twin, plant, step_min, seed, shield, steps):
    """(where, facts of the compiled simulator, facts of the twin) of every step."""
    rng = np.random.default_rng((seed, 5))
    bank, n = _bank(rng, plant, steps, step_min), len(plant.gensets)
    faults = np.zeros((steps, FAULT_COLUMNS))
    faults[:, 2 : 2 + n] = rng.random((steps, n)) < (0.004 if not shield else 0.0)
    faults[:, 10 : 10 + n] = rng.random((steps, n)) < (0.02 if not shield else 0.0)
    ships = fleet(plant, step_min, bank, shield=shield, faults=faults)
    other = twin(plant, step_min, bank[0, 0], 0.5, ships.arrays, ships.guard)
    for k in range(steps):
        commands = rng.choice([-1, 0, 1], size=n, p=[0.1, 0.75, 0.15])
        wish = float(rng.uniform(-250, 250))
        noise = float(rng.uniform(-1, 1))
        m = ships.step(commands[None], wish, noise=np.array([noise]))[0]
        struck = SimpleNamespace(trip=faults[k, 2 : 2 + n], failed=faults[k, 10 : 10 + n])
        facts = other.step(commands.tolist(), wish, bank[0, k + 1], struck, noise)
        yield (seed, k), *_facts(ships.states[0], m, other, facts, n)


def _facts(s, m, other, facts, n):
    ours = [list(m.mode[:n]), list(m.command[:n]), m.fuel_l, m.frequency_hz]
    theirs = [facts.mode, facts.command, facts.burned, facts.hertz]
    ours += [s.soc, s.soc_lo, s.soc_hi, s.fuel_l, s.start_l, s.starts, s.lowest_hz]
    theirs += [other.soc, other.lo, other.hi, other.fuel, other.start, other.starts, other.lowest]
    ours += [m.battery_kw, m.wind_used_kw, m.pv_used_kw, m.dump_kw, m.shed_kw, m.deficit_kw]
    theirs += [other.bat, other.wind_used, other.pv_used, other.dump, other.shed, other.deficit]
    ours += [m.surplus_kw, int(m.alarm), m.ufls_kw, s.ufls_kwh, s.ufls_events]
    theirs += [other.surplus, other.alarm, other.relayed, other.relays_kwh, other.relays_events]
    for i, unit in enumerate(other.units):
        ours += [m.power_kw[i], s.mean_kw[i], s.overload_used_min[i], s.unit_h[i], s.timer[i]]
        theirs += [unit.new, unit.mean, unit.used, unit.hours, unit.timer]
    return ours, theirs


@pytest.mark.parametrize("seed", range(40))
def test_random_plants_under_random_actions_equal_the_twin_bit_for_bit(fleet, twin, seed):
    rng = np.random.default_rng(seed)
    step_min = float(rng.choice([1.0, 5.0, 15.0]))
    plant = random_plant(rng)
    for where, ours, theirs in _played(fleet, twin, plant, step_min, seed, shield=False, steps=150):
        assert ours == theirs, where


@pytest.mark.parametrize("seed", range(4))
def test_plant_a_behind_the_shield_equals_the_twin_bit_for_bit(fleet, twin, seed):
    plant = load_plant("plant-a")
    for where, ours, theirs in _played(fleet, twin, plant, 1.0, seed, shield=True, steps=400):
        assert ours == theirs, where


@pytest.mark.parametrize("seed", range(4))
def test_plant_b_behind_the_shield_equals_the_twin_bit_for_bit(fleet, twin, seed):
    plant = load_plant("plant-b")
    for where, ours, theirs in _played(fleet, twin, plant, 60.0, seed, shield=True, steps=300):
        assert ours == theirs, where
