"""Instructions and cache misses of our decision loop beside bare libsumo's: counts, not times.

    python benchmarks/traffic_speed_counts.py          # needs valgrind; two minutes, any machine

Times of so small a difference sway with everything else that runs; what valgrind counts does not.
The recorded hour of `traffic_speed.py` on cologne8, decisions every 5 s, is simulated up to
decision 200. The 30 decisions after it are counted, with the caches of one core: 32 KiB for
instructions, 32 KiB for data, and 1 MiB behind both, whose misses weigh most.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from traffic_speed import DECISION_S, in_fresh_process, record, scenario
from trimtab.contracts.spec import Action
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.simulation import Session, load_libsumo

NET, FIRST, COUNTED = "cologne8", 200, 30
CACHES = ("--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,8,64")
ROWS = {
    "bare": "bare",
    "in training, all lanes read": "v",
    "in a comparison, all lanes read": "lv",
}


def counted(decide: Callable[[int], object]) -> None:
    """Play all decisions, the last of them under valgrind's eye, and end the process at once."""
    for k in range(FIRST + COUNTED):
        if k == FIRST:
            _instrument("on")
        decide(k)
    _instrument("off")
    os._exit(0)


def _instrument(state: str) -> None:
    subprocess.run(["callgrind_control", "-i", state, str(os.getpid())], check=True)


def inside(kind: str, folder: Path) -> None:
    """Under valgrind: play one row."""
    load_libsumo()
    if kind == "bare":
        with SignalControl(scenario(NET), "native", logs=False) as problem:
            options = problem.run_options()
        session = Session("libsumo")
        programs = (*options.additional, folder / "replay.add.xml")
        session.start(replace(options, seed=1, additional=programs))
        step, begin_s = session.api.simulation.step, options.begin_s
        counted(lambda k: step(begin_s + DECISION_S * (k + 1.0)))
    actions = np.load(folder / "actions.npy")
    control = SignalControl(scenario(NET), "stage", logs="l" in kind)
    control.reset(np.array([1]))

    def decide(k: int) -> None:
        if "v" in kind:
            control.state.lane_vehicles()
            control.state.lane_halting()
        control.step(Action(discrete=actions[k]))

    counted(decide)


def counts(kind: str, folder: Path) -> dict[str, int]:
    """Counts of one row, by valgrind's names of the events."""
    valgrind = ["valgrind", "--tool=callgrind", "--cache-sim=yes", "--instr-atstart=no", *CACHES]
    out = f"--callgrind-out-file={folder / 'counts'}"
    command = [*valgrind, out, sys.executable, __file__, f"--inside={kind}", f"--folder={folder}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    names, values = (re.search(rf"{word} *: (.*)", said) for word in ("Events", "Collected"))
    if names is None or values is None:
        raise SystemExit(said)
    return dict(zip(names[1].split(), map(int, values[1].split()), strict=True))


def main() -> None:
    """Print thousands per decision of all rows, beside the bare one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside is not None:
        inside(chosen.inside, chosen.folder)
    with tempfile.TemporaryDirectory() as folder:
        in_fresh_process(record, NET, folder)
        found = {name: counts(kind, Path(folder)) for name, kind in ROWS.items()}
    for name, row in found.items():
        parts = []
        for label, events in (("instructions", ("Ir",)), ("misses", ("ILmr", "DLmr", "DLmw"))):
            here, bare = (sum(r[event] for event in events) for r in (row, found["bare"]))
            parts.append(
                f"{here / COUNTED / 1000:9.1f} k {label} a decision ({here / bare - 1:+.1%})"
            )
        print(f"{name:32s}", *parts, flush=True)


if __name__ == "__main__":
    main()
