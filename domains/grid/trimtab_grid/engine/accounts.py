"""What a step adds to the episode: fuel, energy, ageing, reserve, frequency, relaxations."""

from __future__ import annotations

from trimtab_grid.ageing import follow
from trimtab_grid.arrays import OFF, RUN, TRIPPED, PlantArrays
from trimtab_grid.compiled import inner
from trimtab_grid.engine.memory import BINS, LEVELS, Moment, State
from trimtab_grid.model import fuel_l_h, mean_power_next_kw, rocof_hz_s


@inner
def run_units(plant: PlantArrays, s: State, m: Moment) -> None:
    """Fuel, hours, running means and overload budgets of all units."""
    hours = plant.step_h
    m.fuel_l = 0.0
    for i in range(plant.n):
        if m.mode[i] != OFF and m.mode[i] != TRIPPED:
            power = m.power_kw[i]
            m.fuel_l += fuel_l_h(plant, i, power) * hours
            s.genset_kwh += power * hours
            s.genset_h += hours
            s.unit_h[i] += hours
            s.mean_kw[i] = mean_power_next_kw(plant, i, s.mean_kw[i], power)
        if plant.overload_kw[i] > plant.prime_kw[i]:
            _count_overload(plant, s, m, i)
        s.power_kw[i] = m.power_kw[i]
        m.mean_kw[i], m.overload_used_min[i] = s.mean_kw[i], s.overload_used_min[i]
    s.fuel_l += m.fuel_l
    s.start_l += m.start_l


@inner
def _count_overload(plant: PlantArrays, s: State, m: Moment, unit: int) -> None:
    """Minutes above prime power in the window: its twelve whole parts and the one in progress."""
    over = m.power_kw[unit] > plant.prime_kw[unit] + 1e-9
    if not over and s.overload_used_min[unit] == 0.0:
        return
    part_min = plant.overload_window_min[unit] / (BINS - 1)
    now = int(s.step * plant.step_min / part_min)
    last = int((s.step - 1) * plant.step_min / part_min) if s.step > 0 else 0
    for k in range(last + 1, min(now, last + BINS) + 1):
        s.overload_bin_min[unit, k % BINS] = 0.0
    if over:
        s.overload_bin_min[unit, now % BINS] += plant.step_min
    used = 0.0
    for k in range(BINS):
        used += s.overload_bin_min[unit, k]
    s.overload_used_min[unit] = used


@inner
def book_energy(plant: PlantArrays, s: State, m: Moment) -> None:
    """Energies of the step and of the episode."""
    hours = plant.step_h
    curtailed = m.wind_kw - m.wind_used_kw + (m.pv_kw - m.pv_used_kw)
    m.curtailed_kwh = curtailed * hours
    m.unserved_kwh = (m.shed_kw + m.deficit_kw) * hours
    m.throughput_kwh = abs(m.battery_kw) * hours
    s.load_kwh += m.load_kw * hours
    s.unserved_kwh += m.unserved_kwh
    s.renewable_kwh += (m.wind_kw + m.pv_kw) * hours
    s.curtailed_kwh += m.curtailed_kwh
    s.dumped_kwh += m.dump_kw * hours
    s.surplus_kwh += m.surplus_kw * hours
    s.throughput_kwh += m.throughput_kwh
    s.imported_kwh += max(0.0, m.exchange_kw) * hours
    s.exported_kwh += max(0.0, -m.exchange_kw) * hours
    s.exchange_cost_l += m.exchange_cost_l
    s.soc_hours += m.soc * hours
    follow(s.flow, m.soc)


@inner
def watch_reserve(plant: PlantArrays, s: State, m: Moment, battery: bool) -> None:
    """Spinning reserve that is missing; a unit's own headroom never covers its own trip."""
    headroom = plant.discharge_kw - m.battery_kw if battery else 0.0
    for i in range(plant.n):
        if m.mode[i] == RUN:
            headroom += max(0.0, plant.prime_kw[i] - m.power_kw[i])
    need = plant.reserve_load_share * m.load_kw + plant.reserve_wind_share * m.wind_used_kw
    missing = max(0.0, need + plant.reserve_pv_share * m.pv_used_kw - headroom)
    if plant.largest_unit:
        for i in range(plant.n):
            if m.mode[i] == RUN:
                own = max(0.0, plant.prime_kw[i] - m.power_kw[i])
                missing = max(missing, m.power_kw[i] - (headroom - own))
    m.reserve_missing_kw = missing
    if missing > 1e-6:
        s.reserve_short_min += plant.step_min


@inner
def watch_frequency(plant: PlantArrays, s: State, m: Moment, sudden_kw: float) -> None:
    """Droop deviation and first rate of change after a sudden loss of power."""
    m.frequency_hz = plant.frequency_hz
    if sudden_kw > 0.0:
        _fall(plant, s, m, sudden_kw)
    if plant.ufls_stages > 0:
        m.frequency_hz = min(m.frequency_hz, m.ufls_hz)
    s.lowest_hz = min(s.lowest_hz, m.frequency_hz)


@inner
def _fall(plant: PlantArrays, s: State, m: Moment, sudden_kw: float) -> None:
    stiffness, stored = 0.0, 0.0
    for i in range(plant.n):
        if m.mode[i] == RUN:
            stored += plant.inertia_s[i] * plant.prime_kw[i]
            if plant.droop_hz[i] > 0.0:
                stiffness += plant.prime_kw[i] / plant.droop_hz[i]
    if plant.grid_forming and plant.battery_droop_hz > 0.0 and m.high_kw > m.low_kw:
        stiffness += plant.power_kw / plant.battery_droop_hz
    if stiffness > 0.0:
        m.frequency_hz -= sudden_kw / stiffness
    if stored > 0.0:
        fall = rocof_hz_s(sudden_kw, stored, plant.frequency_hz)
        s.steepest_hz_s = max(s.steepest_hz_s, fall)


@inner
def book_relaxations(plant: PlantArrays, s: State, m: Moment) -> None:
    """Time per relaxation level, and in degraded mode."""
    relaxed = 0
    for level in range(LEVELS):
        relaxed |= m.relaxed[level]
    if relaxed != 0:
        for level in range(LEVELS):
            s.relaxed_min[level] += m.relaxed[level] * plant.step_min
    if m.alarm != 0:
        s.degraded_min += plant.step_min
        if s.alarm != m.alarm:
            s.alarms += 1.0
    s.alarm = m.alarm
