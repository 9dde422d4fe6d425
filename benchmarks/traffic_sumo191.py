"""Bridge to RESCO's published figures: the same controllers under SUMO 1.9.1.

    pip install --no-deps --target DIR eclipse-sumo==1.9.1 traci==1.9.1 sumolib==1.9.1
    python benchmarks/traffic_sumo191.py DIR
    python benchmarks/traffic_sumo191.py DIR --nets cologne8 --seeds 1 2 3 --log sumo191.jsonl

With --log, episodes are appended to the file as they end, and those that it already holds are not
played again.

RESCO (Ault & Sharon, NeurIPS 2021 Datasets and Benchmarks) was measured with SUMO 1.9: between
versions alone the shipped plans move by -25 % to +11 %. The shipped plan is set beside the mean of
RESCO's FIXED row, `mph_split` beside the median of its MAXPRESSURE row, `wave_50`, `mpc` and
`graph` beside the best that reinforcement learning reached there (least over a training of its
episodes' means), all by RESCO's own delay formula. In ingolstadt7w and ingolstadt21w the wheel has
commented phases out that RESCO's files have; `ingolstadt7` and `ingolstadt21` are copies with them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

from episode_log import append_row, read_rows

# network → (published value, tolerance in %)
FIXED = {
    "cologne1": (56.61, 3.0),
    "cologne8": (63.77, 3.0),
    "ingolstadt1": (39.40, 3.0),
    "ingolstadt7": (91.31, 6.0),
    "ingolstadt21": (133.10, 6.0),
    "ingolstadt21w": (133.10, 6.0),
}
MAXPRESSURE_MEDIAN = {
    "cologne1": (31.1, 3.0),
    "cologne8": (29.7, 3.0),
    "ingolstadt1": (23.62, 3.0),
}
BEST_LEARNED = {  # IDQN, but cologne8 and ingolstadt1: IPPO
    "cologne1": (26.05, 0.0),
    "cologne3": (23.99, 0.0),
    "cologne8": (21.62, 0.0),
    "ingolstadt1": (20.90, 0.0),
    "grid4x4": (32.95, 0.0),
    "ingolstadt7": (31.19, 0.0),
    "ingolstadt21": (59.64, 0.0),
}
LEARNERS = ("wave_50", "mpc", "graph")
"""Rows to lie below the best learned one; the others are to come out as published."""
ROWS = {"fixed": FIXED, "mph_split": MAXPRESSURE_MEDIAN} | dict.fromkeys(LEARNERS, BEST_LEARNED)
NETS = tuple(dict.fromkeys(net for nets in ROWS.values() for net in nets))


def use_old_sumo(folder: Path) -> None:
    """Make this process run the SUMO in `folder` through its traci."""
    import traci
    import trimtab_traffic.simulation as simulation
    import trimtab_traffic.toolchain as toolchain

    if not Path(traci.__file__).is_relative_to(folder):
        msg = f"traci comes from {traci.__file__}, not from {folder}"
        raise SystemExit(msg)
    begin = traci.start

    def start(command: list[str], **named: Any) -> Any:
        named.pop("doSwitch")  # traci 1.9.1 does not know it and always switches
        return begin(command, **named)

    traci.start = start
    for module in (toolchain, simulation):
        module.sumo_home = lambda: folder / "sumo"
    toolchain.SUMO_PACKAGES = ("eclipse-sumo", "traci", "sumolib")


def network(net: str, work: Path) -> dict[str, Any]:
    """The scenario's network: the wheel's, or a copy in `work` with all of RESCO's phases."""
    from trimtab_traffic.sources import RESCO_NETS, find_net

    if any(source.name == net for source in RESCO_NETS):
        return {"network": {"wheel": net}}
    source = find_net(f"{net}w")
    whole = work / source.net_file.name
    text = source.net_file.read_text(encoding="utf-8")
    whole.write_text(re.sub(r"<!-- (<phase [^>]*/>) -->", r"\1", text), encoding="utf-8")
    routes = [str(path) for path in source.route_files]
    return {"network": {"net": str(whole), "routes": routes}, "begin_s": source.begin_s}


