"""Wall and CPU time of the same episodes on a junction: one copy in process, or several processes.

    python benchmarks/traffic_copies.py 1 --episodes 20
    python benchmarks/traffic_copies.py 2 --episodes 20

Legal stages are drawn at random, so that nothing but SUMO and the copies costs time.
"""

from __future__ import annotations

import argparse
import os
import resource
import time

import numpy as np
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, IntArray
from trimtab.run.copies import problem_copies
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.scenario import SignalsProblem

TOWN = SignalsProblem.model_validate(
    {
        "network": {"generated": {"columns": 1, "rows": 1, "vehicles_per_h": 1500, "lanes": 2}},
        "rules": {"profile": "field"},
        "horizon_s": 1800,
    }
)


def cpu_s() -> tuple[float, float]:
    """CPU seconds of this process and of those children that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own, children = (u.ru_utime + u.ru_stime for u in used)
    return own, children


def play(problem: ControlProblem, seeds: IntArray) -> None:
    """One episode per copy."""
    obs, rng = problem.reset(seeds), np.random.default_rng(0)
    while obs.alive.any():
        if obs.action_mask is None:
            message = "stages have masks"
            raise SystemExit(message)
        chosen = np.argmax(obs.action_mask * rng.random(obs.action_mask.shape), axis=-1)
        obs = problem.step(Action(discrete=chosen[..., None].astype(np.int64))).obs


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("copies", type=int)
    parser.add_argument("--episodes", type=int, default=20)
    given = parser.parse_args()
    began, before = time.monotonic(), cpu_s()
    with problem_copies(DOMAIN, TOWN, given.copies, "stage", autoreset=False) as problem:
        for first in range(1, given.episodes + 1, given.copies):
            play(problem, np.arange(first, first + given.copies))
    spent = [after - b for after, b in zip(cpu_s(), before, strict=True)]
    print(
        f"{given.copies} copies, {given.episodes} episodes: {time.monotonic() - began:.1f} s wall, "
        f"{spent[0]:.1f} CPU-s here and {spent[1]:.1f} in children, "
        f"load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
