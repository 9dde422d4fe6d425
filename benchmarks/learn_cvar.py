"""A risk-averse controller of a microgrid beside the risk-neutral one, on many days.

    python benchmarks/learn_cvar.py remote-village --days 500
    python benchmarks/learn_cvar.py remote-village --step-min 15 --days 1000 \
        --neutral stochastic_dp --averse averse_dp

Both play the same unseen days (one episode per seed, shield on, final policies, greedy). Printed:
mean C, mean and CVaR95 of a day's fuel (mean of its worst 5 % of days), and the paired differences
with bootstrap 95 % intervals over days. Each is any controller of the scenario, or a folder of
freshly trained `cvar` weights: the neutral one may be the same learner from the same start with the
same seed and budget, but with the weight of the risk at 0:

    python benchmarks/learn_cvar.py remote-village --step-min 15 --train DIR --cpu-s 16
    python benchmarks/learn_cvar.py remote-village --step-min 15 --days 1000 --neutral DIR
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from learn_grid import Metrics, play, scenario_of, worst_mean
from numpy.typing import NDArray
from trimtab_grid.controllers.learned import entries
from trimtab_grid.domain import DOMAIN
from trimtab_grid.scenario import GridScenario

if TYPE_CHECKING:
    from trimtab.contracts.controller import Entry

BATCH, RESAMPLES = 250, 2000
KEPT = ("cost_l", "fuel_l", "terminal_l", "unserved_kwh", "end_soc")


def train_neutral(scenario: GridScenario, out: Path, cpu_s: float, seed: int) -> None:
    """Train the same learner without weight on the risk."""
    import torch
    from trimtab.learn.checkpoint import Budget, Resumable
    from trimtab_grid.controllers.players import averse_planner
    from trimtab_grid.course import Course, Recipe
    from trimtab_grid.training import by_cvar, save

    torch.set_num_threads(1)
    recipe, kept = Recipe.of(scenario), Resumable(Budget(cpu_s))
    course = Course(scenario, recipe, seed, averse_planner(scenario, 0.0), kept, print)
    out.mkdir(parents=True, exist_ok=True)
    save(course, "cvar", by_cvar(course, weight=0.0), out)


def entry_of(scenario: GridScenario, name: str) -> Entry:
    """A controller of the scenario, or the `cvar` weights of a folder."""
    folder = Path(name).is_dir()
    offered = entries(scenario, Path(name)) if folder else DOMAIN.controllers(scenario)
    chosen = "cvar" if folder else name
    if chosen not in offered:
        message = f"{name} is neither a folder nor one of {', '.join(offered)}"
        raise SystemExit(message)
    if offered[chosen].untrained:
        message = f"no weights of {chosen} fit this plant and step"
        raise SystemExit(message)
    return offered[chosen]


def days_of(scenario: GridScenario, name: str, seeds: NDArray[np.int64]) -> Metrics:
    """Metrics of every day, [days]."""
    entry = entry_of(scenario, name)
    parts = [play(scenario, entry, seeds[i : i + BATCH]) for i in range(0, len(seeds), BATCH)]
    return {key: np.concatenate([part[key] for part in parts]) for key in KEPT}


def differences(averse: Metrics, neutral: Metrics) -> dict[str, tuple[float, float, float]]:
    """Averse less neutral with bootstrap 95 % intervals: mean C, mean fuel, CVaR95 of fuel."""
    rng, count = np.random.default_rng(0), len(averse["cost_l"])
    draws = [np.arange(count), *rng.integers(0, count, (RESAMPLES, count))]

    def row(name: str, tail: bool) -> tuple[float, float, float]:
        a, b = averse[name], neutral[name]
        found = np.array(
            [worst_mean(a[i]) - worst_mean(b[i]) if tail else (a[i] - b[i]).mean() for i in draws]
        )
        low, high = np.quantile(found[1:], [0.025, 0.975])
        return float(found[0]), float(low), float(high)

    return {
        "mean C": row("cost_l", tail=False),
        "mean fuel": row("fuel_l", tail=False),
        "CVaR95 of fuel": row("fuel_l", tail=True),
        "CVaR95 of C": row("cost_l", tail=True),
    }


def main() -> None:
    """Play both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario")
    parser.add_argument("--step-min", type=float, help="in place of the scenario's")
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--first", type=int, default=10_001)
    parser.add_argument("--neutral", default="student", help="controller, or a folder")
    parser.add_argument("--averse", default="cvar", help="controller, or a folder")
    parser.add_argument("--train", type=Path, metavar="DIR", help="train the neutral one")
    parser.add_argument("--cpu-s", type=float, default=16.0)
    parser.add_argument("--seed", type=int, default=0, help="of training")
    args = parser.parse_args()
    scenario = scenario_of(args.scenario)
    if args.step_min:
        scenario = scenario.model_copy(update={"step_min": args.step_min})
    if args.train:
        train_neutral(scenario, args.train, args.cpu_s, args.seed)
        return
    seeds = np.arange(args.first, args.first + args.days)
    found = []
    for name in (args.neutral, args.averse):
        began = time.process_time()
        m = days_of(scenario, name, seeds)
        found.append(m)
        print(
            f"{name:14s} C {m['cost_l'].mean():.1f} L; fuel {m['fuel_l'].mean():.1f} L, CVaR95 "
            f"{worst_mean(m['fuel_l']):.1f} L; terminal {m['terminal_l'].mean():.1f} L, charge at "
            f"the end {m['end_soc'].mean():.2f}; unserved {m['unserved_kwh'].sum():.3g} kWh; "
            f"{time.process_time() - began:.0f} CPU-s",
            flush=True,
        )
    print(f"{args.averse} less {args.neutral}, {args.days} days, 95 % interval:")
    for name, (mean, low, high) in differences(found[1], found[0]).items():
        print(f"  {name:15s} {mean:+7.1f} L [{low:+.1f}, {high:+.1f}]")


if __name__ == "__main__":
    main()
