"""The child of `run.workers`: one copy of a problem, stepped through shared memory.

Commands come as JSON lines, one answer each; arrays travel through the memory file.
"""

from __future__ import annotations

import base64
import importlib
import mmap
import pickle
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Float32Array, Obs, Step
from trimtab.run.child import serve
from trimtab.run.shared_arrays import Layout, read_action, write_action, write_obs, write_step


@dataclass(frozen=True, slots=True)
class Copy:
    """What a builder returns: one copy, and a controller whose advice is wanted each step."""

    problem: ControlProblem
    adviser: Controller | None = None


@dataclass(slots=True)
class _Server:
    """Holds the copy between commands."""

    memory_fd: int
    copy: Copy | None = None
    row: int = 0
    views: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def answer(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Do one command."""
        name = command["do"]
        if name == "build":
            return self._build(command["builder"], command["arguments"])
        if self.copy is None:
            return {"error": "not built", "kind": "ContractError"}
        if name == "attach":
            return self._attach(command["copies"], command["row"])
        if name == "reset":
            return self._reset(command["seed"], with_context=command["context"])
        if name == "step":
            return self._step(native=command["native"])
        method = getattr(self.copy.problem, name)  # episode_log, details, resource
        return {"pickle": _pickled(method(*command["arguments"]))}

    def _build(self, builder: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        module, _, attribute = builder.partition(":")
        made = getattr(importlib.import_module(module), attribute)(**arguments)
        self.copy = made if isinstance(made, Copy) else Copy(made)
        problem = self.copy.problem
        return {"pickle": _pickled((problem.spec, problem.copies, problem.autoreset))}

    def _attach(self, copies: int, row: int) -> dict[str, Any]:
        layout = Layout.of(self._problem.spec, copies)
        self.row, self.views = row, layout.views(mmap.mmap(self.memory_fd, layout.size))
        return {}

    @property
    def _problem(self) -> ControlProblem:
        if self.copy is None:
            msg = "the copy is not built"
            raise RuntimeError(msg)
        return self.copy.problem

    def _reset(self, seed: int, *, with_context: bool) -> dict[str, Any]:
        seeds = np.array([seed], dtype=np.int64)
        context: Float32Array | None = None
        if with_context:
            context = self.views["context"][self.row : self.row + 1].copy()
        obs = self._problem.reset(seeds, context)
        if self.copy is not None and self.copy.adviser is not None:
            self.copy.adviser.reset(seeds, context)
        write_obs(self.views, "obs", self.row, obs)
        self._advise(obs)
        return {}

    def _step(self, *, native: bool) -> dict[str, Any]:
        started = time.process_time()
        rows = slice(self.row, self.row + 1)
        step = self._problem.step(None if native else read_action(self.views, "action", rows))
        write_step(self.views, self.row, step)
        self._advise(step.obs)
        self.views["cpu_s"][self.row] += time.process_time() - started
        return _ending(step)

    def _advise(self, obs: Obs) -> None:
        adviser = None if self.copy is None else self.copy.adviser
        if adviser is not None and obs.alive.any():
            write_action(self.views, "advice", self.row, adviser.act(obs))


def _ending(step: Step) -> dict[str, Any]:
    """Episode metrics, only where an episode ended."""
    if not step.done[0]:
        return {}
    return {"metrics": {name: float(values[0]) for name, values in step.metrics.items()}}


def _pickled(value: Any) -> str:
    return base64.b64encode(pickle.dumps(value)).decode()


def main() -> None:
    """Serve until told to stop."""
    read_fd, write_fd, memory_fd = (int(text) for text in sys.argv[1:4])
    commands, send = serve(read_fd, write_fd)
    server = _Server(memory_fd)
    for command in commands:
        try:
            answer = server.answer(command)
        except Exception as error:  # noqa: BLE001 - the parent says which copy it was
            traceback.print_exc()
            answer = {"error": str(error) or type(error).__name__, "kind": type(error).__name__}
        send(answer)
    if server.copy is not None:
        server.copy.problem.close()


if __name__ == "__main__":
    # as the imported module, so that a `Copy` made by a builder is the one known here
    from trimtab.run import copy_process

    copy_process.main()
