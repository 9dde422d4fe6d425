"""A step of a cluster: commit every island, agree and settle the ties, dispatch every island.

Every island is one plant record with N rows; the functions of `engine.step` do its part. Between
commit and dispatch its shield says how much it can give and take, its *rooms*:

- Room to export: what is left with units at their caps, the battery at the upper end of its
  interval without any exchange, and all renewables used. None in degraded mode.
- Room to import: what is missing with units at their floors, the battery at the lower end of its
  interval, and all renewables used.

A flow within the rooms of both its ends asks no battery to leave its interval and no unit its
limits; inside them it is firm, and batteries follow. Whatever is settled, the charge and the units
of an island stay where its own theorem keeps them: an island may count neither on import (it may
vanish, like wind) nor on export.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab_grid.arrays import PlantArrays
from trimtab_grid.compiled import compiled
from trimtab_grid.engine import dispatch
from trimtab_grid.engine.memory import CALM
from trimtab_grid.engine.step import book, realise, set_battery, set_interval, shed_ready
from trimtab_grid.islands.rooms import export_room_kw, import_room_kw

EXPORT, IMPORT = range(2)
"""Columns of rooms."""
STRUCK = 3
"""Numbers that `commit_rows` hands to `dispatch_rows`, per row."""


@compiled
def commit_rows(
    plant: PlantArrays,
    tables: Any,
    shielded: bool,
    by_order: bool,
    states: NDArray[Any],
    moments: NDArray[Any],
    live: NDArray[np.bool_],
    bank: NDArray[np.float64],
    faults: NDArray[np.float64],
    draws: NDArray[np.float64],
    import_kw: float,
    struck: NDArray[np.float64],
    rooms: NDArray[np.float64],
) -> None:
    """Commit the units of one island and let the step strike; then measure its rooms.

    Args:
        plant: its record.
        tables: of its shield.
        shielded: whether the shield stands between proposal and plant.
        by_order: `choice` of the moments is the proposal.
        states: [N] of `STATE`.
        moments: [N] of `MOMENT`; proposals and wishes are set.
        live: [N].
        bank: [N, steps + 1, 3] load, wind, PV, kW.
        faults: [steps, columns] plan of faults, or no rows.
        draws: [N, columns] for trips and failed starts, or no columns.
        import_kw: most that all ties together can bring.
        struck: [N, STRUCK] written: legal, battery there, sudden change of power, kW.
        rooms: [N, 2] written: most export and import, kW.
    """
    for row in range(len(states)):
        rooms[row, EXPORT] = rooms[row, IMPORT] = 0.0
        if not live[row]:
            continue
        s, m = states[row], moments[row]
        fault = faults[s.step] if len(faults) > 0 else faults.reshape(-1)
        now = bank[row, s.step + 1]
        legal, battery, sudden = realise(
            plant, tables, shielded, by_order, s, m, now, fault, draws[row]
        )
        struck[row, 0], struck[row, 1], struck[row, 2] = legal, battery, sudden
        dispatch.apply_mean_power(plant, s, m)
        if not dispatch.forms_grid(plant, m, battery, False):
            continue
        own = m.load_kw - m.wind_kw - m.pv_kw
        if m.alarm == CALM:
            set_interval(plant, tables, shielded, s, m, battery, 0.0)
            rooms[row, EXPORT] = export_room_kw(dispatch.caps_kw(plant, m), m.high_kw, own)
        set_interval(plant, tables, shielded, s, m, battery, import_kw)
        rooms[row, IMPORT] = import_room_kw(dispatch.floors_kw(plant, m), m.low_kw, own)


@compiled
def settle(
    ends: NDArray[np.int64],
    slots: NDArray[np.int64],
    capacity_kw: NDArray[np.float64],
    arriving: NDArray[np.float64],
    there: NDArray[np.bool_],
    wish_kw: NDArray[np.float64],
    rooms: NDArray[np.float64],
    agreed_kw: NDArray[np.float64],
    flow_kw: NDArray[np.float64],
    exchange_kw: NDArray[np.float64],
) -> None:
    """Flows of all ties of every copy: what both ends agreed, cut to the rooms of both.

    A tie carries the lesser of what one end wishes to send and what the other wishes to receive,
    and nothing unless their wishes are opposite. Where all flows of an island together exceed its
    room, they are cut in proportion.

    Args:
        ends: [K, 2] island at each end.
        slots: [K, 2] which wish of the island speaks of this tie.
        capacity_kw: [K] at the sending end.
        arriving: [K] share of sent power that arrives.
        there: [N, K] whether the tie is in service in this step.
        wish_kw: [N, A, slots] wishes, sending positive, each at the island's own end.
        rooms: [A, N, 2] see `commit_rows`.
        agreed_kw: [N, K] written: flow agreed before the step, at the sending end; positive from
            the first end to the second.
        flow_kw: [N, K] written: the flow.
        exchange_kw: [A, N] written: what each island receives less what it sends, kW.
    """
    islands = len(rooms)
    for row in range(len(wish_kw)):
        for i in range(islands):
            exchange_kw[i, row] = 0.0
        for k in range(len(ends)):
            one = wish_kw[row, ends[k, 0], slots[k, 0]]
            other = wish_kw[row, ends[k, 1], slots[k, 1]]
            agreed = 0.0
            if one > 0.0 and other < 0.0:
                agreed = min(one, -other / arriving[k], capacity_kw[k])
            elif other > 0.0 and one < 0.0:
                agreed = -min(other, -one / arriving[k], capacity_kw[k])
            agreed_kw[row, k] = agreed
        for k in range(len(ends)):
            flow_kw[row, k] = 0.0
            if there[row, k] and agreed_kw[row, k] != 0.0:
                sender = ends[k, 0] if agreed_kw[row, k] > 0.0 else ends[k, 1]
                taker = ends[k, 1] if agreed_kw[row, k] > 0.0 else ends[k, 0]
                share = min(
                    _share(ends, arriving, there, agreed_kw, row, sender, EXPORT, rooms),
                    _share(ends, arriving, there, agreed_kw, row, taker, IMPORT, rooms),
                )
                flow = agreed_kw[row, k] * share
                flow_kw[row, k] = flow
                exchange_kw[sender, row] -= abs(flow)
                exchange_kw[taker, row] += abs(flow) * arriving[k]


@compiled
def _share(
    ends: NDArray[np.int64],
    arriving: NDArray[np.float64],
    there: NDArray[np.bool_],
    agreed_kw: NDArray[np.float64],
    row: int,
    island: int,
    side: int,
    rooms: NDArray[np.float64],
) -> float:
    """Share of an island's agreed exports (or imports) for which it has room."""
    total = 0.0
    for k in range(len(ends)):
        agreed = agreed_kw[row, k] if there[row, k] else 0.0
        leaving = (agreed > 0.0 and ends[k, 0] == island) or (agreed < 0.0 and ends[k, 1] == island)
        coming = (agreed > 0.0 and ends[k, 1] == island) or (agreed < 0.0 and ends[k, 0] == island)
        if side == EXPORT and leaving:
            total += abs(agreed)
        if side == IMPORT and coming:
            total += abs(agreed) * arriving[k]
    room = rooms[island, row, side]
    return 1.0 if total <= room else room / total


