"""A proven lower bound of a cluster: one plant that pools all islands over lossless ties.

Whatever a cluster does, the pooled plant can do at no higher cost. It has all units, free to start
and stop and to share; the sum of loads and renewables; ties of any capacity without loss; and one
battery with the summed powers, energies and windows and the best efficiencies of any. At the same
net power it keeps at least the energy that the islands' batteries keep in sum (where one charges
while another discharges, or one is less efficient, more is lost), and moves no more; once it is
full, what it would have to store goes to a dump load that costs nothing. A shortfall of charge at
the end is priced by the best unit of all and the best charging efficiency, so at no more than on
any island, and what one island has more than at its start covers another's. So a lower bound of the
pooled plant is one of the cluster.

More is left out where an island asks for it: a battery that is not linear counts as a linear one
that is never worse (`_Tank`); faults on any island lift what they may lift on all (`Year.beyond`);
beyond `MAX_UNITS` units the smallest are one free unit of their best fuel rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from trimtab.contracts.errors import BoundError
from trimtab.contracts.problem import Bound

from trimtab_grid.arrays import MAX_POINTS, MAX_UNITS, OFF
from trimtab_grid.bound_episode import fault_margin, units_of
from trimtab_grid.bounds import ROUNDED_KW, Year, lower_bound, verify_bound
from trimtab_grid.islands.problem import IslandsControl
from trimtab_grid.islands.scenario import IslandsScenario
from trimtab_grid.objective import best_specific_fuel_l_per_kwh
from trimtab_grid.plant import (
    Battery,
    Disturbances,
    FuelCurve,
    Genset,
    Photovoltaic,
    Plant,
    Wind,
)

TOLERANCE_L = 0.01
"""Thinning of the cost-to-go per step, L."""
KEPT_UNITS = 5
"""Units that stay what they are where there are more than `MAX_UNITS`."""


@dataclass(frozen=True, slots=True)
class _Tank:
    """A battery as a linear one that keeps no less at any power: stored energy is `E·s`.

    A cell stack moves its charge by `I·h / Q`. Without the loss behind its resistance the current
    of a power P is P/V, largest at the least voltage and least at the largest, so charging gains at
    most E / (Q·V_low) of the energy and discharging takes at least E / (Q·V_high).

    Attributes:
        battery: what it stands for.
        margin: how far faults may let its charge leave 0..1; None: no faults.
    """

    battery: Battery
    margin: float | None

    @property
    def window(self) -> tuple[float, float]:
        """Charge states that it can be in."""
        b = self.battery
        if self.margin is not None:
            return -self.margin, 1.0 + self.margin
        low = b.soc_min if b.reserve_soc_min is None else b.reserve_soc_min
        high = b.soc_max if b.reserve_soc_max is None else b.reserve_soc_max
        return low, high

    def _share(self, soc: float) -> float:
        """E over the energy that the stack would hold at the voltage of `soc`."""
        stack = self.battery.quadratic
        if self.battery.model == "linear" or stack is None:
            return 1.0
        volts = stack.voltage_slope_v * soc + stack.voltage_base_v
        return 1000.0 * self.battery.energy_kwh / (stack.capacity_ah * volts)

    @property
    def charge_efficiency(self) -> float:
        """Stored energy per kWh charged."""
        return self.battery.charge_efficiency * max(1.0, self._share(self.window[0]))

    @property
    def discharge_efficiency(self) -> float:
        """KWh discharged per stored energy."""
        return self.battery.discharge_efficiency / min(1.0, self._share(self.window[1]))

    @property
    def standby_kw(self) -> float:
        """Continuous loss of stored energy."""
        return self.battery.standby_kw * min(1.0, self._share(self.window[1]))


def unpoolable(scenario: IslandsScenario) -> str | None:
    """Why the cluster has no bound; None where it has one."""
    tanks = _tanks(scenario)
    if tanks and _best(tanks)[0] * _best(tanks)[1] > 1.0:
        return (
            "no bound: the islands' batteries differ so much that one with the best efficiencies "
            "of all would make energy"
        )
    return None


def _tanks(scenario: IslandsScenario) -> list[_Tank]:
    islands = [scenario.island_scenario(k) for k in range(len(scenario.islands))]
    batteries = [island.resolved_plant().battery for island in islands]
    margin = margin_of(scenario)
    return [_Tank(battery, margin) for battery in batteries if battery is not None]


def _best(tanks: Sequence[_Tank]) -> tuple[float, float]:
    """Best efficiencies of charging and discharging."""
    return max(t.charge_efficiency for t in tanks), max(t.discharge_efficiency for t in tanks)


def margin_of(scenario: IslandsScenario) -> float | None:
    """The largest `fault_margin` of any island; None where no fault touches any plant."""
    count = range(len(scenario.islands))
    margins = [fault_margin(scenario.island_scenario(k)) for k in count]
    return max((m for m in margins if m is not None), default=None)


def pooled_plant(
    plants: Sequence[Plant], step_min: float = 60.0, margin: float | None = None
) -> Plant:
    """The pooled plant of islands.

    Args:
        plants: of the islands.
        step_min: length of a step, minutes.
        margin: see `margin_of`.
    """
    tanks = [_Tank(p.battery, margin) for p in plants if p.battery is not None]
    power = sum(tank.battery.power_kw for tank in tanks)
    wind = sum(p.wind.rated_kw for p in plants if p.wind is not None)
    pv = sum(p.pv.inverter_kw or p.pv.rated_kw for p in plants if p.pv is not None)
    gensets = [genset for plant in plants for genset in _own_gensets(plant, step_min)]
    kept = kept_units(gensets)
    named = [gensets[k].model_copy(update={"name": f"{k}-{gensets[k].name}"}) for k in kept]
    rest = [genset for k, genset in enumerate(gensets) if k not in kept]
    units = [*named, _merged(rest)] if rest else named
    return Plant(
        name="pooled",
        gensets=tuple(units),
        battery=_pooled_battery(tanks) if tanks else None,
        wind=Wind(rated_kw=wind) if wind else None,
        pv=Photovoltaic(rated_kw=pv) if pv else None,
        dump_kw=2.0 * power + sum(p.dump_kw for p in plants),
        commitment="free",
        sharing="economic",
        disturbances=Disturbances(
            load_max_kw=sum(p.disturbances.load_max_kw for p in plants), unit_trips=False
        ),
    )


def _own_gensets(plant: Plant, step_min: float) -> list[Genset]:
    """Gensets of an island; those of the published plant may stop a step early."""
    if plant.battery is None or plant.battery.model != "compat":
        return list(plant.gensets)
    shorter = [max(0.0, genset.min_run_min - step_min) for genset in plant.gensets]
    pairs = zip(plant.gensets, shorter, strict=True)
    return [genset.model_copy(update={"min_run_min": run}) for genset, run in pairs]


def kept_units(gensets: Sequence[Genset]) -> list[int]:
    """Indices of the units that stay what they are: all, or the largest of too many."""
    if len(gensets) <= MAX_UNITS:
        return list(range(len(gensets)))
    by_size = sorted(range(len(gensets)), key=lambda k: -gensets[k].prime_kw)
    return sorted(by_size[:KEPT_UNITS])


def _merged(gensets: Sequence[Genset]) -> Genset:
    """Units that give any power at once, each at its least L/kWh or below, as one."""
    offers = sorted((_least_rate(genset), _most_kw(genset)) for genset in gensets)
    last = MAX_POINTS - 2
    points = [(0.0, 0.0)]
    for k, (rate, kw) in enumerate(offers):
        power, fuel = points[-1]
        whole = (power + kw, fuel + min(rate, offers[min(k, last)][0]) * kw)
        points = [*points[: last + 1], whole]
    return Genset(name="others", prime_kw=points[-1][0], fuel=FuelCurve(points=tuple(points)))


def _least_rate(genset: Genset) -> float:
    """Least L/kWh at any power that the unit can give, degraded mode included."""
    whole = {"min_kw": 0.0, "prime_kw": _most_kw(genset)}
    return best_specific_fuel_l_per_kwh(genset.model_copy(update=whole))


def _most_kw(genset: Genset) -> float:
    return max(genset.prime_kw, genset.overload_kw or 0.0)


def _pooled_battery(tanks: Sequence[_Tank]) -> Battery:
    """One battery that can do all that several can do together.

    Raises:
        BoundError: it would make energy; see `unpoolable`.
    """
    charge, discharge = _best(tanks)
    if charge * discharge > 1.0:
        msg = "the islands' batteries differ too much to be pooled: leave the bound out"
        raise BoundError(msg)
    batteries = [tank.battery for tank in tanks]
    energy = sum(b.energy_kwh for b in batteries)

    def mean(values: Sequence[float]) -> float:
        return sum(b.energy_kwh * v for b, v in zip(batteries, values, strict=True)) / energy

    whole = [_Tank(b, None).window for b in batteries]
    low, high = mean([w[0] for w in whole]), mean([w[1] for w in whole])
    pooled = Battery(
        power_kw=sum(b.power_kw for b in batteries),
        energy_kwh=energy,
        standby_kw=sum(tank.standby_kw for tank in tanks),
        soc_initial=0.5 * (low + high),
        soc_min=low,
        soc_max=high,
    )
    best = {"charge_efficiency": charge, "discharge_efficiency": discharge}
    return pooled.model_copy(update=best)  # that of a stack may be above 1, see `_Tank`


def pooled_episode(control: IslandsControl, seed: int) -> Year:
    """Load, renewables and first charge of one seed, summed over the islands as they are played."""
    control.reset(np.array([seed], np.int64))
    future = np.asarray(control.resource("future"))[0]
    plants = [sub.plant for sub in control.islands]
    load, wind, pv = (np.ascontiguousarray(future[:, :, k].sum(axis=0)) for k in range(3))
    load = np.maximum(0.0, load - sum(_rounding_kw(plant) for plant in plants))
    scenario = control.scenario
    margin = margin_of(scenario)
    gensets = [genset for plant in plants for genset in plant.gensets]
    begun = [unit for sub in control.islands for unit in units_of(sub)]
    kept = kept_units(gensets)
    first = [begun[k] for k in kept] + [(OFF, 0)] * (len(kept) < len(gensets))
    return Year(
        pooled_plant(plants, scenario.step_min, margin),
        scenario.step_min,
        load,
        wind,
        pv,
        _first_soc(control),
        tuple(first),
        beyond=margin,
    )


def _rounding_kw(plant: Plant) -> float:
    """Load that rounded powers of a published plant may leave out, kW."""
    published = plant.battery is not None and plant.battery.model == "compat"
    return ROUNDED_KW * (len(plant.gensets) + 1) if published else 0.0


def _first_soc(control: IslandsControl) -> float:
    """First charge state of all batteries as one."""
    subs = [sub for sub in control.islands if sub.plant.battery is not None]
    if not subs:
        return 0.5
    energy = [float(sub.arrays.energy_kwh) for sub in subs]
    states = [sub.resource("state").states for sub in subs]
    stored = sum(e * float(s["soc_first"][0]) for e, s in zip(energy, states, strict=True))
    return stored / sum(energy)


def pooled_bound(control: IslandsControl, seed: int) -> Bound:
    """The proven lower bound of an episode of a cluster."""
    bound = lower_bound(pooled_episode(control, seed), TOLERANCE_L)
    how = f"all islands pooled over lossless ties: {bound.how}"
    return Bound(bound.value, bound.kind, how, bound.certificate, bound.cpu_s)


def verify_pooled(control: IslandsControl, seed: int, bound: Bound) -> None:
    """Pool the islands and prove the bound anew; see `bounds.verify_bound`.

    Raises:
        BoundError: the certificate does not carry the value.
    """
    verify_bound(pooled_episode(control, seed), bound)
