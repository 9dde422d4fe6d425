"""Pendulum-v1 of Gymnasium 1.x, batched: swing up and hold, one bounded torque."""

from __future__ import annotations

import math

import numpy as np

from trimtab.contracts.spec import BoolArray, Box, Composite, FloatArray, Obs
from trimtab.testing.classics.batch import Mechanism, upright_spec

GRAVITY_M_S2, ROD_KG, ROD_M = 10.0, 1.0, 1.0
TORQUE_NM, SPEED_RAD_S, DT_S = 2.0, 8.0, 0.05


class Pendulum(Mechanism):
    """Reward −(angle² + 0.1 speed² + 0.001 torque²) per step; truncated after 200 steps."""

    def __init__(self, copies: int, *, autoreset: bool = True) -> None:
        torque = Composite(box=(Box("torque", "N·m", -TORQUE_NM, TORQUE_NM),))
        spec = upright_spec("classic.pendulum-1", torque, 3, 200, DT_S)
        super().__init__(spec, copies, (math.pi, 1.0), autoreset=autoreset)

    def _advance(self, choice: FloatArray) -> tuple[FloatArray, BoolArray]:
        angle, speed = self.state.T
        torque = np.clip(choice[:, 0].astype(np.float64), -TORQUE_NM, TORQUE_NM)
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
