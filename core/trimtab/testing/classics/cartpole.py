"""CartPole-v1 of Gymnasium 1.x, batched (Barto, Sutton, Anderson 1983; Florian 2005)."""

from __future__ import annotations

import math

import numpy as np

from trimtab.contracts.spec import BoolArray, Composite, FloatArray, IntArray, Obs
from trimtab.testing.classics.batch import Mechanism, upright_spec

GRAVITY_M_S2, CART_KG, POLE_KG, HALF_LENGTH_M = 9.8, 1.0, 0.1, 0.5
FORCE_N, DT_S = 10.0, 0.02
X_MAX_M, ANGLE_MAX_RAD = 2.4, 12 * 2 * math.pi / 360
TOTAL_KG, POLE_MOMENT = POLE_KG + CART_KG, POLE_KG * HALF_LENGTH_M


class CartPole(Mechanism):
    """Action 0 pushes left, 1 right; reward 1 per step; truncated after 500 steps."""

    def __init__(self, copies: int, *, autoreset: bool = True) -> None:
        spec = upright_spec("classic.cartpole-1", Composite(discrete=(2,)), 4, 500, DT_S)
        super().__init__(spec, copies, (0.05,) * 4, autoreset=autoreset)
        self._one = np.ones((copies, 1))

    def _advance(self, choice: IntArray) -> tuple[FloatArray, BoolArray]:
        x, x_dot, theta, theta_dot = self.state.T
        force = np.where(choice[:, 0] == 1, FORCE_N, -FORCE_N)
        cos, sin = np.cos(theta), np.sin(theta)
        push = (force + POLE_MOMENT * (theta_dot * theta_dot) * sin) / TOTAL_KG
        theta_acc = (GRAVITY_M_S2 * sin - cos * push) / (
            HALF_LENGTH_M * (4.0 / 3.0 - POLE_KG * (cos * cos) / TOTAL_KG)
        )
        x_acc = push - POLE_MOMENT * theta_acc * cos / TOTAL_KG
        moved = np.stack(
            [
                x + DT_S * x_dot,
                x_dot + DT_S * x_acc,
                theta + DT_S * theta_dot,
                theta_dot + DT_S * theta_acc,
            ],
            axis=1,
        )
        self.state = moved
        fell = (np.abs(moved[:, 0]) > X_MAX_M) | (np.abs(moved[:, 2]) > ANGLE_MAX_RAD)
        return self._one, fell

    def _observe(self) -> Obs:
        return Obs(obs=self.state.astype(np.float32)[:, None], alive=self._alive())
