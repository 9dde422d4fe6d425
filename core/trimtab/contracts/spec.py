"""What a control problem looks like: its spec and the arrays that flow each decision.

Symbols used in every docstring: N copies, A agents (maximum), D observation size, Z critic
state size, d discrete components, b box components, K rewards, C costs, P context variables,
E entities, L edges. Sizes in a spec are maxima; copies may be smaller and are then masked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from trimtab.contracts.errors import ContractError, UnknownNameError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    Float32Array = NDArray[np.float32]
    IntArray = NDArray[np.int64]
    BoolArray = NDArray[np.bool_]

Sense = Literal["min", "max"]
_ELEMENTS = {
    "FloatArray": "float64",
    "Float32Array": "float32",
    "IntArray": "int64",
    "BoolArray": "bool_",
}


def __getattr__(name: str) -> Any:
    """The types of arrays, made when one is asked for: a scenario is checked without numpy."""
    if name not in _ELEMENTS:
        raise AttributeError(name)
    import numpy as np
    from numpy import typing

    array: Any = typing.NDArray
    return array[getattr(np, _ELEMENTS[name])]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of merit in the field's own unit; `sense` says which way is better."""

    name: str
    unit: str
    sense: Sense
    help: str = ""


@dataclass(frozen=True, slots=True)
class RewardChannel:
    """One component of the reward vector; `weight` is the default scalarisation."""

    name: str
    unit: str
    sense: Sense = "max"
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class CostChannel:
    """One constrained quantity: a limit per step, or a budget over an episode."""

    name: str
    unit: str
    limit: float
    kind: Literal["per_step", "budget"] = "per_step"


@dataclass(frozen=True, slots=True)
class ContextVariable:
    """One quantity that varies between scenarios, with its legal range."""

    name: str
    unit: str
    low: float
    high: float
    default: float
    log: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """One continuous action component, in physical units."""

    name: str
    unit: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Composite:
    """The action of one agent type: d discrete choices and b continuous values."""

    discrete: tuple[int, ...] = ()
    box: tuple[Box, ...] = ()

    def __post_init__(self) -> None:
        if not self.discrete and not self.box:
            msg = "Composite: an action needs at least one discrete or box component"
            raise ContractError(msg)


@dataclass(frozen=True, slots=True)
class EntityBlock:
    """A set of at most `capacity` entities with `features` numbers each."""

    name: str
    capacity: int
    features: int


