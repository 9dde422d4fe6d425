"""A cluster's episode counted again from its log: islands by `recount`, ties from their flows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from trimtab_grid.islands.scenario import IslandsScenario
from trimtab_grid.plant import Plant
from trimtab_grid.recount import recounted


def charge_moved(log: Mapping[str, Any]) -> float:
    """Charge moved over an island's episode as its engine has it, share of capacity, both ways."""
    return float(np.abs(np.diff(log["soc"], prepend=log["soc_first"])).sum())


def recounts(
    scenario: IslandsScenario,
    plants: Mapping[str, Plant],
    log: Mapping[str, Any],
    metrics: Mapping[str, float],
) -> dict[str, tuple[float, float]]:
    """What the engine says of an episode, beside the same counted again.

    Args:
        scenario: that was played.
        plants: of its islands, by name.
        log: `episode_log` of the episode; of an empty one nothing is counted.
        metrics: of its record.
    """
    if not log:
        return {}
    found, fuel_l = {}, 0.0
    for name, plant in plants.items():
        start = f"{name}/"
        own = {n.removeprefix(start): value for n, value in log.items() if n.startswith(start)}
        again = recounted(plant, own)
        fuel_l += again["fuel_l"]
        if "charge_moved" in again:
            found[f"{name} charge_moved"] = charge_moved(own), again["charge_moved"]
    sent = np.abs(log["flow_kw"]).sum(axis=0) * scenario.step_min / 60.0
    lost = sent * [tie.loss_share for tie in scenario.ties]
    return found | {
        "fuel_l": (metrics["fuel_l"], fuel_l),
        "sent_kwh": (metrics["sent_kwh"], float(sent.sum())),
        "tie_loss_kwh": (metrics["tie_loss_kwh"], float(lost.sum())),
    }
