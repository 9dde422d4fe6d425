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
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from trimtab.contracts.errors import BoundError
from trimtab.contracts.problem import Bound

from trimtab_grid.arrays import MAX_UNITS
from trimtab_grid.bound_episode import plain, units_of
from trimtab_grid.bounds import Year, lower_bound, verify_bound
from trimtab_grid.islands.problem import IslandsControl
from trimtab_grid.islands.scenario import IslandsScenario
from trimtab_grid.plant import Battery, Disturbances, Photovoltaic, Plant, Wind

TOLERANCE_L = 0.01
"""Thinning of the cost-to-go per step, L."""


def poolable(scenario: IslandsScenario) -> bool:
    """Whether the pooled plant is a relaxation of the cluster that the bound can take."""
    islands = [scenario.island_scenario(k) for k in range(len(scenario.islands))]
    plants = [island.resolved_plant() for island in islands]
    units = sum(len(plant.gensets) for plant in plants)
    linear = all(p.battery is not None and p.battery.model == "linear" for p in plants)
    return linear and units <= MAX_UNITS and all(plain(island) for island in islands)


def pooled_plant(plants: Sequence[Plant]) -> Plant:
    """The pooled plant of islands with linear batteries.

    Raises:
        BoundError: an island has no battery, or one that is not linear.
    """
    batteries = [p.battery for p in plants if p.battery is not None]
    if len(batteries) < len(plants) or any(b.model != "linear" for b in batteries):
        msg = "only islands with linear batteries can be pooled: leave the bound out"
        raise BoundError(msg)
    gensets = tuple(
        genset.model_copy(update={"name": f"{k}-{genset.name}"})
        for k, plant in enumerate(plants)
        for genset in plant.gensets
    )
    power = sum(b.power_kw for b in batteries)
    wind = sum(p.wind.rated_kw for p in plants if p.wind is not None)
    pv = sum(p.pv.inverter_kw or p.pv.rated_kw for p in plants if p.pv is not None)
    return Plant(
        name="pooled",
        gensets=gensets,
        battery=_pooled_battery(batteries),
        wind=Wind(rated_kw=wind) if wind else None,
        pv=Photovoltaic(rated_kw=pv) if pv else None,
        dump_kw=2.0 * power + sum(p.dump_kw for p in plants),
        commitment="free",
        sharing="economic",
        disturbances=Disturbances(
            load_max_kw=sum(p.disturbances.load_max_kw for p in plants), unit_trips=False
        ),
    )


def _pooled_battery(batteries: Sequence[Battery]) -> Battery:
    """One battery that can do all that several linear ones can do together."""
    energy = sum(b.energy_kwh for b in batteries)

    def mean(values: Sequence[float]) -> float:
        return sum(b.energy_kwh * v for b, v in zip(batteries, values, strict=True)) / energy

    lows = [b.soc_min if b.reserve_soc_min is None else b.reserve_soc_min for b in batteries]
    highs = [b.soc_max if b.reserve_soc_max is None else b.reserve_soc_max for b in batteries]
    low, high = mean(lows), mean(highs)
    return Battery(
        power_kw=sum(b.power_kw for b in batteries),
        energy_kwh=energy,
        charge_efficiency=max(b.charge_efficiency for b in batteries),
        discharge_efficiency=max(b.discharge_efficiency for b in batteries),
        standby_kw=sum(b.standby_kw for b in batteries),
        soc_initial=0.5 * (low + high),
        soc_min=low,
        soc_max=high,
    )


def pooled_episode(control: IslandsControl, seed: int) -> Year:
    """Load, renewables and first charge of one seed, summed over the islands as they are played."""
    control.reset(np.array([seed], np.int64))
    future = np.asarray(control.resource("future"))[0].sum(axis=0)
    plants = [sub.plant for sub in control.islands]
    states = [sub.resource("state").states for sub in control.islands]
    energy = [float(sub.arrays.energy_kwh) for sub in control.islands]
    stored = sum(e * float(s["soc_first"][0]) for e, s in zip(energy, states, strict=True))
    load, wind, pv = (np.ascontiguousarray(future[:, k]) for k in range(3))
    plant = pooled_plant(plants)
    begun = tuple(unit for sub in control.islands for unit in units_of(sub))
    return Year(plant, control.scenario.step_min, load, wind, pv, stored / sum(energy), begun)


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
