"""Data sets of logged decisions: recorded from a controller, or read from episodes of others.

A data set holds raw transitions of one problem (the rows of `replay`), so that any off-policy
learner can pin it. Episodes of others come in the layout of Minari: arrays `observations`
[T + 1, ...], `actions`, `rewards` [T], `terminations`, `truncations` [T] per episode.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import CheckpointError, ContractError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Obs, Spec
from trimtab.deploy.arrays import Array
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Interface, Normaliser, Policy
from trimtab.deploy.weights import check_spec, load_arrays, save_arrays, spec_entry
from trimtab.learn.collect import Collector
from trimtab.learn.nets import init_params
from trimtab.learn.replay import NEXT, transitions
from trimtab.learn.teacher import Teacher

_EPISODE = ("observations", "actions", "rewards", "terminations", "truncations")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Logged transitions of one problem.

    Attributes:
        spec: of the problem.
        arrays: raw transitions [1, M, ...], see `replay`.
    """

    spec: Spec
    arrays: Mapping[str, NDArray[Any]]

    @property
    def rows(self) -> int:
        """M, joint transitions."""
        return int(self.arrays["elapsed"].shape[1])

    def repeat(self, seeds: int) -> dict[str, Array]:
        """The rows as seen by S training seeds, [S, M, ...]."""
        return {name: np.repeat(x, seeds, axis=0) for name, x in self.arrays.items()}

    def joined(self, other: Dataset) -> Dataset:
        """Both data sets of one spec, one behind the other.

        Raises:
            ContractError: they are of different problems or hold different arrays.
        """
        if other.spec.fingerprint() != self.spec.fingerprint():
            msg = f"data sets of {self.spec.name} and {other.spec.name} cannot be joined"
            raise ContractError(msg)
        if other.arrays.keys() != self.arrays.keys():
            differ = ", ".join(sorted(other.arrays.keys() ^ self.arrays.keys()))
            msg = f"{self.spec.name}: only one of the two data sets holds {differ}"
            raise ContractError(msg)
        both = {k: np.concatenate([x, other.arrays[k]], axis=1) for k, x in self.arrays.items()}
        return Dataset(self.spec, both)

    def save(self, path: Path, notes: Mapping[str, Any] | None = None) -> None:
        """Write the arrays (.safetensors) and their manifest (.json)."""
        manifest = {"kind": "dataset", "notes": dict(notes or {})}
        save_arrays(path, self.arrays, manifest | spec_entry(self.spec))

    @classmethod
    def load(cls, path: Path, spec: Spec) -> Dataset:
        """Inverse of `save`.

        Raises:
            CheckpointError: truncated, altered, a pickle, or no data set.
            SpecMismatchError: of another problem; lists what differs.
        """
        arrays, manifest = load_arrays(path)
        if manifest.get("kind") != "dataset":
            msg = f"{path}: holds a {manifest.get('kind')!r}, not a data set"
            raise CheckpointError(msg)
        check_spec(path, manifest, spec)
        return cls(spec, arrays)