def play(net: str, name: str, seed: int, work: Path) -> dict[str, float]:
    """Metrics of one episode in this process."""
    from trimtab.run.grants import make_controller
    from trimtab.run.runner import evaluate
    from trimtab_traffic.controllers import entries
    from trimtab_traffic.problem import SignalControl
    from trimtab_traffic.scenario import SignalsProblem
    from trimtab_traffic.simulation import RunOptions

    class OldSignalControl(SignalControl):
        """Without the edge output, whose option SUMO 1.9.1 does not have."""

        def run_options(self) -> RunOptions:
            return replace(super().run_options(), edge_data=False)

        def details(self, row: int) -> Mapping[str, Mapping[str, float]]:
            return {}

    model = SignalsProblem.model_validate(
        network(net, work) | {"rules": {"profile": "resco"}, "backend": "traci"}
    )
    entry = entries(model)[name]
    with OldSignalControl(model, entry.interface) as problem:
        controller = make_controller(problem, entry, name=name)
        metrics = evaluate(problem, controller, [seed], name=name)[0].metrics
    told = ("true_delay_s", "resco_delay_s", "never_inserted_veh", "gridlock")
    return {key: float(metrics[key]) for key in told}


def in_a_process_of_its_own(folder: Path, net: str, name: str, seed: int) -> dict[str, float]:
    """`play` with the old packages first on the path."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
        "SUMO_HOME": str(folder / "sumo"),
    }
    command = [sys.executable, __file__, str(folder), "--play", net, name, str(seed)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def played_before(log: Path | None) -> dict[tuple[str, str, int], dict[str, float]]:
    """Metrics by network, controller and seed."""
    rows = read_rows(log)
    return {(row["net"], row["controller"], row["seed"]): row["metrics"] for row in rows}


def line(name: str, net: str, played: list[dict[str, float]]) -> str:
    """One row of the table."""
    published, tolerance = ROWS[name][net]
    middle = median if name == "mph_split" else fmean
    delays = [row["resco_delay_s"] for row in played]
    ours = middle(delays)
    off = 100 * (ours / published - 1)
    verdict = "ok" if abs(off) <= tolerance else f"outside {tolerance:g} %"
    if name in LEARNERS:
        verdict = "below" if ours < published else "not below"
    true = fmean(row["true_delay_s"] for row in played)
    never = fmean(row["never_inserted_veh"] for row in played)
    jams = sum(row["gridlock"] for row in played)
    return (
        f"{name:10s} {net:14s} {ours:8.2f} {max(delays):8.2f} {published:10.2f} {off:+7.1f} % "
        f"{verdict:14s}{true:8.2f} {never:6.0f} {jams:4.0f}"
    )


def main() -> None:
    """Print the table; exit code 1 when a row is outside its tolerance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="target folder of the SUMO 1.9.1 packages")
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=NETS)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--log", type=Path, help="file of finished episodes")
    parser.add_argument("--play", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    folder = chosen.folder.resolve()
    if chosen.play:
        use_old_sumo(folder)
        net, name, seed = chosen.play
        with TemporaryDirectory() as work:
            print(json.dumps(play(net, name, int(seed), Path(work))))
        return
    print(f"SUMO 1.9.1, profile resco, seeds {chosen.seeds}, RESCO's delay formula in s")
    print(
        f"{'controller':10s} {'network':14s} {'ours':>8s} {'worst':>8s} {'published':>10s} "
        f"{'differs':>9s} {'':14s}{'true':>8s} {'never':>6s} {'jams':>4s}"
    )
    lines, known = [], played_before(chosen.log)
    for name in chosen.rows:
        for net in (net for net in chosen.nets if net in ROWS[name]):
            for seed in (s for s in chosen.seeds if (net, name, s) not in known):
                metrics = in_a_process_of_its_own(folder, net, name, seed)
                known[net, name, seed] = metrics
                row = {"net": net, "controller": name, "seed": seed, "metrics": metrics}
                append_row(chosen.log, row)
            played = [known[net, name, seed] for seed in chosen.seeds]
            lines.append(line(name, net, played))
            print(lines[-1], flush=True)
    sys.exit(any("outside" in text for text in lines))


if __name__ == "__main__":
    main()
