"""Transitions of rollouts and logs, and the ring buffer that off-policy learners sample.

A transition is a row of arrays [S, M, ...], S training seeds × M joint samples of all agents:

- the network inputs of `Interface.inputs` before the decision, and after it as `next.<name>`;
  where an episode was cut, the latter are those of the old episode's final observation;
- `discrete`, `raw`: what was proposed; `executed_discrete`, `executed_raw`: what every shield
  stage let through, where recorded; `intervened` [S, M, A];
- `reward` [S, M, A, K], `cost` [S, M, C], `elapsed` [S, M] in units of dt_s;
- `alive` [S, M, A], and `goes_on` [S, M, A]: the value of what follows counts (the episode went
  on, or it was truncated; not after termination, nor for an agent that died).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trimtab.contracts.errors import CheckpointError, ContractError
from trimtab.deploy.arrays import Array
from trimtab.learn.collect import Rollout

NEXT = "next."
_SUMS = ("reward", "cost", "elapsed")
_ACTIONS = ("discrete", "raw", "executed_discrete", "executed_raw", "intervened")


def join_time(x: Array) -> Array:
    """[S, T, N, ...] as [S, T·N, ...]."""
    return np.ascontiguousarray(x).reshape(x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:])


def transitions(rollout: Rollout, discount: float | None = None) -> dict[str, Array]:
    """The T·N joint transitions of a rollout, raw (not normalised), as copies.

    Args:
        rollout: of T decisions.
        discount: None for one decision per transition. Else γ of `n`-step returns, n up to the
            end of the rollout or of the episode: rewards and costs are discounted sums, and what
            follows is what followed the last decision (not corrected for policies that changed).
    """
    arrays, ends = rollout.arrays, rollout.finals
    found: dict[str, Array] = {}
    for name, x in rollout.inputs.items():
        found[name] = x[:, :-1]
        after = np.array(x[:, 1:])
        if ends is not None:
            after[ends.seed, ends.t, ends.copy] = ends.inputs[name][ends.seed, ends.place]
        found[NEXT + name] = after
    cut = arrays["truncated"] & ~arrays["terminated"]
    running = ~(arrays["terminated"] | arrays["truncated"])
    goes_on = (running[..., None] & rollout.alive[:, 1:]) | cut[..., None]
    found |= {"alive": rollout.alive[:, :-1], "goes_on": goes_on}
    found |= {name: arrays[name] for name in (*_SUMS, *_ACTIONS) if name in arrays}
    if discount is not None:
        found |= _credited(found, running, discount)
    return {name: np.array(join_time(x)) for name, x in found.items()}


def _credited(rows: Mapping[str, Array], running: Array, discount: float) -> dict[str, Array]:
    """Sums and what follows of rows [S, T, N, ...], each joined to the later ones it leads to."""
    names = [name for name in rows if name.startswith(NEXT)]
    found = {name: np.array(rows[name]) for name in (*_SUMS, "goes_on", *names)}
    for t in range(running.shape[1] - 2, -1, -1):
        on = running[:, t]
        share = np.where(on, discount ** rows["elapsed"][:, t], 0.0)
        found["elapsed"][:, t] += np.where(on, found["elapsed"][:, t + 1], 0.0)
        for name in ("reward", "cost"):
            later = found[name][:, t + 1]
            found[name][:, t] += _beside(share, later) * later
        for name in ("goes_on", *names):
            now, later = found[name][:, t], found[name][:, t + 1]
            both = now & later if name == "goes_on" else later
            found[name][:, t] = np.where(_beside(on, now), both, now)
    return found


def _beside(x: Array, like: Array) -> Array:
    """[S, N] with as many axes as `like`."""
    return x.reshape(x.shape + (1,) * (like.ndim - x.ndim))


class Replay:
    """The last transitions of S training seeds, in arrays that torch reads without a copy.

    The first `pinned` rows (a data set that must stay) are never overwritten; the rest is a ring.
    All seeds share the row numbers, so one index samples all of them.

    Args:
        capacity: rows [M] per training seed, pinned ones included.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity, self.pinned, self.added = capacity, 0, 0
        self.arrays: dict[str, Array] = {}

    @property
    def filled(self) -> int:
        """Rows that hold a transition."""
        return min(self.capacity, self.pinned + self.added)

    def add(self, rows: Mapping[str, Array]) -> None:
        """Append transitions [S, M, ...]; the oldest that are not pinned make room.

        Raises:
            ContractError: more rows at once than the ring holds.
        """
        count = next(iter(rows.values())).shape[1]
        room = self.capacity - self.pinned
        if count > room:
            msg = f"Replay: {count} transitions at once do not fit a ring of {room}; raise capacity"
            raise ContractError(msg)
        at = self.pinned + (self.added + np.arange(count)) % room
        for name, x in rows.items():
            if name not in self.arrays:
                shape = (x.shape[0], self.capacity, *x.shape[2:])
                self.arrays[name] = np.zeros(shape, dtype=x.dtype)
            self.arrays[name][:, at] = x
        self.added += count

    def pin(self) -> None:
        """Keep all that has been added so far for good.

        Raises:
            ContractError: the ring was overwritten already.
        """
        if self.added > self.capacity - self.pinned:
            msg = "Replay: rows were overwritten before they were pinned; raise capacity"
            raise ContractError(msg)
        self.pinned, self.added = self.pinned + self.added, 0

    def sample(
        self, rng: np.random.Generator, size: int, pinned_share: float | None = None
    ) -> torch.Tensor:
        """Row numbers [size], with replacement.

        Args:
            rng: the learner's generator.
            size: rows.
            pinned_share: share drawn from the pinned rows while both kinds exist; None draws
                from all alike.
        """
        fresh = self.filled - self.pinned
        if pinned_share is None or not self.pinned or not fresh:
            return torch.from_numpy(rng.integers(0, self.filled, size))
        old = round(size * pinned_share)
        parts = [rng.integers(0, self.pinned, old), rng.integers(self.pinned, self.filled, size)]
        return torch.from_numpy(np.concatenate(parts)[:size])

    def tensors(self) -> dict[str, torch.Tensor]:
        """The arrays as torch sees them; memory is shared."""
        return {name: torch.from_numpy(x) for name, x in self.arrays.items()}

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """All filled rows and the position of the ring, as copies."""
        counts = {"counts": np.array([self.capacity, self.pinned, self.added])}
        return counts | {name: x[:, : self.filled].copy() for name, x in self.arrays.items()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Inverse of `state_dict`.

        Raises:
            CheckpointError: the state is of another capacity.
        """
        capacity, self.pinned, self.added = (int(x) for x in state["counts"])
        if capacity != self.capacity:
            msg = f"checkpoint of a replay of {capacity} rows, this one holds {self.capacity}"
            raise CheckpointError(msg)
        self.arrays = {}
        for name, x in state.items():
            if name != "counts":
                shape = (x.shape[0], capacity, *x.shape[2:])
                self.arrays[name] = np.zeros(shape, dtype=x.dtype)
                self.arrays[name][:, : x.shape[1]] = x
