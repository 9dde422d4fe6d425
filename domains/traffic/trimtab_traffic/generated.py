"""Our own networks and demand: the data that shipped weights and tuned parameters come from.

Grids and arterials are written as plain nodes and edges for netconvert, irregular towns come from
netgenerate; all get signals, sidewalks and crossings. Demand is a seeded Poisson stream from the
edge of the town to its edge, or from street to street where the town has no edge.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimtab_traffic.filewrite import copy_without_comments, write_xml, xml_lines
from trimtab_traffic.importers.files import TrafficFiles
from trimtab_traffic.netfile import read_net
from trimtab_traffic.safexml import elements
from trimtab_traffic.scenario import GeneratedNetwork
from trimtab_traffic.toolchain import run_binary, sumo_version

_SIGNALS = (
    *("--sidewalks.guess", "true", "--sidewalks.guess.max-speed", "30"),
    *("--crossings.guess", "true", "--no-turnarounds", "true"),
    *("--tls.default-type", "static", "--tls.cycle.time", "90"),
)
_QUARTER_S = 900.0
_BUS_TYPE = ['<vType id="bus" vClass="bus"/>']

Road = tuple[str, str, str, int]


def generate(model: GeneratedNetwork, cache: Path) -> TrafficFiles:
    """Make a network and its demand, or find them made before.

    Args:
        model: what to make; the same model gives the same files under one SUMO version.
        cache: folder of content-addressed results.
    """
    text = f"{sumo_version()} {model.model_dump_json(exclude=_unused(model))}"
    folder = cache / hashlib.sha256(text.encode()).hexdigest()[:16]
    net, routes = folder / "town.net.xml", folder / "town.rou.xml"
    if not (net.is_file() and routes.is_file()):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            _network(model, Path(work), net)
            _demand(model, net, Path(work), routes)
    return TrafficFiles(net, (routes,), begin_s=0.0, end_s=model.demand_h * 3600.0)


def _unused(model: GeneratedNetwork) -> set[str]:
    """Keys that came later and say nothing here: what was made before them stays valid."""
    return set() if model.buses_per_h else {"buses_per_h"}


def _network(model: GeneratedNetwork, work: Path, net: Path) -> None:
    raw = work / "raw.net.xml"
    if model.kind == "town":
        run_binary("netgenerate", [*_random_town(model), "-o", str(raw)], source=net)
    else:
        nodes, edges = work / "town.nod.xml", work / "town.edg.xml"
        places, roads = _blocks(model)
        write_xml(nodes, "nodes", (xml_lines("node", place) for place in places))
        write_xml(edges, "edges", (xml_lines("edge", e) for e in _edges(model, roads)))
        files = ["-n", str(nodes), "-e", str(edges), "-o", str(raw)]
        run_binary("netconvert", [*files, *_SIGNALS], source=net)
    copy_without_comments(raw, net)


def _random_town(model: GeneratedNetwork) -> list[str]:
    pairs = {
        "--rand.iterations": model.columns * model.rows * 2,
        "--rand.min-distance": 0.7 * model.block_m,
        "--rand.max-distance": 1.4 * model.block_m,
        "--rand.neighbor-dist4": 10,
        "--default.lanenumber": model.lanes,
        "--default.speed": model.speed_kmh / 3.6,
        "--seed": model.network_seed,
        "--tls.guess": "true",
        "--tls.guess.threshold": 40,  # m/s over all arms: three arms at 50 km/h are enough
    }
    words = [str(word) for pair in pairs.items() for word in pair]
    return ["--rand", *words, *_SIGNALS]


def _blocks(model: GeneratedNetwork) -> tuple[list[dict[str, object]], list[Road]]:
    """Signals on a lattice, dead ends around it, and the streets between them."""
    places: list[dict[str, object]] = []
    roads: list[Road] = []
    for i in range(model.columns + 2):
        for j in range(model.rows + 2):
            edge_x, edge_y = i in (0, model.columns + 1), j in (0, model.rows + 1)
            if edge_x and edge_y:
                continue
            kind = "dead_end" if edge_x or edge_y else "traffic_light"
            at = {"x": i * model.block_m, "y": j * model.block_m}
            places.append({"id": f"n{i}_{j}", **at, "type": kind})
            if i <= model.columns and not edge_y:
                roads.append((f"n{i}_{j}", f"n{i + 1}_{j}", "main", model.lanes))
            if j <= model.rows and not edge_x:
                lanes = 1 if model.kind == "arterial" else model.lanes
                roads.append((f"n{i}_{j}", f"n{i}_{j + 1}", "cross", lanes))
    return places, roads


def _edges(model: GeneratedNetwork, roads: list[Road]) -> Iterator[dict[str, object]]:
    for start, end, kind, lanes in roads:
        priority = 2 if kind == "main" and model.kind == "arterial" else 1
        for a, b in ((start, end), (end, start)):
            yield {
                "id": f"{a}-{b}",
                "from": a,
                "to": b,
                "numLanes": lanes,
                "speed": model.speed_kmh / 3.6,
                "priority": priority,
            }


def _demand(model: GeneratedNetwork, net: Path, work: Path, routes: Path) -> None:
    rng = np.random.default_rng([model.network_seed, 1])
    streets = _Streets.of(net)
    trips = list(_trips(model, rng, streets))
    kinds = [_BUS_TYPE] if model.buses_per_h else []
    trips += _buses(model, streets) if model.buses_per_h else []
    tags = [*kinds, *(list(xml_lines("trip", trip)) for trip in trips)]
    write_xml(work / "trips.xml", "routes", tags)
    reachable = _reachable(net, work)
    timed = [(t["depart"], xml_lines("trip", t)) for t in trips if t["id"] in reachable]
    timed += [(depart, lines) for depart, lines in _walks(model, rng, streets)]
    timed.sort(key=lambda row: float(str(row[0])))
    write_xml(routes, "routes", (*kinds, *(lines for _, lines in timed)))


@dataclass(frozen=True, slots=True)
class _Streets:
    """Streets that lead into town, those that lead out, and car lanes of every street."""

    into: list[str]
    out: list[str]
    lanes: dict[str, int]

    @classmethod
    def of(cls, net: Path) -> _Streets:
        raw, _ = read_net(net, ())
        roads = [e for e in raw.edges if e.get("function", "normal") == "normal"]
        neighbours = defaultdict(set)
        for edge in roads:
            neighbours[edge["from"]].add(edge["to"])
            neighbours[edge["to"]].add(edge["from"])
        lanes = {e["id"]: max(len(raw.lanes[e["id"]]) - 1, 1) for e in roads}
        into = [e["id"] for e in roads if len(neighbours[e["from"]]) == 1]
        out = [e["id"] for e in roads if len(neighbours[e["to"]]) == 1]
        every = sorted(lanes)
        return cls(into, out, lanes) if len(into) >= 3 else cls(every, every, lanes)

    def weights(self, names: list[str], rng: np.random.Generator) -> NDArray[np.float64]:
        """Attraction of each street: its lanes, and luck."""
        raw = np.array([self.lanes[name] for name in names]) * rng.uniform(0.5, 1.5, len(names))
        return np.asarray(raw / raw.sum())


def _trips(
    model: GeneratedNetwork, rng: np.random.Generator, streets: _Streets
) -> Iterator[dict[str, object]]:
    departs = _arrivals(model.vehicles_per_h, model.demand_h, rng)
    start = rng.choice(streets.into, len(departs), p=streets.weights(streets.into, rng))
    end = rng.choice(streets.out, len(departs), p=streets.weights(streets.out, rng))
    for k, depart in enumerate(departs):
        if set(start[k].split("-")) != set(end[k].split("-")):  # nobody turns round at the gate
            ends = {"from": start[k], "to": end[k]}
            speed = {"departLane": "best", "departSpeed": "max"}
            yield {"id": f"v{k}", "depart": f"{depart:.2f}", **ends, **speed}


def _buses(model: GeneratedNetwork, streets: _Streets) -> list[dict[str, object]]:
    """Buses that travel like cars; drawn apart, so that the cars are those of a town without."""
    rng = np.random.default_rng([model.network_seed, 2])
    buses = model.model_copy(update={"vehicles_per_h": model.buses_per_h})
    return [
        trip | {"id": f"bus{trip['id']}", "type": "bus"} for trip in _trips(buses, rng, streets)
    ]


def _walks(
    model: GeneratedNetwork, rng: np.random.Generator, streets: _Streets
) -> Iterator[tuple[str, Iterator[str]]]:
    names = sorted(streets.lanes)
    for k, time_s in enumerate(_arrivals(model.pedestrians_per_h, model.demand_h, rng)):
        start, end = rng.choice(names, 2)
        depart = f"{time_s:.2f}"
        walk = xml_lines("walk", {"from": start, "to": end})
        yield depart, xml_lines("person", {"id": f"p{k}", "depart": depart}, [walk])


def _arrivals(per_hour: float, hours: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Poisson arrival times, s; the rate changes every quarter of an hour by up to 30 %."""
    quarters = np.arange(int(np.ceil(hours * 4)))
    counts = rng.poisson(per_hour / 4 * rng.uniform(0.7, 1.3, len(quarters)))
    times = [rng.uniform(q, q + 1, n) for q, n in zip(quarters, counts, strict=True)]
    at = np.sort(np.concatenate(times)) * _QUARTER_S
    return np.asarray(at[at < hours * 3600.0])


def _reachable(net: Path, work: Path) -> set[str]:
    """Ids of the trips that have a route."""
    routed = work / "routed.xml"
    files = ["-n", str(net), "-r", str(work / "trips.xml"), "-o", str(routed)]
    run_binary("duarouter", [*files, "--ignore-errors", "--no-warnings"], source=net)
    return {e.text("id") for e in elements(routed) if e.name == "vehicle"}
