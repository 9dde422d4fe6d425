"""Actor and critic networks: one frozen description, run by NumPy and torch alike.

`NetSpec` covers three families with one forward pass, read top to bottom in `encode`:

- flat observation only: a multi-layer perceptron (default 2×64 tanh, orthogonal weights);
- with `blocks`: every entity of a block is embedded, then pooled by masked mean and by
  attention (query: the agent), so the number of entities is free;
- with `rounds` > 0: agents exchange messages along `Obs.edges` (mean over incoming edges, Gilmer
  et al. 2017), so the number of agents is free, and one network serves many graphs.

With `focus`, the agent points at one entity of that block (softmax of one score per place in the
block, from the trunk; pointer networks, Vinyals et al. 2015) and decides from the features of that
entity and the trunk: what a controller does that first chooses a target, then goes for it.

Discrete heads are either one logit per action (`discrete` sizes), or, with `action_block`, one
score per entity of that block from the entity's own features: entity e describes action e, so
the number of actions is free too.

Parameters are a dictionary name → [S, in, out] (biases [S, 1, out]): S training seeds, stacked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from trimtab.contracts.errors import ContractError, SpecMismatchError
from trimtab.contracts.spec import Spec
from trimtab.deploy.arrays import NEGATIVE, Array, Ops

Params = Mapping[str, Array]
Inputs = Mapping[str, Array]
LOG_STD_LOW, LOG_STD_HIGH = -5.0, 2.0  # of state-dependent spreads, SAC reference code


@dataclass(frozen=True, slots=True)
class NetSpec:
    """Everything that fixes the shape of a policy; plain data, see `to_dict`.

    Attributes:
        obs_dim: D of the flat observation.
        types: agent types; their one-hot joins the observation when there are several.
        discrete: sizes of the discrete heads; empty with `action_block` (sizes are then free).
        box: number b of box components.
        values: critic outputs (rewards K plus costs C).
        state_dim: Z, joined to the critic's input (0: decentralised critic).
        blocks: (name, features) of every entity block that is read.
        action_block: the block whose entity e describes discrete action e, or None.
        focus: the block of which the actor picks one entity by its place; it is read in no other
            way, so what the choice depends on belongs into the flat observation.
        places: E of the focus block.
        rounds: message-passing rounds between agents.
        hidden: widths of the trunk layers.
        embed: width of entity embeddings.
        squash: box actions are tanh-squashed Gaussians (else plain ones, clipped to the box).
        initial_std: standard deviation of box actions at the start, in units of the half range.
        activation: of the trunk layers.
        state_std: the spread of box actions depends on the observation (SAC), else it is one
            parameter per component (PPO).
    """

    obs_dim: int
    types: int = 1
    discrete: tuple[int, ...] = ()
    box: int = 0
    values: int = 1
    state_dim: int = 0
    blocks: tuple[tuple[str, int], ...] = ()
    action_block: str | None = None
    rounds: int = 0
    hidden: tuple[int, ...] = (64, 64)
    embed: int = 32
    squash: bool = False
    initial_std: float = 1.0
    activation: Literal["tanh", "relu"] = "tanh"
    state_std: bool = False
    focus: str | None = None
    places: int = 0

    def __post_init__(self) -> None:
        if self.focus is not None and (
            self.focus not in dict(self.blocks) or self.focus == self.action_block
        ):
            msg = f"NetSpec: focus {self.focus!r} must be a block of its own, not the action_block"
            raise ContractError(msg)
        if self.action_block is not None:
            if self.action_block not in dict(self.blocks):
                msg = f"NetSpec: action_block {self.action_block!r} is not among blocks"
                raise ContractError(msg)
            if self.discrete:
                msg = "NetSpec: give either discrete sizes or an action_block, not both"
                raise ContractError(msg)
        if not (self.discrete or self.box or self.action_block):
            msg = "NetSpec: a policy needs at least one discrete or box component"
            raise ContractError(msg)
        if not self.hidden:
            msg = "NetSpec: hidden needs at least one layer width, for example (64, 64)"
            raise ContractError(msg)

    @classmethod
    def for_problem(
        cls,
        spec: Spec,
        *,
        action_block: str | None = None,
        central: bool = False,
        focus: str | None = None,
        rounds: int = 0,
        **shape: Any,
    ) -> NetSpec:
        """The description that fits a control problem.

        Args:
            spec: the problem's spec.
            action_block: score discrete actions by this entity block.
            central: let the critic read `Obs.state` (MAPPO).
            focus: let the actor pick one entity of this block.
            rounds: message-passing rounds; 0 ignores the edges.
            shape: `hidden`, `embed`, `squash`, `initial_std`, `activation`, `state_std`.

        Raises:
            ContractError: no central state, no edges, or several discrete components to score.
        """
        if central and spec.state_dim == 0:
            msg = f"{spec.name}: a central critic needs Spec.state_dim > 0; use central=False"
            raise ContractError(msg)
        if rounds and spec.edges == 0:
            msg = f"{spec.name}: message passing needs Spec.edges > 0; use rounds=0"
            raise ContractError(msg)
        if action_block is not None and len(spec.discrete) != 1:
            msg = f"{spec.name}: action_block needs exactly one discrete component"
            raise ContractError(msg)
        return cls(
            obs_dim=spec.obs_dim,
            types=len(spec.actions),
            discrete=() if action_block else spec.discrete,
            box=spec.n_box,
            values=len(spec.rewards) + len(spec.costs),
            state_dim=spec.state_dim if central else 0,
            blocks=tuple((block.name, block.features) for block in spec.entity_blocks),
            action_block=action_block,
            focus=focus,
            places=_capacities(spec).get(focus, 0) if focus else 0,
            rounds=rounds,
            **shape,
        )

    def check(self, spec: Spec) -> None:
        """Refuse a problem whose arrays do not fit this network.

        Raises:
            SpecMismatchError: names every attribute that differs.
        """
        faults: list[str] = []

        def expect(name: str, ours: object, theirs: object) -> None:
            if ours != theirs:
                faults.append(f"{name} is {theirs}, the policy expects {ours}")

        features = {block.name: block.features for block in spec.entity_blocks}
        expect("obs_dim", self.obs_dim, spec.obs_dim)
        expect("agent types", self.types, len(spec.actions))
        expect("box components", self.box, spec.n_box)
        if self.action_block is None:
            expect("discrete sizes", self.discrete, spec.discrete)
        if self.state_dim:
            expect("state_dim", self.state_dim, spec.state_dim)
        for name, width in self.blocks:
            expect(f"features of block {name!r}", width, features.get(name))
        if self.focus:
            expect(f"capacity of block {self.focus!r}", self.places, _capacities(spec)[self.focus])
        if faults:
            msg = f"{spec.name} does not fit the policy: {'; '.join(faults)}"
            raise SpecMismatchError(msg)

    @property
    def input_dim(self) -> int:
        """Width of the flat input: observation and agent type."""
        return self.obs_dim + (self.types if self.types > 1 else 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> NetSpec:
        """Inverse of `to_dict`; lists become tuples."""
        known = dict(plain)
        for key in ("discrete", "hidden"):
            known[key] = tuple(known[key])
        known["blocks"] = tuple((str(name), int(width)) for name, width in known["blocks"])
        return cls(**known)


def _capacities(spec: Spec) -> dict[str, int]:
    return {block.name: block.capacity for block in spec.entity_blocks}


class ActorOutput(NamedTuple):
    """Parameters of the action distribution; a part is None where the action has none.

    Attributes:
        logits: [S, B, A, Σn], masked.
        mean: [S, B, A, b], in units of the half range.
        log_std: [S, 1, 1, b], or [S, B, A, b] with `NetSpec.state_std`.
    """

    logits: Array | None
    mean: Array | None
    log_std: Array | None


def actor(net: NetSpec, params: Params, inputs: Inputs, ops: Ops) -> ActorOutput:
    """Action distribution of every agent.

    Args:
        net: the description.
        params: from `trimtab.learn.nets.init_params`, of the library of `ops`.
        inputs: normalised arrays [S, B, A, ...] as made by `policy.Interface.inputs`.
        ops: NumPy or torch operations.
    """
    hidden, embedded = encode(net, params, inputs, ops, "actor")
    logits = mean = log_std = None
    if net.focus is not None:
        hidden = _focused(net, params, hidden, inputs, ops)
    if net.action_block is not None:
        logits = _score_actions(net, params, hidden, embedded[net.action_block], ops)
    elif net.discrete:
        logits = layer(params, "actor.logits", hidden, ops)
    if logits is not None and "action_mask" in inputs:
        logits = ops.where(inputs["action_mask"], logits, NEGATIVE)
    if net.box:
        mean = layer(params, "actor.mean", hidden, ops)
        log_std = _log_std(net, params, hidden, ops)
    return ActorOutput(logits, mean, log_std)


def _log_std(net: NetSpec, params: Params, hidden: Array, ops: Ops) -> Array:
    """Logarithm of the spread, bounded where it depends on the observation."""
    if not net.state_std:
        return params["actor.log_std"][:, None]
    middle, half = (LOG_STD_HIGH + LOG_STD_LOW) / 2.0, (LOG_STD_HIGH - LOG_STD_LOW) / 2.0
    return ops.tanh(layer(params, "actor.spread", hidden, ops)) * half + middle


def critic(net: NetSpec, params: Params, inputs: Inputs, ops: Ops) -> Array:
    """Values of every agent, [S, B, A, K + C]."""
    hidden, _ = encode(net, params, inputs, ops, "critic")
    return layer(params, "critic.value", hidden, ops)


def encode(
    net: NetSpec, params: Params, inputs: Inputs, ops: Ops, side: str
) -> tuple[Array, dict[str, Array]]:
    """Hidden features [S, B, A, h] and the embedded entities of each block [S, B, A, E, e].

    `side` is the prefix of the parameters; every side but the actor reads the central state.
    """
    obs = inputs["obs"]
    parts = [obs]
    if side != "actor" and net.state_dim:
        parts.append(ops.repeat_agents(inputs["state"], obs.shape[2]))
    embedded: dict[str, Array] = {}
    for block in (name for name, _ in net.blocks if name != net.focus):
        entities = ops.tanh(
            layer(params, f"{side}.embed.{block}", inputs[f"entities.{block}"], ops)
        )
        mask = inputs[f"mask.{block}"]
        embedded[block] = entities
        parts.append(_mean_pool(entities, mask, ops))
        if net.input_dim:
            query = layer(params, f"{side}.query.{block}", obs, ops)
            parts.append(_attention_pool(query, entities, mask, ops))
    joined = ops.concat(parts) if len(parts) > 1 else obs
    flat = joined.reshape(joined.shape[0], -1, joined.shape[-1])
    bend = _activation(net, ops)
    for i in range(len(net.hidden)):
        name = f"{side}.trunk.{i}"
        flat = bend(ops.affine(flat, params[f"{name}.w"], params[f"{name}.b"]))
    hidden = flat.reshape(*joined.shape[:-1], net.hidden[-1])
    for i in range(net.rounds):
        hidden = _message_round(params, side, i, hidden, inputs, ops)
    return hidden, embedded


def layer(params: Params, name: str, x: Array, ops: Ops) -> Array:
    """Affine map of the last axis, whatever axes lie between it and the seeds."""
    weight = params[f"{name}.w"]
    flat = x.reshape(x.shape[0], -1, x.shape[-1])
    return ops.affine(flat, weight, params[f"{name}.b"]).reshape(*x.shape[:-1], weight.shape[-1])


def _activation(net: NetSpec, ops: Ops) -> Callable[[Array], Array]:
    return ops.relu if net.activation == "relu" else ops.tanh


def _focused(net: NetSpec, params: Params, hidden: Array, inputs: Inputs, ops: Ops) -> Array:
    """Hidden features [S, B, A, h] of the agent and of the one entity that it points at."""
    mask = inputs[f"mask.{net.focus}"]
    scores = ops.where(mask, layer(params, "actor.point", hidden, ops), NEGATIVE)
    weight = ops.softmax(scores) * mask
    chosen = (inputs[f"entities.{net.focus}"] * weight[..., None]).sum(-2)
    joined = ops.concat([chosen, hidden])
    return _activation(net, ops)(layer(params, "actor.focus", joined, ops))


def _mean_pool(entities: Array, mask: Array, ops: Ops) -> Array:
    """Mean over unmasked entities, 0 for an empty set."""
    weight = ops.as_float(mask)[..., None]
    return (entities * weight).sum(-2) / (weight.sum(-2) + 1e-6)


def _attention_pool(query: Array, entities: Array, mask: Array, ops: Ops) -> Array:
    """One-head attention of the agent over its entities, 0 for an empty set."""
    scores = (entities * query[..., None, :]).sum(-1) * entities.shape[-1] ** -0.5
    weight = ops.softmax(ops.where(mask, scores, NEGATIVE)) * mask
    return (entities * weight[..., None]).sum(-2)


def _message_round(
    params: Params, side: str, i: int, hidden: Array, inputs: Inputs, ops: Ops
) -> Array:
    """Residual update of h by tanh(U [h, mean over incoming edges of tanh(M [h_from, h_to])])."""
    edges, weight = inputs["edges"], ops.as_float(inputs["edge_mask"])[..., None]
    source, target = edges[..., 0], edges[..., 1]
    pairs = ops.concat([ops.gather_rows(hidden, source), ops.gather_rows(hidden, target)])
    messages = ops.tanh(layer(params, f"{side}.message.{i}", pairs, ops)) * weight
    agents = hidden.shape[2]
    total = ops.scatter_rows(messages, target, agents)
    count = ops.scatter_rows(weight, target, agents)
    mean = total / (count + 1e-6)
    return hidden + ops.tanh(layer(params, f"{side}.update.{i}", ops.concat([hidden, mean]), ops))


def _score_actions(net: NetSpec, params: Params, hidden: Array, entities: Array, ops: Ops) -> Array:
    """One score per entity, from its own features and the agent's: [S, B, A, E]."""
    own = layer(params, "actor.action", entities, ops)
    context = layer(params, "actor.context", hidden, ops)
    return layer(params, "actor.score", ops.tanh(own + context[..., None, :]), ops)[..., 0]
