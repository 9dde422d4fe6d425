"""Learned controllers of a shipped microgrid beside the rules, on seeds that no training saw.

    python benchmarks/learn_grid.py remote-village --seeds 40
    python benchmarks/learn_grid.py plant-b-year --seeds 5 --tolerance 0.3
    python benchmarks/learn_grid.py remote-village --train-steps 500000

One episode per seed, all seeds side by side, the shield on. Printed per controller: mean C with its
parts, share of the gap between load following and the proven bound closed (mean over seeds with a
bootstrap 95 % interval, worst seed), unserved energy, share of steps with an intervention, and the
mean of the worst 5 % of episodes' fuel. `--weights DIR` scores freshly trained weights.
`--train-steps` instead plays and learns that many decisions by PPO from random weights, with the
plants, networks and settings of `trimtab train`, and prints the CPU-seconds.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from numpy.typing import NDArray
from trimtab.evidence.bootstrap import bootstrap_interval
from trimtab_grid import controllers
from trimtab_grid.bounds import Year, solve
from trimtab_grid.controllers.learned import WEIGHTS, entries
from trimtab_grid.domain import DOMAIN
from trimtab_grid.scenario import GridScenario

if TYPE_CHECKING:
    from trimtab.contracts.controller import Entry

RULES = ("load_following", "cycle_charging", "combined", "stochastic_dp")
Metrics = dict[str, NDArray[np.float64]]


def scenario_of(name: str) -> GridScenario:
    """A shipped scenario."""
    path = Path(str(controllers.__path__[0])).parent / "scenarios" / f"{name}.yaml"
    return GridScenario.model_validate(yaml.safe_load(path.read_text())["problem"])


def play(scenario: GridScenario, entry: Entry, seeds: NDArray[np.int64]) -> Metrics:
    """Episode metrics [seeds]."""
    problem = DOMAIN.build(scenario, len(seeds), entry.interface)
    controller: Any = entry.factory(problem, **entry.defaults)
    obs = problem.reset(seeds)
    controller.reset(seeds)
    for _ in range(problem.spec.horizon):
        step = problem.step(controller.act(obs))
        obs = step.obs
    return dict(step.metrics)


def bounds(
    scenario: GridScenario, seeds: NDArray[np.int64], tolerance: float
) -> NDArray[np.float64]:
    """Proven lower bounds of C, [seeds]."""
    problem = DOMAIN.build(scenario, len(seeds))
    problem.reset(seeds)
    bank = problem.resource("future")
    first = problem.resource("state").states["soc_first"]
    found = []
    for row in bank:
        series = [row[:, k].copy() for k in range(3)]
        year = Year(problem.plant, scenario.step_min, *series, float(first[len(found)]))
        found.append(solve(year, tolerance).bound_l)
    return np.array(found)


def share_line(cost: NDArray[np.float64], reference: NDArray[np.float64], bound: Any) -> str:
    """Share of the gap closed, with interval and worst seed."""
    share = (reference - cost) / (reference - bound)
    interval = bootstrap_interval([share], lambda x: x.mean(axis=-1), np.random.default_rng(0))
    text = f"{100 * share.mean():6.1f} %"
    if interval is not None:
        text += f" [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
    return f"{text}, worst {100 * share.min():.0f} %"


def worst_mean(x: NDArray[np.float64], share: float = 0.05) -> float:
    """Mean of the largest share of values, at least one."""
    count = max(1, round(share * len(x)))
    return float(np.sort(x)[-count:].mean())


def training_cost(scenario: GridScenario, steps: int) -> None:
    """Print the CPU-seconds of that many decisions of PPO, after one iteration to warm up."""
    import torch
    from trimtab.deploy.network import NetSpec
    from trimtab.learn.ppo import PPO
    from trimtab_grid.controllers.players import teacher
    from trimtab_grid.course import Budget, Course, Recipe
    from trimtab_grid.training import ppo_config

    torch.set_num_threads(1)
    course = Course(scenario, Recipe.of(scenario), 0, teacher, Budget(1e6))
    plants = course.plants(course.recipe.copies)
    config = ppo_config(course, course.reward_weights(plants), course.recipe.discount)
    net = NetSpec.for_problem(plants.spec, activation="relu", initial_std=0.2)
    ppo = PPO(plants, net, replace(config, leash=0.0), (0,))
    first = int(ppo.iterate().env_steps[0])
    began = time.process_time()
    while int(ppo.env_steps[0]) - first < steps:
        ppo.iterate()
    spent, played = time.process_time() - began, int(ppo.env_steps[0]) - first
    print(
        f"PPO on {plants.copies} plants × {course.recipe.rollout} decisions: {played} decisions in "
        f"{spent:.1f} CPU-s, {played / spent:.0f} a second; {steps} take "
        f"{steps * spent / played:.1f} CPU-s"
    )


def main() -> None:
    """Play everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first", type=int, default=101)
    parser.add_argument("--tolerance", type=float, default=0.03, help="of the bound, L per step")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--train-steps", type=int, help="measure training instead")
    args = parser.parse_args()
    scenario = scenario_of(args.scenario)
    if args.train_steps:
        training_cost(scenario, args.train_steps)
        return
    seeds = np.arange(args.first, args.first + args.seeds)
    offered = dict(DOMAIN.controllers(scenario))
    learned = entries(scenario, args.weights).items()
    chosen = {name: offered[name] for name in RULES if name in offered}
    chosen |= {name: entry for name, entry in learned if not entry.untrained}
    bound = bounds(scenario, seeds, args.tolerance)
    print(f"{args.scenario}: seeds {seeds[0]}..{seeds[-1]}, proven bound {bound.mean():.1f} L")
    reference: NDArray[np.float64] | None = None
    for name, entry in chosen.items():
        began = time.process_time()
        m = play(scenario, entry, seeds)
        spent = time.process_time() - began
        reference = m["cost_l"] if reference is None else reference
        moved = 100 * m["interventions"].mean() / scenario.horizon
        print(
            f"  {name:16s} C {m['cost_l'].mean():10.1f} L (fuel {m['fuel_l'].mean():.1f}, start "
            f"{m['start_l'].mean():.1f}, terminal {m['terminal_l'].mean():.1f}); gap closed "
            f"{share_line(m['cost_l'], reference, bound)}; unserved "
            f"{m['unserved_kwh'].sum():.3g} kWh; moved {moved:.2f} % of steps; CVaR95 fuel "
            f"{worst_mean(m['fuel_l']):.1f} L; {spent:.1f} CPU-s",
            flush=True,
        )


if __name__ == "__main__":
    main()
