"""The published agents' interface: what they observe, and the reward they were trained on.

Nekoei et al., arXiv 2512.01046; columns and scales as in the authors' environment
(github.com/chandar-lab/SCU_RL_MicroGrid, facts only, no code of theirs). Per step of a minute

    reward = -fuel / ΣF(P_overload) - degradation - 100·neg - 60·pos

with fuel in L/h (plant A: over 240), neg and pos 0.1 + |balance| / (ΣP_overload + P_battery) where
power is missing or too much (plant A: over 880 + 600), and for degradation the growth over the step
of 5·exp(depth), depth the distance of the charge state from its last turn. Turns are counted on
charge states rounded to 0.01, by a filter of three points and the four-point rule of rainflow
counting; where the growth is negative, a step costs its share of a move of 0.01.

What paper and code leave open, and what stands here:

- *First step.* Theirs plays an idle minute before the first observation and draws the units at
  random; here an episode begins as the scenario says, with no proposal.
- *Implemented choice.* Their observation shows the commanded choice twice, also where the shield
  implemented another; agents have learnt that, so it stands. The battery's implemented setpoint is
  the implemented one.
- *Setpoints of the groups.* The genset group's is what the units give; the turbine's is what load,
  charging and least loads leave for wind (which has priority over a discharge, as theirs has).
- *Balance.* Shed load counts as missing. Rounding to 0.01 kW in the compatibility mode (tolerance
  0.05 kW) counts as balanced.
- *Forecasts* are the scenario's, one per minute for 30 min; theirs come with their data set.
- *Turns.* Their agents may also be given a buffer of 30 turns; the 15 + 11·n scalars do not
  hold it, and it is left out.
- A time since start runs on to one minute beyond the minimum run, as theirs does.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import Float32Array, FloatArray, IntArray, RewardChannel

from trimtab_grid.arrays import COOL, MAX_UNITS, OFF, RUN, TRIPPED, WARM, PlantArrays
from trimtab_grid.compiled import compiled, inner
from trimtab_grid.model import fuel_l_h, mean_power_cap_kw

STEP_MIN: Final = 1.0
LEADS: Final = tuple(range(1, 31))
"""Minutes ahead of the forecasts of load and of wind."""
NEGATIVE_WEIGHT, POSITIVE_WEIGHT = 100.0, 60.0
OFFSET: Final = 0.1
"""What any imbalance costs besides its size."""
DEGRADATION, GRAIN = 5.0, 0.01
"""Factor of the exponential; what charge states are rounded to."""
TURNS = 256
"""Most turns that are open at once: the rule leaves at most about 200 on a grid of 0.01."""

TRACK = np.dtype(
    [
        ("turns", np.int64),
        ("turn", np.float64, TURNS),
        # the filter's last two points, the charge state before the step
        *[(name, np.float64) for name in ("earlier", "latest", "soc")],
        ("degradation", np.float64),
        ("choice", np.int64),
        ("run_min", np.float64, MAX_UNITS),
        # running mean before the step, kW
        ("mean_kw", np.float64, MAX_UNITS),
    ],
    align=True,
)
"""What a copy remembers for observation and reward besides the simulator's state."""

REWARDS: Final = (
    RewardChannel("published_fuel", "1", "min"),
    RewardChannel("published_degradation", "1", "min"),
    RewardChannel("published_negative", "1", "min", NEGATIVE_WEIGHT),
    RewardChannel("published_positive", "1", "min", POSITIVE_WEIGHT),
)
UNIT_COLUMNS: Final = (
    *("turning", "warming", "cooling", "overload", "since_warm_up", "since_cool_down"),
    *("since_start", "power", "available", "mean_power", "fuel"),
)
GROUP_COLUMNS: Final = ("group_power", "group_fuel")
PLANT_COLUMNS: Final = (
    *("soc", "battery", "degradation", "wind_available", "wind_used", "load", "balance"),
    *("command_choice", "command_battery", "done_choice", "done_units", "done_battery"),
    "done_wind",
)


def require_minutes(step_min: float) -> None:
    """Refuse a step length that the published interface does not have.

    Raises:
        InputFileError: the step is not a minute.
    """
    if abs(step_min - STEP_MIN) > 1e-9:  # noqa: PLR2004
        msg = f'step_min {step_min:g}: the interface "scu" is published for steps of 1 min: set 1'
        raise InputFileError(msg)


def columns(units: int) -> tuple[str, ...]:
    """Names of the observed columns, 15 + 11·units + 60."""
    own = [f"{name}[{i}]" for i in range(units) for name in UNIT_COLUMNS]
    ahead = [f"{name}+{lead}" for name in ("load", "wind") for lead in LEADS]
    return (*GROUP_COLUMNS, *own, *PLANT_COLUMNS, *ahead)


