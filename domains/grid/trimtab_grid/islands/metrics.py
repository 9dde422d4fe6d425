"""Metrics of an episode of a cluster, summed up from those of its islands and its ties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.spec import FloatArray, Metric

from trimtab_grid.metrics import HEADLINE
from trimtab_grid.metrics import METRICS as OF_ONE

_SUMS = (
    *("fuel_l", "start_l", "terminal_l", "genset_h", "genset_kwh", "starts", "unserved_kwh"),
    *("surplus_kwh", "dumped_kwh", "throughput_kwh", "co2_kg", "interventions", "alarms"),
    *("degraded_min", "reserve_short_min", "trips", "ufls_kwh", "ufls_events"),
)
_MOST = ("capacity_loss_pct", "steepest_hz_s", "overhaul_share_pct")
_LEAST = ("lowest_hz",)

_ONE = {metric.name: metric for metric in OF_ONE}
METRICS = (
    HEADLINE,
    Metric("fuel_l", "L", "min", "fuel of turning units, all islands"),
    Metric("start_l", "L", "min", "fuel of starts"),
    Metric("terminal_l", "L", "min", "owed for batteries emptier than at the start"),
    _ONE["genset_h"],
    _ONE["genset_kwh"],
    _ONE["starts"],
    _ONE["unserved_kwh"],
    _ONE["ufls_kwh"],
    _ONE["ufls_events"],
    _ONE["surplus_kwh"],
    _ONE["dumped_kwh"],
    Metric("throughput_kwh", "kWh", "min", "of all batteries, both ways, grid side"),
    _ONE["co2_kg"],
    Metric("interventions", "1", "min", "of all shields"),
    _ONE["alarms"],
    Metric("degraded_min", "min", "min", "time outside a shield's promise, over islands"),
    Metric("reserve_short_min", "min", "min", "over islands"),
    Metric("trips", "1", "min", "of units"),
    Metric("capacity_loss_pct", "%", "min", "of the most worn battery"),
    _ONE["steepest_hz_s"],
    _ONE["overhaul_share_pct"],
    _ONE["lowest_hz"],
    _ONE["curtailed_pct"],
    _ONE["lcoe"],
    Metric("sent_kwh", "kWh", "max", "into ties, at the sending ends"),
    Metric("tie_loss_kwh", "kWh", "min", "lost in ties"),
    Metric("cut_kwh", "kWh", "min", "agreed, but cut by a trip of the tie or to an island's room"),
    Metric("tie_out_min", "min", "min", "time without a tie, over ties"),
)
"""Metrics of an episode of a cluster."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What metrics need of the rows before they restart, over all islands, [N] each."""

    renewable_kwh: FloatArray
    curtailed_kwh: FloatArray
    served_kwh: FloatArray


def sums_of(states: Sequence[NDArray[Any]]) -> Sums:
    """Sums over islands; `states` of each, [N]."""
    return Sums(
        np.sum([s["renewable_kwh"] for s in states], axis=0),
        np.sum([s["curtailed_kwh"] for s in states], axis=0),
        np.sum([s["load_kwh"] - s["unserved_kwh"] for s in states], axis=0),
    )


def cluster_metrics(
    found: Sequence[Mapping[str, FloatArray]],
    sums: Sums,
    tie_sums: Mapping[str, FloatArray],
    fuel_price: float,
) -> dict[str, FloatArray]:
    """Metrics of a cluster, NaN where a row goes on.

    Args:
        found: metrics of each island, as its own problem tells them.
        sums: of the same rows.
        tie_sums: sent, lost and cut energy and time without ties.
        fuel_price: per litre.
    """

    def over(name: str, pick: Any) -> FloatArray:
        return np.asarray(pick([f[name] for f in found], axis=0))

    ended = np.isfinite(found[0][HEADLINE.name])
    metrics = {HEADLINE.name: over(HEADLINE.name, np.sum)}
    metrics |= {name: over(name, np.sum) for name in _SUMS}
    metrics |= {name: over(name, np.max) for name in _MOST}
    metrics |= {name: over(name, np.min) for name in _LEAST}
    share = 100.0 * sums.curtailed_kwh / np.maximum(sums.renewable_kwh, 1e-9)
    burned = metrics["fuel_l"] + metrics["start_l"]
    lcoe = burned * fuel_price / np.maximum(sums.served_kwh, 1e-9)
    rest = {"curtailed_pct": np.round(share, 9), "lcoe": lcoe, **tie_sums}
    return metrics | {name: np.where(ended, value, np.nan) for name, value in rest.items()}
