"""Disturbances of a scenario, written as SUMO files: demand, weather, priority, closures.

Everything is done before the simulation starts, so a run can be repeated by the raw `sumo` binary
and controllers share the same disturbance. Demand is multiplied in order of departure by error
diffusion (of 100 vehicles at factor 1.3 every third or fourth gets a double); doubles depart up to
`JITTER_S` from their original, by a hash of the id. Noise on relations (origin and destination)
multiplies each by a factor of its own, drawn evenly around 1 by a hash of its ends and `od_seed`.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from trimtab.contracts.errors import InputFileError, suggestion

from trimtab_traffic.delay import EMERGENCY_PREFIX
from trimtab_traffic.demand import departures, is_random
from trimtab_traffic.filewrite import element_lines, write_xml, xml_lines
from trimtab_traffic.safexml import XmlElement, elements
from trimtab_traffic.scenario import Demand, LaneClosure, SignalsProblem, Weather
from trimtab_traffic.signals import TrafficNetwork

JITTER_S = 30.0
EMERGENCY_TYPE = "trimtab-emergency"
DEFAULT_TYPE = "DEFAULT_VEHTYPE"
_FLOW_ONLY = {
    "begin", "end", "number", "period", "vehsPerHour", "perHour", "probability",
}  # fmt: skip
_DYNAMICS = {  # SUMO's defaults per vehicle class: acceleration, deceleration, m/s²
    "bus": (1.2, 4.0), "coach": (2.0, 4.0), "truck": (1.3, 4.0), "trailer": (1.1, 4.0),
    "bicycle": (1.2, 3.0), "motorcycle": (6.0, 10.0), "moped": (1.1, 7.0),
}  # fmt: skip
_PASSENGER = (2.6, 4.5)
_ALL = ("", "")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Disturbed:
    """Files after the disturbances, with what was done, one line each."""

    routes: tuple[Path, ...]
    additional: tuple[Path, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """Begin of the simulation, and begin and end of the evaluated horizon, s."""

    start_s: float
    begin_s: float
    end_s: float


def disturb(
    problem: SignalsProblem,
    network: TrafficNetwork,
    files: Disturbed,
    period: Period,
    work: Path,
) -> Disturbed:
    """Apply the disturbances of a scenario to its files.

    Args:
        problem: the scenario's problem part.
        network: names lanes and edges.
        files: the undisturbed files.
        period: times of surges and closures count from `period.begin_s`.
        work: folder for what is written; named by content, so runs may share it.

    Raises:
        InputFileError: a closed lane is not in the network.
    """
    settings = (problem.demand, problem.weather, problem.priority, problem.closures, period)
    text = repr((settings, files.routes, files.additional)).encode()
    folder = work / f"disturbed-{hashlib.sha256(text).hexdigest()[:16]}"
    if problem.demand != Demand():
        files = _with_demand(problem.demand, files, period, folder)
    if problem.weather != Weather():
        files = _with_weather(problem.weather, files, folder)
    every_s = problem.priority.emergency_every_s
    if every_s is not None:
        files = _with_emergencies(every_s, files, period, folder)
    if problem.closures:
        path = _write_closures(problem.closures, network, period, folder)
        note = f"{len(problem.closures)} closures: {', '.join(c.lane for c in problem.closures)}"
        files = replace(files, additional=(*files.additional, path), notes=(*files.notes, note))
    return files


def factor_at(demand: Demand, since_s: float) -> float:
    """Demand multiplier at a time counted from the begin of the horizon."""
    factor = demand.scale
    for surge in demand.surges:
        if surge.start_s <= since_s < surge.end_s:
            factor *= surge.factor
    return factor


def _with_demand(demand: Demand, files: Disturbed, period: Period, folder: Path) -> Disturbed:
    routes = tuple(
        _rewritten(path, folder, _scaled(elements(path), demand, period)) for path in files.routes
    )
    note = f"demand x {demand.scale:g}" + "".join(
        f", x {s.factor:g} from {s.start_s:g} to {s.end_s:g} s" for s in demand.surges
    )
    if demand.od_noise:
        note += f", each relation x 1 ± {demand.od_noise:g} (seed {demand.od_seed})"
    return replace(files, routes=routes, notes=(*files.notes, note))


def _scaled(
    stream: Iterator[XmlElement], demand: Demand, period: Period
) -> tuple[str, list[XmlElement]]:
    """Root tag, and the elements with vehicles multiplied, in order of departure."""
    root = next(stream)
    first: list[XmlElement] = []
    timed: list[tuple[float, XmlElement]] = []
    planned: list[tuple[float, XmlElement]] = []
    for element in stream:
        if element.name == "flow" and is_random(element):
            timed += _random_segments(element, demand, period)
        elif element.name in {"vehicle", "trip", "flow"}:
            planned += _vehicles(element, period)
        elif element.name in {"person", "personFlow", "container", "containerFlow"}:
            at = "begin" if element.name.endswith("Flow") else "depart"
            timed.append((element.seconds(at, period.start_s), element))
        else:
            first.append(element)
    timed += _multiplied(sorted(planned, key=lambda pair: pair[0]), demand, period)
    timed.sort(key=lambda pair: pair[0])
    return root.name, [*first, *(element for _, element in timed)]


def _vehicles(element: XmlElement, period: Period) -> Iterator[tuple[float, XmlElement]]:
    """Every vehicle of a tag as a tag of its own; triggered ones pass unchanged."""
    found = False
    for name, depart_s in departures(element, period.start_s, period.end_s):
        found = True
        kept = {k: v for k, v in element.attributes.items() if k not in _FLOW_ONLY}
        routed = "route" in kept or any(child.name == "route" for child in element.children)
        tag = "vehicle" if routed else "trip"
        attributes = {**kept, "id": name, "depart": f"{depart_s:.3f}"}
        yield depart_s, replace(element, name=tag, attributes=attributes)
    if not found and element.name != "flow":
        yield period.start_s, element


def _multiplied(
    planned: list[tuple[float, XmlElement]], demand: Demand, period: Period
) -> Iterator[tuple[float, XmlElement]]:
    owed: dict[tuple[str, str], float] = {}
    for depart_s, element in planned:
        relation, noise, begin = _ALL, 1.0, 0.5
        if demand.od_noise:
            relation = _relation(element)
            factor, begin = _draws(relation, demand.od_seed)
            noise += demand.od_noise * (2.0 * factor - 1.0)
        more = factor_at(demand, depart_s - period.begin_s) * noise
        total = owed.get(relation, begin) + more
        copies, owed[relation] = int(total), total - int(total)
        for k in range(copies):
            yield (depart_s, element) if k == 0 else _double(depart_s, element, k, period)


def _relation(element: XmlElement) -> tuple[str, str]:
    """First and last edge of a vehicle's way, or the name of its route."""
    for child in element.children:
        if child.name == "route":
            edges = child.attributes["edges"].split()
            return edges[0], edges[-1]
    route = element.attributes.get("route", "")
    return element.attributes.get("from", route), element.attributes.get("to", route)