def record(
    problem: ControlProblem,
    player: Controller | Policy,
    net: NetSpec,
    decisions: int,
    seed: int,
    *,
    chunk: int = 64,
    discount: float | None = None,
) -> Dataset:
    """Let a controller play and keep what happened.

    Args:
        problem: all its copies are played; shields stay where they are.
        player: a controller on this problem, or a policy, which draws from its distribution.
        net: of the learner that will read the data: it says which inputs are kept.
        decisions: per copy; a ragged rest of a chunk is dropped.
        seed: of environments and noise.
        chunk: decisions per rollout.
        discount: of n-step returns to the end of a chunk, see `transitions`; None for none.
    """
    interface = Interface(net, problem.spec)
    taught = isinstance(player, Controller)
    teacher = Teacher(player, interface) if taught else None
    collector = Collector(problem, interface, (seed,), teacher, keep_executed=True)
    policy = player if isinstance(player, Policy) else _any_policy(net)
    parts = [
        transitions(collector.collect(policy, chunk, teacher_plays=taught), discount)
        for _ in range(max(1, decisions // chunk))
    ]
    joined = {name: np.concatenate([p[name] for p in parts], axis=1) for name in parts[0]}
    return Dataset(problem.spec, joined)


def _any_policy(net: NetSpec) -> Policy:
    """A policy to fill in for a controller that plays every decision."""
    return Policy(net, init_params(net, [np.random.default_rng(0)]), Normaliser({}, {}))


def from_episodes(
    spec: Spec, net: NetSpec, episodes: Iterable[Mapping[str, NDArray[Any]]]
) -> Dataset:
    """A data set of single-agent episodes in the layout of Minari.

    Args:
        spec: one agent, flat observation, one reward; actions either discrete or box.
        net: of the learner that will read the data.
        episodes: `observations` [T + 1, D], `actions` [T] or [T, d] or [T, b], `rewards` [T],
            `terminations` and `truncations` [T].

    Raises:
        ContractError: an array is missing or of the wrong length; names episode and array.
    """
    interface = Interface(net, spec)
    parts = [_episode(interface, number, e) for number, e in enumerate(episodes)]
    if not parts:
        msg = f"{spec.name}: the data set holds no episode"
        raise ContractError(msg)
    return Dataset(spec, {k: np.concatenate([p[k] for p in parts], axis=1) for k in parts[0]})


def _episode(
    interface: Interface, number: int, episode: Mapping[str, NDArray[Any]]
) -> dict[str, Array]:
    missing = [name for name in _EPISODE if name not in episode]
    if missing:
        msg = (
            f"episode {number} lacks {', '.join(missing)}: without them cut episodes would be "
            "learnt as ended ones; record them anew, or add arrays of False"
        )
        raise ContractError(msg)
    steps = len(episode["rewards"])
    _check_lengths(number, episode, steps)
    seen = np.asarray(episode["observations"], dtype=np.float32)[:, None]
    alive = np.ones((steps + 1, 1), dtype=bool)
    rows = interface.inputs(Obs(obs=seen, alive=alive))
    found = {name: x[:, :-1] for name, x in rows.items()}
    found |= {NEXT + name: x[:, 1:] for name, x in rows.items()}
    found |= _actions(interface, np.asarray(episode["actions"]), Obs(seen[:-1], alive[:-1]))
    ended = np.asarray(episode["terminations"], dtype=bool)
    found["reward"] = np.asarray(episode["rewards"], np.float32)[None, :, None, None]
    found["cost"] = np.zeros((1, steps, len(interface.spec.costs)), np.float32)
    found["elapsed"] = np.ones((1, steps), np.float32)
    found["alive"] = alive[None, :-1]
    found["goes_on"] = ~ended[None, :, None]
    return found


def _check_lengths(number: int, episode: Mapping[str, NDArray[Any]], steps: int) -> None:
    wanted = dict.fromkeys(_EPISODE, steps) | {"observations": steps + 1}
    for name, length in wanted.items():
        if len(episode[name]) != length:
            msg = (
                f"episode {number}: {name} has {len(episode[name])} rows, expected {length} "
                f"({steps} rewards)"
            )
            raise ContractError(msg)


def _actions(interface: Interface, actions: NDArray[Any], obs: Obs) -> dict[str, Array]:
    """`discrete` or `raw`, [1, T, 1, ·]."""
    steps = len(actions)
    if interface.discrete:
        return {"discrete": actions.astype(np.int64).reshape(1, steps, 1, -1)}
    box = actions.astype(np.float32).reshape(steps, 1, -1)
    raw = interface.to_raw(Action(box=box), obs)
    if raw is None:
        msg = f"{interface.spec.name}: no action component to read"
        raise ContractError(msg)
    return {"raw": raw[None]}
