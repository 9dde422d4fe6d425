"""From wind speed to the power of the plant's turbines."""

from __future__ import annotations

import numpy as np
from trimtab.contracts.spec import FloatArray

from trimtab_grid.plant import Wind

MEASURED_AT_M = 10.0
"""Height at which weather stations measure wind (WMO), m."""


def hub_speed(
    wind: Wind, speed_m_s: FloatArray, measured_at_m: float = MEASURED_AT_M
) -> FloatArray:
    """Speed at hub height by the power law v·(h/h₀)^α (IEC 61400-1: α 0.2 on open land)."""
    return np.asarray(speed_m_s * (wind.hub_height_m / measured_at_m) ** wind.shear_exponent)


def turbine_power(wind: Wind, speed_m_s: FloatArray) -> FloatArray:
    """Power at hub-height speed, kW: the given curve, or rated·(v³ - v_in³)/(v_r³ - v_in³).

    Zero below cut-in and from cut-out on; a given curve is zero outside its points.
    """
    speed = np.asarray(speed_m_s, dtype=np.float64)
    if wind.curve:
        speeds, powers = np.array(wind.curve).T
        return np.asarray(np.interp(speed, speeds, powers, left=0.0, right=0.0))
    low, high = wind.cut_in_m_s**3, wind.rated_m_s**3
    share = np.clip((speed**3 - low) / (high - low), 0.0, 1.0)
    return np.asarray(np.where(speed < wind.cut_out_m_s, wind.rated_kw * share, 0.0))
