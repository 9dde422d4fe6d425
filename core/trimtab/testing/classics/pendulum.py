"""Pendulum-v1 of Gymnasium 1.x, batched: swing up and hold, one bounded torque."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.errors import ActionError
from trimtab.contracts.spec import (
    Action,
    BoolArray,
    Box,
    Composite,
    FloatArray,
    IntArray,
    Obs,
    RewardChannel,
    Spec,
)
from trimtab.contracts.streams import Stream
from trimtab.testing.classics.batch import BatchedClassic

GRAVITY_M_S2, ROD_KG, ROD_M = 10.0, 1.0, 1.0
TORQUE_NM, SPEED_RAD_S, DT_S = 2.0, 8.0, 0.05
_START = Stream("start")


class Pendulum(BatchedClassic):
    """Reward −(angle² + 0.1 speed² + 0.001 torque²) per step; truncated after 200 steps."""

    state_names = ("state",)

    def __init__(self, copies: int, *, autoreset: bool = True) -> None:
        spec = Spec(
            name="classic.pendulum-1",
            agent_type=(0,),
            actions=(Composite(box=(Box("torque", "N·m", -TORQUE_NM, TORQUE_NM),)),),
            obs_dim=3,
            rewards=(RewardChannel("upright", "1"),),
            horizon=200,
            dt_s=DT_S,
            supports_snapshot=True,
        )
        super().__init__(spec, copies, autoreset=autoreset)
        self.state = np.zeros((copies, 2))

    def _start(self, rows: IntArray) -> None:
        draws = _START.uniform(self._seed[rows], self._episode[rows], 0, 2)
        self.state[rows] = (2.0 * draws - 1.0) * np.array([math.pi, 1.0])

    def _checked(self, action: Action | None) -> NDArray[Any]:
        shape = (self.copies, 1, 1)
        if action is None or action.box is None or action.box.shape != shape:
            got = None if action is None or action.box is None else action.box.shape
            msg = f"{self.spec.name}: box actions must have shape {shape}, got {got}"
            raise ActionError(msg)
        return action.box[:, 0, 0].astype(np.float64)

    def _advance(self, choice: NDArray[Any]) -> tuple[FloatArray, BoolArray]:
        angle, speed = self.state.T
        torque = np.clip(choice, -TORQUE_NM, TORQUE_NM)
        from_top = (angle + math.pi) % (2.0 * math.pi) - math.pi
        cost = from_top**2 + 0.1 * speed**2 + 0.001 * torque**2
        pull = 3.0 * GRAVITY_M_S2 / (2.0 * ROD_M) * np.sin(angle)
        faster = speed + (pull + 3.0 / (ROD_KG * ROD_M**2) * torque) * DT_S
        faster = np.clip(faster, -SPEED_RAD_S, SPEED_RAD_S)
        self.state = np.stack([angle + faster * DT_S, faster], axis=1)
        return -cost[:, None], np.zeros(self.copies, dtype=bool)

    def _observe(self) -> Obs:
        angle, speed = self.state.T
        seen = np.stack([np.cos(angle), np.sin(angle), speed], axis=1)
        return Obs(obs=seen.astype(np.float32)[:, None], alive=self._alive())
