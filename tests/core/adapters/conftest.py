"""A small control problem with every kind of action part, agents that die, and masks."""

from collections.abc import Callable

import numpy as np
import pytest
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import (
    Action,
    Box,
    Composite,
    EntityBlock,
    Obs,
    RewardChannel,
    Spec,
    Step,
)


class Relay(ControlProblem):
    """Agent i is alive for the first `lives[i]` steps; ends when all are dead or after 6."""

    def __init__(self, agents: int, copies: int, *, autoreset: bool, plain: bool) -> None:
        self.copies, self.autoreset = copies, autoreset
        two = (
            Composite(discrete=(3,)),
            Composite(discrete=(2, 3), box=(Box("power", "kW", -1.0, 4.0),)),
        )
        kinds = two[:1] if plain else two if agents > 1 else two[1:]
        self.spec = Spec(
            name="relay-1",
            agent_type=tuple(i % len(kinds) for i in range(agents)),
            actions=kinds,
            obs_dim=2,
            entity_blocks=(EntityBlock("parts", 2, 1),),
            rewards=(RewardChannel("gain", "1"), RewardChannel("loss", "1", "min", 0.5)),
            horizon=6,
            dt_s=1.0,
            state_dim=3,
        )
        self._lives = 6 - np.arange(agents)
        self._t = np.zeros(copies, np.int64)
        self._seed = np.zeros(copies, np.int64)
        self._over = np.ones(copies, bool)

    def reset(self, seed, context=None, rows=None) -> Obs:
        which = slice(None) if rows is None else rows
        self._t[which], self._over[which], self._seed[which] = 0, False, seed
        return self._observe()

    def _observe(self) -> Obs:
        n, a = self.copies, self.spec.n_agents
        obs = np.zeros((n, a, 2), np.float32)
        obs[..., 0] = self._t[:, None]
        obs[..., 1] = (self._seed % 97)[:, None]
        alive = (self._t[:, None] < self._lives) & ~self._over[:, None]
        mask = np.ones((n, a, self.spec.mask_width), bool)
        mask[..., 0] = (self._t % 2 == 0)[:, None]
        return Obs(
            obs=obs,
            alive=alive,
            entities={"parts": np.ones((n, a, 2, 1), np.float32)},
            entity_mask={"parts": np.tile([True, False], (n, a, 1))},
            action_mask=mask,
            state=np.zeros((n, 3), np.float32),
        )

    def step(self, action: Action | None) -> Step:
        assert action is not None
        live = ~self._over
        reward = np.zeros((self.copies, self.spec.n_agents, 2), np.float32)
        reward[..., 0] = action.discrete[..., 0]
        reward[..., 1] = 1.0 if action.box is None else action.box[..., 0]
        self._t += live
        truncated = live & (self._t >= 6)
        self._over |= truncated
        rows = np.flatnonzero(truncated)
        final = None
        if self.autoreset and len(rows):
            whole = self._observe()
            final = Obs(
                obs=whole.obs[rows],
                alive=whole.alive[rows],
                entities={k: x[rows] for k, x in whole.entities.items()},
                entity_mask={k: x[rows] for k, x in whole.entity_mask.items()},
                action_mask=whole.action_mask[rows],
                state=whole.state[rows],
            )
            self._t[rows], self._over[rows] = 0, False
        shape = (self.copies, self.spec.n_agents)
        return Step(
            obs=self._observe(),
            reward=reward,
            cost=np.zeros((self.copies, 0), np.float32),
            terminated=np.zeros(self.copies, bool),
            truncated=truncated,
            elapsed_s=np.ones(self.copies),
            executed=action,
            intervened=np.zeros(shape, bool),
            reason=np.zeros(shape, np.int16),
            final_obs=final,
            final_rows=rows if final is not None else None,
            metrics={"length": np.where(truncated, 6.0, np.nan)},
        )


@pytest.fixture
def relay() -> Callable[..., Relay]:
    """`relay(agents, copies=1, autoreset=False, plain=False)`; plain: one choice of three each."""

    def build(
        agents: int, copies: int = 1, *, autoreset: bool = False, plain: bool = False
    ) -> Relay:
        return Relay(agents, copies, autoreset=autoreset, plain=plain)

    return build