def choices_of(target: FloatArray, obs: Float32Array, units: int) -> IntArray:
    """The choice of agents that give a target number of units, as the published ones were trained.

    A target a in -1..1 wants floor((a + 1)·(n + 1) / 2) of n units on; one starts or stops a step.

    Args:
        target: [N].
        obs: [N, D] published observations.
        units: n.

    Returns:
        [N] of 0 stop last, 1 none, 2 start next.
    """
    rows = obs[:, len(GROUP_COLUMNS) :][:, : units * len(UNIT_COLUMNS)]
    unit = rows.reshape(len(obs), units, len(UNIT_COLUMNS))
    turning = unit[:, :, UNIT_COLUMNS.index("turning")] > 0.0
    cooling = unit[:, :, UNIT_COLUMNS.index("cooling")] > 0.0
    wanted = np.minimum(np.floor((target + 1.0) * (units + 1) / 2.0), units)
    on = (turning & ~cooling).sum(axis=1)
    return np.asarray(np.sign(wanted - on) + 1.0, np.int64)


@inner
def most_kw(plant: PlantArrays) -> float:
    """Sum of the units' overload powers."""
    total = 0.0
    for i in range(plant.n):
        total += plant.overload_kw[i]
    return total


@inner
def most_l_h(plant: PlantArrays) -> float:
    """Fuel rate of all units at overload."""
    total = 0.0
    for i in range(plant.n):
        total += fuel_l_h(plant, i, plant.overload_kw[i])
    return total


@inner
def _turned(t: Any, soc: float) -> bool:
    """Move the filter on to a charge state; whether the point before it was a turn."""
    falls, rises = soc < t.latest, soc > t.latest
    onward = (falls and t.earlier >= t.latest) or (rises and t.earlier <= t.latest)
    turned = (falls or rises) and not onward
    if turned:
        t.earlier = t.latest
    if falls or rises:
        t.latest = soc
    return turned


@inner
def _close_cycles(t: Any, soc: float) -> None:
    """Forget turns whose range lies inside that of their neighbours, the last being `soc`."""
    while t.turns >= 3:  # noqa: PLR2004
        outer, one, other = t.turn[t.turns - 3], t.turn[t.turns - 2], t.turn[t.turns - 1]
        inside = min(outer, soc) <= min(one, other) and max(one, other) <= max(outer, soc)
        if not inside:
            return
        t.turns -= 2


@inner
def _degrade(t: Any, soc: float) -> None:
    """Cost of the move of the charge state in the step."""
    grain = np.rint(soc / GRAIN) * GRAIN
    if _turned(t, grain):
        t.turn[t.turns] = t.earlier
        t.turns = min(t.turns + 1, TURNS - 1)
    _close_cycles(t, grain)
    last, moved = t.turn[t.turns - 1], soc - t.soc
    cost = DEGRADATION * (math.exp(abs(soc - last)) - math.exp(abs(t.soc - last)))
    if cost < 0.0:
        cost = abs(moved) * DEGRADATION * (math.exp(GRAIN) - 1.0) / GRAIN
    t.degradation, t.soc = cost, soc


@compiled
def begin_tracks(
    plant: PlantArrays, states: NDArray[Any], run_min: FloatArray, tracks: NDArray[Any]
) -> None:
    """Start the memory of copies, [M] each, whose episode begins.

    `run_min` [units]: minutes that units which run have been running.
    """
    for row in range(len(states)):
        s, t = states[row], tracks[row]
        t.turns, t.degradation, t.choice = 1, 0.0, 0
        t.turn[0] = t.earlier = t.latest = t.soc = s.soc
        for i in range(plant.n):
            t.run_min[i] = run_min[i]
            t.mean_kw[i] = s.mean_kw[i]


@compiled
def remember(
    plant: PlantArrays,
    states: NDArray[Any],
    moments: NDArray[Any],
    live: NDArray[np.bool_],
    tracks: NDArray[Any],
) -> None:
    """Note what live copies, [N], propose and how hard their units worked before the step."""
    for row in range(len(states)):
        if live[row]:
            tracks[row].choice = moments[row].choice
            for i in range(plant.n):
                tracks[row].mean_kw[i] = states[row].mean_kw[i]


@compiled
def follow_tracks(
    plant: PlantArrays, moments: NDArray[Any], live: NDArray[np.bool_], tracks: NDArray[Any]
) -> None:
    """Move the memory of live copies, [N], on by the step that their moments tell of."""
    for row in range(len(moments)):
        if not live[row]:
            continue
        m, t = moments[row], tracks[row]
        _degrade(t, m.soc)
        for i in range(plant.n):
            longest = plant.min_run_steps[i] + plant.published + 1.0
            t.run_min[i] = min(longest, t.run_min[i] + 1.0) if m.mode[i] == RUN else 0.0


@inner
def _balance_kw(m: Any) -> float:
    balance: float = m.surplus_kw - m.deficit_kw - m.shed_kw
    return balance


