"""Rooms of an island: how much it can give to its ties, and take from them, in a step.

One source for the compiled step of a cluster and for the proof that no flow within the rooms leads
an island out of its safe set (`composition`).
"""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable

ROUNDING_KW = 1e-9
"""Rooms are smaller by this, so that sums of flows never exceed them; the proof uses 0."""
_max = max


@register_jitable
def export_room_kw(caps_kw: Any, high_kw: Any, own_kw: Any) -> Any:
    """Most an island can send: what all its units and its battery give beyond its own need.

    Args:
        caps_kw: sum of the caps of its units.
        high_kw: upper end of its battery's interval without any exchange.
        own_kw: its load less all renewables.
    """
    return _max(0.0, caps_kw + high_kw - own_kw - ROUNDING_KW)


@register_jitable
def import_room_kw(floors_kw: Any, low_kw: Any, own_kw: Any) -> Any:
    """Most an island can take: what is missing with units at their floors and a charging battery.

    Args:
        floors_kw: sum of the floors of its units.
        low_kw: lower end of its battery's interval if its ties brought all they can.
        own_kw: its load less all renewables.
    """
    return _max(0.0, own_kw - floors_kw - low_kw - ROUNDING_KW)
