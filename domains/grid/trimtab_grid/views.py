"""Figures of a comparison: power balance, charge, fuel per unit, interventions, one-line diagram.

All but the bars are of one seed, the first, and of the controller that is shown first unless they
compare; the power balance also of the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from trimtab.contracts.comparison import by_controller, headline_bars, in_order_shown
from trimtab.contracts.controller import BARE
from trimtab.contracts.figure import Axis, Bar, Figure, MapLine, Series
from trimtab.contracts.records import EpisodeRecord

from trimtab_grid.plant import Battery, Plant
from trimtab_grid.scenario import GridScenario

HEADLINE = "cost_l"
UNIT = "unit."
"""Prefix of the power of a genset in details, see `details`."""
SHOWN_H = 72.0
"""Hours of a long episode that figures over time show."""
WHOLE = "whole_load_kw"
"""In details of episodes that are longer than what figures over time show."""
MAX_LINES = 6
"""Controllers drawn in one figure; more cannot be told apart."""
_TIME = Axis("time since begin", "h")
_POWER = Axis("power", "kW")

_SINKS = ("battery in", "dumped")
"""Parts of a balance that take power."""

Points = Mapping[str, float]


def figures(problem: GridScenario, records: Sequence[EpisodeRecord]) -> tuple[Figure, ...]:
    """Figures of the finished episodes of a scenario; `records` as `Domain.views` gets them."""
    rows = by_controller(records, HEADLINE)
    if not rows:
        return ()
    plant = problem.resolved_plant()
    guarded = {name: own for name, own in rows.items() if not name.endswith(BARE)} or rows
    shown = in_order_shown(guarded, records)
    firsts = {name: min(own, key=lambda r: r.seed) for name, own in shown.items()}
    drawn = {name: record for name, record in firsts.items() if "load_kw" in record.details}
    made = [headline_bars(guarded, HEADLINE, "cost", "L")]
    if drawn:
        first, *second = list(drawn.values())[:2]
        parts = [_parts(plant, record) for record in (first, *second)]
        there = {name for own in parts for name, values in own.items() if any(values)}
        pairs = zip((first, *second), parts, strict=True)
        made += [_balance(record, own, there) for record, own in pairs]
        if WHOLE in first.details:
            made.append(_whole(first))
        made.append(_fuel(plant, first))
        if plant.battery is not None:
            made.append(_charge(plant.battery, drawn))
        if any(any(_values(record.details["interventions"])) for record in drawn.values()):
            made.append(_interventions(drawn))
        if any(_shed(first).values()):
            made.append(_blocks(first))
        if first.details.get("alarm_min"):
            made.append(_alarms(first))
        made.append(one_line_diagram(plant, first))
    return tuple(made)


def _parts(plant: Plant, record: EpisodeRecord) -> dict[str, tuple[float, ...]]:
    """Sources as powers above 0, what is charged and dumped as powers below 0."""
    details = record.details
    battery = _values(details["battery_kw"])
    parts = {g.name: _values(details[UNIT + g.name]) for g in plant.gensets}
    parts["wind"] = _values(details["wind_used_kw"])
    parts["PV"] = _values(details["pv_used_kw"])
    parts["battery out"] = tuple(max(0.0, v) for v in battery)
    shed = _values(details["shed_kw"])
    lacking = _values(details.get("deficit_kw", {})) or (0.0,) * len(shed)
    parts["not served"] = tuple(map(sum, zip(shed, lacking, strict=True)))
    sinks = {
        "battery in": tuple(min(0.0, v) for v in battery),
        "dumped": tuple(-v for v in _values(details["dump_kw"])),
    }
    return parts | sinks


def _balance(
    record: EpisodeRecord, parts: Mapping[str, tuple[float, ...]], there: set[str]
) -> Figure:
    """Sources stacked from 0 up, what is charged and dumped below 0, the load as a line.

    `there` names the parts of any balance drawn: the same parts have the same colours in all.
    """
    details = record.details
    times = tuple(float(t) for t in details["load_kw"])
    drawn = {name: values for name, values in parts.items() if name in there}
    sources = {name: values for name, values in drawn.items() if name not in _SINKS}
    sinks = {name: values for name, values in drawn.items() if name in _SINKS}
    load = _values(details["load_kw"])
    bands = (*_stacked(sources, times), *_stacked(sinks, times))
    shares = ", ".join(f"{band.name} {_share(band, load):.0f} %" for band in bands)
    return Figure(
        kind="series",
        title=f"Power balance: {record.controller}, seed {record.seed}{_span(record)}",
        alt=(
            "Sources stacked over time up to the load, charging and dumping below zero. Energy as "
            f"a share of the load's: {shares}."
        ),
        value_axis=_POWER,
        x_axis=_TIME,
        series=(*bands, Series("load", times, load)),
    )


def _stacked(parts: Mapping[str, Sequence[float]], times: tuple[float, ...]) -> list[Series]:
    """One band per part, each on top of the one before."""
    low = [0.0] * len(times)
    bands = []
    for name, values in parts.items():
        high = [base + value for base, value in zip(low, values, strict=True)]
        edges = tuple(low), tuple(high)
        bands.append(Series(name, times, tuple(high), *map(tuple, _ordered(*edges))))
        low = high
    return bands


def _ordered(
    one: Sequence[float], other: Sequence[float]
) -> tuple[Sequence[float], Sequence[float]]:
    pairs = list(zip(one, other, strict=True))
    return [min(pair) for pair in pairs], [max(pair) for pair in pairs]


def _span(record: EpisodeRecord) -> str:
    """Which part of a long episode figures over time show."""
    return f", first {SHOWN_H:g} h" if WHOLE in record.details else ""


def _whole(record: EpisodeRecord) -> Figure:
    """Units, renewables and load over all of a long episode."""
    names = {"units": "whole_units_kw", "wind and PV used": "whole_renewables_kw", "load": WHOLE}
    lines = {name: record.details[key] for name, key in names.items()}
    told = ", ".join(f"{name} {fmean(_values(points)):.0f} kW" for name, points in lines.items())
    return Figure(
        kind="series",
        title=f"Power over the whole episode: {record.controller}, seed {record.seed}",
        alt=f"Means of equal parts of the episode; over all of it {told}.",
        value_axis=_POWER,
        x_axis=_TIME,
        series=tuple(Series(name, _times(p), _values(p)) for name, p in lines.items()),
    )


def _share(band: Series, load: Sequence[float]) -> float:
    thickness = zip(band.low or (), band.high or (), strict=True)
    return 100.0 * sum(high - low for low, high in thickness) / max(sum(load), 1e-9)


def _charge(battery: Battery, drawn: Mapping[str, EpisodeRecord]) -> Figure:
    """State of charge per controller, with the normal and the reserve window."""
    series = []
    for name, record in list(drawn.items())[:MAX_LINES]:
        low, high = _values(record.details["soc_low"]), _values(record.details["soc_high"])
        middle = tuple((a + b) / 2.0 for a, b in zip(low, high, strict=True))
        series.append(Series(name, _times(record.details["soc_low"]), middle, low, high))
    ends = (series[0].x[0], series[0].x[-1])
    reserve_low = battery.soc_min if battery.reserve_soc_min is None else battery.reserve_soc_min
    reserve_high = battery.soc_max if battery.reserve_soc_max is None else battery.reserve_soc_max
    limits = {
        "normal window, low": battery.soc_min,
        "normal window, high": battery.soc_max,
        "reserve window, low": reserve_low,
        "reserve window, high": reserve_high,
    }
    lowest = min(series, key=lambda one: min(one.low or (1.0,)))
    return Figure(
        kind="series",
        title=f"State of charge{_span(next(iter(drawn.values())))}",
        alt=(
            f"State of charge over time per controller; it must stay within {reserve_low:.2f} to "
            f"{reserve_high:.2f}. Lowest: {min(lowest.low or (1.0,)):.3f} with {lowest.name}."
            f"{_lfp(*next(iter(drawn.items())))}"
        ),
        value_axis=Axis("state of charge"),
        x_axis=_TIME,
        series=(
            *series,
            *(Series(name, ends, (level, level)) for name, level in limits.items()),
        ),
    )


def _lfp(name: str, record: EpisodeRecord) -> str:
    """The second opinion on ageing, in words; nothing where it was not made."""
    lost = record.details.get("lfp_loss_percent")
    if not lost:
        return ""
    return (
        f" A new LFP cell would lose {lost['calendar']:.2g} % of its capacity by time and "
        f"{lost['cycling']:.2g} % by cycles under {name}."
    )


def _fuel(plant: Plant, record: EpisodeRecord) -> Figure:
    litres, energy = record.details["fuel_l"], record.details["energy_kwh"]
    rates = ", ".join(
        f"{g.name} {litres[g.name]:.0f} L for {energy[g.name]:.0f} kWh" for g in plant.gensets
    )
    return Figure(
        kind="bars",
        title=f"Fuel per unit: {record.controller}, seed {record.seed}",
        alt=f"Fuel of each unit over the whole episode: {rates}.",
        value_axis=Axis("fuel", "L"),
        bars=tuple(Bar(g.name, litres[g.name]) for g in plant.gensets),
    )


def _shed(record: EpisodeRecord) -> Points:
    """Energy of every block of load that was shed; nothing in records from before blocks."""
    return record.details.get("shed_kwh", {})


def _blocks(record: EpisodeRecord) -> Figure:
    told = ", ".join(f"{name} {kwh:.0f} kWh" for name, kwh in _shed(record).items())
    return Figure(
        kind="bars",
        title=f"Load shed by block: {record.controller}, seed {record.seed}",
        alt=f"Energy of declared load that was shed, in the order in which it is: {told}.",
        value_axis=Axis("energy", "kWh"),
        bars=tuple(Bar(name, kwh) for name, kwh in _shed(record).items()),
    )


def _alarms(record: EpisodeRecord) -> Figure:
    """Time outside the declared disturbances, and what was shed in the whole episode."""
    alarms = record.details["alarm_min"]
    told = ", ".join(f"{name} {minutes:.0f} min" for name, minutes in alarms.items())
    unserved = record.metrics.get("unserved_kwh", 0.0)
    return Figure(
        kind="bars",
        title=f"Alarms: {record.controller}, seed {record.seed}",
        alt=(
            "Time in degraded mode by alarm, where the disturbance left what the shield promises "
            f"against: {told}. Not served in the episode: {unserved:.0f} kWh."
        ),
        value_axis=Axis("time", "min"),
        bars=tuple(Bar(name, minutes) for name, minutes in alarms.items()),
    )


def _interventions(drawn: Mapping[str, EpisodeRecord]) -> Figure:
    series = tuple(
        Series(
            name,
            _times(record.details["interventions"]),
            _values(record.details["interventions"]),
        )
        for name, record in list(drawn.items())[:MAX_LINES]
    )
    counts = ", ".join(f"{one.name} {one.y[-1]:.0f}" for one in series)
    return Figure(
        kind="series",
        title=f"Interventions of the shield so far{_span(next(iter(drawn.values())))}",
        alt=f"Steps in which the shield changed the proposed action, summed over time: {counts}.",
        value_axis=Axis("interventions"),
        x_axis=_TIME,
        series=series,
    )


def one_line_diagram(plant: Plant, record: EpisodeRecord) -> Figure:
    """One-line diagram: a busbar, sources above it, what takes power below, by mean power."""
    details = record.details
    sources = {g.name: fmean(_values(details[UNIT + g.name])) for g in plant.gensets}
    if plant.wind is not None:
        sources["wind turbines"] = fmean(_values(details["wind_used_kw"]))
    if plant.pv is not None:
        sources["PV field"] = fmean(_values(details["pv_used_kw"]))
    takers = {"load": fmean(_values(details["load_kw"]))}
    if plant.battery is not None:
        takers["battery"] = fmean(abs(v) for v in _values(details["battery_kw"]))
    if plant.dump_kw:
        takers["dump load"] = fmean(_values(details["dump_kw"]))
    wide = 20.0 * max(len(sources), len(takers))
    bar = MapLine("busbar", ((0.0, 0.0), (wide, 0.0)), sum(sources.values()))
    told = ", ".join(f"{name} {kw:.0f} kW" for name, kw in {**sources, **takers}.items())
    return Figure(
        kind="map",
        title=f"One-line diagram of {plant.name}{_span(record)}",
        alt=f"Sources above the busbar, load and storage below. Mean power: {told}.",
        value_axis=Axis("mean power", "kW"),
        lines=(*_feeders(sources, wide, 1.0), *_feeders(takers, wide, -1.0), bar),
    )


def _feeders(parts: Mapping[str, float], wide: float, side: float) -> list[MapLine]:
    """A feeder with the sign of its machine at the end, evenly along the busbar."""
    drawn = []
    for k, (name, power_kw) in enumerate(parts.items()):
        x = wide * (k + 0.5) / len(parts)
        near, far = 10.0 * side, 14.0 * side
        sign = ((x, 0.0), (x, near), (x - 2.0, near), (x - 2.0, far), (x + 2.0, far))
        points = (*sign, (x + 2.0, near), (x, near))
        drawn.append(MapLine(name, points, power_kw, label=(x, 15.0 * side - 0.5)))
    return drawn


def _times(points: Points) -> tuple[float, ...]:
    return tuple(float(t) for t in points)


def _values(points: Points) -> tuple[float, ...]:
    return tuple(points.values())
