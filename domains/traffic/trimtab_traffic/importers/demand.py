"""Scans demand files: what departs when, on which edges, and whether the network has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.contracts.errors import InputFileError, suggestion

from trimtab_traffic.demand import departures, is_random
from trimtab_traffic.netfile import ADDITIONAL_ROOTS
from trimtab_traffic.safexml import XmlElement, elements, expect_root

DEMAND_TAGS = ("vehicle", "trip", "flow", "person", "personFlow", "container", "containerFlow")
VEHICLE_TAGS = ("vehicle", "trip", "flow")
_DEFINITIONS = ("route", "vType")
_DEFAULT_TYPES = tuple(
    f"DEFAULT_{kind}TYPE" for kind in ("VEH", "PED", "BIKE", "TAXI", "RAIL", "CONTAINER")
)
_EDGE_LISTS = ("edges", "via")
_EDGE_ENDS = ("from", "to")


@dataclass(slots=True)
class DemandScan:
    """What the demand files hold.

    Attributes:
        counts: elements per tag.
        early: vehicles that depart before `begin_s`.
        in_period: vehicles that depart in [begin_s, end_s), random flows by their mean.
        first_s, last_s: earliest and latest departure of any element, s.
        unsorted: place of the first element that departs before its predecessor, or "".
    """

    begin_s: float
    end_s: float
    counts: Counter[str] = field(default_factory=Counter)
    early: int = 0
    in_period: float = 0.0
    first_s: float = float("inf")
    last_s: float = float("-inf")
    unsorted: str = ""

    def spans(self, first_s: float, last_s: float) -> None:
        """Widen the period of the demand."""
        self.first_s = min(self.first_s, first_s)
        self.last_s = max(self.last_s, last_s)


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
) -> DemandScan:
    """Read every demand element of route and additional files and check it against the network.

    Raises:
        InputFileError: a file is unreadable; a route uses an edge that is not in the network; a
            reference or a departure is wrong.
    """
    demand = DemandScan(begin_s, end_s)
    routes: set[str] = set()
    types = set(_DEFAULT_TYPES)
    for file in files:
        previous_s = float("-inf")
        for element in _demand_elements(file):
            if element.name in {"vType", "vTypeDistribution"}:
                types |= _ids(element)
                continue
            if element.name in {"route", "routeDistribution"}:
                routes |= _ids(element)
            _check_edges(element, edges)
            if element.name in VEHICLE_TAGS:
                depart_s = _count(element, demand)
                _check_reference(element, "route", routes)
                _check_reference(element, "type", types)
                if depart_s < previous_s and not demand.unsorted:
                    demand.unsorted = element.where
                previous_s = max(previous_s, depart_s)
            demand.counts[element.name] += 1
    return demand


def _demand_elements(file: Path) -> Iterator[XmlElement]:
    stream = elements(file)
    expect_root(next(stream), *ADDITIONAL_ROOTS, "trips")
    return (e for e in stream if e.name in DEMAND_TAGS or e.name.startswith(_DEFINITIONS))


def _ids(element: XmlElement) -> set[str]:
    """Ids that an element and the ones in it define."""
    found = {e.attributes.get("id", "") for e in (element, *element.children)}
    return found - {""}


def _check_reference(element: XmlElement, key: str, known: AbstractSet[str]) -> None:
    named = element.attributes.get(key)
    if named is not None and named not in known and not named.startswith("!"):
        msg = (
            f"{element.where}: {element.label} uses {key} {named!r}, which is not defined before "
            f"it; define it or load its file.{suggestion(named, known)}"
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


def _count(element: XmlElement, demand: DemandScan) -> float:
    """Add one element to the demand; returns its (first) departure, s."""
    if element.name != "flow":
        first_s = last_s = _depart(element, demand.begin_s)
    else:
        first_s = element.seconds("begin", demand.begin_s)
        last_s = element.seconds("end", demand.end_s)
    if last_s < first_s:
        msg = f"{element.where}: {element.label} ends at {last_s:g} s before it begins; swap them"
        raise InputFileError(msg)
    demand.spans(first_s, last_s)
    if element.name == "flow" and is_random(element):
        overlap_s = min(last_s, demand.end_s) - max(first_s, demand.begin_s)
        demand.in_period += _random_rate(element) * max(0.0, overlap_s)
        return first_s
    for _, depart_s in departures(element, 0.0, demand.end_s):
        demand.early += depart_s < demand.begin_s
        demand.in_period += demand.begin_s <= depart_s < demand.end_s
    return first_s


def _depart(element: XmlElement, default_s: float) -> float:
    """Planned departure; words such as ``triggered`` stand for the begin."""
    if element.attributes.get("depart", "").isalpha():
        return default_s
    depart_s = element.seconds("depart", 0.0)
    if depart_s < 0:
        msg = f"{element.where}: {element.label}: depart is negative; departures start at 0"
        raise InputFileError(msg)
    return depart_s


def _random_rate(flow: XmlElement) -> float:
    """Mean vehicles per second of a flow that SUMO draws."""
    if "probability" in flow.attributes:
        return flow.number("probability")
    rate = flow.text("period").removeprefix("exp(").removesuffix(")")
    try:
        return float(rate)
    except ValueError:
        msg = f"{flow.where}: {flow.label}: period is no time; write seconds or exp(rate)"
        raise InputFileError(msg) from None
