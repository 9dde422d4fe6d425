"""Checks of what flows between problem and controller, each decision, without a per-copy loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.errors import ActionError, EmptyMaskError, ObservationError
from trimtab.contracts.spec import Action, BoolArray, IntArray, Obs, Spec, Step


def _has_component(spec: Spec) -> BoolArray:
    """[A, d] bool: the agent's type has that discrete component."""
    counts = np.array([len(spec.actions[t].discrete) for t in spec.agent_type])
    return np.asarray(np.arange(len(spec.discrete))[None, :] < counts[:, None])


def _live_copies(alive: BoolArray) -> BoolArray:
    return np.asarray(alive.any(axis=1))


@dataclass(frozen=True, slots=True)
class FlowChecker:
    """Checks one episode batch; messages carry copy, agent, step and seed to replay.

    Attributes:
        seeds: [N] int64, seed of each copy.
        has_component: [A, d] bool.
        starts: [d] first mask column of each discrete component.
    """

    spec: Spec
    seeds: IntArray
    has_component: BoolArray
    starts: IntArray

    @classmethod
    def of(cls, spec: Spec, seeds: IntArray) -> FlowChecker:
        """A checker for copies with these seeds."""
        starts = np.concatenate([[0], np.cumsum(spec.discrete)[:-1]]).astype(np.int64)
        return cls(spec, seeds, _has_component(spec), starts)

    def _where(self, copy: int, agent: int | None, decision: int) -> str:
        who = "" if agent is None else f", agent {agent}"
        return f"{self.spec.name}: copy {copy}{who}, step {decision}, seed {int(self.seeds[copy])}"

    def _finite(self, name: str, array: NDArray[Any], live: BoolArray, decision: int) -> None:
        """Check the cells of `array` whose leading axes are live: [N] or [N, A]."""
        if np.isfinite(array).all():
            return
        bad = ~np.isfinite(array) & live.reshape(live.shape + (1,) * (array.ndim - live.ndim))
        if bad.any():
            first = np.argwhere(bad)[0]
            where = self._where(int(first[0]), int(first[1]) if live.ndim > 1 else None, decision)
            msg = f"{where}: {name} is {array[tuple(first)]}; replay with this seed to find why"
            raise ObservationError(msg)

    def obs(self, obs: Obs, decision: int) -> None:
        """Raise unless the observation of every live agent is finite and has a legal action.

        Raises:
            ObservationError: an array has a wrong shape, NaN or infinity.
            EmptyMaskError: a live agent has no legal choice in some component.
        """
        expected = (len(self.seeds), self.spec.n_agents, self.spec.obs_dim)
        if obs.obs.shape != expected:
            msg = f"{self.spec.name}: observation has shape {obs.obs.shape}, expected {expected}"
            raise ObservationError(msg)
        self._finite("observation", obs.obs, obs.alive, decision)
        if obs.state is not None:
            self._finite("critic state", obs.state, _live_copies(obs.alive), decision)
        for name, block in obs.entities.items():
            self._finite(f"entity block {name!r}", block, obs.alive, decision)
        if obs.action_mask is not None and self.spec.discrete:
            self._mask(obs.action_mask, obs.alive, decision)

    def _mask(self, mask: BoolArray, alive: BoolArray, decision: int) -> None:
        legal = np.logical_or.reduceat(mask, self.starts, axis=2) | ~self.has_component
        stuck = alive & ~legal.all(axis=2)
        if stuck.any():
            copy, agent = (int(i) for i in np.argwhere(stuck)[0])
            msg = f"{self._where(copy, agent, decision)}: every action is masked"
            raise EmptyMaskError(msg)

    def action(self, action: Action | None, alive: BoolArray, decision: int) -> None:
        """Raise unless a proposed action has the spec's shape and is finite.

        Raises:
            ActionError: no action, wrong shape or kind of number, NaN or infinity, or a part is
                missing.
        """
        if not isinstance(action, Action):
            msg = f"{self.spec.name}: act must return an Action, got {type(action).__name__}"
            raise ActionError(msg)
        sizes = (("discrete", len(self.spec.discrete)), ("box", self.spec.n_box))
        for part, width in sizes:
            array = getattr(action, part)
            expected = (*alive.shape, width)
            if array is not None and not isinstance(array, np.ndarray):
                got = type(array).__name__
                msg = f"{self.spec.name}: action.{part} must be an array, got {got}"
                raise ActionError(msg)
            if width and (array is None or array.shape != expected):
                got = "nothing" if array is None else f"shape {array.shape}"
                msg = f"{self.spec.name}: action.{part} must have shape {expected}, got {got}"
                raise ActionError(msg)
        if action.discrete is not None and action.discrete.dtype.kind not in "iu":
            kind = action.discrete.dtype
            msg = f"{self.spec.name}: action.discrete must hold integers, got {kind}"
            raise ActionError(msg)
        if action.box is not None and not np.isfinite(action.box).all():
            self._box(action.box, alive, decision)

    def _box(self, box: NDArray[np.float32], alive: BoolArray, decision: int) -> None:
        bad = ~np.isfinite(box) & alive[:, :, None]
        if bad.any():
            copy, agent, part = (int(i) for i in np.argwhere(bad)[0])
            msg = (
                f"{self._where(copy, agent, decision)}: action component {part} is "
                f"{box[copy, agent, part]}; the controller must return finite numbers"
            )
            raise ActionError(msg)

    def step(self, step: Step, alive: BoolArray, decision: int) -> None:
        """Raise unless rewards and costs of the agents that were alive are finite.

        Raises:
            ObservationError: NaN or infinity, with the copy, agent, step and seed.
        """
        self._finite("reward", step.reward, alive, decision)
        self._finite("cost", step.cost, _live_copies(alive), decision)
