"""Readers of traffic: networks, demand, configurations, tables, feeds, foreign networks."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fuzzing.core import packed, scenarios
from fuzzing.reader import SEPARATOR, Reader, Target, seed_file

NET = seed_file("two.net.xml")
PROGRAM = seed_file("plan.add.xml")
ROUTES = seed_file("cars.rou.xml")
CONFIG = seed_file("town.sumocfg")
COUNTS = b"edge;begin_s;end_s;count\nWC;0;900;50\nSC;0;00:15:00;7.5\n"
E1 = seed_file("e1.xml")
LOOPS = seed_file("loops.add.xml")
LOG = seed_file("log.csv")
CHANNELS = b"signal,channel,edge\n7,11,WC\n7,12,SC\n"
STAGES = b"signal,offset_s,stage,state,duration_s,min_s,max_s\nC,0,0,Gr,30,5,50\nC,0,1,rG,30,5,50\n"
BETWEEN = b"signal,from_stage,to_stage,step,state,duration_s\nC,0,1,0,yr,3\nC,1,0,0,ry,3\n"
MATRIX = b"from,to,count,begin_s,end_s\nWC,CE,100,0,3600\nSC,CN,50,,\n"
ZONES = b'<tazs><taz id="1" edges="WC"/><taz id="2"><tazSource id="WC" weight="1"/></taz></tazs>'
CALENDAR = b"service_id,monday,start_date,end_date\n1,1,20260101,20261231\n"
OSM = seed_file("town.osm")
MATSIM = seed_file("matsim.xml")
DRIVE = seed_file("road.xodr")
VISUM = b"$VISION\n$NODE:NO;XCOORD;YCOORD\n1;0;0\n2;500;0\n$LINK:NO;FROMNODENO;TONODENO\n1;1;2\n"


def _network_readers() -> tuple[Reader, ...]:
    from trimtab_traffic.importers.calibrate import network_ends
    from trimtab_traffic.importers.checks import check_files
    from trimtab_traffic.importers.files import TrafficFiles
    from trimtab_traffic.importers.gtfs import check_projection
    from trimtab_traffic.importers.networks import count_signals
    from trimtab_traffic.network import compile_network
    from trimtab_traffic.plans import read_programs

    def network(net: Path) -> None:
        check_files(TrafficFiles(net))

    def scan(net: Path) -> None:
        count_signals(net)
        network_ends(net)
        check_projection(net)

    def programs(add: Path) -> None:
        read_programs(add)
        compile_network(add.with_name("two.net.xml"), (add,))

    import gzip

    return (
        Reader("net", ("a.net.xml",), network, (NET,)),
        Reader("zipped", ("a.net.xml.gz",), network, (gzip.compress(NET, mtime=0),)),
        Reader("scan", ("a.net.xml",), scan, (NET,)),
        Reader("additional", ("a.add.xml",), programs, (PROGRAM,), {"two.net.xml": NET}),
    )


def _demand_readers() -> tuple[Reader, ...]:
    from trimtab_traffic.demand import read_demand
    from trimtab_traffic.importers.checks import check_files
    from trimtab_traffic.importers.files import TrafficFiles

    def demand(routes: Path) -> None:
        files = TrafficFiles(routes.with_name("two.net.xml"), (routes,), begin_s=0.0, end_s=600.0)
        with tempfile.TemporaryDirectory(dir=routes.parent) as work:
            checked = check_files(files, Path(work))
            read_demand(checked.route_files, 0.0, 600.0)

    return (Reader("routes", ("a.rou.xml",), demand, (ROUTES,), {"two.net.xml": NET}),)


def _whole(*paths: Path) -> Any:
    """What `trimtab init --from` does with files that need no converter."""
    from trimtab_traffic.readers import problem_from_files

    with tempfile.TemporaryDirectory(dir=paths[0].parent) as folder:
        return problem_from_files(paths, Path(folder))


def _config_readers() -> tuple[Reader, ...]:
    from trimtab_traffic.importers.intersectionzoo import import_intersection

    beside = {"two.net.xml": NET, "cars.rou.xml": ROUTES, "plan.add.xml": PROGRAM}

    def intersection(net: Path, _: Path) -> None:
        with tempfile.TemporaryDirectory(dir=net.parent) as work:
            import_intersection(net.parent, Path(work))

    arms = seed_file("arms.net.xml") + SEPARATOR + b"2000\n1000\n"
    return (
        scenarios("traffic"),
        Reader("config", ("a.sumocfg",), _whole, (CONFIG,), beside),
        Reader("zoo", ("net.net.xml", "inflows.txt"), intersection, (arms,)),
    )


def _table_readers() -> tuple[Reader, ...]:
    from trimtab_traffic.importers.counts import on_edges, read_counts, read_detectors
    from trimtab_traffic.importers.matrices import demand_from_matrix
    from trimtab_traffic.plans import read_plan_tables

    def counts(table: Path, loops: Path) -> None:
        found = read_counts(table)
        if found.per == "detector":
            on_edges(found, read_detectors(loops))

    def matrix(table: Path, zones: Path) -> None:
        other = zones if zones.stat().st_size else None  # NET has no edge that MATRIX names
        demand_from_matrix(table.with_name("two.net.xml"), table, table.parent, zones=other)

    unknown = MATRIX.replace(b"WC,CE", b"XX,YY")
    plan = STAGES + SEPARATOR + BETWEEN
    return (
        Reader("counts", ("c.csv", "d.add.xml"), counts, (COUNTS, COUNTS.replace(b";", b","))),
        Reader("loops", ("c.xml", "d.add.xml"), counts, (E1 + SEPARATOR + LOOPS,)),
        Reader("plans", ("stages.csv", "intergreens.csv"), read_plan_tables, (plan,)),
        Reader(
            "matrix",
            ("m.csv", "z.taz.xml"),
            matrix,
            (unknown, unknown + SEPARATOR + ZONES),
            {"two.net.xml": NET},
        ),
    )


def _log_readers() -> tuple[Reader, ...]:
    from trimtab_traffic.importers.atspm import (
        counts_of_actuations,
        read_actuations,
        read_channels,
    )
    from trimtab_traffic.importers.gtfs import MAX_CALENDAR_BYTES, check_archive, first_day
    from trimtab_traffic.readers import kind_of

    def log(events: Path, channels: Path) -> None:
        counts_of_actuations(events, read_actuations(events), read_channels(channels), 900.0)

    def feed(path: Path) -> None:
        check_archive(path)
        first_day(path)

    def calendar(path: Path) -> None:
        with path.open("rb") as file:
            text = file.read(MAX_CALENDAR_BYTES + 1)
        path.with_suffix(".zip").write_bytes(_feed(text))
        feed(path.with_suffix(".zip"))

    return (
        Reader("log", ("log.csv", "channels.csv"), log, (LOG + SEPARATOR + CHANNELS,)),
        Reader("feed", ("feed.zip",), feed, (_feed(CALENDAR),)),
        Reader("calendar", ("c.txt",), calendar, (CALENDAR,)),
        Reader("table", ("t.csv",), kind_of, (COUNTS, LOG, CHANNELS, STAGES, BETWEEN, MATRIX)),
    )


def _feed(calendar: bytes) -> bytes:
    from trimtab_traffic.importers.gtfs import NEEDED

    members = {name.replace(".", "__"): b"" for name in NEEDED} | {"calendar__txt": calendar}
    return packed(**members)


def _foreign_readers() -> tuple[Reader, ...]:
    from trimtab_traffic.importers.networks import convert_network
    from trimtab_traffic.readers import kind_of

    def convert(path: Path) -> None:
        with tempfile.TemporaryDirectory(dir=path.parent) as work:
            convert_network(path, Path(work))

    return (
        Reader("osm", ("a.osm",), convert, (OSM,)),
        Reader("matsim", ("a.xml",), convert, (MATSIM,)),
        Reader("opendrive", ("a.xodr",), convert, (DRIVE,)),
        Reader("visum", ("a.net",), convert, (VISUM,)),
        Reader("kind", ("a.xml",), kind_of, (OSM, MATSIM, NET, ROUTES, CONFIG, LOOPS)),
    )


PACKAGES = ("trimtab", "trimtab_traffic")
TARGETS = (
    Target("traffic-net", PACKAGES, _network_readers),
    Target("traffic-demand", PACKAGES, _demand_readers),
    Target("traffic-config", PACKAGES, _config_readers),
    Target("traffic-tables", PACKAGES, _table_readers),
    Target("traffic-logs", PACKAGES, _log_readers),
    Target("traffic-foreign", PACKAGES, _foreign_readers),
)
