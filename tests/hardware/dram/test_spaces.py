import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.errors import ContractError
from trimtab.search.exhaustive import enumerate_designs, raw_size
from trimtab_hardware.dram import spaces
from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.mappings import PUBLISHED_MAPS, published_map
from trimtab_hardware.dram.part import load_part

DDR3, DDR4 = "ddr3-1600-1gb-x8", "ddr4-2400-4gb-x8"


@pytest.mark.parametrize(
    ("ideal", "distinct"),
    [(False, spaces.SEED10_DESIGNS), (True, spaces.SEED10_DESIGNS_WITH_IDEAL)],
)
def test_space_a_has_as_many_distinct_designs_as_its_parameters_say(ideal, distinct):
    blocks = list(enumerate_designs(spaces.seed10(ideal=ideal)))
    rows = np.concatenate(blocks)
    assert len(rows) == distinct == {False: 156_672, True: 166_464}[ideal]
    assert len(np.unique(rows, axis=0)) == distinct


def test_space_a_with_the_ideal_has_442368_raw_combinations():
    assert raw_size(spaces.seed10(ideal=True)) == 442_368


def test_an_arbiter_without_a_queue_voids_the_count_of_transactions():
    space = spaces.seed10()
    base = space.designs(space.sample(1, np.random.default_rng(0)))[0] | {"arbiter": "Simple"}
    few, many = (base | {"max_active_transactions": n} for n in (1, 128))
    rows = space.canonical(space.code([few, many]))
    assert (rows[0] == rows[1]).all()
    queued = space.canonical(space.code([few | {"arbiter": "Fifo"}, many | {"arbiter": "Fifo"}]))
    assert (queued[0] != queued[1]).any()


def test_no_refresh_voids_how_refreshes_are_moved():
    space = spaces.seed10(ideal=True)
    base = space.designs(space.sample(1, np.random.default_rng(0)))[0]
    late, early = (
        base | {"refresh_policy": "NoRefresh", "refresh_max_postponed": n} for n in (8, 1)
    )
    rows = space.canonical(space.code([late, early]))
    assert (rows[0] == rows[1]).all()


def test_every_design_of_space_a_is_a_configuration():
    space = spaces.seed10()
    for design in space.designs(space.sample(50, np.random.default_rng(1))):
        made = spaces.configuration_of(design, Configuration())
        assert all(getattr(made, name) == value for name, value in design.items())


def test_space_b_draws_legal_configurations_of_at_least_a_hundred_million():
    space = spaces.controller_plus(load_part(DDR4), ())
    assert raw_size(space) >= 10**8
    rows = space.sample(400, np.random.default_rng(2))
    rows = rows[space.legal(rows)]
    for design in space.designs(rows[:50]):
        spaces.configuration_of(design, Configuration())


@pytest.mark.parametrize("part", [DDR3, DDR4])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_design_of_space_c_maps_lines_one_to_one(part, seed):
    memory = load_part(part)
    space = spaces.address_maps(memory)
    rng = np.random.default_rng(seed)
    design = space.designs(space.sample(1, rng))[0]
    chosen = spaces.address_map_of(memory, design)
    memory.check_map(chosen)
    lines = rng.choice(1 << 20, 500, replace=False).astype(np.int64)
    lines = (lines * 2654435761) % (memory.capacity_bytes // 64)
    lines = np.unique(lines)
    at = chosen.decode(lines * 64)
    places = {tuple(place) for place in zip(at.bank, at.row, at.column, strict=True)}
    assert len(places) == len(lines)


@pytest.mark.parametrize("part", [DDR3, DDR4])
def test_equal_maps_have_one_canonical_row(part):
    memory = load_part(part)
    space = spaces.address_maps(memory)
    rng = np.random.default_rng(3)
    row = space.sample(1, rng)
    shuffled = row.copy()
    for field in spaces.segments(memory).values():
        shuffled[:, field] = rng.permuted(shuffled[:, field], axis=1)
    canonical = spaces.canonical_maps(memory, np.concatenate([row, shuffled]))
    assert (canonical[0] == canonical[1]).all()
    address = rng.integers(0, memory.capacity_bytes, 200)
    first, second = (
        spaces.address_map_of(memory, design).decode(address)
        for design in space.designs(np.concatenate([row, canonical[:1]]))
    )
    assert (first.row == second.row).all()
    assert (first.bank == second.bank).all()


def test_two_equal_taps_cancel():
    memory = load_part(DDR3)
    space = spaces.address_maps(memory)
    row = space.sample(1, np.random.default_rng(4))
    row[:, -2:] = 5.0
    plain = row.copy()
    plain[:, -2:] = 0.0
    canonical = spaces.canonical_maps(memory, np.concatenate([row, plain]))
    assert (canonical[0] == canonical[1]).all()


@pytest.mark.parametrize("part", [DDR3, DDR4])
@pytest.mark.parametrize("name", PUBLISHED_MAPS)
def test_published_maps_fit_the_part_and_lie_in_space_c(part, name):
    memory = load_part(part)
    chosen = published_map(memory, name)
    memory.check_map(chosen)
    design = spaces.design_of_map(memory, chosen)
    again = spaces.address_map_of(memory, design)
    address = np.random.default_rng(5).integers(0, memory.capacity_bytes, 500)
    first, second = chosen.decode(address), again.decode(address)
    assert (first.bank == second.bank).all()
    assert (first.row == second.row).all()


def test_minimalist_open_page_keeps_four_lines_in_a_row_and_then_changes_bank():
    memory = load_part(DDR4)
    at = published_map(memory, "MOP4CLXOR").decode(np.arange(8, dtype=np.int64) * 64)
    assert len(set(at.bank[:4].tolist())) == 1
    assert at.bank[4] != at.bank[3]


def test_minimalist_open_page_spreads_rows_of_one_column_over_all_banks():
    memory = load_part(DDR4)
    chosen = published_map(memory, "MOP4CLXOR")
    rows = np.arange(16, dtype=np.int64) << chosen.row[0]
    assert sorted(chosen.decode(rows).bank.tolist()) == list(range(16))


def test_an_order_that_is_none_is_refused():
    memory = load_part(DDR3)
    design = spaces.design_of_map(memory, memory.map)
    with pytest.raises(ContractError, match=r"is not a permutation of 0\.\.23"):
        spaces.address_map_of(memory, design | {"order": (0,) * 24})
