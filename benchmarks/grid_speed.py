"""Speed of the microgrid simulator on one core, beside python-microgrid's gym environments.

CPU time, one thread. A step is complete: shield, faults, dispatch, battery, ageing by rainflow,
every metric. Where a Python with python-microgrid 1.4.1 is named, its discrete and its continuous
gym environment play its first benchmark microgrid with a genset in the same run; else the published
figure is printed as such.

    python benchmarks/grid_speed.py [--plants 4096] [--steps 200] [--peer PYTHON]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time

import numpy as np
from trimtab.contracts.spec import Action
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.domain import DOMAIN
from trimtab_grid.engine.memory import MOMENT, STATE
from trimtab_grid.engine.rows import FAULT_COLUMNS, Chances, Rows, Site
from trimtab_grid.engine.step import advance_all, begin
from trimtab_grid.guard import guard_of
from trimtab_grid.plant import load_plant
from trimtab_grid.scenario import GridScenario

PUBLISHED_GYM_PER_S = 665
"""python-microgrid 1.4.1, gym environment, on two shared x86 cores (specification)."""
PEER = """
import json, time, warnings
warnings.filterwarnings("ignore")
import numpy
if not hasattr(numpy, "product"):  # the package calls it; NumPy 2 has only prod
    numpy.product = numpy.prod
from pymgrid import Microgrid
from pymgrid.envs import ContinuousMicrogridEnv, DiscreteMicrogridEnv
microgrids = (Microgrid.from_scenario(microgrid_number=k) for k in range(25))
microgrid = next(m for m in microgrids if "genset" in m.modules.to_dict())
rates = {}
for kind in (DiscreteMicrogridEnv, ContinuousMicrogridEnv):
    env = kind.from_microgrid(microgrid)
    env.reset(); steps = 0; begin = time.process_time()
    while time.process_time() - begin < 8.0 and steps < 4000:
        if env.step(env.action_space.sample())[2]:
            env.reset()
        steps += 1
    rates[kind.__name__] = steps / (time.process_time() - begin)
print(json.dumps(rates))
"""


class Kernel:
    """Plants of one kind under random or holding commands, as the compiled simulator sees them."""

    def __init__(self, plants: int, steps: int, *, shield: bool) -> None:
        plant = plant_arrays(load_plant("plant-a"), 1.0)
        guard = guard_of(plant, shield)
        rng = np.random.default_rng(0)
        self.bank = np.zeros((plants, steps + 1, 3))
        level = 300.0 + 100.0 * np.sin(np.arange(steps + 1) / 100.0)
        self.bank[:, :, 0] = level[None] + rng.normal(0.0, 10.0, (plants, steps + 1))
        self.bank[:, :, 1] = 400.0 * rng.random((plants, 1))
        self.states = np.zeros(plants, STATE).view(np.recarray)
        self.moments = np.zeros(plants, MOMENT).view(np.recarray)
        daily = np.zeros((plants, steps // 1440 + 1))
        self.site = Site(plant, guard.tables, guard.on, by_order=True)
        self.rows = Rows(self.states, self.moments, np.ones(plants, bool), self.bank, daily)
        self.chances = Chances(np.zeros((0, FAULT_COLUMNS)), np.zeros((plants, 0)), np.zeros(0))
        for row in range(plants):
            begin(plant, self.states[row], self.moments[row], 0.5, self.bank[row, 0])

    def step(self) -> None:
        """One step of all plants."""
        advance_all(self.site, self.rows, self.chances, np.zeros((1, 4)))


def kernel_rates(plants: int, steps: int, *, shield: bool, random: bool) -> list[float]:
    """Steps per CPU second of each tenth of a run, without drawing the commands."""
    kernel, rng = Kernel(plants, steps, shield=shield), np.random.default_rng(1)
    kernel.step()
    rates = []
    for _ in range(10):
        spent = 0.0
        for _ in range((steps - 1) // 10):
            if random:
                kernel.moments["choice"] = rng.integers(-1, 2, plants)
                kernel.moments["wish_kw"] = rng.uniform(-300.0, 300.0, plants)
            else:
                kernel.moments["choice"], kernel.moments["wish_kw"] = 0, 0.0
            started = time.process_time()
            kernel.step()
            spent += time.process_time() - started
        rates.append(plants * ((steps - 1) // 10) / spent)
    return rates


def problem_rate(plants: int, steps: int) -> float:
    """Steps per CPU second through the control problem: observations, masks, rewards included."""
    scenario = GridScenario(horizon_h=24.0)
    with DOMAIN.build(scenario, plants, "order", autoreset=True) as problem:
        problem.reset(np.arange(plants))
        action = Action(np.ones((plants, 1, 1), np.int64), np.zeros((plants, 1, 1), np.float32))
        problem.step(action)
        started = time.process_time()
        for _ in range(steps):
            problem.step(action)
        return plants * steps / (time.process_time() - started)


def peer_rates(python: str) -> dict[str, float]:
    """Steps per CPU second of python-microgrid's environments, in its own interpreter.

    Raises:
        RuntimeError: they cannot be played; says what the interpreter said.
    """
    done = subprocess.run([python, "-c", PEER], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        msg = f"{python}: python-microgrid cannot be played:\n{done.stderr[-800:]}"
        raise RuntimeError(msg)
    rates: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return rates


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--plants", type=int, default=4096)
    arguments.add_argument("--steps", type=int, default=201)
    arguments.add_argument("--peer", default="")
    given = arguments.parse_args()
    print(f"{given.plants} plants A, CPU time, one thread: median (least, most) of ten parts")
    for shield in (True, False):
        for random in (False, True):
            rates = kernel_rates(given.plants, given.steps, shield=shield, random=random)
            what = f"{'shielded' if shield else 'bare'}, {'random' if random else 'holding'}"
            spread = f"({min(rates):.3g}, {max(rates):.3g})"
            print(f"{what:22s} {np.median(rates):.3g} steps/s {spread}", flush=True)
    rate = problem_rate(given.plants, 20)
    print(f"{'with obs and masks':22s} {rate:.3g} steps/s", flush=True)
    if not given.peer:
        print(f"python-microgrid gym   {PUBLISHED_GYM_PER_S} steps/s (published, not of this run)")
        return
    for name, rate in peer_rates(given.peer).items():
        print(f"{name:22s} {rate:.3g} steps/s (python-microgrid, this run)", flush=True)


if __name__ == "__main__":
    main()
