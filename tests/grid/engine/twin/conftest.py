"""The simulator once more in plain Python, read straight from the user's plant.

Slow and readable: what the compiled one must equal bit for bit. The shield's decisions are the
shield's own; everything else is written anew. Both write x * x and use `math`.
"""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from trimtab_grid.shield_kernel import (
    Outlook,
    battery_interval,
    commit,
    look_ahead,
    return_repaired,
)

OFF, WARM, RUN, COOL, TRIPPED = range(5)
DEGRADED = 6


class TwinUnit:
    """One genset: where it stands and what it has done."""

    def __init__(self, genset, step_min) -> None:
        steps = lambda minutes: math.ceil(minutes / step_min - 1e-9)  # noqa: E731
        self.g, self.step_min = genset, step_min
        self.mode, self.timer, self.power = OFF, 0, 0.0
        self.mean = 0.3 * genset.prime_kw
        self.warm, self.cool = steps(genset.warm_up_min), steps(genset.cool_down_min)
        self.run, self.down = steps(genset.min_run_min), steps(genset.min_down_min)
        self.repair = max(1, steps(genset.repair_min))
        rate = genset.ramp_kw_per_min
        self.ramp = math.inf if rate is None else rate * step_min
        self.most = genset.overload_kw or genset.prime_kw
        self.used, self.bins, self.hours = 0.0, [0.0] * 13, 0.0

    def fuel(self, kw):
        points = self.g.fuel.points
        if not points:
            return self.g.fuel.slope_l_kwh * kw + self.g.fuel.no_load_l_h
        k = 1
        while k < len(points) - 1 and kw > points[k][0]:
            k += 1
        (x0, y0), (x1, y1) = points[k - 1], points[k]
        return max(0.0, y0 + (y1 - y0) * ((kw - x0) / (x1 - x0)))

    def slopes(self):
        """(upper end, slope) of the lower convex hull of the curve."""
        points = self.g.fuel.points
        if not points:
            return [(math.inf, self.g.fuel.slope_l_kwh)]
        hull = []
        for x, y in points:
            while len(hull) > 1:
                (x0, y0), (x1, y1) = hull[-2:]
                if (y1 - y0) * (x - x0) < (y - y0) * (x1 - x0):
                    break
                hull.pop()
            hull.append((x, y))
        parts = [
            (x1, (y1 - y0) / (x1 - x0)) for (x0, y0), (x1, y1) in zip(hull, hull[1:], strict=False)
        ]
        return [*parts[:-1], (math.inf, parts[-1][1])]

    def legal(self, command):
        if command == 1:
            return self.mode == OFF and self.timer == 0
        return command == 0 or (self.mode == RUN and self.timer >= self.run)

    def hold(self, command):
        if command == 1:
            self.mode, self.timer = (WARM, self.warm) if self.warm else (RUN, 0)
        elif command == -1:
            self.mode, self.timer = (COOL, self.cool) if self.cool else (OFF, self.down)

    def tick(self, shielded):
        if self.mode == RUN:
            self.timer = min(self.timer + 1, self.run)
        elif self.mode == WARM:
            self.mode, self.timer = (WARM, self.timer - 1) if self.timer > 1 else (RUN, 0)
        elif self.mode == COOL:
            self.mode, self.timer = (COOL, self.timer - 1) if self.timer > 1 else (OFF, self.down)
        else:
            self.timer = max(self.timer - 1, 0)
            if self.mode == TRIPPED and self.timer == 0 and not shielded:
                self.mode = OFF

    def limits(self, band):
        low = high = 0.0
        if self.mode == RUN:
            high = min(self.g.prime_kw, max(self.g.min_kw, self.power + self.ramp))
            low = max(self.g.min_kw, min(high, self.power - self.ramp))
            if band is not None:
                high = max(low, min(high, band))
        elif self.mode == WARM:
            low = high = self.g.warm_up_kw
        elif self.mode == COOL:
            low = high = self.g.cool_down_kw
        self.floor, self.cap, self.top, self.new = low, high, high, low

    def overload(self, beyond):
        fits = self.used + self.step_min <= self.g.overload_min + 1e-9
        ramped = min(self.most, self.power + self.ramp)
        if self.mode == RUN and (fits or beyond) and ramped > self.cap:
            self.cap = ramped
            return True
        return False

    def account(self, step):
        hours = self.step_min / 60.0
        burned = 0.0
        if self.mode not in (OFF, TRIPPED):
            burned = self.fuel(self.new) * hours
            self.hours += hours
            window = self.g.mean_power_window_min
            counted = max(self.new, 0.3 * self.g.prime_kw)
            self.mean = ((window - self.step_min) * self.mean + self.step_min * counted) / window
        over = self.new > self.g.prime_kw + 1e-9
        if self.most > self.g.prime_kw and (over or self.used != 0.0):
            part = self.g.overload_window_min / 12
            now = int(step * self.step_min / part)
            last = int((step - 1) * self.step_min / part) if step > 0 else 0
            for k in range(last + 1, min(now, last + 13) + 1):
                self.bins[k % 13] = 0.0
            if over:
                self.bins[now % 13] += self.step_min
            self.used = 0.0
            for minutes in self.bins:
                self.used += minutes
        self.power = self.new
        return burned


