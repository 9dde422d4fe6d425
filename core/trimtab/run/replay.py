"""Replay of logged decisions: the engineer's present practice as a controller.

The CSV has a header with `step`, optionally `seed` and `agent` (0 where absent), and one column
for each action component: `discrete_0`, `discrete_1`, ... then `box_0`, ... in physical units.
A decision holds until the next logged step of the agent. Rows without a seed (or without that
column) serve every seed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trimtab.contracts.bounded import read_bounded
from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs, Spec

ANY_SEED = -1
MAX_BYTES = 50_000_000
MAX_NUMBERS = 20_000_000
"""Numbers that the decisions of all seeds of a file may come to."""


class Replay(Controller):
    """Repeats the decisions of a CSV file."""

    def __init__(self, problem: ControlProblem, path: Path) -> None:
        self._spec = problem.spec
        self._path = path
        self._logs = read_decisions(path, problem.spec)
        self._plan = np.zeros((0, 0, 0, 0))
        self._step = 0

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`; all copies start together."""
        plans = [self._logs.get(int(s), self._logs.get(ANY_SEED)) for s in seed]
        for value, plan in zip(seed, plans, strict=True):
            if plan is None:
                msg = f"{self._path}: no decisions for seed {int(value)}: log them, or drop it"
                raise InputFileError(msg)
        self._plan = np.stack([plan for plan in plans if plan is not None])
        self._step = 0

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        now = self._plan[:, min(self._step, self._plan.shape[1] - 1)]
        self._step += 1
        d = len(self._spec.discrete)
        return Action(
            discrete=now[:, :, :d].astype(np.int64) if d else None,
            box=now[:, :, d:].astype(np.float32) if self._spec.n_box else None,
        )


def read_decisions(path: Path, spec: Spec) -> dict[int, FloatArray]:
    """Seed → decisions [horizon, A, d + b]; seed −1 serves every seed.

    Raises:
        InputFileError: with the line and what is wrong there.
    """
    parts = [f"discrete_{i}" for i in range(len(spec.discrete))]
    parts += [f"box_{i}" for i in range(spec.n_box)]
    logs: dict[int, FloatArray] = {}
    for where, row in _rows(path, {"step", *parts}):
        seed, step, agent, values = _decision(row, parts, spec, where)
        if seed not in logs:
            logs[seed] = np.full((spec.horizon, spec.n_agents, len(parts)), np.nan)
            if sum(log.size for log in logs.values()) > MAX_NUMBERS:
                msg = f"{where}: too many seeds ({len(logs)}): give each group a file of its own"
                raise InputFileError(msg)
        logs[seed][step, agent] = values
    return {seed: _held(log, path, seed) for seed, log in logs.items()}


def _rows(path: Path, columns: set[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Place and cells of each row of a table that has these columns."""
    try:
        text = read_bounded(path, MAX_BYTES).decode("utf-8-sig")
        table = csv.DictReader(io.StringIO(text, newline=""))
        _check_header(set(table.fieldnames or ()), columns, path)
        for row in table:
            yield f"{path}:{table.line_num}", row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path}: cannot be read as a table in UTF-8: {error}"
        raise InputFileError(msg) from None


def _check_header(given: set[str], columns: set[str], path: Path) -> None:
    if columns - given:
        msg = f"{path}:1: the header lacks {', '.join(sorted(columns - given))}"
        raise InputFileError(msg)


def _decision(
    row: dict[str, str], parts: list[str], spec: Spec, where: str
) -> tuple[int, int, int, list[float]]:
    try:
        seed = int(row.get("seed") or ANY_SEED)
        step, agent = int(row["step"]), int(row.get("agent") or 0)
        values = [float(row[name]) for name in parts]
    except (TypeError, ValueError) as error:
        msg = f"{where}: not a number in a column that needs one ({error})"
        raise InputFileError(msg) from None
    if not 0 <= step < spec.horizon or not 0 <= agent < spec.n_agents:
        msg = (
            f"{where}: step {step}, agent {agent} is outside the episode of {spec.horizon} steps "
            f"and {spec.n_agents} agents"
        )
        raise InputFileError(msg)
    if not np.isfinite(values).all():
        msg = f"{where}: decisions must be finite numbers"
        raise InputFileError(msg)
    return seed, step, agent, values


def _held(log: FloatArray, path: Path, seed: int) -> FloatArray:
    """Fill each gap with the decision before it."""
    known = ~np.isnan(log[:, :, 0])
    if not known[0].all():
        agent = int(np.flatnonzero(~known[0])[0])
        which = "" if seed == ANY_SEED else f" of seed {seed}"
        msg = f"{path}: agent {agent}{which} has no decision at step 0: log where it starts"
        raise InputFileError(msg)
    latest = np.maximum.accumulate(np.where(known, np.arange(len(log))[:, None], 0), axis=0)
    return np.take_along_axis(log, latest[:, :, None], axis=0)
