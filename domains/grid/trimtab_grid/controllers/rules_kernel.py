"""Rules that choose a set of units and a battery power each step, compiled.

A set of units is judged as if it ran: what it takes for the present load over a look-ahead during
which a battery must last. Its units share load at least cost.
"""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_grid.arrays import COOL, OFF, RUN, WARM
from trimtab_grid.objective import THROUGHPUT_L_PER_KWH
from trimtab_grid.pwl import jitted, part
from trimtab_grid.stage import Outputs, fuel_rate_l_h

NO_BATTERY_USED, FOLLOW, CYCLE, COMBINED = range(4)
"""Rules: battery idle, load following, cycle charging, the cheaper of both."""
LACK: Final = 1e6
"""Cost rate of a set that does not cover load and reserve, plus as much per kW."""


class Rule(NamedTuple):
    """A rule and what it needs of the plant.

    Attributes:
        kind: one of the four rules.
        units: number of gensets.
        order: fixed start order: sets are the first units that are on.
        outputs: row k: the units of the bits of k run.
        start_l: fuel of a start with warm-up and cool-down, [units].
        min_run: minimum run in steps, [units].
        look_h: time over which a start counts and the battery must last, h.
        energy_kwh: of the battery.
        eta: efficiencies of charging and discharging.
        power_kw: largest charge and discharge.
        soc: lowest and highest charge state used, and the one to charge up to.
        reserve: shares of load and of used renewables.
        value_l_kwh: litres per stored kWh, by which the combined rule compares.
        renewables: load less renewables is to be covered (1) or the whole load (0).
    """

    kind: int
    units: int
    order: int
    outputs: Outputs
    start_l: FloatArray
    min_run: IntArray
    look_h: float
    energy_kwh: float
    eta: tuple[float, float]
    power_kw: tuple[float, float]
    soc: tuple[float, float, float]
    reserve: tuple[float, float]
    value_l_kwh: float
    renewables: float


@part
def _may_be_on(mode: int, timer: int) -> bool:
    return mode in (RUN, WARM) or (mode == OFF and timer == 0)


@part
def _must_be_on(mode: int, timer: int, min_run: int) -> bool:
    return mode == WARM or (mode == RUN and timer < min_run)


@part
def reachable(rule: Rule, mode: IntArray, timer: IntArray, wanted: int) -> bool:
    """Whether units can be brought to run exactly the set `wanted` with commands from now on."""
    cooling, passed_off = False, False
    for i in range(rule.units):
        cooling = cooling or mode[i] == COOL
    for i in range(rule.units):
        on = (wanted >> i) & 1
        if on and not _may_be_on(mode[i], timer[i]):
            return False
        if not on and _must_be_on(mode[i], timer[i], rule.min_run[i]):
            return False
        starts = on and mode[i] == OFF
        if rule.order and starts and (cooling or passed_off):
            return False
        if rule.order and not on and (mode[i] == OFF and timer[i] == 0):
            passed_off = True
    return True


@part
def _start_l(rule: Rule, mode: IntArray, wanted: int) -> float:
    total = 0.0
    for i in range(rule.units):
        if (wanted >> i) & 1 and mode[i] == OFF:
            total += rule.start_l[i]
    return total


@part
def _lack_kw(rule: Rule, wanted: int, load: float, free: float, battery: float) -> float:
    """What a set lacks of load, or of load and reserve."""
    out = rule.outputs
    prime, floor = out.carried_kw[wanted], out.floor_kw[wanted]
    used = min(free, max(0.0, load - battery - floor))
    need = load - battery - used
    headroom = prime - need + rule.power_kw[1] - battery
    reserve = rule.reserve[0] * load + rule.reserve[1] * used
    return max(0.0, need - prime) + max(0.0, reserve - headroom)


@part
def _discharge_limit(rule: Rule, soc: float, room_kwh: float) -> float:
    usable = min((soc - rule.soc[0]) * rule.energy_kwh, room_kwh)
    return max(0.0, min(rule.power_kw[1], usable * rule.eta[1] / rule.look_h))


@part
def _charge_limit(rule: Rule, soc: float, ceiling: float, step_h: float) -> float:
    room = (ceiling - soc) * rule.energy_kwh
    return max(0.0, min(rule.power_kw[0], room / (rule.eta[0] * step_h)))


@part
def _follow_kw(
    rule: Rule, wanted: int, load: float, free: float, soc: float, room: float, step_h: float
) -> float:
    """Battery first: cover what is above the set's floor, take what is below it."""
    net = load - free - rule.outputs.floor_kw[wanted]
    if rule.kind == NO_BATTERY_USED:
        return 0.0
    if net >= 0.0:
        return min(net, _discharge_limit(rule, soc, room))
    return -min(-net, _charge_limit(rule, soc, rule.soc[1], step_h))


