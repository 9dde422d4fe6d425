"""Share of the gap between load following and the proven bound, per controller on unseen seeds.

    python benchmarks/grid_gap.py plant-b-year results.jsonl [controller ...]
    python benchmarks/grid_gap.py remote-village results.jsonl

Results are written as they come and not computed again. `informed` (plant B) is no controller: it
is the stochastic program told the hidden state of the wind, which nobody can measure, and still
nothing of what comes. What it cannot close is the value of foresight.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from trimtab.contracts.controller import AnyController, Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.streams import Stream
from trimtab.run.scenario_file import load_scenario
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.controllers import stochastic, value_fit
from trimtab_grid.domain import DOMAIN
from trimtab_grid.generators import autoregression
from trimtab_grid.objective import stored_energy_price_l_per_kwh
from trimtab_grid.scenario import GridScenario

SEEDS = tuple(range(101, 106))
REFERENCE, INFORMED = "load_following", "informed"
NAMES = {
    "plant-b-year": (REFERENCE, "stochastic_dp", INFORMED, "dp_perfect", "dp_perfect_unshielded"),
    "remote-village": (
        *(REFERENCE, "combined", "stochastic_dp", "milp_persistence", "milp_noisy"),
        *("milp_perfect", "dp_perfect", "dp_perfect_unshielded"),
    ),
}


def hidden_wind(scenario: GridScenario, seeds: np.ndarray, steps: int) -> np.ndarray:
    """Slow part of the generated wind's Gaussian, [N, steps + 1]; what no anemometer shows."""
    memory_min = scenario.data.climate.memory_h * 60.0
    return autoregression(
        Stream("grid.wind"), seeds, np.zeros_like(seeds), steps + 1, scenario.step_min, memory_min
    )


def informed_values(scenario: GridScenario) -> tuple[value_fit.Values, ...]:
    """Values of each season over the hidden wind instead of the expected net load."""
    plant = scenario.resolved_plant()
    arrays = plant_arrays(plant, scenario.step_min)
    past = stochastic.past_of(scenario, plant)
    planner = stochastic.coarse_planner(plant, arrays, past.load_kw, past.free_kw)
    seeds = stochastic.PAST_SEEDS + np.arange(stochastic.PAST_YEARS)
    state = hidden_wind(scenario, seeds, past.day.size // len(seeds))[:, 1:].ravel()
    price = stored_energy_price_l_per_kwh(plant)
    return value_fit.fit(
        planner, past, price, stochastic.SAMPLES, seed=0, seasons=stochastic.SEASONS, state=state
    )


class Informed(stochastic.StochasticProgram):
    """The stochastic program that is told the hidden wind."""

    def __init__(self, problem: ControlProblem, scenario: GridScenario) -> None:
        super().__init__(problem, scenario, informed_values(scenario))
        self._scenario, self._step = scenario, 0

    def reset(self, seed: Any, context: Any = None, rows: Any = None) -> None:
        """See `Controller.reset`; all rows."""
        super().reset(seed, context, rows)
        self._wind = hidden_wind(self._scenario, np.asarray(seed), self._scenario.horizon)
        self._step = 0

    def known(self, seen: Any, hour: Any) -> Any:
        """The hidden wind of the coming step, [N, 1]."""
        self._step += 1
        return self._wind[:, self._step][:, None]


def made(name: str, scenario: GridScenario, problem: ControlProblem) -> AnyController:
    """A controller, or the informed program."""
    if name == INFORMED:
        return Informed(problem, scenario)
    entry = DOMAIN.controllers(scenario)[name]
    return entry.factory(problem, **entry.defaults)


def played(name: str, scenario: GridScenario) -> dict[str, Any]:
    """Cost per seed, interventions, violations and CPU time of one controller."""
    offered = DOMAIN.controllers(scenario)
    interface = offered[REFERENCE if name == INFORMED else name].interface
    seeds, began = np.array(SEEDS), time.process_time()
    with DOMAIN.build(scenario, len(seeds), interface) as problem:
        controller = made(name, scenario, problem)
        assert isinstance(controller, Controller)
        obs = problem.reset(seeds)
        controller.reset(seeds)
        changed = 0
        for _ in range(scenario.horizon):
            step = problem.step(controller.act(obs))
            obs = step.obs
            changed += int(np.count_nonzero(step.intervened))
        assert step.metrics is not None
        monitor = DOMAIN.monitor(scenario)
        broken = [monitor.check(problem.episode_log(row)) for row in range(len(seeds))]
        return {
            "name": name,
            "cost_l": [float(c) for c in step.metrics["cost_l"]],
            "changed": changed / scenario.horizon / len(seeds),
            "violations": sum(v.count for found in broken for v in found.values()),
            "cpu_s": time.process_time() - began,
        }


def bounds(scenario: GridScenario) -> dict[str, Any]:
    """Proven lower bound per seed."""
    found = [DOMAIN.bound(scenario, seed) for seed in SEEDS]
    return {"name": "bound", "cost_l": [bound.value for bound in found if bound is not None]}


def table(results: dict[str, dict[str, Any]]) -> None:
    """Print the share of the gap closed per controller."""
    bound, reference = (np.array(results[n]["cost_l"]) for n in ("bound", REFERENCE))
    gap = reference - bound
    print(f"\ngap of {REFERENCE}: {100 * gap.sum() / bound.sum():.2f} % of the bound")
    print(f"{'controller':24s} {'share %':>8s} {'± 95 %':>7s} {'worst':>7s} {'changed':>8s} viol.")
    for name, found in results.items():
        if name in ("bound", REFERENCE):
            continue
        shares = 100 * (reference - np.array(found["cost_l"])) / gap
        spread = 2.776 * float(shares.std(ddof=1)) / math.sqrt(len(shares))  # t, 4 degrees
        print(
            f"{name:24s} {fmean(shares):8.1f} {spread:7.1f} {shares.min():7.1f} "
            f"{100 * found['changed']:7.2f}% {found['violations']:5d}"
        )


def main() -> None:
    """Play what is missing, then print the table."""
    which, path = sys.argv[1], Path(sys.argv[2])
    scenario = load_scenario(f"grid/{which}").scenario.problem
    lines = path.read_text().splitlines() if path.exists() else []
    results = {line["name"]: line for line in map(json.loads, lines)}
    for name in ("bound", *(sys.argv[3:] or NAMES[which])):
        if name not in results:
            results[name] = bounds(scenario) if name == "bound" else played(name, scenario)
            with path.open("a") as out:
                out.write(json.dumps(results[name]) + "\n")
    table(results)


if __name__ == "__main__":
    main()
