"""True delay and every other figure of merit of one episode, from SUMO's own trip file.

True delay over the horizon [b, e) counts everybody who wanted to travel:

    D = [Σ_inserted (timeLoss + departDelay) + Σ_never-inserted (e - depart)] / (N_ins + N_never)

where unfinished trips count with their value at e. The "RESCO formula" (Ault & Sharon, RESCO,
NeurIPS 2021 Datasets and Benchmarks) adds never-inserted vehicles only for `<vehicle>` tags planned
later than the last-departing inserted vehicle, so it flatters controllers that starve an entrance.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab_traffic.demand import Demand
from trimtab_traffic.trips import Trips

EMERGENCY_PREFIX = "emergency."
"""Begin of the ids of the emergency vehicles a scenario adds."""
LOS_LIMITS_S = (10.0, 20.0, 35.0, 55.0, 80.0)  # HCM 2010, signalized intersections: A..E


@dataclass(frozen=True, slots=True)
class Delay:
    """Delay of the whole demand of a horizon.

    Attributes:
        mean_s: true delay D.
        resco_s: RESCO formula.
        inserted: N_inserted.
        never: id → e - planned departure of each never-inserted vehicle.
    """

    mean_s: float
    resco_s: float
    inserted: int
    never: Mapping[str, float]


def demand_delay(trips: Trips, demand: Demand, begin_s: float, end_s: float) -> Delay:
    """Delay over [begin_s, end_s); vehicles planned before `begin_s` are not demand.

    Deterministic demand is counted from the demand files; vehicles of random flows, which have no
    planned departure before the run, from SUMO's list of undeparted vehicles.
    """
    counted = trips.planned_s >= begin_s - 1e-9
    loss = float((trips.time_loss_s + trips.depart_delay_s)[counted].sum())
    inserted = int(counted.sum())
    never = never_inserted(trips, demand, begin_s, end_s)
    late = _resco_never(trips, demand, begin_s, end_s)
    return Delay(
        mean_s=_mean(loss + sum(never.values()), inserted + len(never)),
        resco_s=_mean(loss + sum(late), inserted + len(late)),
        inserted=inserted,
        never=never,
    )


def never_inserted(trips: Trips, demand: Demand, begin_s: float, end_s: float) -> dict[str, float]:
    """Id → time waited at `end_s` of all demand that was planned but never inserted."""
    inserted = set(trips.ids)
    planned = {
        name: end_s - depart
        for name, depart in demand.depart_s.items()
        if begin_s <= depart < end_s and name not in inserted
    }
    random = {
        name: waited
        for name, waited in trips.undeparted_s.items()
        if name not in demand.depart_s and waited <= end_s - begin_s
    }
    return planned | random


def level_of_service(delay_s: float) -> int:
    """HCM level of service of a control delay, 1 (A) to 6 (F)."""
    return bisect_left(LOS_LIMITS_S, delay_s) + 1


def trip_metrics(trips: Trips, demand: Demand, begin_s: float, end_s: float) -> dict[str, float]:
    """All of `TRIP_METRICS` that apply: no bus metric without buses, and so on."""
    delay = demand_delay(trips, demand, begin_s, end_s)
    counted = trips.planned_s >= begin_s - 1e-9
    arrivals = float((trips.arrived & counted).sum())
    metrics = {
        "true_delay_s": delay.mean_s,
        "resco_delay_s": delay.resco_s,
        "time_loss_s": _average(trips.time_loss_s[counted]),
        "wait_s": _average(trips.wait_s[counted]),
        "max_wait_s": float(trips.wait_s[counted].max(initial=0.0)),
        "stops": _average(trips.stops[counted]),
        "duration_s": _average(trips.duration_s[counted]),
        "throughput_veh_h": arrivals * 3600.0 / (end_s - begin_s),
        "demand_veh": float(delay.inserted + len(delay.never)),
        "never_inserted_veh": float(len(delay.never)),
        "los": float(level_of_service(delay.mean_s)),
    }
    for name, emitted in (("co2_g", trips.co2_g), ("nox_g", trips.nox_g), ("fuel_g", trips.fuel_g)):
        if len(emitted):
            metrics[name] = _average(emitted)
    buses = _buses(trips, demand, delay.never, counted)
    if buses:
        metrics["bus_delay_s"] = float(np.mean(buses))
    metrics |= _emergencies(trips)
    if len(trips.person_loss_s):
        metrics["pedestrian_delay_s"] = _average(trips.person_loss_s)
    return metrics


def _buses(
    trips: Trips, demand: Demand, never: Mapping[str, float], counted: NDArray[np.bool_]
) -> list[float]:
    loss = trips.time_loss_s + trips.depart_delay_s
    driven = [
        float(loss[i])
        for i in np.flatnonzero(counted)
        if trips.vtypes[i].partition("@")[0] in demand.bus_types
    ]
    return driven + [wait for name, wait in never.items() if name in demand.bus_ids]


def _emergencies(trips: Trips) -> dict[str, float]:
    served = [k for k, name in enumerate(trips.ids) if name.startswith(EMERGENCY_PREFIX)]
    if not served:
        return {}
    loss = trips.time_loss_s[served] + trips.depart_delay_s[served]
    return {"emergency_delay_s": _average(loss), "emergency_stops": _average(trips.stops[served])}


def _resco_never(trips: Trips, demand: Demand, begin_s: float, end_s: float) -> list[float]:
    if not len(trips.depart_s):
        return []
    last = float(trips.planned_s[int(trips.depart_s.argmax())])
    inserted = set(trips.ids)
    return [
        end_s - demand.depart_s[name]
        for name in demand.vehicle_tags
        if max(last, begin_s) < demand.depart_s[name] < end_s and name not in inserted
    ]


def _mean(total: float, count: int) -> float:
    return total / count if count else 0.0


def _average(values: Iterable[float] | NDArray[np.float64]) -> float:
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()) if len(array) else 0.0
