"""Teachers: a classical controller or a trained policy that names actions for students."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import ContractError
from trimtab.contracts.spec import Float32Array, IntArray, Obs
from trimtab.deploy.arrays import Array
from trimtab.deploy.policy import Interface, Policy, pick


@dataclass(frozen=True, slots=True)
class Labels:
    """What the teacher would do; a part is None where the action has none.

    Attributes:
        probs: [S, B, A, Σn] float32 over each discrete component (one-hot for a controller).
        raw: [S, B, A, b] float32, box actions in units of the half range.
        discrete: [S, B, A, d] int64, the most likely choice.
    """

    probs: Float32Array | None
    raw: Float32Array | None
    discrete: IntArray | None


class Teacher:
    """Labels observations with the actions of a controller, or the distribution of a policy.

    Args:
        source: a controller built on the same problem, or a policy of one seed.
        interface: of the student.
    """

    def __init__(self, source: Controller | Policy, interface: Interface) -> None:
        self._source, self._interface = source, interface
        self._own = Interface(source.net, interface.spec) if isinstance(source, Policy) else None

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """Tell a controller that `rows` start anew; see `Controller.reset`."""
        if isinstance(self._source, Controller):
            self._source.reset(seed, context, rows)

    def state_dict(self) -> Mapping[str, Array] | None:
        """What it remembers of the episodes that are being played; None if it does not say."""
        return self._source.state_dict() if isinstance(self._source, Controller) else {}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Inverse of `state_dict`, after `reset` with the same arguments."""
        if isinstance(self._source, Controller):
            self._source.load_state_dict(state)

    def labels(self, obs: Obs, seeds: int) -> Labels:
        """Labels for all N copies, split by training seed.

        Raises:
            ContractError: the controller left out a part of the action.
        """
        if isinstance(self._source, Policy):
            return self._from_policy(obs, seeds)
        action = self._source.act(obs)
        sizes, width = self._interface.discrete, self._interface.net.box
        if (sizes and action.discrete is None) or (width and action.box is None):
            msg = f"{self._interface.spec.name}: the teacher's action lacks a part of the spec"
            raise ContractError(msg)
        shape = (seeds, -1, obs.alive.shape[1])
        raw = self._interface.to_raw(action, obs)
        discrete = None
        if sizes and action.discrete is not None:
            discrete = action.discrete.astype(np.int64).reshape(*shape, len(sizes))
        return Labels(
            None if discrete is None else _one_hot(discrete, sizes),
            None if raw is None else raw.reshape(*shape, width),
            discrete,
        )

    def _from_policy(self, obs: Obs, seeds: int) -> Labels:
        if not isinstance(self._source, Policy) or self._own is None:
            msg = "labels of a policy were asked of a controller"
            raise ContractError(msg)
        out = self._source.forward(self._own.inputs(obs), self._own)
        sizes = self._interface.discrete

        def split(x: Array) -> Array:
            return None if x is None else x.reshape(seeds, -1, *x.shape[2:])

        logits = split(out.logits)
        return Labels(
            None if logits is None else _softmax_parts(logits, sizes),
            split(out.mean),
            None if logits is None else pick(logits, sizes),
        )


def _one_hot(discrete: IntArray, sizes: tuple[int, ...]) -> Float32Array:
    parts = [np.eye(n, dtype=np.float32)[discrete[..., i]] for i, n in enumerate(sizes)]
    return np.concatenate(parts, axis=-1)


def _softmax_parts(logits: Float32Array, sizes: tuple[int, ...]) -> Float32Array:
    parts = np.split(logits, np.cumsum(sizes)[:-1], axis=-1)
    weights = [np.exp(p - p.max(axis=-1, keepdims=True)) for p in parts]
    return np.concatenate([w / w.sum(axis=-1, keepdims=True) for w in weights], axis=-1)


def as_arrays(labels: Labels) -> Mapping[str, Array]:
    """The parts that exist, under the names that `heads.teacher_loss` reads."""
    named = {"teacher_probs": labels.probs, "teacher_raw": labels.raw}
    return {name: x for name, x in named.items() if x is not None}
