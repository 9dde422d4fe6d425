"""Plays a trial (`trials`) in a process of its own: `python -m trimtab_traffic.trial_player`."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate

from trimtab_traffic.controllers import entries
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.simulation import preload
from trimtab_traffic.trials import FIRST_SEED, PLAN, gains


def main(request: Path, answer: Path) -> None:
    """Play what `request` asks for, seed by seed until one speaks against it; write `answer`."""
    asked = json.loads(request.read_text(encoding="utf-8"))
    problem = SignalsProblem.model_validate(asked["problem"])
    preload()
    plan_s: list[float] = []
    tried_s: list[float] = []
    jams = 0
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        for seed in range(FIRST_SEED, FIRST_SEED + asked["seeds"]):
            row = (asked["controller"], asked["parameters"])
            plain_s, plain_jam = pool.apply(_episode, (problem, PLAN, {}, seed))
            own_s, own_jam = pool.apply(_episode, (problem, *row, seed))
            plan_s.append(plain_s)
            tried_s.append(own_s)
            jams += own_jam and not plain_jam
            if jams or not gains(own_s / plain_s - 1.0):
                break
    found = {"plan_s": plan_s, "tried_s": tried_s, "jams": jams}
    answer.write_text(json.dumps(found), encoding="utf-8")


def _episode(
    problem: SignalsProblem, name: str, parameters: Mapping[str, Any], seed: int
) -> tuple[float, bool]:
    """True delay, s, and gridlock of one episode played in this process."""
    entry = entries(problem)[name]
    with SignalControl(problem, entry.interface, logs=False) as control:
        player = make_controller(control, entry, parameters, name)
        metrics = evaluate(control, player, [seed])[0].metrics
        return float(metrics["true_delay_s"]), bool(metrics["gridlock"])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
