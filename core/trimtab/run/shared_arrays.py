"""Arrays that parent and simulator processes share: one block of memory, one row per copy."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.spec import Action, IntArray, Obs, Spec, Step

_ALIGN = 64
_OPTIONAL = ("edges", "edge_mask", "action_mask", "box_low", "box_high", "state")
_ABSENT, _PRESENT, _PER_CHOICE = 0, 1, 2
Views = Mapping[str, NDArray[Any]]


def memory_file() -> IO[bytes]:
    """An unnamed file for shared memory: gone when the last process that has it ends."""
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - it has no name there
    return tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the owner closes it


@dataclass(frozen=True, slots=True)
class Layout:
    """Name → (shape of one row, dtype) of everything that is shared, in order."""

    fields: Mapping[str, tuple[tuple[int, ...], str]]
    copies: int

    @classmethod
    def of(cls, spec: Spec, copies: int) -> Layout:
        """Room for actions, observations, outcomes and advice of `copies` copies."""
        a, d, b = spec.n_agents, len(spec.discrete), spec.n_box
        fields: dict[str, tuple[tuple[int, ...], str]] = {}
        for part in ("action", "executed", "advice"):
            fields[f"{part}.discrete"] = ((a, d), "i8")
            fields[f"{part}.box"] = ((a, b), "f4")
        for part in ("obs", "final"):
            fields |= {f"{part}.{k}": v for k, v in _obs_fields(spec).items()}
        fields |= {
            "context": ((len(spec.context),), "f4"),
            "reward": ((a, len(spec.rewards)), "f4"),
            "cost": ((len(spec.costs),), "f4"),
            "terminated": ((), "?"),
            "truncated": ((), "?"),
            "elapsed_s": ((), "f8"),
            "intervened": ((a,), "?"),
            "reason": ((a,), "i2"),
            "cpu_s": ((), "f8"),
        }
        return cls(fields, copies)

    def _ends(self) -> dict[str, tuple[int, int]]:
        """Name → (start, end) in bytes."""
        ends, at = {}, 0
        for name, (shape, dtype) in self.fields.items():
            size = self.copies * int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
            ends[name] = (at, at + size)
            at += -(-size // _ALIGN) * _ALIGN
        return ends

    @property
    def size(self) -> int:
        """Bytes, at least one page's worth of address."""
        return max(end for _, end in self._ends().values()) + _ALIGN

    def views(self, memory: mmap.mmap) -> dict[str, NDArray[Any]]:
        """Arrays of all copies, shape [N, ...], over mapped memory."""
        whole = np.frombuffer(memory, dtype=np.uint8)
        return {
            name: whole[start:end].view(dtype).reshape((self.copies, *shape))
            for (name, (shape, dtype)), (start, end) in zip(
                self.fields.items(), self._ends().values(), strict=True
            )
        }


def _obs_fields(spec: Spec) -> dict[str, tuple[tuple[int, ...], str]]:
    a, b = spec.n_agents, spec.n_box
    choices = spec.discrete[0] if spec.discrete else 1
    fields: dict[str, tuple[tuple[int, ...], str]] = {
        "present": ((len(_OPTIONAL),), "u1"),
        "obs": ((a, spec.obs_dim), "f4"),
        "alive": ((a,), "?"),
        "edges": ((spec.edges, 2), "i4"),
        "edge_mask": ((spec.edges,), "?"),
        "action_mask": ((a, spec.mask_width), "?"),
        "box_low": ((a, choices, b), "f4"),
        "box_high": ((a, choices, b), "f4"),
        "state": ((spec.state_dim,), "f4"),
    }
    for block in spec.entity_blocks:
        fields[f"entities.{block.name}"] = ((a, block.capacity, block.features), "f4")
        fields[f"entity_mask.{block.name}"] = ((a, block.capacity), "?")
    return fields


def write_obs(views: Views, part: str, row: int, obs: Obs) -> None:
    """Put the observation of a problem of one copy into a row."""
    views[f"{part}.obs"][row] = obs.obs[0]
    views[f"{part}.alive"][row] = obs.alive[0]
    for name, block in obs.entities.items():
        views[f"{part}.entities.{name}"][row] = block[0]
        views[f"{part}.entity_mask.{name}"][row] = obs.entity_mask[name][0]
    for i, name in enumerate(_OPTIONAL):
        array = getattr(obs, name)
        views[f"{part}.present"][row, i] = _put(views[f"{part}.{name}"][row], name, array)


def _put(target: NDArray[Any], name: str, array: NDArray[Any] | None) -> int:
    if array is None:
        return _ABSENT
    if name in {"box_low", "box_high"} and array.ndim == target.ndim:  # [1, A, b]
        target[:, 0] = array[0]
        return _PRESENT
    target[...] = array[0]
    return _PER_CHOICE if name in {"box_low", "box_high"} else _PRESENT


def read_obs(views: Views, part: str, rows: IntArray | slice = slice(None)) -> Obs:
    """The observation of rows, as arrays of their own."""
    present = views[f"{part}.present"][rows].max(axis=0, initial=_ABSENT)
    blocks = [n.partition(".entities.")[2] for n in views if n.startswith(f"{part}.entities.")]
    optional = {
        name: _get(views[f"{part}.{name}"][rows], int(present[i]), name)
        for i, name in enumerate(_OPTIONAL)
    }
    return Obs(
        obs=views[f"{part}.obs"][rows].copy(),
        alive=views[f"{part}.alive"][rows].copy(),
        entities={n: views[f"{part}.entities.{n}"][rows].copy() for n in blocks},
        entity_mask={n: views[f"{part}.entity_mask.{n}"][rows].copy() for n in blocks},
        **optional,
    )


def _get(array: NDArray[Any], present: int, name: str) -> Any:
    if present == _ABSENT:
        return None
    if name in {"box_low", "box_high"} and present == _PRESENT:
        return array[:, :, 0].copy()
    return array.copy()


def write_action(views: Views, part: str, rows: int | slice, action: Action) -> None:
    """Put an action [1, A, ...] into a row, or [N, A, ...] into all rows."""
    for name in ("discrete", "box"):
        array = getattr(action, name)
        if array is not None:
            views[f"{part}.{name}"][rows] = array[0] if isinstance(rows, int) else array


def read_action(views: Views, part: str, rows: slice) -> Action:
    """The action of rows; parts of no width are None."""
    discrete, box = views[f"{part}.discrete"][rows], views[f"{part}.box"][rows]
    return Action(
        discrete=discrete.copy() if discrete.shape[2] else None,
        box=box.copy() if box.shape[2] else None,
    )


def write_step(views: Views, row: int, step: Step) -> None:
    """Put the outcome of a problem of one copy into a row."""
    write_obs(views, "obs", row, step.obs)
    if step.final_obs is not None:
        write_obs(views, "final", row, step.final_obs)
    if step.executed is not None:
        write_action(views, "executed", row, step.executed)
    for name in ("reward", "cost", "terminated", "truncated", "elapsed_s", "intervened", "reason"):
        views[name][row] = getattr(step, name)[0]
