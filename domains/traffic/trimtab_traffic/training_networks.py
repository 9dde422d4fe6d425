"""Generated networks that learned controllers are trained and judged on.

Shipped weights come from these alone. Those that judge are never trained on.
"""

from __future__ import annotations

from typing import Any

from trimtab_traffic.scenario import SignalsProblem


def town(
    kind: str, columns: int, rows: int, vehicles_per_h: float, network_seed: int, **more: Any
) -> SignalsProblem:
    """One training network; `horizon_s`, `interval_s` and `yellow_s` may be given."""
    interval_s, yellow_s = more.pop("interval_s", 10), more.pop("yellow_s", 3)
    horizon_s = more.pop("horizon_s", 1200)
    size = {"columns": columns, "rows": rows, "network_seed": network_seed}
    generated = {"kind": kind, "vehicles_per_h": vehicles_per_h, **size, **more}
    limits = {"yellow_s": yellow_s}
    return SignalsProblem.model_validate(
        {
            "network": {"generated": generated},
            "rules": {"profile": "resco", "decision_interval_s": interval_s, "limits": limits},
            "horizon_s": horizon_s,
        }
    )


def training_towns() -> tuple[SignalsProblem, ...]:
    """Small networks of many shapes; demand from free flow to queues that reach back a block."""
    return (
        town("grid", 2, 2, 2200, 11, lanes=1),
        town("town", 3, 2, 1500, 12, lanes=1),
        town("arterial", 4, 1, 1800, 13, block_m=250),
        town("town", 2, 2, 1800, 14),
        town("grid", 1, 1, 1500, 15, yellow_s=5),
        town("town", 3, 3, 1500, 16, lanes=1, block_m=300),
        town("arterial", 3, 2, 2500, 17, block_m=150),
        town("grid", 3, 3, 3000, 18, lanes=1, block_m=150),
        town("grid", 1, 1, 2600, 19, speed_kmh=60, yellow_s=5),
        town("grid", 2, 2, 2800, 20, lanes=1, block_m=120),
        town("arterial", 3, 2, 2800, 21, lanes=1, block_m=120, interval_s=5, yellow_s=2),
        town("grid", 3, 1, 3600, 22, speed_kmh=60),
    )


def lessons() -> tuple[SignalsProblem, ...]:
    """What the student is taught on: the training towns, and some again with poor sensors.

    A few are under `field` rules, with buses and pedestrians, so that deadlines and requests occur.
    """
    towns = training_towns()
    dead = [{"faults": [{"kind": "stuck_off", "share": share}]} for share in (0.2, 0.2, 0.4)]
    lost = [{"faults": [{"kind": "dropout", "share": 0.5, "probability": 0.5}]}]
    probes = [{"kind": "probes", "penetration": share} for share in (0.1, 0.1, 0.3)]
    poor = zip((1, 3, 7, 0, 5, 8, 11), [*dead, *lost, *probes], strict=True)
    blind = [
        SignalsProblem.model_validate(towns[k].model_dump() | {"sensors": sensors})
        for k, sensors in poor
    ]
    return (*towns, *blind, *streets()[1:])


def held_out_towns() -> tuple[SignalsProblem, ...]:
    """Networks that accept or refuse a trained policy; none is trained on."""
    return (
        town("grid", 3, 2, 2000, 31, lanes=1),
        town("town", 3, 3, 1300, 32, lanes=1),
        town("arterial", 5, 1, 1900, 33),
        town("grid", 2, 2, 2700, 34, lanes=1, block_m=130),
        town("grid", 1, 1, 2500, 35, speed_kmh=60, yellow_s=5),
        town("grid", 2, 2, 4200, 36, block_m=250),
    )


def busy_hours() -> tuple[SignalsProblem, ...]:
    """A whole hour near saturation, to accept or refuse what was tuned on the training towns.

    Greens too short for it look good in 20 minutes: queues that they leave have not grown yet.
    """
    return (
        town("grid", 1, 1, 2900, 43, horizon_s=3600, speed_kmh=60, yellow_s=5),
        town("town", 2, 2, 2600, 44, horizon_s=3600),
    )


def street(
    kind: str, columns: int, rows: int, vehicles_per_h: float, network_seed: int, **more: Any
) -> SignalsProblem:
    """A network with buses and pedestrians under `field` rules, a quarter of an hour."""
    size = {"kind": kind, "columns": columns, "rows": rows, "network_seed": network_seed, **more}
    people = {"vehicles_per_h": vehicles_per_h, "buses_per_h": 120, "pedestrians_per_h": 400}
    return SignalsProblem.model_validate(
        {"network": {"generated": size | people}, "rules": {"profile": "field"}, "horizon_s": 900}
    )


def streets() -> tuple[SignalsProblem, ...]:
    """Small networks to search on."""
    return (
        street("grid", 1, 1, 1000, 51, lanes=1),
        street("grid", 2, 1, 1400, 52, lanes=1),
        street("arterial", 3, 1, 1400, 53),
        street("grid", 2, 2, 1600, 54, lanes=1),
    )


def held_out_streets() -> tuple[SignalsProblem, ...]:
    """Networks to measure the front on; none is searched on."""
    return (
        street("grid", 1, 1, 2200, 61),
        street("grid", 2, 1, 1150, 62, lanes=1),
        street("arterial", 3, 1, 1600, 63),
    )
