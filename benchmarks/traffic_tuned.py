"""What the classical controllers gain where the engineer tunes them on the network at hand first.

    python benchmarks/traffic_tuned.py --log tuned.jsonl [--nets cologne8 ...]
        [--controllers actuated sotl ...] [--evaluations 24]

The search of `trimtab tune` (CMA-ES through the design bridge, from the controller's own defaults),
the same budget for each controller, on seeds 101 and 102; then the defaults and what was found on
the five test seeds of the scenario, which tuning never saw. The found parameters are worth using
where the 95 % interval of the paired change lies below zero. Each finished row is appended to the
log and printed; rows that stand there are not played again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from episode_log import append_row, read_rows
from trimtab.evidence.bootstrap import paired_difference
from trimtab.run.rollouts import Rollouts
from trimtab.run.scenario_file import LoadedScenario, load_scenario
from trimtab.run.tuning import tune_controller

TUNING_SEEDS, TEST_SEEDS = (101, 102), (1, 2, 3, 4, 5)
NETS = ("cologne8", "cologne1", "cologne3", "ingolstadt1", "grid4x4")
CONTROLLERS = (
    "actuated", "delay_based", "nema", "sotl", "longest_queue", "max_pressure", "scoot", "mpc",
)  # fmt: skip
Row = dict[str, Any]


def tuned(net: str, name: str, evaluations: int, workspace: Path) -> Row:
    """Tune one controller on a network and try what was found on seeds it never saw."""
    loaded = load_scenario(f"traffic/{net}", ("problem.rules.profile=resco",))
    headline = loaded.domain.headline
    with Rollouts(loaded, name, TUNING_SEEDS, workspace, 1) as rollouts:
        found = tune_controller(rollouts, name, headline, evaluations)
        defaults = dict(rollouts.entry.defaults)
    before, after = _delays(loaded, name, (defaults, dict(found.parameters)), workspace)
    change = [found_s / default_s - 1.0 for default_s, found_s in zip(before, after, strict=True)]
    told = paired_difference([change], [[0.0] * len(change)], np.random.default_rng(0))
    return {
        "net": net,
        "controller": name,
        "evaluations": evaluations,
        "parameters": {k: v for k, v in found.parameters.items() if defaults[k] != v},
        "defaults": defaults,
        "before_s": before,
        "after_s": after,
        "change": told.mean,
        "interval": None if told.interval is None else [told.interval.low, told.interval.high],
        "cpu_s": found.budget.cpu_s,
        "at": time.strftime("%Y-%m-%d"),
    }


def _delays(
    loaded: LoadedScenario, name: str, designs: tuple[dict[str, Any], ...], workspace: Path
) -> list[list[float]]:
    """True delay, s, of each design on each test seed."""
    with Rollouts(loaded, name, TEST_SEEDS, workspace, 1) as rollouts:
        played = rollouts(designs)
    return [[e.metrics[loaded.domain.headline.name] for e in row] for row in played]


def line(row: Row) -> str:
    """One row of the Markdown table."""
    low, high = row["interval"] or (-np.inf, np.inf)
    values = ", ".join(f"{k} {v:.3g}" for k, v in row["parameters"].items()) or "the defaults stay"
    return (
        f"| {row['net']} | `{row['controller']}` | {fmean(row['before_s']):.1f} "
        f"({max(row['before_s']):.1f}) | {fmean(row['after_s']):.1f} ({max(row['after_s']):.1f}) | "
        f"{100 * row['change']:+.1f} % [{100 * low:+.1f}, {100 * high:+.1f}] | {values} | "
        f"{row['cpu_s']:.0f} |"
    )


def main() -> None:
    """Tune what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="*", default=list(NETS))
    parser.add_argument("--controllers", nargs="*", default=list(CONTROLLERS))
    parser.add_argument("--evaluations", type=int, default=24)
    parser.add_argument("--log", type=Path, required=True)
    asked = parser.parse_args()
    done = {(row["net"], row["controller"]): row for row in read_rows(asked.log)}
    print("| network | controller | defaults, s (worst) | tuned, s (worst) | change | to | CPU-s |")
    print("|---|---|---|---|---|---|---|")
    for net in asked.nets:
        for name in asked.controllers:
            if (net, name) not in done:
                with TemporaryDirectory() as workspace:
                    row = tuned(net, name, asked.evaluations, Path(workspace))
                append_row(asked.log, row)
                done[net, name] = row
            print(line(done[net, name]), flush=True)


if __name__ == "__main__":
    main()