class TwinPlant:
    """One copy; `step` plays one step and returns its facts."""

    def __init__(self, plant, step_min, first, soc, arrays, guard) -> None:
        self.p, self.step_min, self.h = plant, step_min, step_min / 60.0
        self.units = [TwinUnit(g, step_min) for g in plant.gensets]
        self.arrays, self.guard = arrays, guard
        self.k, self.alarm, self.shed_wait = 0, 0, -1
        self.soc = self.lo = self.hi = soc
        self.load, self.used = first[0], first[1] + first[2]
        self.fuel = self.start = self.starts = self.lowest = 0.0
        self.lowest = plant.frequency_hz
        self.relays_out, self.relays_left, self.relays_share = 0, 0, 0.0
        self.relays_kwh = self.relays_events = self.relayed = 0.0

    def total(self, name):
        amount = 0.0
        for unit in self.units:
            amount += getattr(unit, name)
        return amount

    def decide(self, proposed, wish, now):
        if self.guard.on:
            mode = np.array([u.mode for u in self.units] + [0] * (8 - len(self.units)))
            timer = np.array([u.timer for u in self.units] + [0] * (8 - len(self.units)))
            shield = (self.arrays, self.guard.tables)
            return_repaired(*shield, mode, timer, self.lo, self.hi, self.load)
            for unit, m, t in zip(self.units, mode, timer, strict=False):
                unit.mode, unit.timer = int(m), int(t)
            known = self.p.disturbances.step_known
            ahead = (now[0], now[1] + now[2]) if known else (math.nan, math.nan)
            asked = np.array([*proposed, *[0] * (8 - len(proposed))])
            out = np.zeros(8, np.int64)
            o = look_ahead(*shield, (mode, timer), (self.lo, self.hi), self.load, *ahead)
            reason = commit(*shield, o, asked, wish, out)
            return [int(c) for c in out[: len(self.units)]], int(reason)
        command = [c if u.legal(c) else 0 for c, u in zip(proposed, self.units, strict=True)]
        if not self.order_holds(command):
            command = [0] * len(command)
        return command, 0 if command == list(proposed) else 1

    def order_holds(self, command):
        changed = [i for i, c in enumerate(command) if c]
        if self.p.commitment != "order" or not changed:
            return True
        modes = [u.mode for u in self.units]
        if len(changed) > 1:
            return False
        if command[changed[0]] == 1:
            ready = [i for i, u in enumerate(self.units) if u.legal(1)]
            return COOL not in modes and ready[0] == changed[0]
        return WARM not in modes and max(i for i, m in enumerate(modes) if m == RUN) == changed[0]

    def strike(self, command, faults):
        lost, self.start_now = 0.0, 0.0
        for i, (unit, c) in enumerate(zip(self.units, command, strict=True)):
            unit.hold(c)
            if c == 1:
                self.start_now += unit.g.start_fuel_l
                self.starts += 1.0
                if faults.failed[i]:
                    unit.mode, unit.timer = TRIPPED, unit.repair
            if faults.trip[i] and unit.mode != TRIPPED:
                lost += unit.power
                unit.mode, unit.timer = TRIPPED, unit.repair
        return lost

    def find_alarm(self, last_load, reason):
        d = self.p.disturbances
        if sum(u.mode == TRIPPED for u in self.units) > d.unit_trips:
            return 3
        rise = self.load - last_load
        up, down = d.load_rise_kw_per_min, d.load_fall_kw_per_min
        beyond = up is not None and rise > up * self.step_min + 1e-6
        beyond = beyond or (down is not None and -rise > down * self.step_min + 1e-6)
        if beyond or self.load > d.load_max_kw + 1e-6 or self.load < d.load_min_kw - 1e-6:
            return 2
        return 1 if reason == DEGRADED else 0

    def interval(self):
        b = self.p.battery
        if b is None:
            return 0.0, 0.0
        if self.guard.on:
            room = 0.0
            for u in self.units:
                if u.mode == RUN and u.used + self.step_min <= u.g.overload_min + 1e-9:
                    room += max(0.0, u.most - u.g.prime_kw)
            mode = np.array([u.mode for u in self.units] + [0] * (8 - len(self.units)))
            timer = np.array([u.timer for u in self.units] + [0] * (8 - len(self.units)))
            there = self.wind + self.pv
            o = Outlook(mode, timer, self.lo, self.hi, self.load, self.load, there)
            return battery_interval(self.arrays, self.guard.tables, o, room)
        low = b.soc_min if b.reserve_soc_min is None else b.reserve_soc_min
        high = b.soc_max if b.reserve_soc_max is None else b.reserve_soc_max
        return -self.most_charge(high), self.most_discharge(low)

    def most_charge(self, ceiling):
        b = self.p.battery
        room = (ceiling - self.soc) * b.energy_kwh / self.h + b.standby_kw
        return min(b.charge_kw or b.power_kw, max(0.0, room / b.charge_efficiency))

    def most_discharge(self, floor):
        b = self.p.battery
        room = (self.soc - floor) * b.energy_kwh / self.h - b.standby_kw
        return min(b.discharge_kw or b.power_kw, max(0.0, room * b.discharge_efficiency))

    def net(self):
        return (self.load - self.relayed) - self.bat - self.wind_used - self.pv_used - 0.0

    def absorb(self, relax):
        excess = self.total("floor") - self.net()
        part = min(excess, self.wind_used)
        self.wind_used -= part
        excess -= part
        part = min(excess, self.pv_used)
        self.pv_used -= part
        excess -= part
        part = min(excess, max(0.0, self.bat - self.low))
        self.bat -= part
        excess -= part
        self.dump = min(excess, self.p.dump_kw)
        excess -= self.dump
        if excess > 0.0 and relax:
            for unit in self.units:
                if unit.mode == RUN:
                    part = min(excess, unit.floor)
                    unit.floor -= part
                    excess -= part
            if excess > 0.0 and (self.low < 0.0 or self.high > 0.0):
                part = max(0.0, min(excess, self.bat + self.most_charge(1.0)))
                self.bat -= part
                excess -= part
        self.surplus = max(0.0, excess)

    def supply(self, relax):
        lack = self.net() - self.total("cap")
        part = min(lack, 0.0 - 0.0)
        lack -= part
        part = min(lack, max(0.0, self.high - self.bat))
        self.bat += part
        lack -= part
        if lack <= 0.0:
            return
        for unit in self.units:
            unit.cap = unit.top
        for beyond in (False, True):
            if (relax or not beyond) and self.net() > self.total("cap"):
                for unit in self.units:
                    unit.overload(beyond)
        lack = max(0.0, self.net() - self.total("cap"))
        if relax and lack > 0.0 and (self.low < 0.0 or self.high > 0.0):
            part = min(lack, max(0.0, self.most_discharge(0.0) - self.bat))
            self.bat += part
            lack -= part
        if self.shed_wait >= math.ceil(self.p.shed_delay_min / self.step_min - 1e-9):
            self.shed = min(lack, self.p.shed_kw - self.relayed)
        self.deficit = lack - self.shed
        while self.relays_out < len(self.p.ufls.stages) and self.deficit > 0.0:
            self.relays_hz = min(self.relays_hz, self.p.ufls.stages[self.relays_out].threshold_hz)
            self.deficit -= self.relay(self.deficit)

    def relay(self, most):
        """The next stage of under-frequency relays sheds its share of the load."""
        stage = self.p.ufls.stages[self.relays_out]
        room = min(most, self.p.shed_kw - self.shed - self.relayed)
        kw = max(0.0, min(stage.load_share * self.load, room))
        self.relays_out += 1
        self.relays_left = math.ceil(self.p.ufls.hold_min / self.step_min - 1e-9)
        self.relays_events += 1.0
        self.relayed += kw
        self.relays_share = self.relayed / self.load if self.load > 0.0 else 0.0
        return kw

    def relays(self, sudden, alarm, battery):
        """What relays keep off, and those that a sudden loss makes act; the loss left."""
        stages, f0 = self.p.ufls.stages, self.p.frequency_hz
        self.relays_hz, self.relayed = f0, 0.0
        if not stages:
            return sudden
        if self.relays_out:
            if self.relays_left <= 0 and not alarm:
                self.relays_out, self.relays_share = 0, 0.0
            self.relays_left -= 1
        self.relayed = min(self.relays_share * self.load, self.p.shed_kw)
        stiff = stored = 0.0
        for unit in self.units:
            if unit.mode == RUN:
                stored += unit.g.inertia_s * unit.g.prime_kw
                if unit.g.droop_hz > 0.0:
                    stiff += unit.g.prime_kw / unit.g.droop_hz
        b = self.p.battery
        if battery and b.grid_forming and b.droop_hz > 0.0:
            stiff += b.power_kw / b.droop_hz
        if stiff <= 0.0:
            return sudden
        reached = f0 - sudden / stiff
        while self.relays_out < len(stages) and reached < stages[self.relays_out].threshold_hz:
            stage, late = stages[self.relays_out], reached
            if stored > 0.0:
                late = stage.threshold_hz - sudden * f0 / (2.0 * stored) * stage.delay_s
            self.relays_hz = min(self.relays_hz, max(reached, late))
            sudden = max(0.0, sudden - self.relay(math.inf))
            reached = f0 - sudden / stiff
        return sudden

    def share(self, need):
        running = [u for u in self.units if u.mode == RUN]
        if self.p.sharing == "per_unit":
            return self.share_equally(running, need)
        for unit in running:
            unit.new = unit.floor
            need -= unit.floor
        while need > 0.0:
            best = None
            for unit in running:
                if unit.new < unit.cap:
                    end, slope = next(
                        ((e, s) for e, s in unit.slopes() if unit.new < e), unit.slopes()[-1]
                    )
                    if best is None or slope < best[1]:
                        best = (unit, slope, min(end, unit.cap))
            if best is None:
                return None
            unit, _, end = best
            if need < end - unit.new:
                unit.new += need
                return None
            need -= end - unit.new
            unit.new = end
        return None

    def share_equally(self, running, need):
        free, prime = list(running), 0.0
        for unit in running:
            prime += unit.g.prime_kw
        level = 0.0
        while prime > 0.0:
            level = need / prime
            above = below = 0.0
            for unit in free:
                power = level * unit.g.prime_kw
                above += max(0.0, power - unit.cap)
                below += max(0.0, unit.floor - power)
            if above == 0.0 and below == 0.0:
                break
            for unit in list(free):
                power = level * unit.g.prime_kw
                limit = unit.cap if above >= below else unit.floor
                if (above >= below and power > limit) or (above < below and power < limit):
                    free.remove(unit)
                    unit.new = limit
                    need -= limit
                    prime -= unit.g.prime_kw
        for unit in free:
            unit.new = level * unit.g.prime_kw

    def after(self, soc):
        b = self.p.battery
        if b is None:
            return soc
        if self.bat > 0.0:
            watt = (self.bat / b.discharge_efficiency + b.standby_kw) * 1000.0
        else:
            watt = (self.bat * b.charge_efficiency + b.standby_kw) * 1000.0
        if b.model == "linear":
            return soc - watt / 1000.0 * self.h / b.energy_kwh
        return self.circuit(b.quadratic, soc, watt)

    def circuit(self, q, soc, watt):
        if watt == 0.0:
            return soc
        slope, rp = q.voltage_slope_v, q.resistance_ohm * watt
        v0 = slope * soc + q.voltage_base_v
        r0 = math.sqrt(v0 * v0 - 4.0 * rp)
        moved = -2.0 * watt * slope * self.h / q.capacity_ah
        rate = moved / (v0 + r0)
        v1 = v0 + rate - 0.5 * rate * rate / r0
        move = 1.0
        while abs(move) > 1e-5:
            r1 = math.sqrt(v1 * v1 - 4.0 * rp)
            squares = 0.5 * (v1 - v0) * (v1 + v0) + 0.5 * (v1 * r1 - v0 * r0)
            logarithm = math.log((v1 + r1) / (v0 + r0))
            move = (squares - 2.0 * rp * logarithm - moved) / (v1 + r1)
            v1 -= move
        return (v1 - q.voltage_base_v) / slope

    def frequency(self, sudden):
        stiff = 0.0
        for unit in self.units:
            if unit.mode == RUN and unit.g.droop_hz > 0.0:
                stiff += unit.g.prime_kw / unit.g.droop_hz
        b = self.p.battery
        if b is not None and b.grid_forming and b.droop_hz > 0.0 and self.high > self.low:
            stiff += b.power_kw / b.droop_hz
        f = self.p.frequency_hz
        return f - sudden / stiff if stiff > 0.0 else f

    def step(self, proposed, wish, now, faults, noise):
        command, reason = self.decide(proposed, wish, now)
        lost = self.strike(command, faults)
        last_load, last_used = self.load, self.used
        self.load, self.wind, self.pv = now
        self.wind_used, self.pv_used = self.wind, self.pv
        alarm = self.find_alarm(last_load, reason) if self.guard.on else 0
        self.dump = self.shed = self.deficit = self.surplus = 0.0
        bands = self.guard.tables.key.band_kw
        for i, unit in enumerate(self.units):
            unit.limits(bands[i] if self.guard.on else None)
        self.low, self.high = self.interval()
        waits = [u.repair - u.timer for u in self.units if u.mode == TRIPPED]
        waits += [self.shed_wait + 1] if alarm else []
        self.shed_wait = max([-1, *waits])
        residual = self.load - 0.0 - self.wind - self.pv - self.total("cap")
        most = self.load - 0.0 - self.total("floor") + self.p.dump_kw
        clipped = min(max(wish, residual), most)
        self.bat = min(max(clipped, self.low), self.high)
        sudden = lost
        if self.step_min <= 1.0:
            sudden += max(0.0, self.load - last_load) + max(0.0, last_used - self.wind - self.pv)
        sudden = self.relays(sudden, alarm, self.p.battery is not None)
        self.balance(alarm != 0)
        self.shed += self.relayed
        self.relays_kwh += self.relayed * self.h
        self.charge(noise)
        burned = 0.0
        for unit in self.units:
            burned += unit.account(self.k)
        self.fuel += burned
        self.start += self.start_now
        self.used = self.wind_used + self.pv_used
        hertz = min(self.frequency(sudden), self.relays_hz)
        self.lowest = min(self.lowest, hertz)
        modes = [u.mode for u in self.units]
        for unit in self.units:
            unit.tick(self.guard.on)
        self.k, self.alarm = self.k + 1, alarm
        return SimpleNamespace(mode=modes, command=command, burned=burned, hertz=hertz)

    def balance(self, relax):
        b = self.p.battery
        forming = b is not None and b.grid_forming
        if not forming and not any(u.mode == RUN for u in self.units):
            self.bat = self.wind_used = self.pv_used = 0.0
            self.deficit, self.surplus, self.relayed = self.load, self.total("new"), 0.0
            return
        for unit in self.units:
            if unit.mode == RUN and unit.g.mean_power_share:
                window, limit = unit.g.mean_power_window_min, unit.g.mean_power_share
                limit = limit * unit.g.prime_kw
                room = window * limit - (window - self.step_min) * unit.mean
                unit.cap = max(unit.floor, min(unit.cap, room / self.step_min))
        if self.net() < self.total("floor"):
            self.absorb(relax)
        elif self.net() > self.total("cap"):
            self.supply(relax)
        fixed = 0.0
        for unit in self.units:
            if unit.mode != RUN:
                fixed += unit.new
        unmet = self.shed + self.deficit - self.dump - self.surplus
        self.share(self.net() - unmet - fixed)

    def charge(self, noise):
        error = self.p.disturbances.soc_error
        self.soc = self.after(self.soc)
        reading = self.soc + 0.0 + error * noise
        if error == 0.0:
            self.lo = self.hi = self.soc
            return
        low, high = self.after(self.lo), self.after(self.hi)
        self.lo, self.hi = max(low, reading - error), min(high, reading + error)


@pytest.fixture(scope="session")
def twin() -> type[TwinPlant]:
    return TwinPlant
