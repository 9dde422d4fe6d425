"""Zero-call transfer: designs proposed for unseen traces by a policy trained on generated ones.

Run: python benchmarks/dram_transfer.py [TRAINING WORKLOADS] [CALLS EACH] [REQUESTS] [FILE] [PART]
(a .safetensors file keeps the policy; it is trained if there is none. PART is the id of the memory
that designs are proposed for, whatever the policy was trained on).
The policy is trained on generated mixes only; the test traces are the four seed workloads and
program kernels, which it has never met. Regret is that of energy × time to the best design known
of each trace: the best of the policy's arms, of 40 calls of it and of a genetic search of 600
calls (run `dram_enumerate.py` for proven optima). Columns: regret with 0 calls, with 5 and 10
calls, and of the median of 20 random searches of 10 calls.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from trimtab.contracts.spec import FloatArray
from trimtab.search.catalogue import make
from trimtab_hardware.dram.part import Part, load_part
from trimtab_hardware.dram.programs import kernel_trace
from trimtab_hardware.dram.spaces import seed10
from trimtab_hardware.dram.traces import Trace
from trimtab_hardware.dram.transfer import (
    Score,
    TransferPolicy,
    load_policy,
    scorer,
    train,
    training_traces,
)
from trimtab_hardware.dram.workloads import SEED_WORKLOADS, seed_workload

KERNELS = ("triad", "spmv", "gups", "attention", "histogram", "stencil")


def searched(score: Score, calls: int, seed: int) -> float:
    """Best score of a genetic search."""
    space = seed10()
    optimizer, best = make("genetic", space, seed), np.inf
    for _ in range(calls // 8):
        points = optimizer.ask(8)
        found = score(space.canonical(space.decode(points)))
        optimizer.tell(points, found)
        best = min(best, float(found.min()))
    return best


def random_median(score: Score, calls: int) -> float:
    """Median over 20 seeds of the best of a few random designs."""
    space, rng = seed10(), np.random.default_rng(5)
    rows = space.canonical(space.sample(20 * calls, rng))
    return float(np.median(score(rows).reshape(20, calls).min(axis=1)))


def regrets(policy: TransferPolicy, trace: Trace, part: Part) -> FloatArray:
    """Relative regret with 0 (one design, unseen), 5 and 10 calls, and of random search."""
    score = scorer(trace, part)
    _, scores = policy.improve(trace, part, 40, score)
    known = [float(score(policy.arms).min()), float(scores.min()), searched(score, 600, 1)]
    chance = random_median(score, 10)
    best = min([*known, chance])
    met = [float(scores[:n].min()) for n in (1, 5, 10)]
    return np.array([np.expm1(value - best) for value in (*met, chance)])


def main() -> None:
    """Train, or load what was trained, and print the table."""
    numbers = [int(text) for text in sys.argv[1:4]]
    workloads, calls, requests = (*numbers, *(60, 120, 2000)[len(numbers) :])
    path = Path(sys.argv[4]) if len(sys.argv) > 4 else None
    part = load_part(sys.argv[5] if len(sys.argv) > 5 else "ddr3-1600-1gb-x8")
    if path is not None and path.exists():
        policy = load_policy(path)
    else:
        started = time.process_time()
        policy = train(training_traces(workloads, part, 1, requests), part, calls, 0)
        print(f"trained on {workloads} workloads, {time.process_time() - started:.0f} CPU s")
        if path is not None:
            trained = {"command": " ".join(sys.argv), "cpu_s": time.process_time() - started}
            policy.save(path, trained)
    print(f"{len(policy.arms)} arms; regret %: 0 calls, 5, 10, random search of 10")
    tests = {name: seed_workload(name, 7, requests) for name in SEED_WORKLOADS}
    tests |= {name: kernel_trace(name, requests, 0.9, seed=7) for name in KERNELS}
    for name, trace in tests.items():
        row = 100 * regrets(policy, trace, part)
        print(f"{name:12}" + "".join(f"{value:9.2f}" for value in row), flush=True)


if __name__ == "__main__":
    main()
