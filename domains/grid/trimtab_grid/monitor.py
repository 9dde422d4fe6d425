"""The independent monitor: every hard constraint of a microgrid, from the log of an episode alone.

It shares no code with shield, tables or simulator: timers are rebuilt from the modes that were
seen, sums from the powers. Steps in which the disturbance left the declared set (load beyond its
limits or ramps, a second unit unavailable, battery or charge reading failed) and the degraded mode
that follows are booked under `outside_declared`, not under the constraint.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import EvidenceError
from trimtab.contracts.shield import Monitor, Violations

from trimtab_grid.first_units import FirstUnit
from trimtab_grid.plant import Genset, Plant

CONSTRAINTS = (
    "balance",
    "deficit",
    "surplus",
    "shedding",
    "ufls",
    "charge_window",
    "battery_power",
    "unit_load",
    "transition",
    "ramp",
    "warm_up",
    "cool_down",
    "min_run",
    "min_down",
    "order",
    "overload_time",
    "mean_power",
    "grid_forming",
    "curtailment",
)
"""What is counted; `mean_power` is a soft constraint."""
OUTSIDE = "outside_declared"

_OFF, _WARM, _RUN, _COOL, _TRIPPED = range(5)
_CODES = {"off": _OFF, "warming": _WARM, "running": _RUN, "cooling": _COOL, "tripped": _TRIPPED}
_BATTERY_FAILED, _READING_FAILED = 4, 5
_KW = 1e-6
_SOC = 1e-7
_COLUMNS = (
    *("mode", "tripped", "start_failed", "power_kw", "battery_kw", "soc", "load_kw"),
    *("wind_kw", "pv_kw", "wind_used_kw", "pv_used_kw", "exchange_kw", "dump_kw", "shed_kw"),
    *("deficit_kw", "surplus_kw", "alarm", "soc_first", "before"),
)

Steps = NDArray[np.bool_]
"""Which steps break a constraint, shape [steps]."""


class GridMonitor(Monitor):
    """Counts violations in a log.

    Args:
        plant: as the user described it.
        step_min: length of a step, minutes.
        tolerance_kw: allowed residual of powers; 0.05 in the published plant's mode.
        first: units at the begin, as the scenario states them; others are off, long since.
    """

    def __init__(
        self,
        plant: Plant,
        step_min: float,
        tolerance_kw: float = _KW,
        first: Sequence[FirstUnit] = (),
    ) -> None:
        self._plant, self._step_min, self._kw = plant, step_min, tolerance_kw
        self._first = {unit.unit: unit for unit in first}
        self._published = plant.battery is not None and plant.battery.model == "compat"

    def check(self, log: Mapping[str, Any]) -> dict[str, Violations]:
        """Violations per constraint of one episode.

        Args:
            log: columns named as in `engine.memory.MOMENT`, shape [steps] or [steps, units], with
                `soc_first` and `before` (load, wind, PV before the first step).

        Raises:
            EvidenceError: the log lacks a column.
        """
        missing = [name for name in _COLUMNS if name not in log]
        if missing:
            msg = f"the episode log lacks {', '.join(missing)}: log whole episodes (fewer copies)"
            raise EvidenceError(msg)
        excused = self._excused(log)
        found: dict[str, tuple[int, int]] = dict.fromkeys(CONSTRAINTS, (0, 0))
        outside = np.zeros(len(excused), bool)
        for name, broken, exposure in self._checks(log):
            count, exposed = found[name]
            found[name] = (count + int((broken & ~excused).sum()), exposed + exposure)
            outside |= broken & excused
        counted = {name: Violations(*pair) for name, pair in found.items()}
        counted[OUTSIDE] = Violations(int(outside.sum()), int(excused.sum()))
        return counted

    def _steps(self, minutes: float) -> int:
        return math.ceil(minutes / self._step_min - 1e-9)

    def _before(self, genset: Genset) -> tuple[int, int]:
        """Mode of a unit before the log, and how many steps of that mode lie behind it."""
        unit = self._first.get(genset.name)
        lasts = {
            _OFF: genset.min_down_min,
            _WARM: genset.warm_up_min,
            _RUN: genset.min_run_min,
            _COOL: genset.cool_down_min,
            _TRIPPED: genset.repair_min,
        }
        mode = _OFF if unit is None else _CODES[unit.mode]
        whole = self._steps(lasts[mode])
        if unit is None:
            return mode, whole
        left = self._steps(lasts[mode] - unit.minutes)
        return mode, min(whole, whole - left)

    def _modes_before(self) -> list[int]:
        return [self._before(genset)[0] for genset in self._plant.gensets]

    def _checks(self, log: Mapping[str, Any]) -> Iterator[tuple[str, Steps, int]]:
        steps = len(log["load_kw"])
        yield from ((name, broken, steps) for name, broken in self._power_checks(log))
        yield "order", self._order(log), steps
        yield "grid_forming", self._formless(log), steps
        for i, genset in enumerate(self._plant.gensets):
            mode, power = log["mode"][:, i], log["power_kw"][:, i]
            struck = (log["tripped"][:, i] != 0) | (log["start_failed"][:, i] != 0)
            yield "unit_load", self._unit_load(genset, mode, power), steps
            yield "transition", self._transition(genset, mode, struck), steps
            yield from self._stretches(genset, mode, struck)
            yield "ramp", self._ramp(genset, mode, power), steps
            yield "overload_time", self._overload(genset, power), steps
            yield "mean_power", self._mean_power(genset, mode, power), steps

    def _power_checks(self, log: Mapping[str, Any]) -> Iterator[tuple[str, Steps]]:
        given = log["power_kw"].sum(axis=1) + log["battery_kw"] + log["exchange_kw"]
        given = given + log["wind_used_kw"] + log["pv_used_kw"]
        served = log["load_kw"] - log["shed_kw"] - log["deficit_kw"]
        taken = served + log["dump_kw"] + log["surplus_kw"]
        yield "balance", np.abs(given - taken) > self._kw
        yield "deficit", log["deficit_kw"] > self._kw
        yield "surplus", log["surplus_kw"] > self._kw
        yield "shedding", self._undeclared_shedding(log)
        yield "ufls", self._relays(log)
        used = (log["wind_used_kw"], log["pv_used_kw"])
        ranges = ((used[0], log["wind_kw"]), (used[1], log["pv_kw"]))
        wrong = [(u < -self._kw) | (u > most + self._kw) for u, most in ranges]
        dumped = (log["dump_kw"] < -self._kw) | (log["dump_kw"] > self._plant.dump_kw + self._kw)
        yield "curtailment", wrong[0] | wrong[1] | dumped
        battery = self._plant.battery
        if battery is None:
            yield "battery_power", np.abs(log["battery_kw"]) > self._kw
            return
        low, high = battery.reserve_soc_min, battery.reserve_soc_max
        low = battery.soc_min if low is None else low
        high = battery.soc_max if high is None else high
        yield "charge_window", (log["soc"] < low - _SOC) | (log["soc"] > high + _SOC)
        yield "battery_power", np.abs(log["battery_kw"]) > battery.power_kw + self._kw

    def _undeclared_shedding(self, log: Mapping[str, Any]) -> Steps:
        """Shed load beyond what is declared, or without a unit tripped for long enough."""
        waited = np.zeros(len(log["load_kw"]), bool)
        delay = self._steps(self._plant.shed_delay_min)
        for i, genset in enumerate(self._plant.gensets):
            code, steps = self._before(genset)
            behind = steps if code == _TRIPPED else 0
            out = np.concatenate([np.ones(behind, bool), log["mode"][:, i] == _TRIPPED])
            for first, last in _runs(out):
                waited[max(0, first + delay - behind) : last - behind] = True
        allowed = np.where(waited, self._plant.shed_kw, 0.0)
        return np.asarray(log["shed_kw"] - self._relayed(log) > allowed + self._kw)

    @staticmethod
    def _relayed(log: Mapping[str, Any]) -> NDArray[np.float64]:
        """Load that under-frequency relays keep off, kW; logs without relays lack the column."""
        return np.asarray(log.get("ufls_kw", np.zeros(len(log["load_kw"]))), np.float64)

    def _relays(self, log: Mapping[str, Any]) -> Steps:
        """Relays that shed anew (none may within D), more than their stages or than declared."""
        shed, load = self._relayed(log), np.asarray(log["load_kw"], np.float64)
        share = np.divide(shed, load, out=np.zeros(len(load)), where=load > 0.0)
        anew = np.diff(share, prepend=0.0) * load > self._kw
        most = sum(stage.load_share for stage in self._plant.ufls.stages)
        beyond = (shed > most * load + self._kw) | (log["shed_kw"] > self._plant.shed_kw + self._kw)
        return np.asarray(anew | beyond)

    def _order(self, log: Mapping[str, Any]) -> Steps:
        """One start or stop a step; none started while one cools, none stopped while one warms."""
        mode = np.vstack([self._modes_before(), log["mode"]])
        before, now = mode[:-1], mode[1:]
        struck = (log["tripped"] != 0) | (log["start_failed"] != 0)
        on_before, on_now = np.isin(before, (_WARM, _RUN)), np.isin(now, (_WARM, _RUN))
        started = (~on_before & on_now) | (log["start_failed"] != 0)
        stopped = on_before & ~on_now & ~struck
        if self._plant.commitment != "order":
            return np.zeros(len(now), bool)
        several = (started.sum(axis=1) + stopped.sum(axis=1)) > 1
        cooling = ((before == _COOL) & (now == _COOL)).any(axis=1)
        warming = ((before == _WARM) & (now == _WARM)).any(axis=1)
        return np.asarray(
            several | (started.any(axis=1) & cooling) | (stopped.any(axis=1) & warming)
        )

    def _formless(self, log: Mapping[str, Any]) -> Steps:
        battery = self._plant.battery
        if battery is not None and battery.grid_forming:
            return np.asarray((log["alarm"] == _BATTERY_FAILED) & ~self._running(log))
        return np.asarray(~self._running(log) & (np.abs(log["exchange_kw"]) <= self._kw))

    @staticmethod
    def _running(log: Mapping[str, Any]) -> Steps:
        return np.asarray((log["mode"] == _RUN).any(axis=1))

    def _unit_load(self, genset: Genset, mode: NDArray[Any], power: NDArray[np.float64]) -> Steps:
        most = genset.prime_kw if genset.overload_kw is None else genset.overload_kw
        low = np.select(
            [mode == _RUN, mode == _WARM, mode == _COOL],
            [genset.min_kw, genset.warm_up_kw, genset.cool_down_kw],
            0.0,
        )
        high = np.where(mode == _RUN, most, low)
        return np.asarray((power < low - self._kw) | (power > high + self._kw))

    def _stretches(
        self, genset: Genset, mode: NDArray[Any], struck: Steps
    ) -> Iterator[tuple[str, Steps, int]]:
        """Lengths of warm-ups, cool-downs, runs and pauses; faults and the log's ends excepted."""
        run_steps = self._steps(genset.min_run_min) - int(self._published)
        needs = (
            ("warm_up", _WARM, self._steps(genset.warm_up_min), True),
            ("cool_down", _COOL, self._steps(genset.cool_down_min), True),
            ("min_run", _RUN, run_steps, False),
            ("min_down", _OFF, self._steps(genset.min_down_min), False),
        )
        steps, (code, past) = len(mode), self._before(genset)
        for name, wanted, need, exactly in needs:
            broken, behind = np.zeros(steps, bool), past if code == wanted else 0
            stretches = _runs(np.concatenate([np.ones(behind, bool), mode == wanted]))
            for first, last in stretches:
                end, earlier = last - behind, mode[first - behind - 1] if first > behind else code
                if 0 <= end < steps and not struck[end] and mode[end] != _TRIPPED:
                    short = last - first < need and (earlier != _TRIPPED or wanted != _OFF)
                    broken[end] |= short or (exactly and last - first != need)
            yield name, broken, len(stretches)

    def _transition(self, genset: Genset, mode: NDArray[Any], struck: Steps) -> Steps:
        """Changes of mode that no unit makes, such as from off to run past a warm-up."""
        begun = _WARM if self._steps(genset.warm_up_min) else _RUN
        ended = _COOL if self._steps(genset.cool_down_min) else _OFF
        changes = {(k, k) for k in range(5)} | {
            (_OFF, begun),
            (_WARM, _RUN),
            (_RUN, ended),
            (_COOL, _OFF),
            (_COOL, begun),
            (_TRIPPED, _OFF),
            (_TRIPPED, begun),
        }
        before = np.concatenate([[self._before(genset)[0]], mode[:-1]])
        legal = [(int(a), int(b)) in changes for a, b in zip(before, mode, strict=True)]
        return np.asarray(~np.array(legal, bool) & ~(struck & (mode == _TRIPPED)))

    def _ramp(self, genset: Genset, mode: NDArray[Any], power: NDArray[np.float64]) -> Steps:
        if genset.ramp_kw_per_min is None:
            return np.zeros(len(mode), bool)
        code, first_kw = self._before(genset)[0], 0.0
        unit = self._first.get(genset.name)
        if unit is not None:
            first_kw = genset.min_kw if unit.power_kw is None else unit.power_kw
        before = np.concatenate([[code], mode[:-1]])
        most = genset.ramp_kw_per_min * self._step_min + self._kw
        steep = np.abs(np.diff(np.concatenate([[first_kw], power]))) > most
        return np.asarray((mode == _RUN) & (before == _RUN) & steep)

    def _overload(self, genset: Genset, power: NDArray[np.float64]) -> Steps:
        over = (power > genset.prime_kw + self._kw).astype(np.int64)
        window = max(1, self._steps(genset.overload_window_min))
        summed = np.concatenate([[0], np.cumsum(over)])
        first = np.maximum(0, np.arange(1, len(over) + 1) - window)
        minutes = (summed[1:] - summed[first]) * self._step_min
        return np.asarray((over == 1) & (minutes > genset.overload_min + 1e-6))

    def _mean_power(self, genset: Genset, mode: NDArray[Any], power: NDArray[np.float64]) -> Steps:
        """The running mean of the published plant, above its share of prime power (soft)."""
        broken = np.zeros(len(power), bool)
        if genset.mean_power_share is None:
            return broken
        limit = genset.mean_power_share * genset.prime_kw + self._kw
        weight = self._step_min / genset.mean_power_window_min
        mean, unit = 0.3 * genset.prime_kw, self._first.get(genset.name)
        if unit is not None and unit.mean_kw is not None:
            mean = unit.mean_kw
        for k in range(len(power)):
            if mode[k] not in (_OFF, _TRIPPED):
                counted = max(float(power[k]), 0.3 * genset.prime_kw)
                before, mean = mean, (1.0 - weight) * mean + weight * counted
                broken[k] = mean > limit and mean > before
        return broken

    def _excused(self, log: Mapping[str, Any]) -> Steps:
        """Steps outside the declared disturbances, and the degraded mode that follows them."""
        limits, load = self._plant.disturbances, np.asarray(log["load_kw"])
        change = np.diff(np.concatenate([[float(log["before"][0])], load]))
        rise, fall = limits.load_rise_kw_per_min, limits.load_fall_kw_per_min
        beyond = (load < limits.load_min_kw - _KW) | (load > limits.load_max_kw + _KW)
        if rise is not None:
            beyond |= change > rise * self._step_min + _KW
        if fall is not None:
            beyond |= -change > fall * self._step_min + _KW
        unavailable = (log["mode"] == _TRIPPED).sum(axis=1)
        beyond |= unavailable > (1 if limits.unit_trips else 0)
        beyond |= np.isin(log["alarm"], (_BATTERY_FAILED, _READING_FAILED))
        excused = np.zeros(len(load), bool)
        for k in range(len(load)):
            following = k > 0 and excused[k - 1] and log["alarm"][k] != 0
            excused[k] = beyond[k] or following
        return excused


def _runs(where: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First step and the step after the last of every stretch of True."""
    edges = np.diff(np.concatenate([[0], where.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]
