"""Design search as a one-step bandit played by the core's soft actor-critic.

One agent moves in the unit cube: a squashed Gaussian proposes a point, the design it snaps to is
simulated, and twin critics learn what the design was worth. Every decision ends its episode, so
nothing is bootstrapped. Discrete parameters are reached through their bins, because exact
expectations over joint choices (`trimtab.learn.sac`) end long before the 442,368 of a controller.
What was told already teaches nothing more: a draw that is known is drawn again, each time spread
wider, so that every update has a new design.
The reward is the centred rank among all designs told, so no scale has to be set; it is ranked anew
with every design.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trimtab.contracts.space import Space
from trimtab.contracts.spec import Box, Composite, FloatArray, RewardChannel, Spec
from trimtab.deploy.arrays import NumpyOps
from trimtab.deploy.network import NetSpec, actor
from trimtab.learn.dataset import Dataset
from trimtab.learn.sac import SAC, SACConfig
from trimtab.learn.step import Tensors
from trimtab.search.grid import Grid
from trimtab.search.optimizer import Optimizer, generator_state, set_generator_state

_CAPACITY = 4096  # designs that the replay holds
_BATCH = 64
_REDRAWS, _WIDER = 32, 1.15  # draws for one question until one is new, each spread wider
_EDGE = 1e-3  # nearest to a face of the cube that the critics see: the squashing is steep there
_HIDDEN = (64, 64)
_LEARNER, _DRAWS = "learner/", "draws/"  # prefixes of the agent's part of the state


class _Bandit(SAC):
    """The core's soft actor-critic where nothing follows a decision."""

    def _targets(
        self, fixed: Tensors, batch: Tensors, coefficients: Tensors, alpha: torch.Tensor
    ) -> torch.Tensor:
        """What a design was worth, [S, B, A, 1]: no networks of what follows are asked."""
        return batch["reward"][..., None]


