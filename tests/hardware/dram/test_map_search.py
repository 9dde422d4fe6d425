import numpy as np
from trimtab.search.loop import Search
from trimtab_hardware.dram import spaces
from trimtab_hardware.dram.map_search import MapSearch
from trimtab_hardware.dram.mappings import PUBLISHED_MAPS, published_map
from trimtab_hardware.dram.part import load_part
from trimtab_hardware.dram.problem import DramProblem
from trimtab_hardware.dram.scenario import Controller, DramScenario, Workload

DDR3 = load_part("ddr3-1600-1gb-x8")
SPACE = spaces.address_maps(DDR3)
STARTS = SPACE.code(
    [spaces.design_of_map(DDR3, published_map(DDR3, name)) for name in PUBLISHED_MAPS]
)


def test_published_maps_are_scored_first():
    asked = SPACE.decode(MapSearch(SPACE, DDR3, STARTS, 0).ask(len(STARTS)))
    assert (asked == spaces.canonical_maps(DDR3, STARTS)).all()


def test_every_proposal_is_a_legal_map():
    search = MapSearch(SPACE, DDR3, STARTS, 1)
    for _ in range(10):
        points = search.ask(8)
        for design in SPACE.designs(SPACE.decode(points)):
            DDR3.check_map(spaces.address_map_of(DDR3, design))
        search.tell(points, np.random.default_rng(0).random(len(points)))


def test_a_search_goes_on_from_its_state_to_the_same_bits():
    def score(points):
        return points.sum(axis=1)

    first = MapSearch(SPACE, DDR3, STARTS, 2)
    for _ in range(4):
        points = first.ask(8)
        first.tell(points, score(points))
    second = MapSearch(SPACE, DDR3, STARTS, 99)
    second.load_state_dict(first.state_dict())
    assert (first.ask(8) == second.ask(8)).all()


def test_it_finds_a_better_map_than_every_published_one():
    scenario = DramScenario(
        space="address-map",
        workloads=(Workload(kernel="triad", requests=600, load=1.0),),
        controller=Controller(scheduler_buffer="Shared", request_buffer_size=16),
    )
    problem = DramProblem(scenario)
    search = Search(problem, MapSearch(SPACE, DDR3, STARTS, 3), 120)
    while not search.done:
        search.advance()
    assert search.score.min() < 0.95 * search.score[: len(STARTS)].min()


def test_steps_move_only_bits_that_differ_between_requests():
    varying = (0, 1, 2, 9, 14)
    search = MapSearch(SPACE, DDR3, STARTS[:1], 4, varying)
    points = search.ask(1)
    search.tell(points, np.zeros(1))
    bits = len(spaces.map_bits(DDR3))
    start = spaces.canonical_maps(DDR3, STARTS[:1])[0]
    rows = SPACE.decode(search.ask(60))
    for row in rows:
        for field in spaces.segments(DDR3).values():
            arrived = set(row[field]) - set(start[field])
            assert len(arrived - set(varying)) <= len(set(start[field]) - set(row[field]))
        tapped = row[bits:][row[bits:] > 0].astype(int) - 1
        row_bits = np.sort(row[spaces.segments(DDR3)["row"]]).astype(int)
        assert set(row_bits[tapped]) <= set(varying)