@compiled
def dispatch_rows(
    plant: PlantArrays,
    tables: Any,
    shielded: bool,
    states: NDArray[Any],
    moments: NDArray[Any],
    live: NDArray[np.bool_],
    faults: NDArray[np.float64],
    noise: NDArray[np.float64],
    struck: NDArray[np.float64],
    exchange_kw: NDArray[np.float64],
    daily_l: NDArray[np.float64],
) -> None:
    """Dispatch one island at its settled exchange [N], which is firm for the rest of the step.

    What is received and not needed charges the battery before any wind is curtailed. Import that
    vanished counts as a sudden loss of power, as a trip does.
    """
    for row in range(len(states)):
        if not live[row]:
            continue
        s, m = states[row], moments[row]
        fault = faults[s.step] if len(faults) > 0 else faults.reshape(-1)
        day = int(s.step * plant.step_min / 1440.0)
        battery = struck[row, 1] != 0.0
        net = exchange_kw[row]
        coming, leaving = max(net, 0.0), min(net, 0.0)
        sudden = struck[row, 2] + max(0.0, m.exchange_kw - net)
        set_interval(plant, tables, shielded, s, m, battery, coming)
        shed_ready(plant, s, m)
        set_battery(plant, m, coming, leaving)
        if net > 0.0:
            needed = m.load_kw - m.wind_kw - m.pv_kw - net - dispatch.floors_kw(plant, m)
            m.battery_kw = max(min(m.battery_kw, needed), m.low_kw)
        m.exchange_kw, m.exchange_cost_l = net, 0.0
        if dispatch.forms_grid(plant, m, battery, False):
            dispatch.balance(plant, s, m, net, net, m.alarm != CALM)
        else:
            dispatch.black_out(plant, m)
        bias = fault[0] if fault.size > 0 else 0.0
        error = noise[row] if len(noise) > 0 else 0.0
        legal = struck[row, 0] != 0.0
        book(plant, shielded, s, m, (legal, battery, sudden), bias, error)
        daily_l[row, day] += m.fuel_l + m.start_l
