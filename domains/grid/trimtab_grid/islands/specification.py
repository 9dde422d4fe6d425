"""Static description of a cluster's control problem: one agent type per island."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.contracts.spec import Box, Composite, ContextVariable, RewardChannel, Spec

from trimtab_grid.islands.ties import Ties
from trimtab_grid.specification import REWARDS as ISLAND_REWARDS

TIE_COLUMNS = ("there", "flow", "agreed", "their_net", "their_soc", "their_running")
"""Observed per own tie: in service; last flow and last agreed one, sending positive; at the other
end load less renewables, least charge, prime power of running units. Powers as shares of the tie's
capacity."""
EXCHANGE = [channel.name for channel in ISLAND_REWARDS].index("exchange")
REWARDS = tuple(
    RewardChannel("tie_loss", "kWh", "min", 0.0) if k == EXCHANGE else channel
    for k, channel in enumerate(ISLAND_REWARDS)
)
"""The vector reward of each agent; instead of a bill for exchange half the losses of its ties."""
_SCALES = ("load_scale", "wind_scale")


def cluster_spec(name: str, specs: Sequence[Spec], ties: Ties) -> Spec:
    """The spec of a cluster of islands with these own specs."""
    actions, widths = [], []
    for i, spec in enumerate(specs):
        own = spec.actions[0]
        incident = ties.of_island(i)
        boxes = [_tie_box(ties, k) for k, _ in incident]
        actions.append(Composite(own.discrete, (*own.box, *boxes)))
        widths.append(spec.obs_dim + len(TIE_COLUMNS) * len(incident))
    first = specs[0]
    return Spec(
        name=name,
        agent_type=tuple(range(len(specs))),
        actions=tuple(actions),
        obs_dim=max(widths),
        rewards=REWARDS,
        costs=first.costs,
        context=tuple(_widest(specs, scale) for scale in _SCALES),
        horizon=first.horizon,
        dt_s=first.dt_s,
        supports_snapshot=True,
    )


def _tie_box(ties: Ties, k: int) -> Box:
    most = float(ties.capacity_kw[k])
    return Box(f"tie:{ties.names[k]}", "kW", -most, most)


def _widest(specs: Sequence[Spec], name: str) -> ContextVariable:
    return next(variable for variable in specs[0].context if variable.name == name)
