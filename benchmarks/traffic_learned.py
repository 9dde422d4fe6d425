"""Learned stage policies beside the best classical rows on the eight RESCO networks.

    python benchmarks/traffic_learned.py --results learned.jsonl [--nets cologne8 ...]
        [--controllers graph mpc ...] [--seeds 201 202 203] [--tuned NET=FILE ...]

Final policies on seeds that nothing was tuned, trained or chosen on; worst seed and jams are shown.
`graph` is played as shipped (trained on generated networks only); `graph_tuned` needs the parameter
file, weights and hold, that `trimtab train` left for a network. Each episode is played in a process
of its own and appended to the results file; episodes that stand there are not played again.
"""

from __future__ import annotations

import argparse
import multiprocessing
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from episode_log import append_row, read_rows
from trimtab.run.grants import make_controller
from trimtab.run.parameter_file import read_parameters
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers import entries
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.simulation import preload

NETS = (
    "cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7w", "grid4x4", "arterial4x4",
    "ingolstadt21w",
)  # fmt: skip
CONTROLLERS = (
    "fixed", "actuated_5_50", "nema", "mp_move", "wave_50", "mpc", "stage_score", "graph",
    "graph_tuned",
)  # fmt: skip
Row = dict[str, Any]
Key = tuple[str, str, int]


def play(net: str, controller: str, seed: int, parameters: dict[str, Any] | None) -> Row:
    """Play one episode in this process."""
    model = SignalsProblem.model_validate(
        {"network": {"wheel": net}, "rules": {"profile": "resco"}}
    )
    entry = entries(model)["graph" if controller == "graph_tuned" else controller]
    with SignalControl(model, entry.interface) as problem:
        player = make_controller(problem, entry, parameters, name=controller)
        record = evaluate(problem, player, [seed], name=controller)[0]
    return {
        "net": net,
        "controller": controller,
        "seed": seed,
        "true_delay_s": record.metrics["true_delay_s"],
        "never_inserted_veh": record.metrics["never_inserted_veh"],
        "flags": DOMAIN.flags(record),
        "cpu_s": round(record.budget.cpu_s, 2),
    }


def rows_of(results: Path) -> dict[Key, Row]:
    """Episodes played before."""
    return {(row["net"], row["controller"], row["seed"]): row for row in read_rows(results)}


def cell(rows: list[Row]) -> str:
    """Mean, worst seed and what is to be flagged, of the seeds of one controller."""
    if not rows:
        return "-"
    delays = [row["true_delay_s"] for row in rows]
    flags = [flag for row in rows for flag in row["flags"]]
    marks = "".join(f" {flags.count(flag)} {flag}" for flag in sorted(set(flags)))
    return f"{fmean(delays):.1f} ({max(delays):.1f}){marks}"


def table(rows: dict[Key, Row], nets: list[str], controllers: list[str], seeds: list[int]) -> str:
    """Markdown table: mean (worst seed) true delay, s."""
    lines = [f"| | {' | '.join(controllers)} |", f"|---|{'---|' * len(controllers)}"]
    for net in nets:
        cells = [
            cell([rows[key] for seed in seeds if (key := (net, name, seed)) in rows])
            for name in controllers
        ]
        lines.append(f"| {net} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Play what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="*", default=list(NETS), choices=NETS)
    parser.add_argument("--controllers", nargs="*", default=list(CONTROLLERS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[201, 202, 203])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--tuned", nargs="*", default=[], metavar="NET=FILE")
    arguments = parser.parse_args()
    given = (pair.split("=", 1) for pair in arguments.tuned)
    tuned = {net: read_parameters(Path(file))[1] for net, file in given}
    preload()
    rows = rows_of(arguments.results)
    jobs = product(arguments.nets, arguments.controllers, arguments.seeds)
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        for net, controller, seed in jobs:
            parameters = tuned.get(net) if controller == "graph_tuned" else None
            missing = controller == "graph_tuned" and parameters is None
            if missing or (net, controller, seed) in rows:
                continue
            row = pool.apply(play, (net, controller, seed, parameters))
            rows[net, controller, seed] = row
            append_row(arguments.results, row)
    print(table(rows, arguments.nets, arguments.controllers, arguments.seeds))


if __name__ == "__main__":
    main()
