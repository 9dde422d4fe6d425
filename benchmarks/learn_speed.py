"""PPO speed on the yardstick: ours, compiled and eager, beside Stable-Baselines3 in one run.

    python3 -m venv sb3 && sb3/bin/pip install "stable-baselines3==2.9.2" pydantic
    python benchmarks/learn_speed.py --sb3-python sb3/bin/python

Every figure is env-steps per CPU-second of one thread, after warm-up and compilation (whose
CPU-seconds, the compiler's included, are printed apart). The contenders take turns; the table shows
min, median and max over the turns. `sgemm` is the machine's own speed at the time (512 × 512
float32), for comparing runs on a busy machine with those on an idle one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
# name: copies, rollout, iterations per turn (short, long)
SETTINGS = {"N 8, T 128, minibatch 256": (8, 128, 40), "N 256, T 64, minibatch 4096": (256, 64, 3)}


def sgemm_gflops() -> float:
    """Float32 matrix speed of one core now."""
    x = np.random.default_rng(0).standard_normal((512, 512)).astype(np.float32)
    start = time.process_time()
    for _ in range(20):
        x @ x
    return 20 * 2 * 512**3 / (time.process_time() - start) / 1e9


def own(copies: int, rollout: int, iterations: int, compiled: bool) -> dict[str, float]:
    """One turn of ours; in a process of its own, see `main`."""
    import torch
    from learn_yardstick import Yardstick
    from trimtab.deploy.network import NetSpec
    from trimtab.learn.ppo import PPO, PPOConfig

    torch.set_num_threads(1)
    problem = Yardstick(copies)
    config = PPOConfig(
        steps=10**9,
        rollout=rollout,
        learning_rate=2.5e-4,
        normalise_obs=False,
        compiled=compiled,
    )
    start = sum(os.times()[:4])
    ppo = PPO(problem, NetSpec.for_problem(problem.spec), config, (0,))
    ppo.iterate()
    ppo.iterate()
    warm = sum(os.times()[:4]) - start
    start = time.process_time()
    for _ in range(iterations):
        ppo.iterate()
    spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rate": iterations * copies * rollout / spent, "peak_mb": peak, "warm_cpu_s": warm}


def turn(command: list[str]) -> dict[str, float]:
    """Run one contender in a fresh process and read its JSON line."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    core = HERE.parent / "core"
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE), str(core)])
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def contenders(sb3_python: str | None, size: tuple[int, int, int]) -> dict[str, list[str]]:
    """Name → command of one turn."""
    copies, rollout, iterations = (str(x) for x in size)
    ours = [sys.executable, str(HERE / "learn_speed.py"), "--own", copies, rollout, iterations]
    found = {"trimtab, compiled step": [*ours, "1"], "trimtab, eager step": [*ours, "0"]}
    if sb3_python:
        fewer = str(max(1, int(iterations) // 3))
        base = [sb3_python, str(HERE / "learn_speed_sb3.py"), "--copies", copies]
        base += ["--rollout", rollout, "--iterations", fewer]
        found |= {"SB3": base, "SB3 over our batched problem": [*base, "--batched"]}
    return found


def main() -> None:
    """Measure all contenders in turn and print one table per setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sb3-python", help="python of an environment with stable-baselines3")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--own", nargs=4, type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.own:
        copies, rollout, iterations, compiled = args.own
        print(json.dumps(own(copies, rollout, iterations, bool(compiled))))
        return
    for name, size in SETTINGS.items():
        print(f"\n{name}: env-steps per CPU-second, min / median / max of {args.turns}")
        rates: dict[str, list[dict[str, float]]] = {}
        speeds = []
        for _ in range(args.turns):
            speeds.append(sgemm_gflops())
            for contender, command in contenders(args.sb3_python, size).items():
                rates.setdefault(contender, []).append(turn(command))
        reference = rates.get("SB3")
        for contender, found in rates.items():
            r = sorted(x["rate"] / 1e3 for x in found)
            line = f"  {contender:30s} {r[0]:7.1f} / {statistics.median(r):7.1f} / {r[-1]:7.1f} k"
            if reference:
                base = statistics.median(x["rate"] / 1e3 for x in reference)
                line += f"   {statistics.median(r) / base:5.2f} × SB3"
            line += f"   peak {max(x['peak_mb'] for x in found):.0f} MB"
            if "warm_cpu_s" in found[0]:
                warm = statistics.median(x["warm_cpu_s"] for x in found)
                line += f"   start and compile {warm:.1f} CPU-s"
            print(line, flush=True)
        print(f"  sgemm {min(speeds):.0f} … {max(speeds):.0f} GFLOP/s")


if __name__ == "__main__":
    main()
