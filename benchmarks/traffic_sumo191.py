"""Bridge to RESCO's published figures: the same controllers under SUMO 1.9.1.

    pip install --no-deps --target DIR eclipse-sumo==1.9.1 traci==1.9.1 sumolib==1.9.1
    python benchmarks/traffic_sumo191.py DIR
    python benchmarks/traffic_sumo191.py DIR --nets cologne8 --seeds 1 2 3 --log sumo191.jsonl

With --log, episodes are appended to the file as they end, and those that it already holds are not
played again.

RESCO (Ault & Sharon, NeurIPS 2021 Datasets and Benchmarks) was measured with SUMO 1.9: between
versions alone the shipped plans move by -25 % to +11 %. The shipped plan is set beside the mean of
RESCO's FIXED row, `mph_split` beside the median of its MAXPRESSURE row, both by RESCO's own delay
formula. In ingolstadt21w the wheel lacks two phases that RESCO's file has.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

from episode_log import append_row, read_rows

# network → (published value, tolerance in %)
FIXED = {
    "cologne1": (56.61, 3.0),
    "cologne8": (63.77, 3.0),
    "ingolstadt1": (39.40, 3.0),
    "ingolstadt21w": (133.10, 6.0),
}
MAXPRESSURE_MEDIAN = {
    "cologne1": (31.1, 3.0),
    "cologne8": (29.7, 3.0),
    "ingolstadt1": (23.62, 3.0),
}
ROWS = {"fixed": FIXED, "mph_split": MAXPRESSURE_MEDIAN}


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


def play(net: str, name: str, seed: int) -> dict[str, float]:
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
        {"network": {"wheel": net}, "rules": {"profile": "resco"}, "backend": "traci"}
    )
    entry = entries(model)[name]
    with OldSignalControl(model, entry.interface) as problem:
        controller = make_controller(problem, entry, name=name)
        metrics = evaluate(problem, controller, [seed], name=name)[0].metrics
    return {key: metrics[key] for key in ("true_delay_s", "resco_delay_s", "never_inserted_veh")}


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
    middle = fmean if name == "fixed" else median
    ours = middle(row["resco_delay_s"] for row in played)
    off = 100 * (ours / published - 1)
    verdict = "ok" if abs(off) <= tolerance else f"outside {tolerance:g} %"
    true = fmean(row["true_delay_s"] for row in played)
    never = fmean(row["never_inserted_veh"] for row in played)
    return (
        f"{name:10s} {net:14s} {ours:8.2f} {published:10.2f} {off:+7.1f} % {verdict:14s}"
        f"{true:8.2f} {never:6.0f}"
    )


def main() -> None:
    """Print the table; exit code 1 when a row is outside its tolerance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="target folder of the SUMO 1.9.1 packages")
    parser.add_argument("--nets", nargs="+", default=list(FIXED), choices=list(FIXED))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--log", type=Path, help="file of finished episodes")
    parser.add_argument("--play", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    folder = chosen.folder.resolve()
    if chosen.play:
        use_old_sumo(folder)
        net, name, seed = chosen.play
        print(json.dumps(play(net, name, int(seed))))
        return
    print(f"SUMO 1.9.1, profile resco, seeds {chosen.seeds}, RESCO's delay formula in s")
    print(
        f"{'controller':10s} {'network':14s} {'ours':>8s} {'published':>10s} {'differs':>9s} "
        f"{'':14s}{'true':>8s} {'never':>6s}"
    )
    lines, known = [], played_before(chosen.log)
    for name, nets in ROWS.items():
        for net in (net for net in nets if net in chosen.nets):
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
