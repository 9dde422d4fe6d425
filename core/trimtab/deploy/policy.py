"""Learned policies without torch: observation in, action out, from one description.

`Interface` translates between the arrays of a control problem and those of a network;
`Policy` adds parameters and the frozen observation normaliser; `PolicyController` plays it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import (
    Action,
    BoolArray,
    Float32Array,
    IntArray,
    Obs,
    Spec,
)
from trimtab.contracts.streams import Stream
from trimtab.deploy.arrays import Array, NumpyOps
from trimtab.deploy.network import ActorOutput, NetSpec, actor

_POINT = 1e-5  # share of its size below which a legal interval is a point in float32
OBS_CLIP = 10.0  # standard deviations; outliers beyond say no more than "far"
BLOCK = 16  # agents computed together, so that BLAS rounds alike for any number of copies
_NUMPY = NumpyOps()
_NOISE = Stream("policy")


class Interface:
    """Between a problem's arrays [N, A, ...] and a network's arrays [S, B, A, ...].

    N copies are S training seeds × B copies each, seed-major.

    Attributes:
        types: [A, types] float32 one-hot, empty where all agents are of one type.
        type_mask: [A, Σn] bool, actions that the agent's type has, or None.
        box_used: [A, b] float32, 1 where the agent's type has that box component.
    """

    def __init__(self, net: NetSpec, spec: Spec) -> None:
        """Check that the problem fits the network.

        Raises:
            SpecMismatchError: it does not; names every difference.
        """
        net.check(spec)
        self.net, self.spec = net, spec
        self.discrete = spec.discrete
        kinds = np.array(spec.agent_type)
        n_types = len(spec.actions)
        self.types = np.eye(n_types, dtype=np.float32)[kinds][:, : n_types if n_types > 1 else 0]
        self.type_mask = _type_mask(spec)[kinds] if n_types > 1 and spec.discrete else None
        limits = np.full((n_types, spec.n_box, 2), (-1.0, 1.0), dtype=np.float32)
        used = np.zeros((n_types, spec.n_box), dtype=np.float32)
        for kind, action in enumerate(spec.actions):
            for i, box in enumerate(action.box):
                limits[kind, i], used[kind, i] = (box.low, box.high), 1.0
        self._low, self._high = limits[kinds][..., 0], limits[kinds][..., 1]
        self.box_used = used[kinds]

    def inputs(self, obs: Obs, seeds: int = 1) -> dict[str, Array]:
        """Raw network inputs, [S, B, A, ...]; `Normaliser.apply` comes next.

        What is not finite in the rows of dead agents is read as 0.
        """
        all_alive = np.count_nonzero(obs.alive) == obs.alive.size

        def split(x: Array) -> Array:
            return x.reshape(seeds, x.shape[0] // seeds, *x.shape[1:])

        def numbers(x: Array, alive: BoolArray) -> Array:
            if not all_alive:
                live = alive.reshape(alive.shape + (1,) * (x.ndim - alive.ndim))
                x = np.where(live | np.isfinite(x), x, np.float32(0.0))
            return split(x)

        arrays: dict[str, Array] = {"obs": numbers(obs.obs, obs.alive)}
        for name, _ in self.net.blocks:
            arrays[f"entities.{name}"] = numbers(obs.entities[name], obs.alive)
            arrays[f"mask.{name}"] = split(obs.entity_mask[name])
        mask = self._mask(obs)
        if mask is not None:
            arrays["action_mask"] = split(mask)
        if self.net.rounds and obs.edges is not None:
            present = obs.edge_mask
            if present is None:
                present = np.ones(obs.edges.shape[:2], dtype=bool)
            arrays["edge_mask"] = split(present)
            arrays["edges"] = split(np.where(present[..., None], obs.edges, 0).astype(np.int64))
        if self.net.state_dim and obs.state is not None:
            arrays["state"] = numbers(obs.state, np.asarray(obs.alive.any(axis=1)))
        return arrays

    def _mask(self, obs: Obs) -> BoolArray | None:
        """Legal actions [N, A, Σn]; a row without any (dead agent) counts as all legal."""
        mask = obs.action_mask
        if mask is None or not self.discrete:
            if self.type_mask is None:
                return None
            return np.repeat(self.type_mask[None], obs.copies, axis=0)
        if self.type_mask is not None:
            mask = mask & self.type_mask
        return mask | ~obs.alive[..., None]

    def to_action(self, discrete: IntArray | None, raw: Float32Array | None, obs: Obs) -> Action:
        """Actions in physical units.

        Args:
            discrete: [N, A, d].
            raw: [N, A, b] as drawn from the Gaussian, in units of the half range.
            obs: gives the legal interval, where it depends on the observation.
        """
        if raw is None:
            return Action(discrete=discrete)
        low, high = self._limits(discrete, obs)
        unit = np.tanh(raw) if self.net.squash else np.clip(raw, -1.0, 1.0)
        bounded = np.isfinite(low) & np.isfinite(high)
        with np.errstate(invalid="ignore"):
            scaled = np.where(bounded, low + (high - low) * 0.5 * (unit + 1.0), raw)
        return Action(discrete=discrete, box=np.clip(scaled, low, high).astype(np.float32))

    def to_raw(self, action: Action, obs: Obs) -> Float32Array | None:
        """Inverse of `to_action` for the box part; squashed limits map to ±3.8.

        Where the legal interval is a point, any value is as good as 0, which is given.
        """
        if action.box is None or not self.net.box:
            return None
        low, high = self._limits(action.discrete, obs)
        with np.errstate(invalid="ignore", divide="ignore"):
            unit = 2.0 * (action.box - low) / (high - low) - 1.0
            wide = high - low > _POINT * np.maximum(np.abs(low), np.abs(high))
        unit = np.where(wide, np.clip(unit, -1.0, 1.0), 0.0)
        if self.net.squash:
            unit = np.arctanh(np.clip(unit, -0.999, 0.999))
        bounded = np.isfinite(low) & np.isfinite(high)
        return np.where(bounded, unit, action.box).astype(np.float32)

    def _limits(self, discrete: IntArray | None, obs: Obs) -> tuple[Array, Array]:
        """Legal interval [N, A, b] given the first discrete choice, where it depends on it."""
        if obs.box_low is None or obs.box_high is None:
            return self._low, self._high
        if obs.box_low.ndim == 3 or discrete is None:
            return obs.box_low, obs.box_high
        index = discrete[..., :1, None]
        low = np.take_along_axis(obs.box_low, index, axis=2)[:, :, 0]
        return low, np.take_along_axis(obs.box_high, index, axis=2)[:, :, 0]


def _type_mask(spec: Spec) -> BoolArray:
    """[types, Σn] bool: the choices each agent type has; padding components keep choice 0."""
    rows = []
    for action in spec.actions:
        sizes = action.discrete + (1,) * (len(spec.discrete) - len(action.discrete))
        rows.append(
            np.concatenate(
                [np.arange(n) < own for n, own in zip(spec.discrete, sizes, strict=True)]
            )
        )
    return np.array(rows, dtype=bool)


@dataclass(frozen=True, slots=True)
class Normaliser:
    """Frozen observation statistics: input name → [S, features] float32; empty is the identity."""

    mean: Mapping[str, Float32Array]
    inverse_std: Mapping[str, Float32Array]

    def apply(self, inputs: Mapping[str, Array], interface: Interface) -> dict[str, Array]:
        """Normalised inputs with the one-hot agent type joined to the observation."""
        out = dict(inputs)
        for name, mean in self.mean.items():
            x = out[name]
            shape = (mean.shape[0],) + (1,) * (x.ndim - 2) + (mean.shape[1],)
            scaled = (x - mean.reshape(shape)) * self.inverse_std[name].reshape(shape)
            out[name] = np.clip(scaled, -OBS_CLIP, OBS_CLIP, out=scaled)
        types = interface.types
        if types.shape[1]:
            obs = out["obs"]
            wide = np.broadcast_to(types, (*obs.shape[:-1], types.shape[1]))
            out["obs"] = np.concatenate([obs, wide], axis=-1)
        return out


@dataclass(frozen=True, slots=True)
class Policy:
    """A network description, its parameters and its normaliser, for S seeds.

    Attributes:
        net: the description.
        params: name → [S, in, out] float32 NumPy arrays.
        normaliser: frozen statistics.
    """

    net: NetSpec
    params: Mapping[str, Float32Array]
    normaliser: Normaliser

    @property
    def seeds(self) -> int:
        """S, the number of stacked training seeds."""
        return int(next(iter(self.params.values())).shape[0])

    def seed(self, index: int) -> Policy:
        """The policy of one training seed."""
        row = slice(index, index + 1)
        return Policy(
            self.net,
            {name: x[row].copy() for name, x in self.params.items()},
            Normaliser(
                {name: x[row].copy() for name, x in self.normaliser.mean.items()},
                {name: x[row].copy() for name, x in self.normaliser.inverse_std.items()},
            ),
        )

    def repeat(self, seeds: int) -> Policy:
        """The same policies for `seeds` stacked seeds, a multiple of those it has."""
        times = seeds // self.seeds

        def wide(arrays: Mapping[str, Float32Array]) -> dict[str, Float32Array]:
            return {name: np.repeat(x, times, axis=0) for name, x in arrays.items()}

        own = self.normaliser
        normaliser = Normaliser(wide(own.mean), wide(own.inverse_std))
        return Policy(self.net, wide(self.params), normaliser)

    def forward(self, inputs: Mapping[str, Array], interface: Interface) -> ActorOutput:
        """Action distribution for raw inputs [S, B, A, ...]."""
        return actor(self.net, self.params, self.normaliser.apply(inputs, interface), _NUMPY)


def pick(scores: Float32Array, sizes: tuple[int, ...]) -> IntArray:
    """Index of the largest score of each discrete component, [..., d] from [..., Σn]."""
    if len(sizes) == 1:
        return np.asarray(scores.argmax(axis=-1)[..., None])
    ends = np.cumsum(sizes)[:-1]
    return np.stack([part.argmax(axis=-1) for part in np.split(scores, ends, axis=-1)], axis=-1)


def gumbel(uniform: NDArray[np.floating]) -> Float32Array:
    """Standard Gumbel noise: argmax(logits + noise) draws from softmax(logits)."""
    tiny = np.finfo(np.float32).tiny
    inner = np.maximum(-np.log(np.maximum(uniform, tiny)), tiny)
    return np.asarray(-np.log(inner), dtype=np.float32)


class PolicyController(Controller):
    """Plays a trained policy; the most likely action, or a draw from it.

    Actions of a copy depend on its observation, its seed and the decision's number alone, not on
    the number of copies: rows are computed in blocks of fixed size.
    """

    def __init__(self, problem: ControlProblem, policy: Policy, *, greedy: bool = True) -> None:
        self._interface = Interface(policy.net, problem.spec)
        self._policy = policy.seed(0)
        self._greedy = greedy
        self._block = max(1, BLOCK // problem.spec.n_agents)
        self._seed = np.zeros(problem.copies, dtype=np.int64)
        self._decision = np.zeros(problem.copies, dtype=np.int64)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        which = np.arange(len(self._seed)) if rows is None else rows
        self._seed[which] = seed
        self._decision[which] = 0

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        inputs = self._interface.inputs(obs)
        n, block = obs.copies, self._block
        padded = {name: _pad_rows(x, -n % block) for name, x in inputs.items()}
        parts = [
            self._policy.forward(
                {name: x[:, i : i + block] for name, x in padded.items()}, self._interface
            )
            for i in range(0, n, block)
        ]
        logits = _join([part.logits for part in parts], n)
        raw = _join([part.mean for part in parts], n)
        if not self._greedy:
            log_std = parts[0].log_std
            if self._policy.net.state_std:
                spreads = [part.log_std for part in parts if part.log_std is not None]
                log_std = np.concatenate(spreads, axis=1)[:, :n]
            logits, raw = self._perturbed(logits, raw, log_std)
        self._decision += 1
        discrete = None if logits is None else pick(logits, self._interface.discrete)
        return self._interface.to_action(discrete, raw, obs)

    def _perturbed(
        self, logits: Array | None, raw: Array | None, log_std: Array | None
    ) -> tuple[Array | None, Array | None]:
        """Add exploration noise from counter-based streams."""
        episode = np.zeros_like(self._seed)
        if logits is not None:
            size = int(np.prod(logits.shape[1:]))
            draws = _NOISE.uniform(self._seed, episode, self._decision, size)
            logits = logits + gumbel(draws).reshape(logits.shape)
        if raw is not None and log_std is not None:
            size = int(np.prod(raw.shape[1:]))
            draws = Stream("policy.box").normal(self._seed, episode, self._decision, size)
            raw = raw + np.exp(log_std[0]) * draws.reshape(raw.shape).astype(np.float32)
        return logits, raw


def _join(blocks: list[Array], rows: int) -> Array | None:
    """The first `rows` rows of blocks [1, block, ...], or None where there is no such output."""
    return None if blocks[0] is None else np.concatenate(blocks, axis=1)[0, :rows]


def _pad_rows(x: Array, rows: int) -> Array:
    """Append zero rows along axis 1; masks of padding are False and never read."""
    if rows == 0:
        return x
    return np.concatenate([x, np.zeros((x.shape[0], rows, *x.shape[2:]), x.dtype)], axis=1)
