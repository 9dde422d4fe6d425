"""A controller improved by looking ahead in the problem itself: multi-agent rollout.

Bertsekas, "Multiagent rollout algorithms and reinforcement learning" (2021): one agent after the
other tries each of its choices in a copy of the present state, the base controller plays on, and
the choice with the largest sum of rewards stays. One sweep of that is one step of policy
iteration without noise. It needs snapshots (`Need` "snapshot"), which a controller in the field
has not; as a teacher it labels what a student then does without them.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import ContractError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, FloatArray, IntArray, Obs


class Lookahead(Controller):
    """The base controller, each agent's choice replaced where another one leads to more.

    Args:
        problem: is played; its spec offers snapshots and has one discrete component.
        model: the same problem with as many copies as the played one has times choices, autoreset
            off; nothing else may use it.
        base: decides from the observation alone, for any number of copies.
        depth: decisions that are looked ahead, the tried one among them.
        least_gain: sum of rewards by which another choice must be better to replace the base's.
            Choices that are almost as good are hard to imitate: a pupil's teacher needs more.

    Raises:
        ContractError: the problem or the model is of another kind.
    """

    def __init__(
        self,
        problem: ControlProblem,
        model: ControlProblem,
        base: Controller,
        depth: int,
        least_gain: float = 1e-6,
    ) -> None:
        spec = problem.spec
        if len(spec.discrete) != 1 or spec.n_box or not spec.supports_snapshot:
            msg = f"{spec.name}: looking ahead needs snapshots and one discrete component"
            raise ContractError(msg)
        self._choices = spec.discrete[0]
        if model.copies != problem.copies * self._choices or model.autoreset:
            msg = (
                f"{spec.name}: the model must have {problem.copies} x {self._choices} copies and "
                f"autoreset off, got {model.copies}"
            )
            raise ContractError(msg)
        self._problem, self._model, self._base, self._depth = problem, model, base, depth
        self._least_gain = least_gain
        self._weights = spec.reward_weights
        self._tried = np.tile(np.arange(self._choices), problem.copies)

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`; the problem must stand where `obs` was seen."""
        kept = self._problem.snapshot(np.arange(self._problem.copies))
        snapshot = {name: np.repeat(x, self._choices, axis=0) for name, x in kept.items()}
        seen = _repeated(obs, self._choices)
        proposed = self._base.act(seen).discrete
        if proposed is None:
            msg = f"{self._problem.spec.name}: the base controller made no discrete choice"
            raise ContractError(msg)
        chosen = proposed.copy()
        for agent in range(chosen.shape[1]):
            self._model.restore(snapshot, np.arange(self._model.copies))
            chosen[:, agent, 0] = self._best(seen, chosen, agent)
        return Action(discrete=chosen[:: self._choices])

    def _best(self, seen: Obs, chosen: IntArray, agent: int) -> IntArray:
        """The agent's best choice, once per copy of the model."""
        tried = chosen.copy()
        legal = np.ones(len(tried), dtype=bool)
        if seen.action_mask is not None:
            legal = seen.action_mask[np.arange(len(tried)), agent, self._tried]
        tried[legal, agent, 0] = self._tried[legal]
        total = self._play(tried, seen.alive).reshape(-1, self._choices)
        now = chosen[:: self._choices, agent, 0]
        gain = total - total[np.arange(len(now)), now][:, None]
        best = np.where(gain.max(axis=1) > self._least_gain, gain.argmax(axis=1), now)
        return np.repeat(best, self._choices)

    def _play(self, tried: IntArray, alive: NDArray[np.bool_]) -> FloatArray:
        """Sum of rewards, mean over agents, from `tried` on and then as the base plays."""
        total, action = np.zeros(len(tried)), Action(discrete=tried)
        for _ in range(self._depth):
            step = self._model.step(action)
            paid = np.where(alive[..., None], step.reward, 0.0) @ self._weights
            total += paid.mean(axis=1)
            alive = step.obs.alive
            if not alive.any():
                break
            action = self._base.act(step.obs)
        return total


def _repeated(obs: Obs, times: int) -> Obs:
    """Each copy `times` times, one after the other."""

    def wide(x: Any) -> Any:
        if isinstance(x, dict):
            return {name: wide(part) for name, part in x.items()}
        return None if x is None else np.repeat(x, times, axis=0)

    return replace(obs, **{field.name: wide(getattr(obs, field.name)) for field in fields(obs)})
