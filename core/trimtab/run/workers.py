"""External simulators as worker processes behind one `ControlProblem`.

N copies are N processes that step at the same time. Arrays live in shared memory; a step costs
one short line each way per copy. A copy that crashes or hangs is an error where episodes are
evaluated; in training (autoreset) its row restarts, flagged, never with an invented number.
"""

from __future__ import annotations

import base64
import mmap
import os
import pickle
import selectors
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trimtab.contracts import errors
from trimtab.contracts.errors import (
    ContractError,
    NeedNotGrantedError,
    SimulatorError,
    TrimtabError,
)
from trimtab.contracts.problem import ControlProblem, Need
from trimtab.contracts.spec import Action, BoolArray, Float32Array, IntArray, Obs, Step
from trimtab.run.child import Child
from trimtab.run.shared_arrays import (
    Layout,
    Views,
    memory_file,
    read_action,
    read_obs,
    write_action,
)

MAX_CRASHES_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Crash:
    """A copy that died, hung, or whose simulator failed."""

    row: int
    seed: int
    decision: int
    reason: str


class ProcessProblem(ControlProblem):
    """N problems of one copy each, in N processes.

    Attributes:
        crashes: what happened to copies in training, oldest first; their rows carry NaN rewards,
            `truncated`, and a `final_obs` that is not alive, and start a new episode.
    """

    def __init__(
        self,
        builder: str,
        arguments: Sequence[Mapping[str, Any]],
        *,
        step_timeout_s: float = 300.0,
        reset_timeout_s: float = 900.0,
        log: Path = Path(os.devnull),
    ) -> None:
        """Start the processes and build the copies.

        Args:
            builder: ``module:function`` that makes one copy (`ControlProblem` or `Copy`).
            arguments: its keyword arguments per copy, plain JSON data.
            step_timeout_s: a step that takes longer counts as a crash.
            reset_timeout_s: the same for building and resetting.
            log: file for what the simulators print; discarded by default.

        Raises:
            ContractError: the copies' specs differ, or a builder makes more than one copy.
            TrimtabError: a copy cannot be built.
        """
        self.copies = len(arguments)
        self.crashes: list[Crash] = []
        self._builder, self._arguments = builder, list(arguments)
        self._step_timeout_s, self._reset_timeout_s = step_timeout_s, reset_timeout_s
        self._log = log
        self._memory = memory_file()
        self._map: mmap.mmap | None = None
        self._views: Views = {}
        self._children: dict[int, Child] = {}
        self._seeds = np.zeros(self.copies, np.int64)
        self._decision = np.zeros(self.copies, np.int64)
        self._row_crashes = np.zeros(self.copies, np.int64)
        self._running = np.zeros(self.copies, bool)
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        built = self._start(range(self.copies))
        self.spec, _, self.autoreset = built[0]
        for row, (spec, copies, autoreset) in built.items():
            if copies != 1 or autoreset != self.autoreset or spec != self.spec:
                msg = f"{self.spec.name}: copy {row} must be one copy of the same spec as copy 0"
                raise ContractError(msg)
        layout = Layout.of(self.spec, self.copies)
        self._memory.truncate(layout.size)
        self._map = mmap.mmap(self._memory.fileno(), layout.size)
        self._views = layout.views(self._map)
        self._attach(range(self.copies))

    def _start(self, rows: Sequence[int]) -> dict[int, Any]:
        """Start and build copies; return (spec, copies, autoreset) of each."""
        for row in rows:
            fds = (self._memory.fileno(),)
            self._children[row] = Child("trimtab.run.copy_process", self._log, fds)
        commands = {
            row: {"do": "build", "builder": self._builder, "arguments": dict(self._arguments[row])}
            for row in rows
        }
        answers = self._ask(commands)
        self._raise_first(answers)
        return {row: _unpickled(answer) for row, answer in answers.items()}

    def _attach(self, rows: Sequence[int]) -> None:
        ask = {row: {"do": "attach", "copies": self.copies, "row": row} for row in rows}
        self._raise_first(self._ask(ask))

    def _ask(self, commands: Mapping[int, Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
        """Send one command to each of some copies and wait for all answers.

        A copy that dies or takes too long answers with an error of kind SimulatorError and is
        gone afterwards.
        """
        for row, command in commands.items():
            self._children[row].send(command)
        stepping = all(command["do"] == "step" for command in commands.values())
        limit_s = self._step_timeout_s if stepping else self._reset_timeout_s
        answers: dict[int, dict[str, Any]] = {}
        deadline = time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            for row in commands:
                selector.register(self._children[row], selectors.EVENT_READ, row)
            while len(answers) < len(commands):
                ready = selector.select(max(deadline - time.monotonic(), 0.0))
                for key, _ in ready:
                    answer = self._answer(key.data)
                    if answer is not None:
                        selector.unregister(key.fileobj)
                        answers[key.data] = answer
                if not ready:
                    late = [row for row in commands if row not in answers]
                    answers |= {row: self._dead(row, f"no answer in {limit_s:g} s") for row in late}
        return answers

    def _answer(self, row: int) -> dict[str, Any] | None:
        """The answer of a copy that has written something, or None while it is incomplete."""
        messages = self._children[row].receive()
        if messages is None:
            self._children[row].process.wait()
            return self._dead(row)
        return messages[0] if messages else None

    def _dead(self, row: int, reason: str = "") -> dict[str, Any]:
        ending = self._children.pop(row).kill()
        why = reason or f"its process died ({ending})"
        return {"error": why, "kind": "SimulatorError"}

    def _raise_first(self, answers: Mapping[int, Mapping[str, Any]]) -> None:
        for row, answer in sorted(answers.items()):
            if "error" in answer:
                raise self._error(row, answer)

    def _error(self, row: int, answer: Mapping[str, Any]) -> TrimtabError:
        kind = getattr(errors, str(answer["kind"]), None)
        known = isinstance(kind, type) and issubclass(kind, TrimtabError)
        where = f"copy {row}, seed {self._seeds[row]}, step {self._decision[row]}"
        text = answer["error"] if known else f"{answer['kind']}: {answer['error']}"
        message = f"{where}: {text}"
        try:
            return kind(message) if known and kind is not None else SimulatorError(message)
        except TypeError:  # an error with a constructor of its own
            return TrimtabError(message)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """See `ControlProblem.reset`; copies that died are started anew.

        Raises:
            SimulatorError: a copy cannot be reset.
        """
        which = list(range(self.copies)) if rows is None else [int(row) for row in rows]
        lost = [row for row in which if row not in self._children]
        if lost:
            self._start(lost)
            self._attach(lost)
        self._seeds[which], self._decision[which] = seed, 0
        if context is not None:
            self._views["context"][which] = context
        given = context is not None
        self._raise_first(self._ask({row: self._reset_command(row, given) for row in which}))
        self._running[which] = True
        return read_obs(self._views, "obs")

    def _reset_command(self, row: int, with_context: bool) -> dict[str, Any]:
        return {"do": "reset", "seed": int(self._seeds[row]), "context": with_context}

    def step(self, action: Action | None) -> Step:
        """See `ControlProblem.step`; copies whose episode ended are not stepped again.

        Raises:
            SimulatorError: a copy crashed or hung, and autoreset is off.
        """
        if action is not None:
            write_action(self._views, "action", slice(None), action)
        live = np.flatnonzero(self._running)
        self._clear(~self._running)
        command = {"do": "step", "native": action is None}
        answers = self._ask({int(row): command for row in live})
        self._decision[live] += 1
        crashed = self._handle_crashes(answers)
        metrics = self._metrics(answers)
        step = self._step(crashed, native=action is None)
        step.metrics = metrics
        if not self.autoreset:
            self._running &= ~step.done
        return step

    def _clear(self, ended: BoolArray) -> None:
        """Copies that ended earlier yield nothing more."""
        for name in ("reward", "cost", "terminated", "truncated", "intervened", "reason"):
            self._views[name][ended] = 0

    def _handle_crashes(self, answers: Mapping[int, Mapping[str, Any]]) -> BoolArray:
        crashed = np.zeros(self.copies, bool)
        for row, answer in sorted(answers.items()):
            if "error" not in answer:
                self._row_crashes[row] = 0
                continue
            error = self._error(row, answer)
            self._row_crashes[row] += 1
            failed = isinstance(error, SimulatorError)
            if failed and row in self._children:  # alive, but its simulator is not
                self._children.pop(row).kill()
            restarts = self.autoreset and failed
            if not restarts or self._row_crashes[row] >= MAX_CRASHES_IN_A_ROW:
                raise error
            crashed[row] = True
            seed, decision = int(self._seeds[row]), int(self._decision[row])
            self.crashes.append(Crash(row, seed, decision, str(answer["error"])))
            self._restart(row)
        return crashed

    def _restart(self, row: int) -> None:
        """Start a new episode in a row that crashed, under a seed derived from its old one."""
        last = {k: v[row].copy() for k, v in self._views.items() if k.startswith("obs.")}
        spawned = np.random.SeedSequence([int(self._seeds[row]), len(self.crashes)])
        seed = np.array([spawned.generate_state(1)[0]], dtype=np.int64)
        self.reset(seed, self._views["context"][[row]].copy(), np.array([row]))
        for name, value in last.items():
            self._views[name.replace("obs.", "final.", 1)][row] = value
        self._views["final.alive"][row] = False
        for name in ("cost", "terminated", "intervened", "reason"):
            self._views[name][row] = 0
        self._views["reward"][row] = np.nan
        self._views["truncated"][row] = True

    def _metrics(self, answers: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
        ended = {row: a["metrics"] for row, a in answers.items() if "metrics" in a}
        names = dict.fromkeys(name for found in ended.values() for name in found)
        metrics = {name: np.full(self.copies, np.nan) for name in names}
        for row, found in ended.items():
            for name, value in found.items():
                metrics[name][row] = value
        return metrics

    def _step(self, crashed: BoolArray, *, native: bool) -> Step:
        views = self._views
        done = views["terminated"] | views["truncated"]
        final_rows = np.flatnonzero(done) if self.autoreset else np.zeros(0, np.int64)
        return Step(
            obs=self._alive_obs(done),
            reward=views["reward"].copy(),
            cost=views["cost"].copy(),
            terminated=views["terminated"].copy(),
            truncated=views["truncated"].copy(),
            elapsed_s=views["elapsed_s"].copy(),
            executed=None if native else read_action(views, "executed", slice(None)),
            intervened=views["intervened"] & ~crashed[:, None],
            reason=views["reason"].copy(),
            final_obs=read_obs(views, "final", final_rows) if len(final_rows) else None,
            final_rows=final_rows if len(final_rows) else None,
        )

    def _alive_obs(self, done: BoolArray) -> Obs:
        obs = read_obs(self._views, "obs")
        if not self.autoreset:
            obs.alive &= (self._running & ~done)[:, None]
        return obs

    def advice(self) -> Action:
        """What the adviser of each copy would do now (`domain_copies(..., adviser=...)`)."""
        return read_action(self._views, "advice", slice(None))

    def cpu_s(self) -> float:
        """CPU seconds that the copies have spent in steps."""
        return float(self._views["cpu_s"].sum())

    def episode_log(self, row: int) -> Mapping[str, Any]:
        """See `ControlProblem.episode_log`."""
        return dict(self._remote(row, "episode_log", 0))

    def details(self, row: int) -> Mapping[str, Mapping[str, float]]:
        """See `ControlProblem.details`."""
        return dict(self._remote(row, "details", 0))

    def resource(self, need: Need) -> Any:
        """A copy of the first process's `model`; other resources stay in their processes.

        Raises:
            NeedNotGrantedError: it changes while episodes run, so it cannot be handed over.
        """
        if need == "model":
            return self._remote(0, "resource", need)
        msg = f"{self.spec.name}: {need!r} lives in the copies' processes: use one copy in process"
        raise NeedNotGrantedError(msg)

    def _remote(self, row: int, method: str, *arguments: Any) -> Any:
        answers = self._ask({row: {"do": method, "arguments": arguments}})
        self._raise_first(answers)
        return _unpickled(answers[row])

    def close(self) -> None:
        """End all processes and release the memory; calling it twice is harmless."""
        while self._children:
            self._children.popitem()[1].stop()
        self._views = {}  # they export the map's memory, which could not be closed else
        if self._map is not None:
            self._map.close()
            self._map = None
        self._memory.close()


def _unpickled(answer: Mapping[str, Any]) -> Any:
    return pickle.loads(base64.b64decode(answer["pickle"]))  # noqa: S301 - from our own child