def _draws(relation: tuple[str, str], seed: int) -> tuple[float, float]:
    """Two numbers in [0, 1) that follow from a relation and a seed."""
    digest = hashlib.sha256(repr((seed, relation)).encode()).digest()
    return (
        int.from_bytes(digest[:4], "big") / 2**32,
        int.from_bytes(digest[4:8], "big") / 2**32,
    )


def _double(
    depart_s: float, element: XmlElement, k: int, period: Period
) -> tuple[float, XmlElement]:
    name = f"{element.attributes['id']}.x{k}"
    shift_s = (zlib.crc32(name.encode()) / 2**32 * 2.0 - 1.0) * JITTER_S
    at_s = min(max(depart_s + shift_s, period.start_s), max(depart_s, period.end_s - 1.0))
    attributes = {**element.attributes, "id": name, "depart": f"{at_s:.3f}"}
    return at_s, replace(element, attributes=attributes)


def _random_segments(
    flow: XmlElement, demand: Demand, period: Period
) -> Iterator[tuple[float, XmlElement]]:
    """A random flow cut at the surges, its rate multiplied in each piece."""
    begin_s = flow.seconds("begin", period.start_s)
    end_s = flow.seconds("end", period.end_s)
    edges = {s.start_s for s in demand.surges} | {s.end_s for s in demand.surges}
    cuts = sorted(t for t in (period.begin_s + edge for edge in edges) if begin_s < t < end_s)
    for k, (a, b) in enumerate(zip([begin_s, *cuts], [*cuts, end_s], strict=True)):
        factor = factor_at(demand, a - period.begin_s)
        attributes = {**flow.attributes, "id": f"{flow.text('id')}.{k}"}
        attributes |= {"begin": f"{a:.3f}", "end": f"{b:.3f}"}
        for key in ("probability", "period"):
            if key in attributes:
                attributes[key] = _faster(attributes[key], factor, flow)
        yield a, replace(flow, attributes=attributes)


