"""MAXBAND: offsets along a road that let the widest two-way platoon pass without stopping.

J. D. C. Little, M. D. Kelson, N. H. Gartner, "MAXBAND: a program for setting signals on arteries
and triangular networks", Transportation Research Record 795, 1981; here for given cycle, greens and
phase order, as a mixed-integer program in Pyomo solved by HiGHS. Times are shares of the cycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.contracts.errors import MissingDependencyError, SimulatorError

_TIME_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class BandSignal:
    """Greens of the through movements at one signal of a road, s after its cycle begins.

    Attributes:
        out_start_s, out_green_s: green of the outbound direction (along the sequence).
        in_start_s, in_green_s: green of the inbound direction.
    """

    out_start_s: float
    out_green_s: float
    in_start_s: float
    in_green_s: float


@dataclass(frozen=True, slots=True)
class Bands:
    """Solution of a road.

    Attributes:
        offsets_s: per signal, the first is 0.
        out_s, in_s: width of the bands, s.
    """

    offsets_s: tuple[float, ...]
    out_s: float
    in_s: float


def widest_bands(
    signals: Sequence[BandSignal],
    out_travel_s: Sequence[float],
    in_travel_s: Sequence[float],
    cycle_s: float,
    in_weight: float = 1.0,
) -> Bands:
    """Offsets that maximise outbound band + `in_weight` * inbound band.

    Args:
        signals: along the road.
        out_travel_s: travel times from each signal to the next, [signals - 1].
        in_travel_s: travel times from the next signal back to each, [signals - 1].
        cycle_s: common cycle, s.
        in_weight: worth of the inbound band, e.g. the ratio of the volumes.

    Raises:
        MissingDependencyError: Pyomo or HiGHS is not installed.
        SimulatorError: the solver found nothing within its time limit.
    """
    import pyomo.environ as pyo  # 0.3 s to import
    from pyomo.contrib.appsi.solvers import Highs

    model = _model(pyo, signals, out_travel_s, in_travel_s, cycle_s, in_weight)
    solver = Highs()
    if not solver.available():
        raise MissingDependencyError(package="highspy", extra="traffic", purpose="MAXBAND")
    solver.config.time_limit = _TIME_LIMIT_S
    solver.config.load_solution = False
    result = solver.solve(model)
    if result.best_feasible_objective is None:
        msg = f"MAXBAND found no offsets for {len(signals)} signals in {_TIME_LIMIT_S:g} s"
        raise SimulatorError(msg)
    result.solution_loader.load_vars()
    offsets = [float(pyo.value(model.offset[k])) * cycle_s for k in model.signals]
    return Bands(
        offsets_s=tuple((offset - offsets[0]) % cycle_s for offset in offsets),
        out_s=float(pyo.value(model.out_band)) * cycle_s,
        in_s=float(pyo.value(model.in_band)) * cycle_s,
    )


def _model(
    pyo: Any,
    signals: Sequence[BandSignal],
    out_travel_s: Sequence[float],
    in_travel_s: Sequence[float],
    cycle_s: float,
    in_weight: float,
) -> Any:
    """Band edges may sit anywhere inside the greens; whole cycles link neighbouring signals."""
    model = pyo.ConcreteModel()
    model.signals = pyo.RangeSet(0, len(signals) - 1)
    model.links = pyo.RangeSet(0, len(signals) - 2)
    model.offset = pyo.Var(model.signals, bounds=(0, 1))
    model.out_edge = pyo.Var(model.signals, bounds=(0, 1))
    model.in_edge = pyo.Var(model.signals, bounds=(0, 1))
    model.out_band = pyo.Var(bounds=(0, 1))
    model.in_band = pyo.Var(bounds=(0, 1))
    laps = int(max([*out_travel_s, *in_travel_s], default=0.0) / cycle_s) + 3
    model.out_laps = pyo.Var(model.links, domain=pyo.Integers, bounds=(-laps, laps))
    model.in_laps = pyo.Var(model.links, domain=pyo.Integers, bounds=(-laps, laps))
    model.rules = pyo.ConstraintList()
    for k, s in enumerate(signals):
        model.rules.add(model.out_edge[k] + model.out_band <= s.out_green_s / cycle_s)
        model.rules.add(model.in_edge[k] + model.in_band <= s.in_green_s / cycle_s)
    for k, (here, there) in enumerate(zip(signals[:-1], signals[1:], strict=True)):
        out_here = model.offset[k] + here.out_start_s / cycle_s + model.out_edge[k]
        out_there = model.offset[k + 1] + there.out_start_s / cycle_s + model.out_edge[k + 1]
        model.rules.add(out_here + out_travel_s[k] / cycle_s == out_there + model.out_laps[k])
        in_here = model.offset[k] + here.in_start_s / cycle_s + model.in_edge[k]
        in_there = model.offset[k + 1] + there.in_start_s / cycle_s + model.in_edge[k + 1]
        model.rules.add(in_there + in_travel_s[k] / cycle_s == in_here + model.in_laps[k])
    model.objective = pyo.Objective(
        expr=model.out_band + in_weight * model.in_band, sense=pyo.maximize
    )
    return model
