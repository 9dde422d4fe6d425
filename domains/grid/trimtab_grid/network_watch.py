"""Runs the network beside the simulator: voltages, loadings and losses of every step and copy.

The flow does not act on the dispatch; the slack carries losses and reactive power.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_grid.plant_network import PlantNetwork, PlantPowers

FLOW = np.dtype(
    [
        (name, np.float64)
        for name in ("v_min_pu", "v_max_pu", "loading_pct", "losses_kwh", "out_min")
    ],
    align=True,
)
"""What one copy's network met so far: extremes, losses, minutes outside its limits."""


def fresh(copies: int) -> NDArray[Any]:
    """Sums before the first step."""
    flows = np.zeros(copies, FLOW)
    flows["v_min_pu"], flows["v_max_pu"] = np.inf, -np.inf
    return flows


def watch(
    network: PlantNetwork, flows: NDArray[Any], moments: NDArray[Any], rows: IntArray, h: float
) -> None:
    """Solve the network for the last step of `rows` and add it to their sums.

    Args:
        network: with the plant in it.
        flows: [N] of `FLOW`, changed in place.
        moments: [N] of `engine.memory.MOMENT`.
        rows: copies that advanced.
        h: length of the step, h.
    """
    if not len(rows):
        return
    units = len(network.plant.gensets)
    m = moments[rows]
    state = network.state(
        PlantPowers(
            load_kw=m["load_kw"] - m["shed_kw"] - m["deficit_kw"],
            genset_kw=m["power_kw"][:, :units],
            battery_kw=m["battery_kw"],
            wind_kw=m["wind_used_kw"],
            pv_kw=m["pv_used_kw"],
        )
    )
    loading = np.maximum(state.line_percent, state.trafo_percent)
    out = ~(state.voltage_kept & state.loading_kept)
    flows["v_min_pu"][rows] = np.minimum(flows["v_min_pu"][rows], state.v_min_pu)
    flows["v_max_pu"][rows] = np.maximum(flows["v_max_pu"][rows], state.v_max_pu)
    flows["loading_pct"][rows] = np.maximum(flows["loading_pct"][rows], loading)
    flows["losses_kwh"][rows] += state.losses_kw * h
    flows["out_min"][rows] += out * 60.0 * h


def network_metrics(flows: NDArray[Any]) -> dict[str, FloatArray]:
    """Metrics [M] of finished copies; 1 per unit and 0 where no network was given."""
    met = np.isfinite(flows["v_min_pu"])
    return {
        "v_min_pu": np.where(met, flows["v_min_pu"], 1.0),
        "v_max_pu": np.where(met, flows["v_max_pu"], 1.0),
        "loading_max_pct": flows["loading_pct"].copy(),
        "losses_kwh": flows["losses_kwh"].copy(),
        "network_out_min": flows["out_min"].copy(),
    }
