import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab_hardware.dram.bounds import floor
from trimtab_hardware.dram.bounds_check import slow_floor
from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.machine import Machine
from trimtab_hardware.dram.part import load_part, part_ids
from trimtab_hardware.dram.simulation import Engine
from trimtab_hardware.dram.spaces import (
    address_map_of,
    address_maps,
    configuration_of,
    seed10,
)
from trimtab_hardware.dram.traces import Trace
from trimtab_hardware.dram.workloads import mixed_load, seed_workload

DDR3 = load_part("ddr3-1600-1gb-x8")


def random_trace(rng, part, n=400):
    gaps = rng.integers(0, rng.choice([2, 8, 60]), n) * (rng.random(n) < rng.choice([0.3, 1.0]))
    pool = rng.integers(0, part.capacity_bytes // 64, rng.choice([4, 60, 100_000]))
    lines = np.where(rng.random(n) < 0.4, np.arange(n), rng.choice(pool, n))
    writes = rng.random(n) < rng.choice([0.0, 0.4, 1.0])
    return Trace.of(np.cumsum(gaps) + rng.integers(0, 3000), lines * 64, writes).in_bursts(
        part.burst_bytes
    )


@pytest.mark.parametrize("part_id", part_ids())
def test_no_controller_of_space_a_goes_below_the_bound(part_id):
    part, rng = load_part(part_id), np.random.default_rng(11)
    space = seed10()
    for _ in range(12):
        trace = random_trace(rng, part)
        below = floor(trace, Machine(part, part.map))
        design = space.designs(space.sample(1, rng))[0]
        found = Engine(trace, part).run(configuration_of(design, Configuration()))
        assert below.cycles <= found.total_ck
        assert below.energy_pj <= found.energy_pj * (1 + 1e-12)


def test_refreshes_of_a_long_trace_are_in_the_bound():
    trace = mixed_load(0.97, 64 * DDR3.timing.refi, sequential_share=1.0, write_share=0.0)
    machine = Machine(DDR3, DDR3.map)
    plain = Machine(DDR3, DDR3.map, all_bank_refresh=False)
    below = floor(trace, machine)
    assert below.energy_pj > floor(trace, plain).energy_pj
    found = Engine(trace, DDR3).run(
        Configuration(refresh_max_postponed=8, refresh_max_pulled_in=8, request_buffer_size=64)
    )
    assert below.cycles <= found.total_ck
    assert below.energy_pj <= found.energy_pj


def test_no_address_map_goes_below_the_bound_of_free_maps():
    rng = np.random.default_rng(12)
    space = address_maps(DDR3)
    for _ in range(12):
        trace = random_trace(rng, DDR3)
        below = floor(trace, Machine(DDR3, None))
        design = space.designs(space.sample(1, rng))[0]
        found = Engine(trace, DDR3, address_map_of(DDR3, design)).run(Configuration())
        assert below.cycles <= found.total_ck
        assert below.energy_pj <= found.energy_pj * (1 + 1e-12)


def test_the_bound_of_a_stream_is_the_data_bus():
    below = floor(seed_workload("stream"), Machine(DDR3, DDR3.map))
    assert below.cycles == 40_010 == below.bus


def test_a_saturated_stream_comes_within_two_per_cent_of_its_bound():
    trace = seed_workload("stream")
    below = floor(trace, Machine(DDR3, DDR3.map))
    found = Engine(trace, DDR3).run(Configuration())
    assert found.total_ck < 1.02 * below.cycles


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(part_ids()), st.booleans(), st.booleans())
def test_the_slow_derivation_agrees(seed, part_id, free, power_down):
    part = load_part(part_id)
    trace = random_trace(np.random.default_rng(seed), part, 120)
    machine = Machine(part, None if free else part.map, power_down=power_down)
    fast, (cycles, energy) = floor(trace, machine), slow_floor(trace, machine)
    assert fast.cycles == cycles
    assert fast.energy_pj == pytest.approx(energy, rel=1e-12)


@pytest.mark.parametrize(("channels", "ranks"), [(2, 1), (4, 2)])
def test_the_slow_derivation_agrees_on_several_channels_and_ranks(channels, ranks):
    chosen = DDR3.address_map(channels=channels, ranks=ranks)
    machine = Machine(DDR3, chosen, channels, ranks)
    trace = random_trace(np.random.default_rng(5), DDR3)
    assert floor(trace, machine).cycles == slow_floor(trace, machine)[0]


def test_the_slow_derivation_agrees_on_many_refresh_intervals():
    trace = mixed_load(0.9, 64 * DDR3.timing.refi)
    machine = Machine(DDR3, DDR3.map)
    assert floor(trace, machine).cycles == slow_floor(trace, machine)[0]


@pytest.mark.parametrize(("channels", "ranks"), [(2, 1), (4, 1), (1, 2), (2, 2)])
def test_no_module_of_several_channels_and_ranks_goes_below_its_bound(channels, ranks):
    rng = np.random.default_rng(13)
    chosen = DDR3.address_map(channels=channels, ranks=ranks)
    for _ in range(6):
        trace = random_trace(rng, DDR3, 200)
        below = floor(trace, Machine(DDR3, chosen, channels, ranks))
        found = Engine(trace, DDR3, chosen).run(Configuration(channels=channels, ranks=ranks))
        assert below.cycles <= found.total_ck
        assert below.energy_pj <= found.energy_pj * (1 + 1e-12)


@pytest.mark.parametrize("part_id", ["ddr3-1600-1gb-x8", "ddr4-2400-4gb-x8"])
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_map_goes_below_the_bound_of_its_controller(part_id, seed):
    part, rng = load_part(part_id), np.random.default_rng(seed)
    trace = random_trace(rng, part, 1500)
    size = int(rng.choice([1, 4, 32]))
    postponed, pulled = int(rng.choice([0, 1, 8])), int(rng.choice([0, 0, 4]))
    chosen = Configuration(
        page_policy=str(rng.choice(["Open", "OpenAdaptive", "Closed", "ClosedAdaptive"])),
        scheduler=str(rng.choice(["Fifo", "FrFcfs", "FrFcfsGrp"])),
        scheduler_buffer="Shared",
        request_buffer_size=size,
        refresh_max_postponed=postponed,
        refresh_max_pulled_in=pulled,
    )
    below = floor(trace, Machine(part, None, window=size, postponed=postponed, pulled_in=pulled))
    space = address_maps(part)
    for design in space.designs(space.sample(3, rng)):
        found = Engine(trace, part, address_map_of(part, design)).run(chosen)
        assert below.cycles <= found.total_ck
        assert below.energy_pj <= found.energy_pj * (1 + 1e-12)


def test_turning_the_bus_and_refreshing_raise_the_bound_of_mixed_traffic():
    drawn = mixed_load(0.97, 16 * DDR3.timing.refi, sequential_share=1.0, write_share=0.5)
    trace = Trace.of(np.arange(len(drawn)), drawn.address, drawn.is_write)
    loose = floor(trace, Machine(DDR3, None, all_bank_refresh=False))
    turning = floor(trace, Machine(DDR3, None, all_bank_refresh=False, window=32))
    forced = floor(trace, Machine(DDR3, None, window=32, postponed=0, pulled_in=0))
    assert loose.cycles < turning.cycles < forced.cycles
    assert forced.cycles - turning.cycles >= 14 * DDR3.timing.rfc
