"""What one step costs against the energy that goes into the battery: convex, piecewise linear.

For a set of running units the step cost is a convex function of the battery's energy change
δ (kWh, charging positive): units share the load at least cost, renewables are curtailed first,
load is shed at its price. It is a relaxation of the plant: charging and discharging obey the
lossless-inside form of the true battery, caps include overload, sharing is economic, and where
no δ is legal the cost is finite. So minima over it are lower bounds.

For the linear battery stored energy is `E·s`. The quadratic one (V = A·s + B behind R) is linear
in `∫ Q·V ds` but for R·I², which is least at the largest V; tangents bound it from below. So is
the published one, whose two resistances differ by a term of the step.

An outer grid is two more units: one that gives its import at its price, and one that gives back the
export, which is always sold first, at the price that is paid for it.
"""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_grid.arrays import COMPAT, COOL, LINEAR, NO_BATTERY, RUN, WARM, PlantArrays
from trimtab_grid.model import fuel_l_h
from trimtab_grid.objective import THROUGHPUT_L_PER_KWH, UNSERVED_L_PER_KWH
from trimtab_grid.pwl import part

MAX_SEGMENTS = 64
"""Most segments of a step cost."""
_TANGENTS = 4
IMPORT_KW, IMPORT_L, EXPORT_KW, EXPORT_L = range(4)
"""Columns of an outer grid per step: limits, kW, and prices, L/kWh."""


class Outputs(NamedTuple):
    """What units in given modes can do together, per class c; padded with zeros.

    Attributes:
        floor_kw: least power of running units plus fixed powers, [C].
        floor_l_h: fuel at the floor, fixed fuel included, [C].
        carried_kw: prime power of running units plus fixed powers: load and reserve, [C].
        length_kw: power of each cost segment above the floor, [C, S].
        slope_l_kwh: its marginal fuel, rising, [C, S].
        segments: their number, [C].
    """

    floor_kw: FloatArray
    floor_l_h: FloatArray
    carried_kw: FloatArray
    length_kw: FloatArray
    slope_l_kwh: FloatArray
    segments: IntArray


class Store(NamedTuple):
    """The battery as stored energy.

    Attributes:
        change_kwh: energy change over a step at each knot, rising, [M].
        grid_kw: power drawn from the grid there, convex in the change, [M].
        low_kwh: least stored energy.
        high_kwh: most stored energy.
        end_kwh: knots of the terminal term, rising, [R].
        end_l: its values, [R].
    """

    change_kwh: FloatArray
    grid_kw: FloatArray
    low_kwh: float
    high_kwh: float
    end_kwh: FloatArray
    end_l: FloatArray


class Stage(NamedTuple):
    """What the steps bring, and what does not change over them.

    Attributes:
        load_kw: demand, [T].
        renewable_kw: available wind and PV, [T].
        reserve_kw: load's share of the spinning reserve, [T].
        used_share: share of used renewables in the reserve (the lesser of wind's and PV's).
        battery_kw: discharge power of the battery, which carries reserve.
        dump_kw: dump load.
        step_h: length of a step, h.
        outer: limits and prices of an outer grid, [T, 4], or no rows.
    """

    load_kw: FloatArray
    renewable_kw: FloatArray
    reserve_kw: FloatArray
    used_share: float
    battery_kw: float
    dump_kw: float
    step_h: float
    outer: FloatArray


def stages(
    plant: PlantArrays,
    load_kw: FloatArray,
    wind_kw: FloatArray,
    pv_kw: FloatArray,
    outer: FloatArray | None = None,
) -> Stage:
    """The steps of a series as the step cost reads them."""
    shares = [plant.reserve_wind_share] if plant.wind_kw > 0.0 else []
    shares += [plant.reserve_pv_share] if plant.pv_kw > 0.0 else []
    return Stage(
        np.asarray(load_kw, np.float64),
        np.asarray(wind_kw + pv_kw, np.float64),
        np.asarray(plant.reserve_load_share * load_kw, np.float64),
        float(min(shares, default=0.0)),
        float(plant.discharge_kw),
        float(plant.dump_kw),
        float(plant.step_h),
        np.zeros((0, 4)) if outer is None else np.ascontiguousarray(outer, np.float64),
    )


def unit_segments(plant: PlantArrays, unit: int) -> list[tuple[float, float]]:
    """(kW, L/kWh) of a running unit above its floor, rising: the convex hull of its curve."""
    top = max(plant.prime_kw[unit], plant.overload_kw[unit])
    knots = [plant.min_kw[unit], top]
    points = plant.curve_points[unit]
    knots += [p for p in plant.curve_kw[unit, :points] if knots[0] < p < top]
    power = np.array(sorted(knots))
    fuel = np.array([fuel_l_h(plant, unit, p) for p in power])
    hull = [0]
    for k in range(1, power.size):
        while len(hull) > 1 and _slope(power, fuel, hull[-1], k) <= _slope(
            power, fuel, hull[-2], hull[-1]
        ):
            hull.pop()
        hull.append(k)
    return [
        (power[b] - power[a], _slope(power, fuel, a, b))
        for a, b in zip(hull[:-1], hull[1:], strict=True)
        if power[b] > power[a]
    ]