@dataclass(frozen=True, slots=True)
class Spec:
    """Static description of a control problem.

    Attributes:
        name: versioned id; changed semantics means a new id.
        agent_type: type index of each of the A agents.
        actions: one `Composite` per agent type, padded to the maximum in arrays.
        obs_dim: D, the size of the flat observation of one agent (0 if entity blocks only).
        dt_s: seconds between two decisions.
        horizon: decisions in one episode.
        edges: L, maximum number of directed edges between agents.
    """

    name: str
    agent_type: tuple[int, ...]
    actions: tuple[Composite, ...]
    obs_dim: int
    rewards: tuple[RewardChannel, ...]
    horizon: int
    dt_s: float
    entity_blocks: tuple[EntityBlock, ...] = ()
    state_dim: int = 0
    edges: int = 0
    costs: tuple[CostChannel, ...] = ()
    context: tuple[ContextVariable, ...] = ()
    supports_snapshot: bool = False

    def __post_init__(self) -> None:
        if not self.agent_type or max(self.agent_type) >= len(self.actions):
            msg = f"Spec {self.name}: agent_type must index actions, got {self.agent_type}"
            raise ContractError(msg)
        if not self.rewards:
            msg = f"Spec {self.name}: at least one reward channel is needed"
            raise ContractError(msg)
        if self.horizon < 1 or self.dt_s <= 0:
            msg = f"Spec {self.name}: horizon and dt_s must be positive"
            raise ContractError(msg)

    @property
    def n_agents(self) -> int:
        """A, the maximum number of agents."""
        return len(self.agent_type)

    @property
    def discrete(self) -> tuple[int, ...]:
        """Choices of each discrete component, padded to the maximum over agent types."""
        width = max(len(action.discrete) for action in self.actions)
        return tuple(
            max(a.discrete[i] if i < len(a.discrete) else 1 for a in self.actions)
            for i in range(width)
        )

    @property
    def n_box(self) -> int:
        """The number b of box components, padded to the maximum over agent types."""
        return max(len(action.box) for action in self.actions)

    @property
    def mask_width(self) -> int:
        """Σ n_i: width of an action-mask row."""
        return sum(self.discrete)

    @property
    def reward_weights(self) -> FloatArray:
        """Default scalarisation, shape [K]; minimised channels get a negative sign."""
        import numpy as np

        signs = [1.0 if r.sense == "max" else -1.0 for r in self.rewards]
        return np.array([s * r.weight for s, r in zip(signs, self.rewards, strict=True)])

    @property
    def series_units(self) -> dict[str, str]:
        """Unit of each series that an episode leaves: ``reward/...`` and ``cost/...``."""
        rewards = {f"reward/{channel.name}": channel.unit for channel in self.rewards}
        return rewards | {f"cost/{channel.name}": channel.unit for channel in self.costs}

    @property
    def default_context(self) -> Float32Array:
        """Default value of each context variable, shape [P]."""
        import numpy as np

        return np.array([c.default for c in self.context], dtype=np.float32)

    def reward_index(self, name: str) -> int:
        """Index of a reward channel by name.

        Raises:
            UnknownNameError: no channel has that name.
        """
        names = [r.name for r in self.rewards]
        if name not in names:
            raise UnknownNameError(name, "reward channel", names)
        return names.index(name)

    def fingerprint(self) -> str:
        """SHA-256 over the canonical JSON of the spec; checkpoints carry it."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(slots=True)
class Obs:
    """What controllers see before a decision.

    Attributes:
        obs: [N, A, D] float32.
        alive: [N, A] bool; dead agents act without effect and carry no loss.
        entities: block name → [N, A, E, features] float32.
        entity_mask: block name → [N, A, E] bool; padding is False.
        edges: [N, L, 2] int32 (from agent, to agent), or None.
        edge_mask: [N, L] bool, or None.
        action_mask: [N, A, Σn_i] bool, or None when everything is legal.
        box_low, box_high: [N, A, b] (or [N, A, n_1, b], given the first discrete choice)
            float32, or None when the box limits of the spec hold.
        state: [N, Z] float32, for critics only.
    """

    obs: Float32Array
    alive: BoolArray
    entities: Mapping[str, Float32Array] = field(default_factory=dict)
    entity_mask: Mapping[str, BoolArray] = field(default_factory=dict)
    edges: NDArray[np.int32] | None = None
    edge_mask: BoolArray | None = None
    action_mask: BoolArray | None = None
    box_low: Float32Array | None = None
    box_high: Float32Array | None = None
    state: Float32Array | None = None

    @property
    def copies(self) -> int:
        """N."""
        return int(self.alive.shape[0])


@dataclass(slots=True)
class Action:
    """A joint action: `discrete` [N, A, d] int64 and `box` [N, A, b] float32 (physical units)."""

    discrete: IntArray | None = None
    box: Float32Array | None = None


@dataclass(slots=True)
class Step:
    """What one decision led to.

    Attributes:
        obs: the next observation (of the new episode where `problem.autoreset` is on).
        reward: [N, A, K] float32.
        cost: [N, C] float32.
        terminated, truncated: [N] bool.
        elapsed_s: [N] float64, `dt_s` or the interval of an event-driven problem.
        executed: the action after every shield stage, as the action; None for native control.
        intervened: [N, A] bool, OR of all shield stages.
        reason: [N, A] int16, code of the last stage that changed the action, 0 if none.
        final_obs, final_rows: observation of the M rows that ended, and which, or None.
        metrics: name → [N] float64; episode metrics, valid on rows that ended (NaN elsewhere).
    """

    obs: Obs
    reward: Float32Array
    cost: Float32Array
    terminated: BoolArray
    truncated: BoolArray
    elapsed_s: FloatArray
    executed: Action | None
    intervened: BoolArray
    reason: NDArray[np.int16]
    final_obs: Obs | None = None
    final_rows: IntArray | None = None
    metrics: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def done(self) -> BoolArray:
        """[N] bool: the episode of the row ended, either way."""
        return self.terminated | self.truncated
