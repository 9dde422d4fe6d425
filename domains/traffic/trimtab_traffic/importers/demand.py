"""Scans demand files: what departs when, on which edges, and whether the network has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.contracts.errors import InputFileError, suggestion

from trimtab_traffic.safexml import XmlElement, elements, expect_root

DEMAND_TAGS = ("vehicle", "trip", "flow", "person", "personFlow", "container", "containerFlow")
VEHICLE_TAGS = ("vehicle", "trip", "flow")
_EDGE_LISTS = ("edges", "via")
_EDGE_ENDS = ("from", "to")


@dataclass(slots=True)
class Demand:
    """What the demand files hold.

    Attributes:
        counts: elements per tag.
        expected: vehicles expected to depart before `end_s`, flows expanded.
        in_period: of those, the ones that depart in [begin_s, end_s).
        first_s, last_s: earliest and latest departure, s.
        unsorted: place of the first element that departs before its predecessor, or "".
    """

    begin_s: float
    end_s: float
    counts: Counter[str] = field(default_factory=Counter)
    expected: float = 0.0
    in_period: float = 0.0
    first_s: float = float("inf")
    last_s: float = float("-inf")
    unsorted: str = ""

    def add(self, depart_s: float, until_s: float, vehicles: float) -> None:
        """Count vehicles spread evenly over [depart_s, until_s]."""
        self.first_s = min(self.first_s, depart_s)
        self.last_s = max(self.last_s, until_s)
        span = until_s - depart_s
        if span <= 0:
            self.expected += vehicles * (depart_s < self.end_s)
            self.in_period += vehicles * (self.begin_s <= depart_s < self.end_s)
            return
        rate = vehicles / span
        self.expected += rate * max(0.0, min(until_s, self.end_s) - depart_s)
        overlap = min(until_s, self.end_s) - max(depart_s, self.begin_s)
        self.in_period += rate * max(0.0, overlap)


def network_edges(net_file: Path) -> frozenset[str]:
    """Ids of the road edges of a network.

    Raises:
        InputFileError: the file is unreadable or no SUMO network.
    """
    stream = elements(net_file)
    expect_root(next(stream), "net")
    return frozenset(
        element.text("id")
        for element in stream
        if element.name == "edge" and element.attributes.get("function") != "internal"
    )


def scan_demand(
    files: Sequence[Path], edges: AbstractSet[str], begin_s: float, end_s: float
) -> Demand:
    """Read every demand element of route and additional files and check it against the network.

    Raises:
        InputFileError: a file is unreadable; a route uses an edge that is not in the network; a
            reference or a departure is wrong.
    """
    demand = Demand(begin_s, end_s)
    routes: set[str] = set()
    for file in files:
        previous_s = float("-inf")
        for element in _demand_elements(file):
            if element.name in {"route", "routeDistribution"}:
                routes |= _route_ids(element)
            _check_edges(element, edges)
            if element.name in VEHICLE_TAGS:
                depart_s = _count(element, demand)
                _check_route_reference(element, routes)
                if depart_s < previous_s and not demand.unsorted:
                    demand.unsorted = element.where
                previous_s = max(previous_s, depart_s)
            demand.counts[element.name] += 1
    return demand


def _demand_elements(file: Path) -> Iterator[XmlElement]:
    stream = elements(file)
    expect_root(next(stream), "routes", "additional", "add", "trips")
    return (e for e in stream if e.name in DEMAND_TAGS or e.name.startswith("route"))


def _route_ids(element: XmlElement) -> set[str]:
    ids = {element.attributes["id"]} if "id" in element.attributes else set()
    return ids | {c.attributes["id"] for c in element.find_all("route") if "id" in c.attributes}


def _check_route_reference(element: XmlElement, routes: AbstractSet[str]) -> None:
    route = element.attributes.get("route")
    if route is not None and route not in routes and not route.startswith("!"):
        hint = suggestion(route, routes)
        msg = (
            f"{element.where}: {element.label} uses route {route!r}, which is not defined before "
            f"it; define the route.{hint}"
        )
        raise InputFileError(msg)


def _check_edges(element: XmlElement, edges: AbstractSet[str]) -> None:
    attributes = element.attributes
    named = [edge for key in _EDGE_ENDS if (edge := attributes.get(key)) is not None]
    for key in _EDGE_LISTS:
        named += attributes.get(key, "").split()
    for edge in named:
        if edge not in edges:
            msg = (
                f"{element.where}: {element.label} uses edge {edge!r}, which is not in the "
                f"network; use the network this demand was made for.{suggestion(edge, edges)}"
            )
            raise InputFileError(msg)
    for child in element.children:
        if child.name in {"route", "walk", "personTrip", "ride", "routeDistribution"}:
            _check_edges(child, edges)


def _count(element: XmlElement, demand: Demand) -> float:
    """Add one element to the demand; returns its (first) departure, s."""
    if element.name != "flow":
        depart_s = _depart(element, "depart", demand.begin_s)
        demand.add(depart_s, depart_s, 1.0)
        return depart_s
    begin_s = _depart(element, "begin", demand.begin_s)
    end_s = element.seconds("end", demand.end_s)
    if end_s < begin_s:
        msg = f"{element.where}: {element.label} ends at {end_s:g} s before it begins; swap them"
        raise InputFileError(msg)
    demand.add(begin_s, end_s, _flow_size(element, end_s - begin_s))
    return begin_s


def _depart(element: XmlElement, key: str, default_s: float) -> float:
    if element.attributes.get(key, "triggered") in {"triggered", "containerTriggered", "now"}:
        return default_s
    if element.attributes[key] in {"split", "begin"}:
        return default_s
    depart_s = element.seconds(key)
    if depart_s < 0:
        msg = f"{element.where}: {element.label}: {key} is negative; departures start at 0"
        raise InputFileError(msg)
    return depart_s


def _flow_size(element: XmlElement, span_s: float) -> float:
    attributes = element.attributes
    if "number" in attributes:
        return element.number("number")
    if "vehsPerHour" in attributes:
        return element.number("vehsPerHour") * span_s / 3600.0
    if "perHour" in attributes:
        return element.number("perHour") * span_s / 3600.0
    if "probability" in attributes:
        return element.number("probability") * span_s
    period = attributes.get("period", "")
    if period.startswith("exp(") and period.endswith(")"):
        try:
            return float(period[4:-1]) * span_s
        except ValueError:
            pass
    gap_s = element.seconds("period")
    if gap_s <= 0:
        msg = f"{element.where}: {element.label}: period must be above 0 s"
        raise InputFileError(msg)
    return span_s / gap_s
