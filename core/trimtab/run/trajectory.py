"""Whole trajectories: arrays for imitation and offline learning, and one episode's full log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.controller import AnyController
from trimtab.contracts.errors import ContractError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.shield import Monitor, Shield
from trimtab.contracts.spec import Action, BoolArray, Float32Array, FloatArray, IntArray, Obs
from trimtab.run.runner import Decision, decisions, evaluate


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Arrays of one episode per copy, time first; T is the longest episode.

    Attributes:
        obs: what was seen, every field with a leading T: obs [T, N, A, D], alive [T, N, A], ...
            Rows that ended are not alive.
        proposed: discrete [T, N, A, d], box [T, N, A, b]; None under native control.
        executed: the same after every shield stage; None under native control.
        reward: [T, N, A, K] float32.
        cost: [T, N, C] float32.
        terminated, truncated: [T, N] bool.
        elapsed_s: [T, N] float64.
        intervened: [T, N, A] bool.
        reason: [T, N, A] int16.
        last_obs: [N, ...] what followed the last decision of the batch.
        seeds: [N] int64.
    """

    obs: Obs
    proposed: Action | None
    executed: Action | None
    reward: Float32Array
    cost: Float32Array
    terminated: BoolArray
    truncated: BoolArray
    elapsed_s: FloatArray
    intervened: BoolArray
    reason: NDArray[np.int16]
    last_obs: Obs
    seeds: IntArray


def rollout(
    problem: ControlProblem,
    controller: AnyController,
    seeds: Sequence[int],
    *,
    shield: Shield | None = None,
    context: Float32Array | None = None,
) -> Trajectory:
    """Play one episode in every copy (`len(seeds) == problem.copies`) and keep all of it.

    Raises:
        ContractError: see `decisions`.
    """
    array = np.asarray(seeds, dtype=np.int64)
    played = [
        deepcopy(decision) for decision in decisions(problem, controller, array, context, shield)
    ]
    return _trajectory(played, array)


def _trajectory(played: list[Decision], seeds: IntArray) -> Trajectory:
    steps = [d.step for d in played]
    return Trajectory(
        obs=_stack_obs([d.obs for d in played]),
        proposed=_stack_actions([d.proposed for d in played]),
        executed=_stack_actions([s.executed for s in steps]),
        reward=np.stack([s.reward for s in steps]),
        cost=np.stack([s.cost for s in steps]),
        terminated=np.stack([s.terminated for s in steps]),
        truncated=np.stack([s.truncated for s in steps]),
        elapsed_s=np.stack([s.elapsed_s for s in steps]),
        intervened=np.stack([s.intervened for s in steps]),
        reason=np.stack([s.reason for s in steps]),
        last_obs=steps[-1].obs,
        seeds=seeds,
    )


def _stack_optional(parts: Sequence[Any]) -> Any:
    return None if parts[0] is None else np.stack(parts)


def _stack_obs(parts: Sequence[Obs]) -> Obs:
    names = ("edges", "edge_mask", "action_mask", "box_low", "box_high", "state")
    return Obs(
        obs=np.stack([o.obs for o in parts]),
        alive=np.stack([o.alive for o in parts]),
        entities={k: np.stack([o.entities[k] for o in parts]) for k in parts[0].entities},
        entity_mask={k: np.stack([o.entity_mask[k] for o in parts]) for k in parts[0].entity_mask},
        **{name: _stack_optional([getattr(o, name) for o in parts]) for name in names},
    )


def _stack_actions(parts: Sequence[Action | None]) -> Action | None:
    kept = [part for part in parts if part is not None]
    if len(kept) != len(parts):
        return None
    return Action(
        _stack_optional([a.discrete for a in kept]), _stack_optional([a.box for a in kept])
    )


@dataclass(frozen=True, slots=True)
class Simulation:
    """One episode with everything it left behind."""

    record: EpisodeRecord
    trajectory: Trajectory
    log: Mapping[str, Any]


def simulate(
    problem: ControlProblem,
    controller: AnyController,
    seed: int,
    *,
    name: str = "controller",
    shield: Shield | None = None,
    monitor: Monitor | None = None,
) -> Simulation:
    """Play one seed on a problem of one copy and keep the whole trajectory and log.

    Raises:
        ContractError: the problem has more than one copy, or see `decisions`.
    """
    if problem.copies != 1:
        msg = f"{problem.spec.name}: simulate plays one copy, the problem has {problem.copies}"
        raise ContractError(msg)
    played: list[Decision] = []
    (record,) = evaluate(
        problem,
        controller,
        [seed],
        name=name,
        shield=shield,
        monitor=monitor,
        watch=lambda decision: played.append(deepcopy(decision)),
    )
    trajectory = _trajectory(played, np.array([seed], dtype=np.int64))
    return Simulation(record, trajectory, problem.episode_log(0))