@compiled
def reward_terms(
    plant: PlantArrays,
    moments: NDArray[Any],
    live: NDArray[np.bool_],
    tracks: NDArray[Any],
    out: Float32Array,
) -> None:
    """Write `REWARDS` of the last step, [N, 4]; 0 for copies that are not live."""
    rate, power = most_l_h(plant), most_kw(plant) + plant.power_kw
    for row in range(len(moments)):
        for k in range(4):
            out[row, k] = 0.0
        if live[row]:
            m = moments[row]
            balance = _balance_kw(m)
            out[row, 0] = m.fuel_l / plant.step_h / rate
            out[row, 1] = tracks[row].degradation
            out[row, 2] = OFFSET - balance / power if balance < 0.0 else 0.0
            out[row, 3] = OFFSET + balance / power if balance > 0.0 else 0.0


@inner
def _span(value: float, most: float) -> float:
    """0..most as -1..1; -1 where there is nothing to measure by."""
    return 2.0 * value / most - 1.0 if most > 0.0 else -1.0


@inner
def _sign(flag: bool) -> float:
    return 1.0 if flag else -1.0


@inner
def _available_kw(plant: PlantArrays, m: Any, t: Any, i: int) -> float:
    most = 0.0
    if m.mode[i] == RUN:
        most = plant.overload_kw[i]
        if plant.mean_share[i] > 0.0:
            most = min(most, mean_power_cap_kw(plant, i, t.mean_kw[i]))
    elif m.mode[i] == WARM:
        most = plant.warm_kw[i]
    elif m.mode[i] == COOL:
        most = plant.cool_kw[i]
    return most


@inner
def _see_unit(plant: PlantArrays, s: Any, m: Any, t: Any, i: int, out: Float32Array) -> float:
    """Write the eleven columns of a unit; returns its fuel rate, L/h."""
    mode, most = m.mode[i], plant.overload_kw[i]
    turning = mode != OFF and mode != TRIPPED
    rate = fuel_l_h(plant, i, s.power_kw[i]) if turning else 0.0
    warmed = plant.warm_steps[i] - m.timer[i] if mode == WARM else 0
    cooled = plant.cool_steps[i] - m.timer[i] if mode == COOL else 0
    out[0] = _sign(turning)
    out[1], out[2] = _sign(mode == WARM), _sign(mode == COOL)
    out[3] = _sign(s.power_kw[i] > plant.prime_kw[i] + 1e-9)
    out[4] = _span(warmed, plant.warm_steps[i])
    out[5] = _span(cooled, plant.cool_steps[i])
    out[6] = _span(t.run_min[i], plant.min_run_steps[i] + plant.published)
    out[7], out[8] = _span(s.power_kw[i], most), _span(_available_kw(plant, m, t, i), most)
    out[9] = _span(s.mean_kw[i], most)
    out[10] = _span(rate, fuel_l_h(plant, i, most))
    return rate


@inner
def _see_plant(plant: PlantArrays, m: Any, t: Any, group_kw: float, out: Float32Array) -> None:
    """Write the thirteen columns of the plant."""
    rating, units = plant.power_kw, most_kw(plant)
    floors = 0.0
    for i in range(plant.n):
        floors += m.floor_kw[i]
    out[0] = 2.0 * m.soc_reading - 1.0
    out[1] = m.battery_kw / rating if rating > 0.0 else 0.0
    out[2] = t.degradation
    out[3], out[4] = _span(m.wind_kw, plant.wind_kw), _span(m.wind_used_kw, plant.wind_kw)
    out[5] = _span(m.load_kw, units + rating)
    out[6] = _balance_kw(m) / (units + rating)
    out[7] = out[9] = t.choice
    out[8] = m.wish_kw / rating if rating > 0.0 else 0.0
    out[10] = _span(group_kw, units)
    out[11] = m.battery_kw / rating if rating > 0.0 else 0.0
    out[12] = _span(m.load_kw - min(m.battery_kw, 0.0) - floors, plant.wind_kw)


@compiled
def see_all(
    plant: PlantArrays,
    states: NDArray[Any],
    moments: NDArray[Any],
    tracks: NDArray[Any],
    ahead_kw: FloatArray,
    out: Float32Array,
) -> None:
    """Write the published observation of copies, [M] each.

    Args:
        plant: its record.
        states: of `engine.memory.STATE`.
        moments: of `engine.memory.MOMENT`.
        tracks: of `TRACK`.
        ahead_kw: [M, 2, 30] forecasts of load and wind.
        out: [M, 15 + 11·units + 60], written.
    """
    load_kw = most_kw(plant) + plant.power_kw
    width, leads = 11, ahead_kw.shape[2]
    for row in range(len(states)):
        s, m, t = states[row], moments[row], tracks[row]
        group_kw, rate = 0.0, 0.0
        for i in range(plant.n):
            rate += _see_unit(plant, s, m, t, i, out[row, 2 + width * i :])
            group_kw += s.power_kw[i]
        out[row, 0], out[row, 1] = _span(group_kw, most_kw(plant)), _span(rate, most_l_h(plant))
        at = 2 + width * plant.n
        _see_plant(plant, m, t, group_kw, out[row, at:])
        at += 13
        for k in range(leads):
            out[row, at + k] = _span(ahead_kw[row, 0, k], load_kw)
            out[row, at + leads + k] = _span(ahead_kw[row, 1, k], plant.wind_kw)
