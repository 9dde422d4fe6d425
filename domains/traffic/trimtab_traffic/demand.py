"""Planned departures of a demand, from the tags `vehicle`, `trip` and `flow` of its files.

Flows of constant headway (`number`, `period`, `vehsPerHour`, `perHour`) are expanded as SUMO does;
flows drawn at random (`probability`, `period="exp(…)"`) have no planned departures and are left to
SUMO's own list of undeparted vehicles. Persons and containers are not vehicles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from trimtab.contracts.errors import InputFileError

from trimtab_traffic.safexml import XmlElement, elements, parse_seconds

_UNPLANNED = {"triggered", "containerTriggered", "split", "now"}
_RATES = ("vehsPerHour", "perHour")


@dataclass(frozen=True, slots=True)
class Demand:
    """Who wants to travel and when.

    Attributes:
        depart_s: vehicle id → planned departure, file order.
        vehicle_tags: ids that stand in `<vehicle>` tags (the RESCO formula sees only those).
        bus_types: ids of vehicle types of class bus or coach.
        bus_ids: planned vehicles of those types.
        persons: persons and person flows are part of the demand.
        random_flows: ids of flows that SUMO draws at random.
    """

    depart_s: Mapping[str, float]
    vehicle_tags: frozenset[str]
    bus_types: frozenset[str]
    bus_ids: frozenset[str]
    persons: bool
    random_flows: tuple[str, ...]


def read_demand(files: Iterable[Path], begin_s: float, end_s: float) -> Demand:
    """Read all demand that SUMO would load for a simulation of [begin_s, end_s).

    Args:
        files: route and additional files, in the order SUMO gets them.
        begin_s: begin of the simulation: default `begin` of flows, earlier repetitions dropped.
        end_s: end of the simulation: default `end` of flows.

    Raises:
        InputFileError: a file is unreadable, or a departure or flow makes no sense.
    """
    depart_s: dict[str, float] = {}
    vehicle_tags: set[str] = set()
    types: dict[str, str] = {}
    bus_types: set[str] = set()
    random_flows: list[str] = []
    persons = False
    for element in _demand_elements(files):
        if element.name == "vType":
            if element.attributes.get("vClass") in {"bus", "coach"}:
                bus_types.add(element.text("id"))
        elif element.name in {"person", "personFlow"}:
            persons = True
        elif element.name == "flow" and is_random(element):
            random_flows.append(element.text("id"))
        else:
            kind = element.attributes.get("type", "")
            for name, depart in departures(element, begin_s, end_s):
                depart_s[name] = depart
                types[name] = kind
                if element.name == "vehicle":
                    vehicle_tags.add(name)
    return Demand(
        depart_s=depart_s,
        vehicle_tags=frozenset(vehicle_tags),
        bus_types=frozenset(bus_types),
        bus_ids=frozenset(name for name, kind in types.items() if kind in bus_types),
        persons=persons,
        random_flows=tuple(random_flows),
    )


def departures(element: XmlElement, begin_s: float, end_s: float) -> Iterator[tuple[str, float]]:
    """Id and planned departure of each vehicle of a `vehicle`, `trip` or constant `flow` tag.

    Raises:
        InputFileError: an attribute is missing or no time.
    """
    if element.name == "flow":
        yield from _expand(element, begin_s, end_s)
        return
    text = element.attributes.get("depart", "0")
    if text == "begin":
        yield element.text("id"), begin_s
    elif text not in _UNPLANNED:
        yield element.text("id"), element.seconds("depart", 0.0)


def is_random(flow: XmlElement) -> bool:
    """Whether SUMO draws the departures of a flow."""
    attributes = flow.attributes
    return "probability" in attributes or attributes.get("period", "").startswith("exp")


def _demand_elements(files: Iterable[Path]) -> Iterator[XmlElement]:
    wanted = {"vehicle", "trip", "flow", "vType", "person", "personFlow"}
    for path in files:
        for element in elements(path):
            if element.name in wanted:
                yield element
            elif element.name == "vTypeDistribution":
                yield from element.find_all("vType")


def _expand(flow: XmlElement, begin_s: float, end_s: float) -> Iterator[tuple[str, float]]:
    """Repetitions as SUMO makes them: times in whole ms, only those within the simulation."""
    name = flow.text("id")
    first = _ms(flow.seconds("begin", begin_s))
    last = _ms(flow.seconds("end", end_s))
    count, headway = _repetitions(flow, first, last)
    index = 0
    for repetition in range(count):
        depart = first + repetition * headway
        if depart >= _ms(end_s) or (depart >= last and "number" not in flow.attributes):
            return
        if depart >= _ms(begin_s):
            yield f"{name}.{index}", depart / 1000.0
            index += 1


def _repetitions(flow: XmlElement, first: int, last: int) -> tuple[int, int]:
    """Number of repetitions and headway in ms."""
    headway = 0
    for key in _RATES:
        if key in flow.attributes:
            headway = _ms(3600.0 / max(flow.number(key), 1e-9))
    if "period" in flow.attributes:
        headway = _ms(_period(flow))
    if "number" in flow.attributes:
        count = int(flow.number("number"))
        return count, headway or (last - first) // max(count, 1)
    if headway <= 0:
        msg = (
            f"{flow.where}: {flow.label} has no positive number, period or vehsPerHour; "
            "say how many vehicles it sends"
        )
        raise InputFileError(msg)
    return (last - first) // headway + 1, headway


def _period(flow: XmlElement) -> float:
    period = parse_seconds(flow.text("period"))
    if period is None:
        msg = f"{flow.where}: {flow.label}: period is no time; write seconds or exp(rate)"
        raise InputFileError(msg)
    return period


def _ms(seconds: float) -> int:
    return int(seconds * 1000.0 + 0.5)
