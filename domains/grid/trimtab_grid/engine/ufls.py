"""Under-frequency load shedding, the last resort: stages of relays that let declared load go.

Two things make stages act, in their order, inside the step:

1. A sudden loss of power. Frequency falls to f0 - ΔP / Σ(P/R) on the droop of units that run and of
   a grid-forming battery; a stage whose threshold lies above it sheds its share of the load, which
   lessens ΔP, and the next stage is asked again. Until a relay's delay is over the frequency falls
   on at ΔP·f0 / (2·Σ H·S), but not below the droop's value.
2. A shortage that is left after everything else, the declared shedding after its delay included:
   power that nobody gives makes the frequency fall past every threshold, so stages act one by one
   and shed what is lacking.

Droop, inertia and staged relays are textbook models (Kundur, Power System Stability and Control,
sections 11.1 and 11.3); what is decided here is decided from steady values, not from a simulated
swing: no nadir below the droop's value, no relay by rate of change, no restoration by frequency.
Stages shed no more together than the plant declares (`shed_kw`), and reconnect after `hold_min`
once no alarm is on. Shares stay shares: what is out follows the load.
"""

from __future__ import annotations

import math

from trimtab_grid.arrays import RUN, PlantArrays
from trimtab_grid.compiled import inner
from trimtab_grid.engine.memory import CALM, Moment, State
from trimtab_grid.model import rocof_hz_s


@inner
def keep_out(plant: PlantArrays, s: State, m: Moment) -> None:
    """What earlier stages still keep off, or its reconnection."""
    m.ufls_hz = plant.frequency_hz
    if s.ufls_stages > 0:
        if s.ufls_left <= 0 and m.alarm == CALM:
            s.ufls_stages, s.ufls_share = 0, 0.0
        s.ufls_left -= 1
    m.ufls_kw = min(s.ufls_share * m.load_kw, plant.shed_kw)


@inner
def _act(plant: PlantArrays, s: State, m: Moment, most_kw: float) -> float:
    """The next stage sheds its share, at most `most_kw` and what is declared; returns kW."""
    room = min(most_kw, plant.shed_kw - m.shed_kw - m.ufls_kw)
    shed = max(0.0, min(plant.ufls_share[s.ufls_stages] * m.load_kw, room))
    s.ufls_stages += 1
    s.ufls_left = plant.ufls_hold_steps
    s.ufls_events += 1.0
    m.ufls_kw += shed
    s.ufls_share = m.ufls_kw / m.load_kw if m.load_kw > 0.0 else 0.0
    return shed


@inner
def shed_by_frequency(
    plant: PlantArrays, s: State, m: Moment, battery: bool, sudden_kw: float
) -> float:
    """Stages that a sudden loss of power makes act; returns the loss that is left, kW."""
    stiffness, stored = 0.0, 0.0
    for i in range(plant.n):
        if m.mode[i] == RUN:
            stored += plant.inertia_s[i] * plant.prime_kw[i]
            if plant.droop_hz[i] > 0.0:
                stiffness += plant.prime_kw[i] / plant.droop_hz[i]
    if battery and plant.grid_forming and plant.battery_droop_hz > 0.0:
        stiffness += plant.power_kw / plant.battery_droop_hz
    if stiffness <= 0.0:
        return sudden_kw
    reached = plant.frequency_hz - sudden_kw / stiffness
    while s.ufls_stages < plant.ufls_stages and reached < plant.ufls_hz[s.ufls_stages]:
        k = s.ufls_stages
        fall = rocof_hz_s(sudden_kw, stored, plant.frequency_hz) if stored > 0.0 else math.inf
        late = plant.ufls_hz[k] - fall * plant.ufls_delay_s[k] if fall < math.inf else reached
        m.ufls_hz = min(m.ufls_hz, max(reached, late))
        sudden_kw = max(0.0, sudden_kw - _act(plant, s, m, math.inf))
        reached = plant.frequency_hz - sudden_kw / stiffness
    return sudden_kw


@inner
def shed_by_shortage(plant: PlantArrays, s: State, m: Moment) -> None:
    """Stages that power which nobody gives makes act, until it is covered."""
    while s.ufls_stages < plant.ufls_stages and m.deficit_kw > 0.0:
        m.ufls_hz = min(m.ufls_hz, plant.ufls_hz[s.ufls_stages])
        m.deficit_kw -= _act(plant, s, m, m.deficit_kw)


@inner
def book(plant: PlantArrays, s: State, m: Moment) -> None:
    """Count what relays keep off with the shed load, and as their own."""
    m.shed_kw += m.ufls_kw
    s.ufls_kwh += m.ufls_kw * plant.step_h
