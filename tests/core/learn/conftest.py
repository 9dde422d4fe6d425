"""Tiny problems whose values and optimal policies are known exactly."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import (
    Action,
    Composite,
    CostChannel,
    Obs,
    RewardChannel,
    Spec,
    Step,
)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@dataclass
class ProbeShape:
    """What differs between probes; `reward(step, action)` gives [N, A]."""

    reward: Callable[[np.ndarray, Action], np.ndarray]
    length: int = 1
    agents: int = 1
    action: Composite = field(default_factory=lambda: Composite(discrete=(2,)))
    truncates: bool = False
    mask: tuple[bool, ...] | None = None
    dead: tuple[int, ...] = ()
    dead_see: float = np.nan
    costs: tuple[CostChannel, ...] = ()
    cost: Callable[[Action], np.ndarray] | None = None
    channels: int = 1
    state: bool = False
    elapsed: float = 1.0
    constant_obs: bool = False


class Probe(ControlProblem):
    """Observation: one-hot of the step within the episode; autoreset."""

    autoreset = True

    def __init__(self, shape: ProbeShape, copies: int) -> None:
        self.shape, self.copies = shape, copies
        self.spec = Spec(
            name="probe-1",
            agent_type=(0,) * shape.agents,
            actions=(shape.action,),
            obs_dim=shape.length,
            rewards=tuple(RewardChannel(f"r{k}", "1") for k in range(shape.channels)),
            costs=shape.costs,
            horizon=shape.length,
            dt_s=1.0,
            state_dim=shape.length if shape.state else 0,
            supports_snapshot=True,
        )
        self._t = np.zeros(copies, np.int64)
        self.actions: list[Action] = []

    def reset(self, seed, context=None, rows=None) -> Obs:
        self._t[slice(None) if rows is None else rows] = 0
        return self._observe()

    def _observe(self) -> Obs:
        s = self.shape
        t = np.zeros_like(self._t) if s.constant_obs else np.minimum(self._t, s.length - 1)
        onehot = np.eye(s.length, dtype=np.float32)[t]
        obs = np.repeat(onehot[:, None], s.agents, axis=1)
        alive = np.ones((self.copies, s.agents), bool)
        alive[:, list(s.dead)] = False
        obs[:, list(s.dead)] = s.dead_see
        mask = None
        if s.mask is not None:
            mask = np.tile(np.array(s.mask), (self.copies, s.agents, 1))
        return Obs(obs=obs, alive=alive, action_mask=mask, state=onehot if s.state else None)

    def step(self, action: Action | None) -> Step:
        s = self.shape
        assert action is not None
        self.actions.append(action)
        reward = s.reward(self._t, action).astype(np.float32)
        if reward.ndim == 2:
            reward = reward[..., None]
        cost = np.zeros((self.copies, len(s.costs)), np.float32)
        if s.cost is not None:
            cost[:, 0] = s.cost(action)
        self._t = self._t + 1
        done = self._t >= s.length
        final_rows = np.flatnonzero(done)
        final = self._observe()
        final_obs = Obs(
            obs=final.obs[final_rows],
            alive=final.alive[final_rows],
            action_mask=None if final.action_mask is None else final.action_mask[final_rows],
            state=None if final.state is None else final.state[final_rows],
        )
        self._t[done] = 0
        none = np.zeros(self.copies, bool)
        return Step(
            obs=self._observe(),
            reward=reward,
            cost=cost,
            terminated=none if s.truncates else done,
            truncated=done if s.truncates else none,
            elapsed_s=np.full(self.copies, s.elapsed),
            executed=action,
            intervened=np.zeros((self.copies, s.agents), bool),
            reason=np.zeros((self.copies, s.agents), np.int16),
            final_obs=final_obs if len(final_rows) else None,
            final_rows=final_rows if len(final_rows) else None,
            metrics={"length": np.where(done, float(s.length), np.nan)},
        )

    def snapshot(self, rows):
        return {"t": self._t[rows].copy()}

    def restore(self, snapshot, rows) -> None:
        self._t[rows] = snapshot["t"]


@pytest.fixture
def probe() -> Callable[..., Probe]:
    """`probe(copies, reward=..., length=..., ...)` builds one."""

    def build(copies: int, **shape: object) -> Probe:
        return Probe(ProbeShape(**shape), copies)  # type: ignore[arg-type]

    return build
