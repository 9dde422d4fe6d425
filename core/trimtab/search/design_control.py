"""A design problem played as a control problem: a one-step bandit, or a walk of edits.

Each column of the space is one choice: the values of a discrete parameter, a few levels of a
continuous one, the rank of an item in an order. One agent makes all choices, or one agent each.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from trimtab.contracts.errors import ActionError, ContractError
from trimtab.contracts.problem import ControlProblem, DesignProblem
from trimtab.contracts.spec import (
    Action,
    BoolArray,
    Composite,
    Float32Array,
    FloatArray,
    IntArray,
    Obs,
    RewardChannel,
    Spec,
    Step,
)
from trimtab.search.grid import Grid
from trimtab.search.optimizer import INFEASIBLE, penalised

Mode = Literal["bandit", "edits"]
Agents = Literal["one", "per_column"]

KEEP, DOWN, UP = range(3)
"""Choices of an edit, per column."""

_BROKEN = -2.0  # reward of an infeasible design; no reward of a feasible one falls below it


class DesignControl(ControlProblem):
    """N copies that choose designs; equal designs are simulated once.

    The reward is the relative improvement over the reference: of the chosen design (bandit), or
    gained by the edit (edits, so that an episode sums to the improvement of its last design). An
    infeasible design counts as an improvement of -2.

    Args:
        design: what is scored, at its full fidelity.
        reference: coded row [width] that scores zero, where edits start.
        mode: `bandit` plays one decision, choosing every value; `edits` keeps each column or moves
            it down or up by one value (cyclic in categories).
        agents: one agent with all choices, or one agent per column.
        copies: N.
        horizon: decisions of an episode of edits.
        levels: values of a continuous column.
        seed: of the simulator, common to all designs.
        autoreset: restart ended copies inside `step`.

    Raises:
        ContractError: the reference is infeasible, fails or scores zero.
    """

    def __init__(
        self,
        design: DesignProblem,
        reference: FloatArray,
        *,
        mode: Mode = "bandit",
        agents: Agents = "per_column",
        copies: int = 1,
        horizon: int = 16,
        levels: int = 9,
        seed: int = 0,
        autoreset: bool = False,
    ) -> None:
        self._design, self._mode, self._seed = design, mode, seed
        self.copies, self.autoreset = copies, autoreset
        self.grid = Grid(design.spec.space)
        self._sizes = np.where(self.grid.counts > 0, self.grid.counts, levels)
        for s in self.grid.permutations:
            self._sizes[s] = s.stop - s.start
        self._start = self.grid.snap(design.spec.space.encode(reference[None]))[0]
        self._known: dict[bytes, float] = {}
        self._per_column = agents == "per_column"
        self.spec = self._described(1 if mode == "bandit" else horizon)
        self._sign = 1.0 if design.spec.objectives[0].sense == "min" else -1.0
        self._zero = float(self._scores(self._start[None])[0])
        if self._zero >= INFEASIBLE or self._zero == 0.0:
            msg = f"{design.spec.name}: the reference must be feasible and not score zero"
            raise ContractError(msg)
        self._points = np.repeat(self._start[None], copies, axis=0)
        self._gain = np.zeros(copies)
        self._time = np.zeros(copies, np.int64)
        self._live = np.zeros(copies, bool)

    def _described(self, horizon: int) -> Spec:
        choices = self._sizes if self._mode == "bandit" else np.full(self.grid.width, 3)
        sizes = tuple(int(n) for n in choices)
        kinds = sorted(set(sizes))
        one_each = tuple(kinds.index(n) for n in sizes)
        columns = self.grid.width
        return Spec(
            name=f"{self._design.spec.name}:{self._mode}",
            agent_type=one_each if self._per_column else (0,),
            actions=tuple(Composite(discrete=(n,)) for n in kinds)
            if self._per_column
            else (Composite(discrete=sizes),),
            obs_dim=columns + 1 + (columns if self._per_column else 0),
            rewards=(RewardChannel("improvement", "1"),),
            horizon=horizon,
            dt_s=1.0,
        )

    @property
    def calls(self) -> int:
        """Unique designs simulated so far, the reference among them."""
        return len(self._known)

    @property
    def points(self) -> FloatArray:
        """[N, width] present designs, points of the unit cube."""
        return self._points.copy()

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """See `ControlProblem.reset`; every episode starts at the reference."""
        self._restart(np.arange(self.copies) if rows is None else rows)
        return self._observed()

    def _restart(self, rows: IntArray) -> None:
        self._points[rows], self._gain[rows] = self._start, 0.0
        self._time[rows], self._live[rows] = 0, True

    def step(self, action: Action | None) -> Step:
        """See `ControlProblem.step`."""
        choices = self._checked(action)
        live = self._live.copy()
        moved = self.grid.snap(self._values(choices))
        self._points = np.where(live[:, None], moved, self._points)
        gain = np.where(live, self._improvement(self._points), self._gain)
        reward = gain - self._gain
        self._gain = gain
        self._time += live
        ended = live & (self._time >= self.spec.horizon)
        self._live = live & ~ended
        return self._outcome(choices, reward, ended)

    def _checked(self, action: Action | None) -> IntArray:
        """[N, width] choices, from either layout of agents."""
        shape = (self.copies, self.spec.n_agents, 1 if self._per_column else self.grid.width)
        if action is None or action.discrete is None or action.discrete.shape != shape:
            got = None if action is None or action.discrete is None else action.discrete.shape
            msg = f"{self.spec.name}: discrete actions must be {shape}, got {got}"
            raise ActionError(msg)
        choices = action.discrete.reshape(self.copies, self.grid.width)
        most = self._sizes if self._mode == "bandit" else np.full(self.grid.width, 3)
        if (choices < 0).any() or (choices >= most).any():
            msg = f"{self.spec.name}: choices must lie in 0..{(most - 1).tolist()}"
            raise ActionError(msg)
        return choices

    def _values(self, choices: IntArray) -> FloatArray:
        """[N, width] points that the choices lead to."""
        if self._mode == "bandit":
            return np.asarray((choices + 0.5) / self._sizes)
        index = np.minimum(np.floor(self._points * self._sizes), self._sizes - 1)
        moved = index + (choices == UP) - (choices == DOWN)
        cyclic = np.mod(moved, self._sizes)
        moved = np.where(self.grid.ordered, np.clip(moved, 0, self._sizes - 1), cyclic)
        return np.where(choices == KEEP, self._points, (moved + 0.5) / self._sizes)

    def _improvement(self, points: FloatArray) -> FloatArray:
        score = self._scores(points)
        relative = (self._zero - score) / abs(self._zero)
        return np.where(score >= INFEASIBLE, _BROKEN, np.maximum(relative, _BROKEN))

    def _scores(self, points: FloatArray) -> FloatArray:
        """[n] penalised first objective; only new designs are simulated."""
        spec = self._design.spec
        rows = self._design.canonical(spec.space.decode(points))
        new = {row.tobytes(): i for i, row in enumerate(rows) if row.tobytes() not in self._known}
        if new:
            fresh = rows[list(new.values())]
            found = self._design.evaluate(fresh, spec.fidelities[-1], self._seed)
            score = penalised(self._sign * found.objectives[:, 0], found.constraints)
            self._known |= zip(new, (float(s) for s in score), strict=True)
        return np.array([self._known[row.tobytes()] for row in rows])

    def _observed(self) -> Obs:
        agents = self.spec.n_agents
        common = np.concatenate([self._points, self._gain[:, None]], axis=1)
        seen = np.repeat(common[:, None], agents, axis=1)
        if self._per_column:
            who = np.broadcast_to(np.eye(agents), (self.copies, agents, agents))
            seen = np.concatenate([seen, who], axis=2)
        alive: BoolArray = np.repeat(self._live[:, None], agents, axis=1)
        return Obs(seen.astype(np.float32), alive)

    def _outcome(self, choices: IntArray, reward: FloatArray, ended: BoolArray) -> Step:
        agents = self.spec.n_agents
        rows = np.flatnonzero(ended)
        final, gain = None, np.where(ended, self._gain, np.nan)
        if self.autoreset and len(rows):
            last = self._observed()
            final = Obs(last.obs[rows], np.ones((len(rows), agents), bool))
            self._restart(rows)
        shared = np.repeat(reward[:, None, None], agents, axis=1)
        return Step(
            obs=self._observed(),
            reward=shared.astype(np.float32),
            cost=np.zeros((self.copies, 0), np.float32),
            terminated=ended if self._mode == "bandit" else np.zeros(self.copies, bool),
            truncated=np.zeros(self.copies, bool) if self._mode == "bandit" else ended,
            elapsed_s=np.full(self.copies, self.spec.dt_s),
            executed=Action(discrete=choices.reshape(self.copies, agents, -1)),
            intervened=np.zeros((self.copies, agents), bool),
            reason=np.zeros((self.copies, agents), np.int16),
            final_obs=final,
            final_rows=rows if final is not None else None,
            metrics={"improvement": gain},
        )

    def close(self) -> None:
        """See `ControlProblem.close`."""
        self._design.close()
