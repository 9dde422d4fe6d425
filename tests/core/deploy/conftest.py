"""Problems of every shape a policy can have, as specs and random observations."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from trimtab.contracts.spec import Box, Composite, EntityBlock, Obs, RewardChannel, Spec
from trimtab.deploy.network import NetSpec


@dataclass(frozen=True)
class Case:
    spec: Spec
    net: NetSpec

    def obs(self, rng: np.random.Generator, n: int) -> Obs:
        spec, a = self.spec, self.spec.n_agents

        def normal(*shape: int) -> np.ndarray:
            return (3.0 + 5.0 * rng.standard_normal(shape)).astype(np.float32)

        mask = None
        if spec.discrete:
            mask = rng.random((n, a, spec.mask_width)) < 0.6
            starts = np.concatenate([[0], np.cumsum(spec.discrete)[:-1]])
            mask[..., starts] = True
        edges = rng.integers(0, a, (n, spec.edges, 2)).astype(np.int32) if spec.edges else None
        return Obs(
            obs=normal(n, a, spec.obs_dim),
            alive=np.ones((n, a), bool),
            entities={b.name: normal(n, a, b.capacity, b.features) for b in spec.entity_blocks},
            entity_mask={b.name: rng.random((n, a, b.capacity)) < 0.7 for b in spec.entity_blocks},
            edges=edges,
            edge_mask=rng.random((n, spec.edges)) < 0.8 if spec.edges else None,
            action_mask=mask,
            state=normal(n, spec.state_dim) if spec.state_dim else None,
        )


def _spec(agents: int = 1, **changes: object) -> Spec:
    base = {
        "name": "case-1",
        "agent_type": (0,) * agents,
        "actions": (Composite(discrete=(5,)),),
        "obs_dim": 6,
        "rewards": (RewardChannel("r", "1"),),
        "horizon": 10,
        "dt_s": 1.0,
    }
    return Spec(**{**base, **changes})


def _cases() -> dict[str, Case]:
    blocks = (EntityBlock("lanes", 4, 3), EntityBlock("stages", 5, 2))
    boxes = (Box("power", "kW", -2.0, 6.0), Box("valve", "1", 0.0, 1.0))
    specs = {
        "mlp": _spec(),
        "multi_discrete": _spec(2, actions=(Composite(discrete=(3, 4)),), state_dim=7),
        "box": _spec(actions=(Composite(box=boxes),)),
        "composite_types": _spec(
            3,
            agent_type=(0, 1, 0),
            actions=(Composite(discrete=(4,)), Composite(discrete=(2, 3), box=boxes)),
        ),
        "off_policy": _spec(actions=(Composite(discrete=(3,), box=boxes),)),
        "set": _spec(2, entity_blocks=blocks),
        "set_only": _spec(2, obs_dim=0, entity_blocks=blocks),
        "focus": _spec(2, entity_blocks=blocks),
        "graph": _spec(4, entity_blocks=blocks, edges=9),
    }
    shapes = {
        "multi_discrete": {"central": True},
        "box": {"squash": True},
        "off_policy": {"squash": True, "state_std": True, "activation": "relu"},
        "set": {"action_block": "stages"},
        "focus": {"focus": "lanes"},
        "graph": {"action_block": "stages", "rounds": 2},
    }
    return {
        name: Case(
            spec, NetSpec.for_problem(spec, hidden=(16, 16), embed=8, **shapes.get(name, {}))
        )
        for name, spec in specs.items()
    }


CASES = _cases()


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    """Each kind of network in turn."""
    return CASES[request.param]


@pytest.fixture
def cases() -> Callable[[str], Case]:
    """One kind by name."""
    return CASES.__getitem__
