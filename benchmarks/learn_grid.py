"""Learned controllers of a shipped microgrid beside the rules, on seeds that no training saw.

    python benchmarks/learn_grid.py remote-village --seeds 40
    python benchmarks/learn_grid.py plant-b-year --seeds 5 --tolerance 0.3
    python benchmarks/learn_grid.py island-cluster --seeds 40 --no-bounds
    python benchmarks/learn_grid.py remote-village --train-steps 500000

One episode per seed, all seeds side by side, the shield on. Printed per controller: mean C with its
parts, share of the gap between load following and the proven bound closed (mean over seeds with a
bootstrap 95 % interval, worst seed), battery throughput a day, unserved energy, share of steps with
an intervention, and the mean of the worst 5 % of episodes' fuel. `--weights DIR` scores freshly
trained weights, `--no-bounds` leaves out bounds and shares. `--train-steps` plays and learns so
many decisions by PPO instead, from random weights, with plants, networks and settings of `trimtab
train`, and prints the CPU-seconds.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from numpy.typing import NDArray
from trimtab.evidence.bootstrap import bootstrap_interval
from trimtab_grid import controllers
from trimtab_grid.bound_episode import episode_of
from trimtab_grid.bounds import lower_bound
from trimtab_grid.controllers import learned
from trimtab_grid.controllers.learned import WEIGHTS
from trimtab_grid.domain import DOMAIN
from trimtab_grid.islands import learned as learned_agents
from trimtab_grid.islands.domain import DOMAIN as ISLANDS
from trimtab_grid.islands.scenario import IslandsScenario
from trimtab_grid.scenario import GridScenario

if TYPE_CHECKING:
    from trimtab.contracts.controller import Entry

RULES = ("load_following", "cycle_charging", "combined", "stochastic_dp")
SHARING = ("combined", "load_following", "surplus_sharing", "combined_sharing")
Metrics = dict[str, NDArray[np.float64]]


def scenario_of(name: str) -> GridScenario:
    """A shipped scenario."""
    path = Path(str(controllers.__path__[0])).parent / "scenarios" / f"{name}.yaml"
    return GridScenario.model_validate(yaml.safe_load(path.read_text())["problem"])


def cluster_of(name: str) -> IslandsScenario | None:
    """A shipped cluster of islands, or None where the scenario is of one microgrid."""
    path = Path(str(controllers.__path__[0])).parent / "islands" / "scenarios" / f"{name}.yaml"
    if not path.exists():
        return None
    return IslandsScenario.model_validate(yaml.safe_load(path.read_text())["problem"])


def offers(scenario: GridScenario | IslandsScenario, weights: Path) -> dict[str, Entry]:
    """Rules, the first of them the reference, then what has weights in the folder."""
    if isinstance(scenario, IslandsScenario):
        offered, rules = ISLANDS.controllers(scenario), SHARING
        trained = learned_agents.entries(scenario, weights)
    else:
        offered, rules = DOMAIN.controllers(scenario), RULES
        trained = learned.entries(scenario, weights)
    found = {name: offered[name] for name in rules if name in offered}
    return found | {name: entry for name, entry in trained.items() if not entry.untrained}


def play(
    scenario: GridScenario | IslandsScenario, entry: Entry, seeds: NDArray[np.int64]
) -> Metrics:
    """Episode metrics [seeds]."""
    domain: Any = ISLANDS if isinstance(scenario, IslandsScenario) else DOMAIN
    problem = domain.build(scenario, len(seeds), entry.interface)
    controller: Any = entry.factory(problem, **entry.defaults)
    obs = problem.reset(seeds)
    controller.reset(seeds)
    for _ in range(problem.spec.horizon):
        step = problem.step(controller.act(obs))
        obs = step.obs
    return dict(step.metrics)


def bounds(
    scenario: GridScenario, seeds: NDArray[np.int64], tolerance: float | None
) -> NDArray[np.float64]:
    """Proven lower bounds of C, [seeds]."""
    with DOMAIN.build(scenario) as control:
        episodes = [episode_of(control, int(seed)) for seed in seeds]
    return np.array([lower_bound(episode, tolerance).value for episode in episodes])


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
    from trimtab.learn.checkpoint import Budget, Resumable
    from trimtab.learn.ppo import PPO
    from trimtab_grid.controllers.players import teacher
    from trimtab_grid.course import Course, Recipe
    from trimtab_grid.training import ppo_config

    torch.set_num_threads(1)
    course = Course(scenario, Recipe.of(scenario), 0, teacher, Resumable(Budget(1e6)))
    plants = course.plants(course.recipe.copies)
    weights, left_s = course.reward_weights(plants), course.budget.left(0.9)
    config = ppo_config(course, weights, course.recipe.discount, left_s)
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
    parser.add_argument("--tolerance", type=float, help="of the bound, L per step")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--only", nargs="+", help="these beside the reference, in place of all")
    parser.add_argument("--no-bounds", action="store_true", help="no bounds, no shares")
    parser.add_argument("--train-steps", type=int, help="measure training instead")
    args = parser.parse_args()
    cluster = cluster_of(args.scenario)
    scenario = cluster or scenario_of(args.scenario)
    if args.train_steps and isinstance(scenario, GridScenario):
        training_cost(scenario, args.train_steps)
        return
    seeds = np.arange(args.first, args.first + args.seeds)
    bound = None
    if isinstance(scenario, GridScenario) and not args.no_bounds:
        bound = bounds(scenario, seeds, args.tolerance)
        print(f"proven bound {bound.mean():.1f} L")
    print(f"{args.scenario}: seeds {seeds[0]}..{seeds[-1]}")
    reference: NDArray[np.float64] | None = None
    for name, entry in offers(scenario, args.weights).items():
        if args.only and reference is not None and name not in args.only:
            continue
        began = time.process_time()
        m = play(scenario, entry, seeds)
        spent = time.process_time() - began
        reference = m["cost_l"] if reference is None else reference
        print(row(name, scenario, m, reference, bound), f"{spent:.1f} CPU-s", flush=True)


def row(
    name: str,
    scenario: GridScenario | IslandsScenario,
    m: Metrics,
    reference: NDArray[np.float64],
    bound: NDArray[np.float64] | None,
) -> str:
    """One line of the table."""
    cost, days = m["cost_l"], scenario.horizon_h / 24.0
    apart = (cost - reference).std(ddof=1) / math.sqrt(len(cost)) if len(cost) > 1 else 0.0
    parts = [
        f"  {name:16s} C {cost.mean():10.1f} L (fuel {m['fuel_l'].mean():.1f}, start "
        f"{m['start_l'].mean():.1f}, terminal {m['terminal_l'].mean():.1f}), less the first "
        f"{(cost - reference).mean():+.1f} ± {1.96 * apart:.1f}",
        f"throughput {m['throughput_kwh'].mean() / days:.0f} kWh a day",
        f"unserved {m['unserved_kwh'].sum():.3g} kWh",
        f"moved {100 * m['interventions'].mean() / scenario.horizon:.2f} % of steps",
        f"CVaR95 fuel {worst_mean(m['fuel_l']):.1f} L",
    ]
    if bound is not None:
        parts.insert(1, f"gap closed {share_line(cost, reference, bound)}")
    return "; ".join(parts) + ";"


if __name__ == "__main__":
    main()