def _faster(text: str, factor: float, flow: XmlElement) -> str:
    """A probability or `exp(rate)` times a factor."""
    number = _NUMBER.search(text)
    if number is None:
        msg = f"{flow.where}: {flow.label}: {text!r} is no rate; write a probability or exp(rate)"
        raise InputFileError(msg)
    value = float(number[0]) * factor
    if not text.startswith("exp"):
        value = min(value, 1.0)
    return text.replace(number[0], f"{value:.6g}", 1)


def _with_weather(weather: Weather, files: Disturbed, folder: Path) -> Disturbed:
    def changed(paths: Iterable[Path]) -> tuple[Path, ...]:
        return tuple(_retyped(path, weather, folder) for path in paths)

    routes, additional = changed(files.routes), changed(files.additional)
    default = XmlElement("vType", {"id": DEFAULT_TYPE}, folder, 0)
    named = any(_has_default_type(path) for path in (*files.routes, *files.additional))
    if not named:
        lines = [element_lines(_type_in(weather, default))]
        extra = write_xml(folder / "weather.add.xml", "additional", lines)
        additional = (extra, *additional)
    note = (
        f"weather: speed x {weather.speed_factor:g}, deceleration x {weather.decel_factor:g}, "
        f"acceleration x {weather.accel_factor:g}"
    )
    return Disturbed(routes, additional, (*files.notes, note))


def _has_default_type(path: Path) -> bool:
    return any(e.name == "vType" and e.attributes.get("id") == DEFAULT_TYPE for e in elements(path))


def _retyped(path: Path, weather: Weather, folder: Path) -> Path:
    """The file with changed vehicle types; the file itself if it has none."""
    stream = elements(path)
    root = next(stream)
    found = list(stream)
    if not any(element.name in {"vType", "vTypeDistribution"} for element in found):
        return path
    changed = [_type_in(weather, element) for element in found]
    return _rewritten(path, folder, (root.name, changed))


def _type_in(weather: Weather, element: XmlElement) -> XmlElement:
    if element.name == "vTypeDistribution":
        children = [_type_in(weather, child) for child in element.children]
        return replace(element, children=children)
    if element.name != "vType":
        return element
    accel, decel = _DYNAMICS.get(element.attributes.get("vClass", ""), _PASSENGER)
    attributes = dict(element.attributes)
    attributes["accel"] = f"{element.number('accel', accel) * weather.accel_factor:.4g}"
    attributes["decel"] = f"{element.number('decel', decel) * weather.decel_factor:.4g}"
    speed = attributes.get("speedFactor", "normc(1.0,0.1,0.2,2.0)")
    number = _NUMBER.search(speed)
    if number is not None:
        value = float(number[0]) * weather.speed_factor
        attributes["speedFactor"] = speed.replace(number[0], f"{value:.4g}", 1)
    return replace(element, attributes=attributes)


