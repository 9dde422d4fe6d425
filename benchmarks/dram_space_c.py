"""Address maps of space C against published ones on program kernels, with certified gaps.

Run: python benchmarks/dram_space_c.py [EVALUATIONS] [REQUESTS] [RESULTS.jsonl]
DDR4-2400, one channel, FR-FCFS over one shared queue of 32 (Ramulator's size), open rows with
adaptive closing; misses of a 256 KiB cache at a mean load of the whole data bus. Per kernel:
energy × time of the published maps, the best map found from them, its gain over the best published
one and its gap to the certified lower bound. Results already in the file are not computed again.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from trimtab.search.loop import Search
from trimtab_hardware.dram.certificates import dram_bound, verify_dram_bound
from trimtab_hardware.dram.domain import DOMAIN
from trimtab_hardware.dram.free_maps import varying_bits
from trimtab_hardware.dram.map_search import MapSearch
from trimtab_hardware.dram.problem import DramProblem
from trimtab_hardware.dram.programs import KERNELS
from trimtab_hardware.dram.scenario import Controller, DramScenario, Workload

PUBLISHED = ("row-bank-column", "RoBaRaCoCh", "MOP4CLXOR")
CONTROLLER = Controller(
    page_policy="OpenAdaptive", scheduler_buffer="Shared", request_buffer_size=32
)


def scenario_of(kernel: str, requests: int) -> DramScenario:
    """A kernel's misses at full load on DDR4-2400."""
    return DramScenario(
        part="ddr4-2400-4gb-x8",
        space="address-map",
        controller=CONTROLLER,
        workloads=(Workload.model_validate({"kernel": kernel, "load": 1.0, "requests": requests}),),
    )


def measured(kernel: str, evaluations: int, requests: int) -> dict[str, Any]:
    """Search one kernel's map; bound and verify it."""
    started = time.process_time()
    scenario = scenario_of(kernel, requests)
    problem = DramProblem(scenario)
    references = DOMAIN.reference_designs(scenario)
    starts = problem.spec.space.code(list(references.values()))
    varying = varying_bits(problem.traces[0], problem.part)
    optimizer = MapSearch(problem.spec.space, problem.part, starts, 1, varying)
    search = Search(problem, optimizer, evaluations)
    while not search.done:
        search.advance()
    bound = dram_bound(scenario)
    verify_dram_bound(scenario, bound)
    scores = dict(zip(references, search.score.tolist(), strict=False))
    return {
        "kernel": kernel,
        "evaluations": evaluations,
        "requests": requests,
        "published": {name: scores[name] for name in PUBLISHED},
        "best": float(search.score.min()),
        "bound": bound.value,
        "cpu_s": time.process_time() - started,
    }


def main() -> None:
    """Measure what is missing and print the table."""
    evaluations = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    requests = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    path = Path(sys.argv[3]) if len(sys.argv) > 3 else Path("dram_space_c.jsonl")
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = [d for d in done if (d["evaluations"], d["requests"]) == (evaluations, requests)]
    print("energy × time, µJ·µs; gain over the best published map; gap of the best to the bound")
    print(f"{'kernel':14}" + "".join(f"{name:>17}" for name in PUBLISHED), end="")
    print(f"{'best':>10}{'gain %':>8}{'bound':>10}{'gap %':>8}{'CPU s':>8}")
    for kernel in KERNELS:
        row = next((d for d in done if d["kernel"] == kernel), None)
        if row is None:
            row = measured(kernel, evaluations, requests)
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")
        least = min(row["published"].values())
        print(f"{kernel:14}" + "".join(f"{row['published'][n]:17.1f}" for n in PUBLISHED), end="")
        print(f"{row['best']:10.1f}{100 * (1 - row['best'] / least):8.1f}", end="")
        print(f"{row['bound']:10.1f}{100 * (row['best'] / row['bound'] - 1):8.1f}", end="")
        print(f"{row['cpu_s']:8.1f}", flush=True)


if __name__ == "__main__":
    main()
