"""Gymnasium spaces and the parts of a `Spec`, in both directions."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from trimtab.contracts.errors import ContractError
from trimtab.contracts.spec import Action, Box, Composite, Obs, Spec


def composite_of(space: gymnasium.Space[Any], where: str) -> Composite:
    """The action of one agent.

    Args:
        space: Discrete, MultiDiscrete (flat), or Box (flat).
        where: environment and agent, for the message.

    Raises:
        ContractError: any other space.
    """
    if isinstance(space, spaces.Discrete):
        return Composite(discrete=(int(space.n),))
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1:
        return Composite(discrete=tuple(int(n) for n in space.nvec))
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        limits = zip(space.low.tolist(), space.high.tolist(), strict=True)
        boxes = (Box(f"a{i}", "1", low, high) for i, (low, high) in enumerate(limits))
        return Composite(box=tuple(boxes))
    msg = f"{where}: action space {space} is not supported; use Discrete, MultiDiscrete or flat Box"
    raise ContractError(msg)


def to_space_action(action: Action, copy: int, agent: int, space: gymnasium.Space[Any]) -> Any:
    """What the environment of one copy expects from one agent."""
    if isinstance(space, spaces.Discrete) and action.discrete is not None:
        return int(action.discrete[copy, agent, 0]) + int(space.start)
    if isinstance(space, spaces.MultiDiscrete) and action.discrete is not None:
        width = len(space.nvec)
        chosen = action.discrete[copy, agent, :width] + space.start
        return chosen.astype(space.dtype)
    if isinstance(space, spaces.Box) and action.box is not None:
        return action.box[copy, agent, : space.shape[0]].astype(space.dtype)
    msg = f"the action lacks the part that {space} needs"
    raise ContractError(msg)


def flat_width(space: gymnasium.Space[Any], where: str) -> int:
    """Numbers in a flattened observation.

    Raises:
        ContractError: the space cannot be flattened to a fixed size.
    """
    if not space.is_np_flattenable:
        msg = f"{where}: observation space {space} has no fixed flat size"
        raise ContractError(msg)
    return int(spaces.flatdim(space))


def flatten(space: gymnasium.Space[Any], x: Any) -> NDArray[np.float32]:
    """One observation as float32 [D]."""
    return np.asarray(spaces.flatten(space, x), dtype=np.float32)


def obs_space(spec: Spec) -> spaces.Box:
    """Space of `flat_obs`."""
    width = spec.obs_dim + sum(b.capacity * (b.features + 1) for b in spec.entity_blocks)
    return spaces.Box(-np.inf, np.inf, (width,), np.float32)


def flat_obs(obs: Obs, spec: Spec) -> NDArray[np.float32]:
    """[N, A, ·]: the flat observation, then features and mask of every entity block."""
    n, a = obs.alive.shape
    parts = [obs.obs]
    for block in spec.entity_blocks:
        mask = obs.entity_mask[block.name]
        features = np.where(mask[..., None], obs.entities[block.name], np.float32(0.0))
        parts += [features.reshape(n, a, -1), mask.reshape(n, a, -1).astype(np.float32)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def action_space(spec: Spec, agent: int) -> gymnasium.Space[Any]:
    """Space of one agent: Discrete, MultiDiscrete, Box, or a Dict of `discrete` and `box`."""
    action = spec.actions[spec.agent_type[agent]]
    discrete: gymnasium.Space[Any] | None = None
    if len(action.discrete) == 1:
        discrete = spaces.Discrete(action.discrete[0])
    elif action.discrete:
        discrete = spaces.MultiDiscrete(list(action.discrete))
    if not action.box:
        if discrete is None:
            msg = f"{spec.name}: agent {agent} has no action"
            raise ContractError(msg)
        return discrete
    low = np.array([b.low for b in action.box], np.float32)
    high = np.array([b.high for b in action.box], np.float32)
    box = spaces.Box(low, high, dtype=np.float32)
    return box if discrete is None else spaces.Dict({"discrete": discrete, "box": box})


def from_space_actions(spec: Spec, rows: list[dict[int, Any]]) -> Action:
    """Joint action of N copies from {agent: action in its space}; absent agents get zeros."""
    shape = (len(rows), spec.n_agents)
    discrete = np.zeros((*shape, len(spec.discrete)), np.int64) if spec.discrete else None
    box = np.zeros((*shape, spec.n_box), np.float32) if spec.n_box else None
    for copy, chosen in enumerate(rows):
        for agent, value in chosen.items():
            action = spec.actions[spec.agent_type[agent]]
            both = bool(action.discrete) and bool(action.box)
            if discrete is not None and action.discrete:
                part = value["discrete"] if both else value
                discrete[copy, agent, : len(action.discrete)] = part
            if box is not None and action.box:
                box[copy, agent, : len(action.box)] = value["box"] if both else value
    return Action(discrete, box)


def own_mask(spec: Spec, mask: NDArray[np.bool_] | None, agent: int) -> NDArray[np.int8] | None:
    """The mask row [Σn] of one agent without padding, int8 as Gymnasium wants it."""
    if mask is None:
        return None
    sizes = spec.actions[spec.agent_type[agent]].discrete
    starts = np.concatenate([[0], np.cumsum(spec.discrete)[:-1]]).astype(int)
    parts = [mask[start : start + n] for start, n in zip(starts, sizes, strict=False)]
    return np.concatenate(parts).astype(np.int8) if parts else None
