"""Several networks behind one control problem, for training one policy on all of them.

libsumo holds one simulation a process, so episodes take turns: the seed of an episode picks the
network. The spec's sizes are maxima over the networks; what a network lacks is masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Composite, Float32Array, IntArray, Obs, Spec, Step

from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem

T = TypeVar("T", bound=np.generic)


class Towns(ControlProblem):
    """Episodes on networks in turn, interface `graph`, one copy, no autoreset.

    Args:
        models: one per network; all decide at the same interval or bring it as a feature.
    """

    copies = 1
    autoreset = False

    def __init__(self, models: Sequence[SignalsProblem]) -> None:
        self._towns = [SignalControl(model, "graph") for model in models]
        self.spec = _widest([town.spec for town in self._towns])
        self._town = self._towns[0]

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """Start an episode; the network is number `seed` modulo their count."""
        self._town.session.close()
        self._town = self._towns[int(seed[0]) % len(self._towns)]
        return self._padded(self._town.reset(seed, context))

    def step(self, action: Action | None) -> Step:
        """Advance the present network."""
        if action is not None and action.discrete is not None:
            action = Action(discrete=action.discrete[:, : self._town.spec.n_agents])
        step = self._town.step(action)
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

    def close(self) -> None:
        """See `ControlProblem.close`."""
        for town in self._towns:
            town.close()

    def _padded(self, obs: Obs) -> Obs:
        n, stages = self.spec.n_agents, self.spec.discrete[0]
        assert obs.edges is not None  # noqa: S101 - the graph interface always has them
        assert obs.edge_mask is not None  # noqa: S101
        assert obs.action_mask is not None  # noqa: S101
        missing = self.spec.edges - obs.edges.shape[1]
        return Obs(
            obs=_to_agents(obs.obs, n),
            alive=_to_agents(obs.alive, n),
            entities={"stages": _to_stages(_to_agents(obs.entities["stages"], n), stages)},
            entity_mask={"stages": _to_stages(_to_agents(obs.entity_mask["stages"], n), stages)},
            edges=np.pad(obs.edges, ((0, 0), (0, missing), (0, 0))),
            edge_mask=np.pad(obs.edge_mask, ((0, 0), (0, missing))),
            action_mask=_to_stages(_to_agents(obs.action_mask, n), stages),
        )


def _to_agents(x: NDArray[T], agents: int) -> NDArray[T]:
    return np.pad(x, [(0, 0), (0, agents - x.shape[1]), *[(0, 0)] * (x.ndim - 2)])


def _to_stages(x: NDArray[T], stages: int) -> NDArray[T]:
    return np.pad(x, [(0, 0), (0, 0), (0, stages - x.shape[2]), *[(0, 0)] * (x.ndim - 3)])


def _widest(specs: list[Spec]) -> Spec:
    stages = max(spec.discrete[0] for spec in specs)
    blocks = tuple(replace(block, capacity=stages) for block in specs[0].entity_blocks)
    return replace(
        specs[0],
        agent_type=(0,) * max(spec.n_agents for spec in specs),
        actions=(Composite(discrete=(stages,)),),
        entity_blocks=blocks,
        edges=max(spec.edges for spec in specs),
        horizon=max(spec.horizon for spec in specs),
    )
