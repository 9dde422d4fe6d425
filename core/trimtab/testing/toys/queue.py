"""An external-process domain: a service counter whose simulator is another program."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from trimtab.contracts.controller import Controller, Entry
from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import ActionError, SimulatorError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.scenario import StrictModel
from trimtab.contracts.space import Integer, Space
from trimtab.contracts.spec import (
    Action,
    Composite,
    Float32Array,
    IntArray,
    Metric,
    Obs,
    RewardChannel,
    Spec,
    Step,
)

DESK_COST_PER_MIN = 2.0


class QueueModel(StrictModel):
    """What the user sets."""

    horizon_min: int = Field(60, ge=1, le=1440, description="length of an episode, min")
    crash_at_min: int = Field(-1, ge=-1, description="minute at which the simulator dies")
    hang_at_min: int = Field(-1, ge=-1, description="minute at which the simulator hangs")


class QueueProblem(ControlProblem):
    """One counter (copies = 1); the action is one or two open desks."""

    copies = 1

    def __init__(self, model: QueueModel, *, autoreset: bool) -> None:
        self.model, self.autoreset = model, autoreset
        self.spec = Spec(
            name="toy.queue-1",
            agent_type=(0,),
            actions=(Composite(discrete=(2,)),),
            obs_dim=2,
            rewards=(RewardChannel("cost", "1", "min"),),
            horizon=model.horizon_min,
            dt_s=60.0,
        )
        self._process: subprocess.Popen[str] | None = None
        self._minute, self._queue, self._cost, self._seed, self._live = 0, 0, 0.0, 0, False

    def _ask(self, *command: Any) -> int:
        if self._process is None:
            arguments = [str(self.model.crash_at_min), str(self.model.hang_at_min)]
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "trimtab.testing.toys.queue_simulator", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            msg = "toy.queue: the simulator was started without pipes"
            raise SimulatorError(msg)
        try:
            stdin.write(json.dumps(command) + "\n")
            stdin.flush()
        except BrokenPipeError:
            pass
        answer = stdout.readline()
        if not answer:
            code = self._process.wait()
            msg = f"toy.queue: the simulator died with code {code} in minute {self._minute}"
            raise SimulatorError(msg)
        return int(json.loads(answer)["queue"])

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """See `ControlProblem.reset`."""
        self._seed = int(seed[0])
        self._start()
        return self._observe()

    def _start(self) -> None:
        self._minute, self._cost, self._live = 0, 0.0, True
        self._queue = self._ask("reset", self._seed)

    def step(self, action: Action | None) -> Step:
        """See `ControlProblem.step`."""
        if action is None or action.discrete is None or action.discrete.shape != (1, 1, 1):
            got = getattr(getattr(action, "discrete", None), "shape", None)
            msg = f"toy.queue-1: discrete actions of shape (1, 1, 1) are needed, got {got}"
            raise ActionError(msg)
        if int(action.discrete[0, 0, 0]) not in {0, 1}:
            msg = f"toy.queue-1: desks are 0 (one) or 1 (two), got {int(action.discrete[0, 0, 0])}"
            raise ActionError(msg)
        desks = int(action.discrete[0, 0, 0]) + 1
        cost = 0.0
        if self._live:
            self._minute += 1
            self._queue = self._ask("step", desks)
            cost = self._queue + DESK_COST_PER_MIN * desks
            self._cost += cost
        ended = self._live and self._minute >= self.spec.horizon
        total = self._cost if ended else float("nan")
        self._live &= not ended
        final_obs = None
        if ended and self.autoreset:
            final_obs = self._observe()
            self._start()
        return Step(
            obs=self._observe(),
            reward=np.full((1, 1, 1), cost, np.float32),
            cost=np.zeros((1, 0), np.float32),
            terminated=np.zeros(1, bool),
            truncated=np.array([ended]),
            elapsed_s=np.array([60.0]),
            executed=Action(discrete=action.discrete.copy()),
            intervened=np.zeros((1, 1), bool),
            reason=np.zeros((1, 1), np.int16),
            final_obs=final_obs,
            final_rows=np.array([0]) if final_obs is not None else None,
            metrics={"mean_cost": np.array([total / self.spec.horizon])},
        )

    def _observe(self) -> Obs:
        obs = np.array([[[self._queue, self._minute]]], np.float32)
        return Obs(obs=obs, alive=np.array([[self._live]]))

    def close(self) -> None:
        """See `ControlProblem.close`."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class Threshold(Controller):
    """Opens the second desk when `queue` customers wait."""

    def __init__(self, problem: ControlProblem, queue: int = 4) -> None:
        self._queue = queue

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        return Action(discrete=(obs.obs[:, :, :1] >= self._queue).astype(np.int64))


def one_desk(problem: ControlProblem) -> Controller:
    """The second desk never opens."""
    return Threshold(problem, queue=1 << 20)


class QueueDomain(Domain):
    """The toy domain with an external simulator."""

    name = "toy.queue"
    title = "A service counter simulated by another process"
    problem_model = QueueModel
    headline = Metric("mean_cost", "1/min", "min", "waiting customers plus desk cost")
    metrics = (headline,)
    external = True

    def build(
        self,
        problem: QueueModel,
        copies: int = 1,
        interface: str = "default",
        autoreset: bool = False,
    ) -> QueueProblem:
        """See `Domain.build`; one copy per process."""
        return QueueProblem(problem, autoreset=autoreset)

    def controllers(self, problem: QueueModel) -> Mapping[str, Entry]:
        """See `Domain.controllers`."""
        return {
            "one_desk": Entry("reference", one_desk, "one desk at all times"),
            "threshold": Entry(
                "classical",
                Threshold,
                "second desk from a queue length on",
                parameters=Space((Integer("queue", 1, 20, "customers"),)),
            ),
        }

    def reference(self, problem: QueueModel) -> tuple[str, ...]:
        """See `Domain.reference`."""
        return ("one_desk",)


DOMAIN = QueueDomain()
