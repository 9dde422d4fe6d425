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

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trimtab_grid.compiled import compiled, inner
from trimtab_grid.engine import dispatch
from trimtab_grid.engine.memory import CALM
from trimtab_grid.engine.rows import (
    Chances,
    Outer,
    Rows,
    Site,
    Struck,
    Turn,
    book_day,
)
from trimtab_grid.engine.step import conclude, prepare, realise, set_interval
from trimtab_grid.islands.rooms import export_room_kw, import_room_kw

EXPORT, IMPORT = range(2)
"""Columns of rooms."""
STRUCK = 3
"""Numbers that `commit_rows` hands to `dispatch_rows`, per row."""


class Lines(NamedTuple):
    """Ties of a cluster.

    Attributes:
        ends: [K, 2] island at each end.
        slots: [K, 2] which wish of the island speaks of this tie.
        capacity_kw: [K] at the sending end.
        arriving: [K] share of sent power that arrives.
    """

    ends: NDArray[np.int64]
    slots: NDArray[np.int64]
    capacity_kw: NDArray[np.float64]
    arriving: NDArray[np.float64]


class Flows(NamedTuple):
    """What ties are asked for and carry in a step of N copies of A islands.

    Attributes:
        there: [N, K] whether the tie is in service in this step.
        wish_kw: [N, A, slots] wishes, sending positive, each at the island's own end.
        rooms: [A, N, 2] see `commit_rows`.
        agreed_kw: [N, K] written: flow agreed before the step, at the sending end; positive from
            the first end to the second.
        flow_kw: [N, K] written: the flow.
        exchange_kw: [A, N] written: what each island receives less what it sends, kW.
    """

    there: NDArray[np.bool_]
    wish_kw: NDArray[np.float64]
    rooms: NDArray[np.float64]
    agreed_kw: NDArray[np.float64]
    flow_kw: NDArray[np.float64]
    exchange_kw: NDArray[np.float64]


@compiled
def commit_rows(
    site: Site,
    rows: Rows,
    chances: Chances,
    import_kw: float,
    struck: NDArray[np.float64],
    rooms: NDArray[np.float64],
) -> None:
    """Commit the units of one island and let the step strike; then measure its rooms.

    Args:
        site: the island.
        rows: its copies.
        chances: of this step.
        import_kw: most that all ties together can bring.
        struck: [N, STRUCK] written: fields of `Struck`.
        rooms: [N, 2] written: most export and import, kW.
    """
    for row in range(len(rows.states)):
        rooms[row, EXPORT] = rooms[row, IMPORT] = 0.0
        if not rows.live[row]:
            continue
        s, m = rows.states[row], rows.moments[row]
        turn = Turn(s, m, rows.bank[row, s.step + 1], chances, row)
        legal, battery, sudden = realise(site, turn)
        struck[row, 0], struck[row, 1], struck[row, 2] = legal, battery, sudden
        dispatch.apply_mean_power(site.plant, s, m)
        if not dispatch.forms_grid(site.plant, m, battery, False):
            continue
        own = m.load_kw - m.wind_kw - m.pv_kw
        if m.alarm == CALM:
            set_interval(site, s, m, battery, 0.0)
            rooms[row, EXPORT] = export_room_kw(dispatch.caps_kw(site.plant, m), m.high_kw, own)
        set_interval(site, s, m, battery, import_kw)
        rooms[row, IMPORT] = import_room_kw(dispatch.floors_kw(site.plant, m), m.low_kw, own)


@compiled
def settle(lines: Lines, flows: Flows) -> None:
    """Flows of all ties of every copy: what both ends agreed, cut to the rooms of both.

    A tie carries the lesser of what one end wishes to send and what the other wishes to receive,
    and nothing unless their wishes are opposite. Where all flows of an island together exceed its
    room, they are cut in proportion.
    """
    for row in range(len(flows.wish_kw)):
        for i in range(len(flows.rooms)):
            flows.exchange_kw[i, row] = 0.0
        for k in range(len(lines.ends)):
            flows.agreed_kw[row, k] = _agreed_kw(lines, flows, row, k)
        for k in range(len(lines.ends)):
            flows.flow_kw[row, k] = 0.0
            agreed = flows.agreed_kw[row, k]
            if flows.there[row, k] and agreed != 0.0:
                sender = lines.ends[k, 0] if agreed > 0.0 else lines.ends[k, 1]
                taker = lines.ends[k, 1] if agreed > 0.0 else lines.ends[k, 0]
                share = min(
                    _share(lines, flows, row, sender, EXPORT),
                    _share(lines, flows, row, taker, IMPORT),
                )
                flow = agreed * share
                flows.flow_kw[row, k] = flow
                flows.exchange_kw[sender, row] -= abs(flow)
                flows.exchange_kw[taker, row] += abs(flow) * lines.arriving[k]


@inner
def _agreed_kw(lines: Lines, flows: Flows, row: int, k: int) -> float:
    """Lesser of opposite wishes, at the sending end."""
    one = flows.wish_kw[row, lines.ends[k, 0], lines.slots[k, 0]]
    other = flows.wish_kw[row, lines.ends[k, 1], lines.slots[k, 1]]
    agreed = 0.0
    if one > 0.0 and other < 0.0:
        agreed = min(one, -other / lines.arriving[k], lines.capacity_kw[k])
    elif other > 0.0 and one < 0.0:
        agreed = -min(other, -one / lines.arriving[k], lines.capacity_kw[k])
    return agreed


@inner
def _share(lines: Lines, flows: Flows, row: int, island: int, side: int) -> float:
    """Share of an island's agreed exports (or imports) for which it has room."""
    total, ends = 0.0, lines.ends
    for k in range(len(ends)):
        agreed = flows.agreed_kw[row, k] if flows.there[row, k] else 0.0
        leaving = (agreed > 0.0 and ends[k, 0] == island) or (agreed < 0.0 and ends[k, 1] == island)
        coming = (agreed > 0.0 and ends[k, 1] == island) or (agreed < 0.0 and ends[k, 0] == island)
        if side == EXPORT and leaving:
            total += abs(agreed)
        if side == IMPORT and coming:
            total += abs(agreed) * lines.arriving[k]
    room = flows.rooms[island, row, side]
    return 1.0 if total <= room else room / total


@compiled
def dispatch_rows(
    site: Site,
    rows: Rows,
    chances: Chances,
    struck: NDArray[np.float64],
    exchange_kw: NDArray[np.float64],
) -> None:
    """Dispatch one island at its settled exchange [N], which is firm for the rest of the step.

    What is received and not needed charges the battery before any wind is curtailed. Import that
    vanished counts as a sudden loss of power, as a trip does.
    """
    for row in range(len(rows.states)):
        if not rows.live[row]:
            continue
        s, m = rows.states[row], rows.moments[row]
        turn = Turn(s, m, rows.bank[row, s.step + 1], chances, row)
        step, net = s.step, exchange_kw[row]
        battery = struck[row, 1] != 0.0
        sudden = struck[row, 2] + max(0.0, m.exchange_kw - net)
        prepare(site, turn, battery, max(net, 0.0), min(net, 0.0))
        if net > 0.0:
            needed = m.load_kw - m.wind_kw - m.pv_kw - net - dispatch.floors_kw(site.plant, m)
            m.battery_kw = max(min(m.battery_kw, needed), m.low_kw)
        m.exchange_kw = net
        met = Struck(struck[row, 0] != 0.0, battery, sudden)
        conclude(site, turn, met, Outer(net, net, 0.0, 0.0))
        book_day(site.plant, rows, row, step)
