"""The nine constant agents on plant A at every constant load, shielded and bare.

Agents stop, hold or start in every step, and charge, idle or discharge at full power. Loads are
every whole kW of the declared range; wind is nothing, half or all of rated, the whole day alike.

    python benchmarks/grid_constant_agents.py [--steps 1440]
"""

import argparse
import time

import numpy as np
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.engine.memory import MOMENT, STATE
from trimtab_grid.engine.rows import FAULT_COLUMNS, Chances, Rows, Site
from trimtab_grid.engine.step import advance_all, begin
from trimtab_grid.guard import guard_of
from trimtab_grid.plant import load_plant

COMMANDS = {-1: "stop", 0: "hold", 1: "start"}
SETPOINTS_KW = {-600.0: "charge", 0.0: "idle", 577.0: "discharge"}
_KWH = 1e-9


def played(steps: int, wind_kw: float, *, shield: bool) -> np.recarray:
    """Last states of every agent at every load, agents slowest."""
    plant = load_plant("plant-a")
    arrays, limits = plant_arrays(plant, 1.0), plant.disturbances
    loads = np.arange(limits.load_min_kw, limits.load_max_kw + 0.5)
    agents = [(c, b) for c in COMMANDS for b in SETPOINTS_KW]
    n = len(agents) * len(loads)
    bank = np.zeros((n, steps + 1, 3))
    bank[:, :, 0] = np.tile(loads, len(agents))[:, None]
    bank[:, :, 1] = wind_kw
    states, moments = np.zeros(n, STATE).view(np.recarray), np.zeros(n, MOMENT).view(np.recarray)
    for row in range(n):
        begin(arrays, states[row], moments[row], 0.5, bank[row, 0])
    moments["choice"] = np.repeat([c for c, _ in agents], len(loads))
    moments["wish_kw"] = np.repeat([b for _, b in agents], len(loads))
    guard = guard_of(arrays, shield)
    site = Site(arrays, guard.tables, guard.on, True)
    rows = Rows(states, moments, np.ones(n, bool), bank, np.zeros((n, steps // 1440 + 2)))
    chances = Chances(np.zeros((0, FAULT_COLUMNS)), np.zeros((n, 0)), np.zeros(0))
    choice, wish = moments["choice"].copy(), moments["wish_kw"].copy()
    for _ in range(steps):
        moments["choice"], moments["wish_kw"] = choice, wish
        advance_all(site, rows, chances, np.zeros((1, 4)))
    return states


def main() -> None:
    """Play and print per agent: episodes with a surplus, with a deficit, degraded."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1440)
    steps, began, total = parser.parse_args().steps, time.process_time(), 0
    agents = [f"{c} + {b}" for c in COMMANDS.values() for b in SETPOINTS_KW.values()]
    print("shield  wind kW  agent               loads  surplus  deficit  degraded  worst kWh")
    for shield, winds in ((True, (0.0, 200.0, 400.0)), (False, (0.0,))):
        for wind_kw in winds:
            states = played(steps, wind_kw, shield=shield).reshape(len(agents), -1)
            total += states.size * steps
            for name, own in zip(agents, states, strict=True):
                left, short = own["surplus_kwh"], own["unserved_kwh"]
                print(
                    f"{'on' if shield else 'off':6s}  {wind_kw:7g}  {name:18s}  {own.size:5d}"
                    f"  {(left > _KWH).sum():7d}  {(short > _KWH).sum():7d}"
                    f"  {(own['degraded_min'] > 0).sum():8d}  {max(left.max(), short.max()):9.1f}",
                    flush=True,
                )
    print(f"{total} steps, {time.process_time() - began:.0f} s CPU with compilation")


if __name__ == "__main__":
    main()
