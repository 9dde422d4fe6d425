"""Learned stage policies beside the best classical rows on the eight RESCO networks.

    python benchmarks/traffic_learned.py [--nets cologne8 ...] [--n-seeds 5] [--workspace DIR]

Final policies, seeds that nothing was tuned or trained on, worst seed, jams. The graph policy is
played as shipped (trained on generated networks only); fine-tuned weights can be given with
--parameters NET=FILE as `trimtab train` wrote them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

NETS = (
    "grid4x4", "arterial4x4", "cologne1", "cologne3", "cologne8",
    "ingolstadt1", "ingolstadt7w", "ingolstadt21w",
)  # fmt: skip
CONTROLLERS = ("fixed", "actuated", "mp_move", "wave_50", "mpc", "stage_score", "graph")


def result(net: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The result object of one network."""
    seeds = ",".join(str(201 + k) for k in range(arguments.n_seeds))
    command = [sys.executable, "-m", "trimtab.cli", "run", f"traffic/{net}", "--json"]
    command += ["--controllers", ",".join(CONTROLLERS), "--seeds", seeds]
    command += ["--workspace", arguments.workspace]
    for given in arguments.parameters:
        name, _, file = given.partition("=")
        command += ["--parameters", file] if name == net else []
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="*", default=NETS)
    parser.add_argument("--n-seeds", type=int, default=5)
    parser.add_argument("--workspace", default="trimtab-work")
    parser.add_argument("--parameters", nargs="*", default=[], metavar="NET=FILE")
    arguments = parser.parse_args()
    print(f"{'network':14s}" + "".join(f"{name:>22s}" for name in CONTROLLERS))
    print(f"{'':14s}" + f"{'mean (worst) s':>22s}" * len(CONTROLLERS))
    for net in arguments.nets:
        rows = {row["name"]: row for row in result(net, arguments)["rows"]}
        cells = []
        for name in CONTROLLERS:
            delay = rows[name]["metrics"]["true_delay_s"]
            jams = rows[name]["metrics"]["gridlock"]["mean"] * arguments.n_seeds
            mark = f" {jams:.0f} jam" if jams else ""
            cells.append(f"{delay['mean']:.1f} ({delay['worst']:.1f}){mark}")
        print(f"{net:14s}" + "".join(f"{cell:>22s}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