@part
def _cycle_kw(
    rule: Rule, wanted: int, load: float, free: float, soc: float, room: float, step_h: float
) -> float:
    """Running units charge up to the setpoint with all they have left."""
    follow = _follow_kw(rule, wanted, load, free, soc, room, step_h)
    spare = rule.outputs.carried_kw[wanted] - (load - free)
    if wanted == 0 or spare <= 0.0:
        return follow
    return min(follow, -min(spare, _charge_limit(rule, soc, rule.soc[2], step_h)))


@part
def _rate(rule: Rule, wanted: int, load: float, free: float, battery: float) -> float:
    """Fuel rate of the set for what battery and renewables leave, L/h."""
    return fuel_rate_l_h(rule.outputs, wanted, free, max(load - battery, 0.0))


@part
def choose(
    rule: Rule,
    cycle: bool,
    mode: IntArray,
    timer: IntArray,
    load: float,
    free: float,
    soc: float,
    room: float,
    step_h: float,
) -> tuple[int, float]:
    """The set of units and the battery power of load following or cycle charging.

    Load following: least fuel and start. Cycle charging: no unit if possible and no charging is
    under way, else least litres per kWh.
    """
    best, best_kw, best_score, running = 0, 0.0, np.inf, False
    for i in range(rule.units):
        running = running or mode[i] in (RUN, WARM)
    charging = cycle and running and soc < rule.soc[2] - 1e-3
    for wanted in range(1 << rule.units):
        if not reachable(rule, mode, timer, wanted):
            continue
        if cycle:
            battery = _cycle_kw(rule, wanted, load, free, soc, room, step_h)
        else:
            battery = _follow_kw(rule, wanted, load, free, soc, room, step_h)
        score = _rate(rule, wanted, load, free, battery) + (
            _start_l(rule, mode, wanted) / rule.look_h
        )
        if cycle:
            given = max(load - free - battery, rule.outputs.floor_kw[wanted])
            score = score / max(given, 1.0) if wanted else 0.0
            if wanted == 0 and charging:
                score = LACK
        lack = _lack_kw(rule, wanted, load, free, battery)
        if lack > 1e-6:
            score = LACK * (2.0 + lack)
        if score < best_score - 1e-9:
            best, best_kw, best_score = wanted, battery, score
    return best, best_kw


@part
def _worth(rule: Rule, mode: IntArray, found: tuple[int, float], load: float, free: float) -> float:
    """Cost rate of a decision, less what it stores at its value."""
    wanted, battery = found
    change = -battery * rule.eta[0] if battery < 0.0 else -battery / rule.eta[1]
    lack = _lack_kw(rule, wanted, load, free, battery)
    return (
        _rate(rule, wanted, load, free, battery)
        + _start_l(rule, mode, wanted) / rule.look_h
        + THROUGHPUT_L_PER_KWH * abs(battery)
        - rule.value_l_kwh * change
        + (LACK * (1.0 + lack) if lack > 1e-6 else 0.0)
    )


@jitted
def decide(
    rule: Rule,
    mode: IntArray,
    timer: IntArray,
    load_kw: FloatArray,
    free_kw: FloatArray,
    soc: FloatArray,
    room_kwh: FloatArray,
    step_h: float,
    command: IntArray,
    battery_kw: FloatArray,
) -> None:
    """Write unit commands [N, units] and battery powers [N] of every row."""
    for row in range(load_kw.size):
        free = free_kw[row] * rule.renewables
        args = (load_kw[row], free, soc[row], room_kwh[row], step_h)
        found = choose(rule, rule.kind == CYCLE, mode[row], timer[row], *args)
        if rule.kind == COMBINED:
            other = choose(rule, True, mode[row], timer[row], *args)
            worth = _worth(rule, mode[row], found, load_kw[row], free)
            if _worth(rule, mode[row], other, load_kw[row], free) < worth - 1e-9:
                found = other
        battery_kw[row] = found[1]
        _write_commands(rule, mode[row], found[0], command[row])


@part
def _write_commands(rule: Rule, mode: IntArray, wanted: int, command: IntArray) -> None:
    """Commands towards a set; with a fixed order at most one, starts before stops."""
    for i in range(rule.units):
        on, is_on = (wanted >> i) & 1, mode[i] in (RUN, WARM)
        command[i] = 1 if on and mode[i] == OFF else (-1 if is_on and not on else 0)
    if not rule.order:
        return
    start, stop = -1, -1
    for i in range(rule.units):
        if command[i] == 1 and start < 0:
            start = i
        if command[i] == -1:
            stop = i
        command[i] = 0
    if start >= 0:
        command[start] = 1
    elif stop >= 0:
        command[stop] = -1