def _slope(x: FloatArray, y: FloatArray, a: int, b: int) -> float:
    return float((y[b] - y[a]) / (x[b] - x[a])) if x[b] > x[a] else 0.0


def outputs(plant: PlantArrays, modes: list[tuple[int, ...]]) -> Outputs:
    """Joint output of each tuple of unit modes."""
    rows = [_output(plant, row) for row in modes]
    width = max(1, *(len(segments) for _, segments in rows))
    length, slope = np.zeros((len(rows), width)), np.zeros((len(rows), width))
    for c, (_, segments) in enumerate(rows):
        for k, (kw, marginal) in enumerate(segments):
            length[c, k], slope[c, k] = kw, marginal
    floor, rate, carried = np.array([figures for figures, _ in rows]).T.copy()
    counts = np.array([len(segments) for _, segments in rows], np.int64)
    return Outputs(floor, rate, carried, length, slope, counts)


def _output(
    plant: PlantArrays, modes: tuple[int, ...]
) -> tuple[tuple[float, float, float], list[tuple[float, float]]]:
    """Floor, its fuel and the carried power of units in given modes, and the segments above."""
    floor, rate, carried = 0.0, 0.0, 0.0
    segments: list[tuple[float, float]] = []
    for i, mode in enumerate(modes):
        fixed = {WARM: plant.warm_kw[i], COOL: plant.cool_kw[i], RUN: plant.min_kw[i]}
        if mode not in fixed:
            continue
        floor += fixed[mode]
        rate += fuel_l_h(plant, i, fixed[mode])
        carried += plant.prime_kw[i] if mode == RUN else fixed[mode]
        if mode == RUN:
            segments += unit_segments(plant, i)
    return (floor, rate, carried), sorted(segments, key=lambda s: s[1])


def stored_kwh(plant: PlantArrays, soc: float) -> float:
    """Stored energy at a charge state, in the coordinate of `Store`."""
    if plant.battery_model == NO_BATTERY:
        return 0.0
    if plant.battery_model == LINEAR:
        return float(plant.energy_kwh * soc)
    a, b = plant.voltage_slope_v, plant.voltage_base_v
    return float(plant.capacity_ah * (0.5 * a * soc * soc + b * soc) / 1000.0)


def store(plant: PlantArrays, price_l_per_kwh: float, soc_first: float) -> Store:
    """The battery of a plant, with what its end owes (see `objective.terminal_l`)."""
    if plant.battery_model == NO_BATTERY:
        nothing = np.zeros(1)
        return Store(nothing, nothing, 0.0, 1.0, np.array([0.0, 1.0]), np.zeros(2))
    low, high = (stored_kwh(plant, s) for s in (plant.reserve_soc_min, plant.reserve_soc_max))
    end_kwh, end_l = _terminal(plant, price_l_per_kwh, soc_first)
    maker = _linear_map if plant.battery_model == LINEAR else _quadratic_map
    change, grid = maker(plant)
    return Store(change - plant.standby_kw * plant.step_h, grid, low, high, end_kwh, end_l)


def _linear_map(plant: PlantArrays) -> tuple[FloatArray, FloatArray]:
    h, power = plant.step_h, plant.power_kw
    change = np.array([-power * h / plant.discharge_efficiency, 0.0, power * h])
    change[2] *= plant.charge_efficiency
    return change, np.array([-power, 0.0, power])


def _quadratic_map(plant: PlantArrays) -> tuple[FloatArray, FloatArray]:
    """Tangents of the convex map from energy change to grid power at the largest voltage.

    The current I of a DC power P is that of `P = (V - R'·I)·I`, the energy change that of
    `(V - k·I)·I`. The exact battery has R' = R, k = 0. The published one takes the voltage at the
    begin of the step and R' = R + A·Δ/Q; over the change of charge I·Δ/Q the mean voltage of the
    energy is lower by k·I, k = A·Δ/2Q. Either way I, and so the loss, is least at the largest V.
    """
    v = plant.voltage_slope_v * plant.reserve_soc_max + plant.voltage_base_v
    h = plant.step_h
    droop = plant.voltage_slope_v * h / plant.capacity_ah if plant.battery_model == COMPAT else 0.0
    r, k = plant.resistance_ohm + droop, 0.5 * droop
    shares = np.arange(_TANGENTS + 1) / _TANGENTS
    out_w = 1000.0 * plant.power_kw / plant.discharge_efficiency * shares[::-1]
    in_w = -1000.0 * plant.power_kw * plant.charge_efficiency * shares
    dc_w = np.concatenate([out_w, in_w])
    ratio = np.r_[
        np.full(shares.size, plant.discharge_efficiency),
        np.full(shares.size, 1.0 / plant.charge_efficiency),
    ]
    root = np.sqrt(v * v - 4.0 * r * dc_w)
    current = 2.0 * dc_w / (v + root)
    change = -h * (v - k * current) * current / 1000.0
    grid = -ratio * dc_w / 1000.0
    return _tangent_envelope(change, grid, ratio * root / (h * (v - 2.0 * k * current)))


