"""Markov decision processes given by tables: every value of interest has a closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.errors import ContractError
from trimtab.contracts.spec import (
    BoolArray,
    Composite,
    FloatArray,
    IntArray,
    Obs,
    RewardChannel,
    Spec,
)
from trimtab.contracts.streams import Stream
from trimtab.testing.classics.batch import BatchedClassic

_MOVE = Stream("move")


class Tabular(BatchedClassic):
    """States observed one-hot; the next state depends on the copy's own uniform draw per step.

    Args:
        moves: [states, actions, states], probabilities of the next state.
        rewards: [states, actions, states], of each transition.
        terminal: states that end the episode.
        start: state in which episodes begin.
        copies: N.
        horizon: decisions after which an episode is truncated.
        autoreset: see `ControlProblem`.
    """

    state_names = ("state",)

    def __init__(
        self,
        moves: FloatArray,
        rewards: FloatArray,
        terminal: Sequence[int],
        copies: int,
        *,
        start: int = 0,
        horizon: int = 100,
        autoreset: bool = True,
    ) -> None:
        if moves.shape != rewards.shape or not np.allclose(moves.sum(-1), 1.0):
            msg = "Tabular: moves and rewards need one shape, and moves[s, a] must sum to 1"
            raise ContractError(msg)
        spec = Spec(
            name="classic.tabular-1",
            agent_type=(0,),
            actions=(Composite(discrete=(moves.shape[1],)),),
            obs_dim=moves.shape[0],
            rewards=(RewardChannel("reward", "1"),),
            horizon=horizon,
            dt_s=1.0,
            supports_snapshot=True,
        )
        super().__init__(spec, copies, autoreset=autoreset)
        self._cumulated, self._rewards = moves.cumsum(axis=-1), rewards
        self._terminal = np.isin(np.arange(moves.shape[0]), terminal)
        self._first = start
        self.state = np.full(copies, start)

    def _start(self, rows: IntArray) -> None:
        self.state[rows] = self._first

    def _advance(self, choice: NDArray[Any]) -> tuple[FloatArray, BoolArray]:
        draw = _MOVE.uniform(self._seed, self._episode, self._decision)
        before, action = self.state, choice[:, 0]
        after = (draw >= self._cumulated[before, action]).sum(axis=1)
        self.state = np.minimum(after, len(self._terminal) - 1)
        return self._rewards[before, action, self.state][:, None], self._terminal[self.state]

    def _observe(self) -> Obs:
        seen = np.eye(len(self._terminal), dtype=np.float32)[self.state]
        return Obs(obs=seen[:, None], alive=self._alive())
