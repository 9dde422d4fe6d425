"""How fast a queue discharges in SUMO: headway behind the stop line and loss at the start."""

from __future__ import annotations

DISCHARGE_LAG_S = 0.37
"""Headway in SUMO (Krauss, sigma 0.5) above tau + space / speed, s: measured 1.92 s for default
vehicles and 1.78 s for 5.8 m of standing space at 50 km/h."""
START_LOSS_S = 1
"""Start of green in which nothing leaves a queue, s; yellow is not used by queues."""
TAU_S = 1.0
"""Time gap of SUMO's default driver, s."""


def saturation_flow_veh_s(speed_mps: float, space_m: float, tau_s: float = TAU_S) -> float:
    """Discharge of one lane at the speed of its turn.

    Args:
        speed_mps: slowest speed limit on the way over the junction.
        space_m: vehicle length plus standing gap.
        tau_s: time gap.
    """
    return 1.0 / (tau_s + space_m / speed_mps + DISCHARGE_LAG_S)
