"""Several networks behind one control problem, for training one policy on all of them.

libsumo holds one simulation a process, so episodes take turns: the seed of an episode picks the
network. The spec's sizes are maxima over the networks; what a network lacks is masked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Composite, Float32Array, IntArray, Obs, Spec, Step

from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.simulation import Session

T = TypeVar("T", bound=np.generic)


class Town(Protocol):
    """A problem on one network: one copy, padded sets, edges and masks in its observations."""

    spec: Spec

    @property
    def session(self) -> Session:
        """The SUMO session."""
        ...

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """See `ControlProblem.reset`."""
        ...

    def step(self, action: Action | None) -> Step:
        """See `ControlProblem.step`."""
        ...

    def close(self) -> None:
        """See `ControlProblem.close`."""


def _stages(model: SignalsProblem) -> Town:
    return SignalControl(model, "graph", logs=False)


class Towns(ControlProblem):
    """Episodes on networks in turn, one copy, no autoreset.

    Args:
        models: one per network; all decide at the same interval or bring it as a feature.
        build: problem of a model, by default with interface `graph`.

    Attributes:
        town: the problem of the present episode.
    """

    copies = 1
    autoreset = False

    def __init__(
        self,
        models: Sequence[SignalsProblem],
        build: Callable[[SignalsProblem], Town] = _stages,
    ) -> None:
        self._towns = [build(model) for model in models]
        self.spec = _widest([town.spec for town in self._towns])
        self.town = self._towns[0]

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """Start an episode; the network is number `seed` modulo their count."""
        self.town.session.close()
        self.town = self._towns[int(seed[0]) % len(self._towns)]
        return self._padded(self.town.reset(seed, context))

    def step(self, action: Action | None) -> Step:
        """Advance the present network."""
        if action is not None and action.discrete is not None:
            action = Action(discrete=action.discrete[:, : self.town.spec.n_agents])
        step = self.town.step(action)
        n = self.spec.n_agents
        executed = step.executed
        if executed is not None and executed.discrete is not None:
            executed = Action(discrete=_to_agents(executed.discrete, n))
        return replace(
            step,
            obs=self._padded(step.obs),
            reward=_to_agents(step.reward, n),
            executed=executed,
            intervened=_to_agents(step.intervened, n),
            reason=_to_agents(step.reason, n),
        )

    def informed(self, obs: Obs) -> Obs:
        """What would be seen at this decision without sensor error; see `SignalControl.informed`.

        Args:
            obs: the observation of this decision.
        """
        if not isinstance(self.town, SignalControl):
            return obs
        own = self.town.spec
        mask = None if obs.action_mask is None else obs.action_mask[:, : own.n_agents]
        seen = replace(
            obs,
            alive=obs.alive[:, : own.n_agents],
            action_mask=None if mask is None else mask[..., : own.discrete[0]],
        )
        told = self.town.informed(seen)
        return obs if told is seen else self._padded(told)

    def close(self) -> None:
        """See `ControlProblem.close`."""
        for town in self._towns:
            town.close()

    def _padded(self, obs: Obs) -> Obs:
        n = self.spec.n_agents
        assert obs.edges is not None  # noqa: S101 - problems on networks always have them
        assert obs.edge_mask is not None  # noqa: S101
        assert obs.action_mask is not None  # noqa: S101
        missing = self.spec.edges - obs.edges.shape[1]
        sizes = {block.name: block.capacity for block in self.spec.entity_blocks}
        return Obs(
            obs=_to_agents(obs.obs, n),
            alive=_to_agents(obs.alive, n),
            entities={k: _to_size(_to_agents(x, n), sizes[k]) for k, x in obs.entities.items()},
            entity_mask={
                k: _to_size(_to_agents(x, n), sizes[k]) for k, x in obs.entity_mask.items()
            },
            edges=np.pad(obs.edges, ((0, 0), (0, missing), (0, 0))),
            edge_mask=np.pad(obs.edge_mask, ((0, 0), (0, missing))),
            action_mask=_to_size(_to_agents(obs.action_mask, n), self.spec.discrete[0]),
        )


def _to_agents(x: NDArray[T], agents: int) -> NDArray[T]:
    return np.pad(x, [(0, 0), (0, agents - x.shape[1]), *[(0, 0)] * (x.ndim - 2)])


def _to_size(x: NDArray[T], size: int) -> NDArray[T]:
    return np.pad(x, [(0, 0), (0, 0), (0, size - x.shape[2]), *[(0, 0)] * (x.ndim - 3)])


def _widest(specs: list[Spec]) -> Spec:
    blocks = tuple(
        replace(block, capacity=max(spec.entity_blocks[k].capacity for spec in specs))
        for k, block in enumerate(specs[0].entity_blocks)
    )
    return replace(
        specs[0],
        agent_type=(0,) * max(spec.n_agents for spec in specs),
        actions=(Composite(discrete=(max(spec.discrete[0] for spec in specs),)),),
        entity_blocks=blocks,
        edges=max(spec.edges for spec in specs),
        horizon=max(spec.horizon for spec in specs),
    )