def _with_emergencies(every_s: float, files: Disturbed, period: Period, folder: Path) -> Disturbed:
    """Emergency vehicles on routes of the demand, the first after half an interval."""
    donors = [
        element
        for path in files.routes
        for element in elements(path)
        if element.name in {"vehicle", "trip", "flow"}
    ]
    if not donors:
        msg = f"{files.routes[0] if files.routes else 'demand'}: no vehicle to take routes from"
        raise InputFileError(msg)
    made = [
        XmlElement("vType", {"id": EMERGENCY_TYPE, "speedFactor": "1.2", "color": "red"}, folder, 0)
    ]
    at_s = period.begin_s + every_s / 2.0
    while at_s < period.end_s:
        name = f"{EMERGENCY_PREFIX}{len(made) - 1}"
        donor = donors[zlib.crc32(name.encode()) % len(donors)]
        ways = ("route", "from", "to", "via", "fromJunction", "toJunction", "departLane")
        attributes = {k: donor.attributes[k] for k in ways if k in donor.attributes}
        attributes |= {"id": name, "type": EMERGENCY_TYPE, "depart": f"{at_s:.3f}"}
        children = [child for child in donor.children if child.name == "route"]
        tag = "vehicle" if children or "route" in attributes else "trip"
        made.append(XmlElement(tag, attributes, folder, 0, children))
        at_s += every_s
    path = write_xml(folder / "emergency.rou.xml", "routes", map(element_lines, made))
    note = f"{len(made) - 1} emergency vehicles, one every {every_s:g} s, counted as demand"
    return replace(files, routes=(*files.routes, path), notes=(*files.notes, note))


def _write_closures(
    closures: Iterable[LaneClosure], network: TrafficNetwork, period: Period, folder: Path
) -> Path:
    rerouters = [_rerouter(k, closure, network, period) for k, closure in enumerate(closures)]
    return write_xml(folder / "closures.add.xml", "additional", rerouters)


def _rerouter(
    number: int, closure: LaneClosure, network: TrafficNetwork, period: Period
) -> Iterable[str]:
    """A rerouter that closes the lane, or the edge, and stands on the edges before it."""
    edge = network.lanes[closure.lane].edge if closure.lane in network.lanes else closure.lane
    if edge not in network.edges:
        near = suggestion(closure.lane, [*network.lanes, *network.edges])
        where = f"closures[{number}].lane: {closure.lane!r}"
        msg = f"{where} is no lane or edge of {network.path}; correct its id.{near}"
        raise InputFileError(msg)
    whole = closure.lane == edge or len(network.edges[edge].lanes) == 1
    tag, name = ("closingReroute", edge) if whole else ("closingLaneReroute", closure.lane)
    before = [e.id for e in network.edges.values() if _leads_to(network, e.id, edge)]
    interval = xml_lines(
        "interval",
        {
            "begin": float(period.begin_s + closure.start_s),
            "end": float(period.begin_s + closure.end_s),
        },
        [xml_lines(tag, {"id": name, "disallow": "all"})],
    )
    attributes = {"id": f"closure-{number}", "edges": " ".join([*before, edge])}
    return xml_lines("rerouter", attributes, [interval])


def _leads_to(network: TrafficNetwork, edge: str, target: str) -> bool:
    return network.edges[edge].to_junction == network.edges[target].from_junction


def _rewritten(path: Path, folder: Path, content: tuple[str, list[XmlElement]]) -> Path:
    name = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    stem = path.name.removesuffix(".gz")
    root, found = content
    return write_xml(folder / f"{name}-{stem}", root, map(element_lines, found))