class SoftActor(Optimizer):
    """One search.

    Args:
        space: what is searched.
        seed: of networks, exploration and minibatches.
        startup: random designs before the policy plays.
        rate: step size of Adam.
        updates: updates per design told.
        entropy: target entropy per parameter, of actions in [-1, 1].
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        *,
        startup: int = 10,
        rate: float = 1e-2,
        updates: int = 4,
        entropy: float = -2.0,
    ) -> None:
        self._grid, self._seed = Grid(space), seed
        self._startup, self._updates = startup, updates
        self._rate, self._entropy = rate, entropy
        self._rng = np.random.default_rng([seed, 1])
        self._points = np.empty((0, space.width))
        self._score: FloatArray = np.empty(0)
        self._sac: SAC | None = None

    def ask(self, n: int) -> FloatArray:
        """See `Optimizer.ask`."""
        if len(self._points) < self._startup or self._sac is None:
            return self._grid.snap(self._rng.random((n, self._grid.width)))
        policy = self._sac.policy()
        seen = {"obs": np.zeros((1, 1, 1, 1), np.float32)}
        out = actor(policy.net, policy.params, seen, NumpyOps())
        middle, log_std = (np.asarray(head)[0, 0, 0] for head in (out.mean, out.log_std))
        noise = self._rng.standard_normal((n, _REDRAWS, self._grid.width))
        spread = np.exp(log_std) * _WIDER ** np.arange(_REDRAWS)[:, None]
        drawn = self._grid.snap(0.5 + 0.5 * np.tanh(middle + spread * noise))
        return drawn[np.arange(n), self._first_new(drawn)]

    def _first_new(self, drawn: FloatArray) -> NDArray[np.int64]:
        """[n] of draws [n, k, width] the first that was not told before, else the first."""
        told = {row.tobytes() for row in self._points}
        known = np.array([[row.tobytes() in told for row in rows] for rows in drawn])
        return np.asarray(known.reshape(drawn.shape[:2]).argmin(axis=1))

    def tell(
        self,
        points: FloatArray,
        score: FloatArray,
        objectives: FloatArray | None = None,
        constraints: FloatArray | None = None,
    ) -> None:
        """See `Optimizer.tell`; only scores are learned from."""
        self._points = np.concatenate([self._points, points])[-_CAPACITY:]
        self._score = np.concatenate([self._score, score])[-_CAPACITY:]
        if len(self._points) < self._startup:
            return
        if self._sac is None:
            self._sac = self._agent()
        self._remember(self._sac)
        self._sac.fit(self._updates * len(points))

    def _agent(self) -> SAC:
        """An agent of the core on a problem of one observation and one decision."""
        box = tuple(Box(f"column {k}", "1", -1.0, 1.0) for k in range(self._grid.width))
        spec = Spec(
            name="design:bandit", agent_type=(0,), actions=(Composite(box=box),), obs_dim=1,
            rewards=(RewardChannel("rank", "1"),), horizon=1, dt_s=1.0,
        )  # fmt: skip
        config = SACConfig(
            capacity=_CAPACITY, batch=_BATCH, learning_rate=self._rate, normalise_obs=False,
            box_entropy=self._entropy, compiled=False,
        )  # fmt: skip
        net = NetSpec.for_problem(
            spec, squash=True, state_std=True, activation="relu", hidden=_HIDDEN
        )
        return _Bandit(None, net, config, (self._seed,), data=Dataset(spec, self._logged()))

    def _remember(self, sac: SAC) -> None:
        """Fill the replay with all designs told, their rewards ranked anew."""
        rows = self._seen() | {
            "reward": self._rewards()[None, :, None],
            "discount": np.zeros((1, len(self._points), 1), np.float32),
            "alive": np.ones((1, len(self._points), 1), np.float32),
        }
        counts = {"counts": np.array([_CAPACITY, len(self._points), 0])}
        sac.replay.load_state_dict(counts | rows)

    def _logged(self) -> dict[str, NDArray[Any]]:
        """All designs told as logged transitions, see `trimtab.learn.replay`."""
        shape = (1, len(self._points), 1)
        return self._seen() | {
            "reward": self._rewards()[None, :, None, None],
            "elapsed": np.ones(shape[:2], np.float32),
            "alive": np.ones(shape, bool),
            "goes_on": np.zeros(shape, bool),
        }

    def _seen(self) -> dict[str, NDArray[Any]]:
        """Observation, action and what follows, [1, M, ...]: what logs and replay share."""
        inside = np.clip(2.0 * self._points - 1.0, _EDGE - 1.0, 1.0 - _EDGE)
        nothing = np.zeros((1, len(self._points), 1, 1), np.float32)
        return {
            "obs": nothing,
            "next.obs": nothing,
            "raw": np.arctanh(inside)[None, :, None].astype(np.float32),
            "cost": np.zeros((1, len(self._points), 0), np.float32),
        }

    def _rewards(self) -> NDArray[np.float32]:
        """[M] from 1 (best) to -1, by rank; equal scores share theirs."""
        _, place, count = np.unique(self._score, return_inverse=True, return_counts=True)
        middle = (np.cumsum(count) - 0.5 * (count + 1))[place.ravel()]
        return np.asarray(1.0 - 2.0 * middle / max(1, len(self._score) - 1), dtype=np.float32)

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """See `Optimizer.state_dict`."""
        state: dict[str, NDArray[Any]] = {
            "points": self._points.copy(),
            "score": self._score.copy(),
            "exploration": generator_state(self._rng),
        }
        if self._sac is None:
            return state
        _, plain = self._sac.state_dict()
        draws = {"shuffle": plain["shuffle"], "noise": plain["noise"][0]}
        learner = self._sac.learner.state_dict()
        return (
            state
            | {f"{_LEARNER}{name}": array for name, array in learner.items()}
            | {f"{_DRAWS}{name}": generator_state(_generator(own)) for name, own in draws.items()}
        )

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Optimizer.load_state_dict`."""
        self._points, self._score = state["points"].copy(), state["score"].copy()
        set_generator_state(self._rng, state["exploration"])
        self._sac = None
        if f"{_DRAWS}shuffle" not in state:
            return
        self._sac = self._agent()
        arrays, plain = self._sac.state_dict()
        for name in [name for name in arrays if name.startswith(_LEARNER)]:
            arrays[name] = state[name]
        plain["shuffle"] = _state_of(state[f"{_DRAWS}shuffle"])
        plain["noise"] = [_state_of(state[f"{_DRAWS}noise"])]
        self._sac.load_state_dict(arrays, plain)


def _generator(own: Mapping[str, Any]) -> np.random.Generator:
    rng = np.random.default_rng()
    rng.bit_generator.state = dict(own)
    return rng


def _state_of(words: NDArray[np.uint64]) -> Mapping[str, Any]:
    rng = np.random.default_rng()
    set_generator_state(rng, words)
    return rng.bit_generator.state
