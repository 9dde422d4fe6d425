"""Protocol violations in many commands over random configurations and every shipped part.

Each round draws a part, a controller and a trace, simulates, and holds the command trace against
the independent checker. Totals are written after every round, so that a stopped run continues.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from trimtab_hardware.dram import Configuration, Part, Trace, load_part, part_ids, simulate
from trimtab_hardware.dram.checker import check
from trimtab_hardware.dram.configuration import (
    ARBITERS,
    BUFFERS,
    COMMAND_MUXES,
    PAGE_POLICIES,
    POWER_DOWN_POLICIES,
    RESPONSE_QUEUES,
    SCHEDULERS,
)

MANAGED = 0.5
"""Share of controllers with refresh management, where the part knows it."""


def draw_configuration(rng: np.random.Generator, part: Part) -> Configuration:
    """A controller from the whole wider space that the part allows."""
    refresh = ["AllBank", "AllBank", "NoRefresh"]
    refresh += ["PerBank"] if part.standard in ("LPDDR4", "HBM2") else []
    refresh += ["SameBank"] if part.standard == "DDR5" else []
    low = int(rng.integers(1, 32))
    return Configuration(
        page_policy=str(rng.choice(PAGE_POLICIES)),
        scheduler=str(rng.choice(SCHEDULERS)),
        scheduler_buffer=str(rng.choice(BUFFERS)),
        request_buffer_size=int(2 ** rng.integers(0, 8)),
        response_queue=str(rng.choice(RESPONSE_QUEUES)),
        refresh_policy=str(rng.choice(refresh)),
        refresh_max_postponed=int(rng.integers(0, 9)),
        refresh_max_pulled_in=int(rng.integers(0, 9)),
        arbiter=str(rng.choice(ARBITERS)),
        max_active_transactions=int(2 ** rng.integers(0, 8)),
        command_mux=str(rng.choice(COMMAND_MUXES, p=[0.85, 0.15])),
        power_down=str(rng.choice(POWER_DOWN_POLICIES)),
        power_down_timeout_ck=int(rng.integers(1, 200)),
        page_timeout_ck=int(rng.choice([0, 0, 30, 300])),
        low_watermark=low,
        high_watermark=low + int(rng.integers(1, 32)),
        refresh_management=part.timing.raaimt > 0 and bool(rng.random() < MANAGED),
        row_hit_cap=int(rng.choice([0, 0, 1, 8])),
        starvation_cap_ck=int(rng.choice([0, 0, 0, 500])),
        channels=int(rng.choice([1, 2, 4])),
        ranks=int(rng.choice([1, 2])),
    )


def draw_trace(rng: np.random.Generator, requests: int) -> Trace:
    """Bursts and gaps; runs, hot lines and far lines; reads and writes."""
    gaps = rng.integers(0, int(rng.choice([1, 2, 12])), requests)
    idle = rng.random(requests) < rng.choice([0.0, 0.01])
    gaps = np.where(idle, rng.integers(0, 20_000, requests), gaps)
    far = rng.integers(0, 1 << 24, requests)
    hot = rng.integers(0, 1 << 10, requests)
    run = np.cumsum(rng.random(requests) < 0.9)
    kind = rng.choice(3, size=requests, p=rng.dirichlet([1, 1, 1]))
    writes = rng.random(requests) < rng.choice([0.0, 0.3, 0.6])
    return Trace.of(np.cumsum(gaps), 64 * np.choose(kind, [far, hot, run]), writes)


def one_round(seed: int, requests: int) -> tuple[str, int, list[str]]:
    """Part, commands checked, and the violations found in one round."""
    rng = np.random.default_rng(seed)
    ids = part_ids()
    part = load_part(ids[seed % len(ids)])
    design = draw_configuration(rng, part)
    result = simulate(draw_trace(rng, requests), part, design, commands=True, wrap=True)
    if result.commands is None:
        return part.id, 0, ["no command trace"]
    refreshes = design.refresh_policy != "NoRefresh"
    intervals = 1 + design.refresh_max_postponed + design.refresh_max_pulled_in
    report = check(
        result.commands,
        part,
        ranks=design.ranks,
        refreshes=refreshes,
        intervals=intervals,
        management=design.refresh_management,
    )
    found = [f"seed {seed}: {violation.rule}" for violation in report.first[:3]]
    return part.id, report.commands, found


def main() -> None:
    """Run rounds until enough commands are checked, and print totals by part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=float, default=1e8)
    parser.add_argument("--requests", type=int, default=50_000, help="requests a round")
    parser.add_argument("--out", type=Path, default=Path("dram_checker.json"))
    options = parser.parse_args()
    state = {"seed": 0, "commands": {}, "violations": []}
    if options.out.exists():
        state = json.loads(options.out.read_text())
    while sum(state["commands"].values()) < options.commands:
        part, commands, found = one_round(state["seed"], options.requests)
        state["commands"][part] = state["commands"].get(part, 0) + commands
        state["violations"] += found
        state["seed"] += 1
        options.out.write_text(json.dumps(state))
    for part, commands in sorted(state["commands"].items()):
        print(f"{part:22} {commands:12,}")
    print(f"{'all':22} {sum(state['commands'].values()):12,}")
    print(f"rounds {state['seed']}, violations {len(state['violations'])}")
    for violation in state["violations"]:
        print(violation)


if __name__ == "__main__":
    main()
