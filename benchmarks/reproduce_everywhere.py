"""The same bits on one, two and four workers, both engines, other hash seeds: every domain.

    python benchmarks/reproduce_everywhere.py results.jsonl [--domains toy.tank,grid.microgrid]

A small scenario of each installed domain is run by `trimtab run` in a fresh workspace under each
setting, and a hash is taken over every result and every stored figure of every job, processor
times left out. Differing jobs are named. Ray is left out by name where it is not installed. A run
that was stopped goes on; an edited checkout makes other jobs, so leave it alone meanwhile.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trimtab.contracts.registry import manifests, shipped_scenarios
from trimtab.run.reproduce import flat
from trimtab.run.scenario_file import load_scenario
from trimtab.run.store import Store

SMALL = {
    "toy.tank": ("toy/tank-day", ("seeds=[1, 2, 3, 4, 5]",)),
    "toy.queue": ("toy/queue-hour", ("problem.horizon_min=20",)),
    "toy.beam": ("toy/beam", ("budget.evaluations=40", "seeds=[1, 2]")),
    "traffic.signals": (
        "traffic/generated-junction",
        (
            "problem.horizon_s=300",
            "controllers=[fixed, actuated, max_pressure, mpc, graph]",
            "seeds=[1, 2]",
        ),
    ),
    "grid.microgrid": (
        "grid/remote-village",
        (
            "problem.horizon_h=6",
            "controllers=[load_following, random, milp_persistence, ppo, random_unshielded]",
            "seeds=[1, 2]",
        ),
    ),
    "grid.islands": (
        "grid/island-cluster",
        ("problem.horizon_h=12", "controllers=[load_following, random]", "seeds=[1, 2]"),
    ),
    "hardware.dram": (
        "hardware/dram-stream",
        (
            "problem.workloads.0.requests=200",
            "controllers=[random, cmaes, tpe, nsga2]",
            "budget.evaluations=20",
            "seeds=[1, 2]",
        ),
    ),
    "hardware.cache": (
        "hardware/cache-gemm",
        ("controllers=[random, cmaes, tpe]", "budget.evaluations=20", "seeds=[1, 2]"),
    ),
    "hardware.dramadapt": (
        "hardware/dram-adapt",
        (
            "problem.epochs=10",
            "controllers=[static_open, locality_threshold, epoch_table]",
            "seeds=[1, 2]",
        ),
    ),
}
"""Domain → a scenario of it and what makes it small; of another domain the first, as shipped."""


@dataclass(frozen=True)
class Setting:
    """How a scenario is run."""

    engine: str
    workers: int
    hash_seed: str

    @property
    def name(self) -> str:
        """As it is printed."""
        return f"{self.engine} x{self.workers}, hash seed {self.hash_seed}"


SETTINGS = (
    Setting("local", 1, "0"),
    Setting("local", 2, "1"),
    Setting("local", 4, "20011"),
    Setting("ray", 2, "7"),
)


def scenario_of(domain: str) -> tuple[str, tuple[str, ...]]:
    """A small scenario of a domain and its overrides."""
    if domain in SMALL:
        return SMALL[domain]
    area = manifests()[domain][0].area
    names = (n for n in sorted(shipped_scenarios()) if n.startswith(f"{area}/"))
    return next(name for name in names if load_scenario(name).domain.name == domain), ()


def results(folder: Path) -> dict[str, str]:
    """Job → hash of its result and figures, as the store has them."""
    found = {}
    with Store(folder) as store:
        jobs = store.db.execute(
            "select job.id, kind, controller, seed, state, result.text from job "
            "left join result on result.job=job.id where kind<>'report'"
        ).fetchall()
        for job, kind, controller, seed, state, text in jobs:
            plain = {
                key: value
                for key, value in flat(json.loads(text or "null")).items()
                if not key.endswith("cpu_s")
            }
            rows = store.db.execute(
                "select name, step, value from metric where job=? order by name, step", (job,)
            ).fetchall()
            content: list[Any] = [job, state, plain, rows]
            digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
            found[f"{kind} {controller} {seed}"] = digest[:16]
    return found


def run(domain: str, setting: Setting) -> dict[str, Any]:
    """Run a domain under a setting; what came of it."""
    scenario, overrides = scenario_of(domain)
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "trimtab.cli", "run", scenario, "--workspace", folder]
        words += ["--workers", str(setting.workers), "--engine", setting.engine, "--json"]
        for override in overrides:
            words += ["--set", override]
        began = time.monotonic()
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": setting.hash_seed},
            check=False,
        )
        jobs = results(Path(folder))
    digest = hashlib.sha256(json.dumps(jobs, sort_keys=True).encode()).hexdigest()[:16]
    return {
        "domain": domain, "setting": setting.name, "scenario": scenario, "digest": digest,
        "jobs": jobs, "exit": done.returncode, "wall_s": round(time.monotonic() - began, 1),
        "said": "" if done.returncode == 0 else done.stderr[-500:],
    }  # fmt: skip


def report(rows: list[dict[str, Any]]) -> int:
    """Print a table; the number of domains that differ."""
    different = 0
    for domain in sorted({row["domain"] for row in rows}):
        own = [row for row in rows if row["domain"] == domain]
        first = own[0]
        equal = all(row["digest"] == first["digest"] for row in own)
        different += not equal
        verdict = "bit-equal" if equal else "DIFFERS"
        print(f"{domain:20} {len(first['jobs']):4} jobs x {len(own)} settings: {verdict}")
        for row in own:
            other = sorted(k for k in first["jobs"] if row["jobs"].get(k) != first["jobs"][k])
            if other or row["exit"]:
                print(f"    {row['setting']}: exit {row['exit']} {row['said']} {other[:8]}")
    return different


def main() -> None:
    """Run or go on, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--domains", default="", help="separated by commas; all if absent")
    given = parser.parse_args()
    lines = given.results.read_text().splitlines() if given.results.is_file() else []
    rows = [json.loads(line) for line in lines]
    known = {(row["domain"], row["setting"]) for row in rows}
    domains = [name for name in given.domains.split(",") if name] or sorted(manifests())
    with_ray = find_spec("ray") is not None
    for setting in SETTINGS:
        if setting.engine == "ray" and not with_ray:
            print("skipped: engine ray is not installed (extra ray)")
            continue
        for domain in domains:
            if (domain, setting.name) in known:
                continue
            rows.append(run(domain, setting))
            with given.results.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(f"{domain}, {setting.name}: {rows[-1]['wall_s']} s", file=sys.stderr, flush=True)
    raise SystemExit(1 if report(rows) else 0)


if __name__ == "__main__":
    main()
