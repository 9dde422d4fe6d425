"""Why both sides: the published plant's shield, written again from its description.

It copies its twin and rolls nine steps, once with load and wind as they are and once with their
worst ramps, and refuses a command that leads to a deficit (arXiv 2512.01046). It never looks at
surplus.
"""

import numpy as np
import pytest
from trimtab_grid import automaton
from trimtab_grid.arrays import START
from trimtab_grid.plant import load_plant

LOOK_AHEAD = 9
RISE_KW, WIND_DROP_KW = 80.0, 0.18 * 400.0
STEPS = 1260


def deficit_within_the_look_ahead(plant, state, load_kw, wind_kw, choice, rise_kw, drop_kw):
    mode, timer, n = list(state.mode[: plant.n]), list(state.timer[: plant.n]), plant.n
    stored = (state.soc - plant.reserve_soc_min) * plant.energy_kwh
    command = [0] * n
    for _ in range(LOOK_AHEAD):
        automaton.order_commands(choice, mode, timer, n, plant.min_run_steps, command)
        cap = 0.0
        for i in range(n):
            steps = plant.warm_steps[i], plant.cool_steps[i], plant.min_down_steps[i]
            held = automaton.commanded(mode[i], timer[i], command[i], *steps)
            cap += automaton.cap_kw(held[0], plant.prime_kw[i], plant.warm_kw[i], plant.cool_kw[i])
            mode[i], timer[i] = automaton.ticked(
                *held, plant.min_run_steps[i], plant.min_down_steps[i]
            )
        load_kw = min(load_kw + rise_kw, plant.load_max_kw)
        wind_kw = max(wind_kw - drop_kw, 0.0)
        lacking = max(0.0, load_kw - wind_kw - cap)
        stored -= lacking / plant.discharge_efficiency * plant.step_h
        if lacking > plant.discharge_kw or stored < 0.0:
            return True
        choice = START
    return False


def published_choice(plant, state, load_kw, wind_kw, choice):
    for ramps in ((0.0, 0.0), (RISE_KW, WIND_DROP_KW)):
        if deficit_within_the_look_ahead(plant, state, load_kw, wind_kw, choice, *ramps):
            return START
    return choice


def play(fleet, choice, wish_kw, load_kw, published, steps=STEPS):
    bank = np.zeros((1, steps + 1, 3))
    bank[:, :, 0] = load_kw
    ships = fleet(load_plant("plant-a"), 1.0, bank, shield=not published)
    for _ in range(steps):
        chosen = choice
        if published:
            chosen = published_choice(ships.arrays, ships.states[0], load_kw, 0.0, choice)
        ships.step(np.array([chosen]), np.array([wish_kw]))
    return ships


def test_below_the_least_loads_the_published_shield_lets_surplus_pass_for_most_of_the_time(fleet):
    ships = play(fleet, 1, -600.0, 150.0, published=True)
    surplus_kw = ships.series("surplus_kw")[:, 0]
    assert surplus_kw.max() == pytest.approx(90.0)
    assert np.count_nonzero(surplus_kw) >= 1094  # as measured on the published code
    assert surplus_kw.sum() / 60.0 >= 1640.0
    assert ships.states["unserved_kwh"][0] == 0.0


def test_the_proven_shield_leaves_none_under_the_same_load_and_the_same_wishes(fleet):
    ships = play(fleet, 1, -600.0, 150.0, published=False)
    assert not ships.series("surplus_kw").any()
    assert ships.states["unserved_kwh"][0] == 0.0


@pytest.mark.parametrize("load_kw", [150.0, 420.0])
def test_the_published_shield_does_prevent_deficits_of_who_stops_and_idles(fleet, load_kw):
    ships = play(fleet, -1, 0.0, load_kw, published=True, steps=400)
    assert ships.states["unserved_kwh"][0] == 0.0
    assert play(fleet, -1, 0.0, load_kw, published=False, steps=400).states["unserved_kwh"][0] == 0