def _terminal(
    plant: PlantArrays, price_l_per_kwh: float, soc_first: float
) -> tuple[FloatArray, FloatArray]:
    """Tangents of `price·E·(s0 - s)+` over stored energy; s is concave in it."""
    low, high = plant.reserve_soc_min, plant.reserve_soc_max
    soc = np.linspace(low, max(soc_first, low + 1e-6), _TANGENTS + 1)
    energy = np.array([stored_kwh(plant, s) for s in soc])
    owed = price_l_per_kwh * plant.energy_kwh
    slope = np.full(soc.size, -owed / plant.energy_kwh)
    if plant.battery_model != LINEAR:
        volts = plant.voltage_slope_v * soc + plant.voltage_base_v
        slope = -owed * 1000.0 / (plant.capacity_ah * volts)
    x, y = _tangent_envelope(energy, owed * (soc_first - soc), slope)
    top = stored_kwh(plant, high)
    if x[-1] < top:
        x, y = np.r_[x, top], np.r_[y, 0.0]
    return x, np.maximum(y, 0.0)


def _tangent_envelope(
    x: FloatArray, y: FloatArray, slope: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Knots of the upper envelope of the tangents of a convex function at rising x."""
    knots, values = [x[0]], [y[0]]
    for k in range(x.size - 1):
        bend = slope[k + 1] - slope[k]
        if bend > 1e-12:  # noqa: PLR2004
            at = (y[k] - y[k + 1] + slope[k + 1] * x[k + 1] - slope[k] * x[k]) / bend
            knots.append(at)
            values.append(y[k] + slope[k] * (at - x[k]))
    return np.array([*knots, x[-1]]), np.array([*values, y[-1]])


@part
def fuel_rate_l_h(outputs: Outputs, c: int, renewable_kw: float, net_kw: float) -> float:
    """Cost rate of class c when the grid needs `net_kw` (load and charging), L/h.

    Renewables take what is above the floor, then units by marginal fuel, then load is shed.
    """
    rest = net_kw - outputs.floor_kw[c] - renewable_kw
    rate = outputs.floor_l_h[c]
    for k in range(outputs.segments[c]):
        if rest <= 0.0:
            return rate
        taken = min(rest, outputs.length_kw[c, k])
        rate += outputs.slope_l_kwh[c, k] * taken
        rest -= taken
    return rate + UNSERVED_L_PER_KWH * max(rest, 0.0)


@part
def grid_kw(store: Store, change_kwh: float) -> float:
    """Power drawn from the grid for an energy change inside the range."""
    k = 1
    while k < store.change_kwh.size - 1 and store.change_kwh[k] < change_kwh:
        k += 1
    if store.change_kwh.size == 1:
        return store.grid_kw[0]
    run = store.change_kwh[k] - store.change_kwh[k - 1]
    share = (change_kwh - store.change_kwh[k - 1]) / run
    return store.grid_kw[k - 1] + share * (store.grid_kw[k] - store.grid_kw[k - 1])


@part
def _change_kwh(store: Store, grid_kw: float, step_h: float) -> float:
    """Energy change at a power drawn from the grid, prolonged without losses at both ends."""
    last = store.grid_kw.size - 1
    if grid_kw <= store.grid_kw[0]:
        return store.change_kwh[0] + (grid_kw - store.grid_kw[0]) * step_h
    if grid_kw >= store.grid_kw[last]:
        return store.change_kwh[last] + (grid_kw - store.grid_kw[last]) * step_h
    k = 1
    while store.grid_kw[k] < grid_kw:
        k += 1
    share = (grid_kw - store.grid_kw[k - 1]) / (store.grid_kw[k] - store.grid_kw[k - 1])
    return store.change_kwh[k - 1] + share * (store.change_kwh[k] - store.change_kwh[k - 1])


@part
def _put(x: FloatArray, n: int, new: float) -> int:
    """Insert into rising x[:n] and return n + 1; `sort` and slices cost seconds to compile."""
    k = n
    while k > 0 and x[k - 1] > new:
        x[k] = x[k - 1]
        k -= 1
    x[k] = new
    return n + 1


@part
def _bends(
    outputs: Outputs,
    c: int,
    store: Store,
    surplus_kw: float,
    step_h: float,
    legal_kwh: float,
    x: FloatArray,
) -> int:
    """Energy changes at which the step cost may bend, rising and different; their number.

    `surplus_kw` is what renewables leave over the load, before units.
    """
    n = 0
    for change in store.change_kwh:
        n = _put(x, n, change)
    low, high = x[0], x[n - 1]
    if low < legal_kwh < high:
        n = _put(x, n, legal_kwh)
    net = outputs.floor_kw[c] + surplus_kw
    for k in range(outputs.segments[c] + 1):
        change = _change_kwh(store, net, step_h)
        if low < change < high:
            n = _put(x, n, change)
        if k < outputs.segments[c]:
            net += outputs.length_kw[c, k]
    m = 1
    for k in range(1, n):
        if x[k] > x[m - 1] + 1e-9:  # noqa: PLR2004
            x[m] = x[k]
            m += 1
    return m


@part
def step_cost(
    outputs: Outputs, c: int, store: Store, stage: Stage, t: int, x: FloatArray, y: FloatArray
) -> int:
    """Knots of the convex cost (L) over the energy change (kWh) of one step; their number.

    Spinning reserve is `Σ(P·u - p) + P_b - d + c >= r_L·L + r_W·w`. With the balance put in, the
    prime power of running units, fixed powers, the battery's power, (1 - r_W) of the renewables
    used and load shed must cover (1 + r_L)·L. Where units at their floor leave no legal balance,
    the cost is finite but steep (the price of unserved energy), which only lowers it.
    """
    demand = stage.load_kw[t]
    if stage.outer.shape[0] == 0:
        return _plain_cost(outputs, c, store, stage, t, demand, x, y)
    joined = _with_outer(outputs, c, stage.outer[t])
    alone = c - c  # 0, but not a literal: Numba would compile all it calls for that again
    return _plain_cost(joined, alone, store, stage, t, demand + stage.outer[t, EXPORT_KW], x, y)


@part
def _put_segment(
    length: FloatArray, slope: FloatArray, n: int, more_kw: float, price_l_kwh: float
) -> None:
    """Insert into the n segments with rising slope; dearer than unserved energy is none."""
    new, k = min(price_l_kwh, UNSERVED_L_PER_KWH), n
    while k > 0 and slope[0, k - 1] > new:
        length[0, k], slope[0, k] = length[0, k - 1], slope[0, k - 1]
        k -= 1
    length[0, k], slope[0, k] = more_kw, new


@part
def _with_outer(outputs: Outputs, c: int, outer: FloatArray) -> Outputs:
    """Class c alone, with import and the withholding of exports among its segments."""
    n = outputs.segments[c] + 2
    length, slope = np.empty((1, n)), np.empty((1, n))
    for k in range(n - 2):
        length[0, k], slope[0, k] = outputs.length_kw[c, k], outputs.slope_l_kwh[c, k]
    _put_segment(length, slope, n - 2, outer[IMPORT_KW], outer[IMPORT_L])
    _put_segment(length, slope, n - 1, outer[EXPORT_KW], outer[EXPORT_L])
    floor, rate, carried = np.empty(1), np.empty(1), np.empty(1)
    floor[0] = outputs.floor_kw[c]
    rate[0] = outputs.floor_l_h[c] - outer[EXPORT_KW] * outer[EXPORT_L]
    carried[0] = outputs.carried_kw[c] + outer[IMPORT_KW] + outer[EXPORT_KW]
    segments = np.empty(1, np.int64)
    segments[0] = n
    return Outputs(floor, rate, carried, length, slope, segments)


@part
def _plain_cost(
    outputs: Outputs,
    c: int,
    store: Store,
    stage: Stage,
    t: int,
    demand_kw: float,
    x: FloatArray,
    y: FloatArray,
) -> int:
    """See `step_cost`; `demand_kw` is the load, and all that could be exported."""
    free, h, used = stage.renewable_kw[t], stage.step_h, 1.0 - stage.used_share
    short = stage.reserve_kw[t] + demand_kw - outputs.carried_kw[c] - stage.battery_kw
    shed = min(max(0.0, short - used * free), demand_kw)
    load = demand_kw - shed
    needed = free if short >= used * free else max(short, short / used)
    lowest = outputs.floor_kw[c] + max(needed, -stage.dump_kw)
    legal = _change_kwh(store, lowest - load, h)
    n = _bends(outputs, c, store, free - load, h, legal, x)
    for k in range(n):
        grid = grid_kw(store, x[k])
        rate = fuel_rate_l_h(outputs, c, free, max(load + grid, lowest))
        rate += THROUGHPUT_L_PER_KWH * abs(grid) + UNSERVED_L_PER_KWH * shed
        y[k] = h * rate + UNSERVED_L_PER_KWH * max(0.0, legal - x[k])
    return n
