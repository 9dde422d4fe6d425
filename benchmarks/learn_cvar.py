"""The risk-averse learned controller of a microgrid beside the risk-neutral one, on many days.

    python benchmarks/learn_cvar.py remote-village --days 1000

Both play the same unseen days (one episode per seed, shield on, final policies, greedy). Printed:
mean C, mean and CVaR95 of a day's fuel (mean of its worst 5 % of days), and the paired differences
with bootstrap 95 % intervals over days. `--weights DIR` plays freshly trained weights.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from learn_grid import Metrics, play, scenario_of, worst_mean
from numpy.typing import NDArray
from trimtab_grid.controllers.learned import WEIGHTS, entries
from trimtab_grid.scenario import GridScenario

BATCH, RESAMPLES = 250, 2000
KEPT = ("cost_l", "fuel_l", "terminal_l", "unserved_kwh", "end_soc")


def days_of(scenario: GridScenario, name: str, folder: Path, seeds: NDArray[np.int64]) -> Metrics:
    """Metrics of every day, [days]."""
    entry = entries(scenario, folder)[name]
    if entry.untrained:
        message = f"{name} has no weights in {folder}"
        raise SystemExit(message)
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
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--first", type=int, default=10_001)
    parser.add_argument("--neutral", default="student")
    parser.add_argument("--averse", default="cvar")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    scenario = scenario_of(args.scenario)
    seeds = np.arange(args.first, args.first + args.days)
    found = {}
    for name in (args.neutral, args.averse):
        began = time.process_time()
        found[name] = m = days_of(scenario, name, args.weights, seeds)
        print(
            f"{name:10s} C {m['cost_l'].mean():.1f} L; fuel {m['fuel_l'].mean():.1f} L, CVaR95 "
            f"{worst_mean(m['fuel_l']):.1f} L; terminal {m['terminal_l'].mean():.1f} L, charge at "
            f"the end {m['end_soc'].mean():.2f}; unserved {m['unserved_kwh'].sum():.3g} kWh; "
            f"{time.process_time() - began:.0f} CPU-s",
            flush=True,
        )
    print(f"{args.averse} less {args.neutral}, {args.days} days, 95 % interval:")
    for name, (mean, low, high) in differences(found[args.averse], found[args.neutral]).items():
        print(f"  {name:15s} {mean:+7.1f} L [{low:+.1f}, {high:+.1f}]")


if __name__ == "__main__":
    main()
