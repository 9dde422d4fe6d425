"""What a command costs before it does anything: CPU seconds, and no heavy library on the way.

    python benchmarks/cold_start.py [--repeats 9]

Prints the least and the median CPU seconds (user and system) of `--help` and of `validate` on one
scenario of each domain, and the heavy libraries that the command imported, which must be none.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from statistics import median

HEAVY = {
    "torch", "libsumo", "traci", "sumolib", "pandapower", "pyomo", "pandas", "streamlit", "scipy",
    "matplotlib", "networkx", "numba", "gymnasium", "ray",
}  # fmt: skip
COMMANDS = (
    ("--help",),
    ("validate", "toy/tank-day"),
    ("validate", "traffic/cologne8"),
    ("validate", "grid/remote-village"),
    ("validate", "hardware/cache-gemm"),
    ("validate", "hardware/dram-stream"),
)
LIMITS_S = {"--help": 0.35, "validate": 0.6}


def cpu_s(words: tuple[str, ...]) -> float:
    """CPU seconds of one command, its children's included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "trimtab.cli", *words]
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def imported(words: tuple[str, ...]) -> set[str]:
    """Heavy libraries that a command imports."""
    command = [sys.executable, "-X", "importtime", "-m", "trimtab.cli", *words]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in said.splitlines()}
    return names & HEAVY


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    print(f"{'command':32} {'least s':>8} {'median s':>9} {'limit':>6}  heavy libraries")
    for words in COMMANDS:
        found = [cpu_s(words) for _ in range(given.repeats)]
        heavy = ", ".join(sorted(imported(words))) or "none"
        limit = LIMITS_S[words[0]]
        line = f"{' '.join(words):32} {min(found):8.2f} {median(found):9.2f} {limit:6.2f}  {heavy}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
