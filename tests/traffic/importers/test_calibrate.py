from collections import Counter
from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.importers.calibrate import DemandFiles, Method, demand_from_counts
from trimtab_traffic.importers.counts import Count, Counts, Detector
from trimtab_traffic.importers.demand import network_edges, scan_demand
from trimtab_traffic.safexml import elements

DETECTORS = {
    "west": Detector("west", "left1A1_0", 10.0),
    "east": Detector("east", "C1right1_0", 10.0),
    "north": Detector("north", "B2top1_0", 10.0),
}


def counts_of(per: str, **vehicles: float) -> Counts:
    rows = tuple(
        Count(place, 0.0, 600.0, number, f"counts.csv:{line}")
        for line, (place, number) in enumerate(vehicles.items(), 2)
    )
    return Counts(Path("counts.csv"), per, rows)


def passages(demand: DemandFiles) -> Counter[str]:
    """Vehicles per edge over all routes."""
    passed: Counter[str] = Counter()
    for path in demand.route_files:
        for vehicle in elements(path):
            for route in vehicle.find_all("route"):
                passed.update(route.text("edges").split())
    return passed


def test_route_sampler_meets_every_count_and_says_so(grid_net: Path, tmp_path: Path) -> None:
    counts = counts_of("edge", A1B1=60, B0B1=40, B1C1=55)
    demand = demand_from_counts(grid_net, counts, tmp_path)
    passed = passages(demand)
    assert [passed[row.place] for row in counts.rows] == [60, 40, 55]
    assert (demand.begin_s, demand.end_s) == (0.0, 600.0)
    assert "155 of 155 vehicles counted, GEH < 5 at 100.00 % of places" in demand.notes[0]


def test_the_fit_is_told_over_all_intervals_and_not_of_the_first_alone(
    grid_net: Path, tmp_path: Path
) -> None:
    met = counts_of("edge", A1B1=60)
    candidates = tmp_path / "candidates.rou.xml"
    candidates.write_text(
        '<routes><vehicle id="a" depart="0"><route edges="A1B1"/></vehicle></routes>'
    )
    later = Count("A1B1", 600.0, 1200.0, 40, "counts.csv:3")
    never = Count("B0B1", 600.0, 1200.0, 300, "counts.csv:4")
    counts = Counts(met.file, "edge", (*met.rows, later, never))
    demand = demand_from_counts(grid_net, counts, tmp_path, candidates=candidates)
    assert "100 of 400 vehicles counted, GEH < 5 at 66.67 % of places" in demand.notes[0]


def test_route_sampler_draws_the_same_demand_for_the_same_seed(
    grid_net: Path, tmp_path: Path
) -> None:
    candidates = tmp_path / "candidates.rou.xml"
    routes = ("A1B1 B1C1", "A1B1 B1B2", "left1A1 A1B1", "A1B1 B1B0 B0C0")
    vehicles = (f'<vehicle id="{r}" depart="0"><route edges="{r}"/></vehicle>' for r in routes)
    candidates.write_text(f"<routes>{''.join(vehicles)}</routes>")
    first, again, other = (
        demand_from_counts(
            grid_net,
            counts_of("edge", A1B1=30),
            tmp_path / str(k),
            candidates=candidates,
            seed=seed,
        )
        .route_files[0]
        .read_text()
        .partition("<routes")[2]
        for k, seed in enumerate((1, 1, 2))
    )
    assert first == again != other


@pytest.mark.parametrize("method", ["flowrouter", "dfrouter"])
def test_routers_carry_the_source_counts_into_the_network(
    grid_net: Path, tmp_path: Path, method: Method
) -> None:
    counts = counts_of("detector", west=60, east=40, north=20)
    demand = demand_from_counts(grid_net, counts, tmp_path, detectors=DETECTORS, method=method)
    files = (*demand.additional_files, *demand.route_files)
    scanned = scan_demand(files, network_edges(grid_net), demand.begin_s, demand.end_s)
    assert scanned.in_period == 60


@pytest.mark.parametrize(
    ("counts", "method", "message"),
    [
        (counts_of("edge", A1B2=5), "routesampler", r"counts\.csv:2: edge 'A1B2' is not in grid"),
        (counts_of("edge", A1B1=5), "flowrouter", "flowrouter needs counts per detector"),
        (counts_of("detector", moon=5), "dfrouter", "detector 'moon' has no known place"),
    ],
)
def test_counts_that_do_not_fit_the_network_are_refused(
    grid_net: Path, tmp_path: Path, counts: Counts, method: Method, message: str
) -> None:
    with pytest.raises(InputFileError, match=message):
        demand_from_counts(grid_net, counts, tmp_path, detectors=DETECTORS, method=method)


def test_intervals_of_different_length_are_refused_by_the_routers(
    grid_net: Path, tmp_path: Path
) -> None:
    rows = (Count("west", 0, 600, 5, "c.csv:2"), Count("east", 0, 300, 5, "c.csv:3"))
    counts = Counts(Path("c.csv"), "detector", rows)
    with pytest.raises(InputFileError, match=r"intervals of \[300, 600\] s"):
        demand_from_counts(grid_net, counts, tmp_path, detectors=DETECTORS, method="flowrouter")
