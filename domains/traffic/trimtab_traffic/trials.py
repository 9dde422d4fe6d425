"""Trials: a controller beside the plan it would replace, on seeds that nothing is judged on.

A controller that retimes a running plan can do harm: the regional agents halve the delay of some
networks and jam others (`docs/traffic-regional.md`). So they play a scenario only after a trial has
shown that they help there. Trials are simulated once per machine and scenario, in a process of
their own, since libsumo holds one simulation a process.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trimtab.contracts.errors import SimulatorError
from trimtab.run.alone import alone

from trimtab_traffic.inputs import cache_folder, resolve
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.toolchain import sumo_version

FIRST_SEED = 900_001
"""Trials take this seed and those that follow; scenarios are evaluated on others."""
LEAST_GAIN = 0.05
"""Share of the plan's delay that must be saved on every seed of a trial."""
VERSION = 3
"""Raised when a controller on trial, or the plan, changes, so that old trials are not believed."""
PLAN = "fixed"
PLAYER = "trimtab_traffic.trial_player"
"""Module that plays a trial in a process of its own."""


@dataclass(frozen=True, slots=True)
class Trial:
    """True delay of a plan and of the controller on trial, seed by seed.

    Attributes:
        asked: seeds the trial was to have; it ends early with the first that speaks against.
        plan_s, tried_s: [seeds played].
        jams: episodes of the controller that ended in a gridlock on seeds where the plan's did not.
    """

    asked: int
    plan_s: tuple[float, ...]
    tried_s: tuple[float, ...]
    jams: int = 0

    @property
    def changes(self) -> tuple[float, ...]:
        """Share by which the delay changed, [seeds played]; negative is better."""
        return tuple(t / p - 1.0 for t, p in zip(self.tried_s, self.plan_s, strict=True))

    @property
    def passed(self) -> bool:
        """Whether every seed that was asked for shows the gain, and none a gridlock of its own."""
        return not self.jams and len(self.changes) == self.asked and all(map(gains, self.changes))

    def __str__(self) -> str:
        """What was found, for a reader of the table."""
        seen = ", ".join(f"{change:+.0%}" for change in self.changes)
        jams = f", {self.jams} gridlock" if self.jams else ""
        return f"delay beside the plan {seen} on seeds {FIRST_SEED} ff.{jams}"


def gains(change: float) -> bool:
    """Whether a seed's change of delay speaks for the controller."""
    return change <= -LEAST_GAIN


def trial_of(
    problem: SignalsProblem,
    controller: str,
    parameters: Mapping[str, Any],
    seeds: int,
    files: Sequence[Path] = (),
) -> Trial:
    """The trial of a controller on a scenario, simulated if this machine has not done so before.

    Args:
        problem: the scenario's problem part.
        controller: public name.
        parameters: that it is played with; they must switch its own trial off.
        seeds: how many it must pass.
        files: whose content is part of its identity.

    Raises:
        SimulatorError: the trial could not be played; carries the last line of its errors.
    """
    path = cache_folder() / "trials" / f"{_key(problem, controller, parameters, seeds, files)}.json"
    with alone(path.with_suffix(".lock")):  # others that want the same trial wait for this one
        if not path.is_file():
            found = _played(problem, controller, parameters, seeds)
            part = path.with_suffix(".part")
            part.write_text(json.dumps(asdict(found)), encoding="utf-8")
            part.replace(path)
    told = json.loads(path.read_text(encoding="utf-8"))
    return Trial(told["asked"], tuple(told["plan_s"]), tuple(told["tried_s"]), told["jams"])


def _key(
    problem: SignalsProblem,
    controller: str,
    parameters: Mapping[str, Any],
    seeds: int,
    files: Sequence[Path],
) -> str:
    chosen = json.dumps(dict(parameters), sort_keys=True, default=str)
    asked = f"{VERSION} {sumo_version()} {problem!r} {controller} {chosen} {seeds}"
    digest, inputs = hashlib.sha256(asked.encode()), resolve(problem)
    for file in (inputs.net, *inputs.routes, *inputs.additional, *files):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:24]


def _played(
    problem: SignalsProblem, controller: str, parameters: Mapping[str, Any], seeds: int
) -> Trial:
    """Play it in a child process."""
    asked = {
        "problem": problem.model_dump(mode="json"),
        "controller": controller,
        "parameters": dict(parameters),
        "seeds": seeds,
    }
    with TemporaryDirectory(prefix="trimtab-trial-") as folder:
        request, answer = Path(folder) / "asked.json", Path(folder) / "found.json"
        request.write_text(json.dumps(asked), encoding="utf-8")
        command = [sys.executable, "-m", PLAYER, str(request), str(answer)]
        done = subprocess.run(  # noqa: S603 - our own module, by this interpreter
            command, capture_output=True, text=True, check=False
        )
        if done.returncode or not answer.is_file():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            msg = f"the trial of {controller} against the plan failed: {last}"
            raise SimulatorError(msg)
        found = json.loads(answer.read_text(encoding="utf-8"))
    return Trial(seeds, tuple(found["plan_s"]), tuple(found["tried_s"]), found["jams"])
