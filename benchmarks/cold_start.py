"""What a command costs before it does anything: CPU seconds, and no heavy library on the way.

    python benchmarks/cold_start.py [--repeats 9]

Prints the least and the median CPU seconds (user and system) of `--help` and of `validate` on one
scenario of each domain, and the heavy libraries that the command imported, which must be none.
Modules are compiled before the first measured call, as an installation does it.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from statistics import median

from trimtab.contracts.registry import shipped_scenarios
from trimtab.run.yaml_document import decode, parse

HEAVY = {
    "torch", "libsumo", "traci", "sumolib", "pandapower", "pyomo", "pandas", "streamlit", "scipy",
    "matplotlib", "networkx", "numba", "gymnasium", "ray",
}  # fmt: skip
LIMITS_S = {"--help": 0.35, "validate": 0.6}


def commands() -> list[tuple[str, ...]]:
    """`--help`, and `validate` on the first shipped scenario of every installed domain."""
    first: dict[str, str] = {}
    for name, path in sorted(shipped_scenarios().items()):
        first.setdefault(
            parse(decode(path.read_bytes(), str(path)), str(path)).data["domain"], name
        )
    return [("--help",), *(("validate", name) for name in sorted(first.values()))]


def compiled(folder: str) -> dict[str, str]:
    """The environment of a command whose compiled modules are kept in a folder."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": folder}


def cpu_s(words: tuple[str, ...], env: Mapping[str, str]) -> float:
    """CPU seconds of one command, its children's included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "trimtab.cli", *words]
    subprocess.run(command, check=True, capture_output=True, env=env)
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
    print(f"{'command':34} {'least s':>8} {'median s':>9} {'limit':>6}  heavy libraries")
    with tempfile.TemporaryDirectory() as folder:
        env = compiled(folder)
        for words in commands():
            cpu_s(words, env)
            found = [cpu_s(words, env) for _ in range(given.repeats)]
            heavy = ", ".join(sorted(imported(words))) or "none"
            spent = f"{min(found):8.2f} {median(found):9.2f} {LIMITS_S[words[0]]:6.2f}"
            print(f"{' '.join(words):34} {spent}  {heavy}", flush=True)


if __name__ == "__main__":
    main()
