from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab_hardware.dram import spaces
from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.free_maps import (
    activations_of,
    column_choice,
    compressed,
    least_activations,
    varying_bits,
)
from trimtab_hardware.dram.part import load_part
from trimtab_hardware.dram.simulation import Engine
from trimtab_hardware.dram.traces import Trace

DDR3 = load_part("ddr3-1600-1gb-x8")


def trace_of(lines):
    n = len(lines)
    return Trace.of(np.arange(n) * 4, np.array(lines, dtype=np.int64) * 64, np.zeros(n, dtype=bool))


def test_only_bits_that_change_are_searched():
    assert varying_bits(trace_of([0b1000, 0b1100, 0b1001]), DDR3) == (0, 2)


def test_a_stream_needs_one_page_for_every_row_of_lines():
    assert least_activations(trace_of(range(1024)), DDR3, 1 << 40)[0] == 8


def test_a_stride_is_gathered_into_rows_by_some_map():
    # 512 lines, 4096 lines apart: nine bits vary, seven of them make the column.
    assert least_activations(trace_of([4096 * k for k in range(512)]), DDR3, 1 << 40)[0] == 4


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 4, 32]))
def test_the_search_finds_the_least_count_of_all_sets(seed, window):
    rng = np.random.default_rng(seed)
    trace = trace_of(rng.integers(0, 1 << 10, 300) << 2)
    count, best = least_activations(trace, DDR3, window)
    bits, columns = column_choice(trace, DDR3)
    lines = compressed(trace, DDR3)
    counts = {
        sum(1 << bit for bit in chosen): activations_of(
            lines, sum(1 << bit for bit in chosen), window, DDR3.banks
        )
        for chosen in combinations(range(bits), columns)
    }
    assert count == min(counts.values()) == counts[best]


@pytest.mark.parametrize("page_policy", ["Open", "OpenAdaptive", "ClosedAdaptive"])
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 4, 16]))
def test_no_map_activates_less_than_the_bound_of_its_window(page_policy, seed, size):
    rng = np.random.default_rng(seed)
    pool = rng.integers(0, 1 << 20, 60)
    trace = trace_of(rng.choice(pool, 500))
    count, _ = least_activations(trace, DDR3, size)
    space = spaces.address_maps(DDR3)
    design = space.designs(space.sample(1, rng))[0]
    configuration = Configuration(
        page_policy=page_policy, scheduler_buffer="Shared", request_buffer_size=size
    )
    chosen = spaces.address_map_of(DDR3, design)
    assert count <= Engine(trace, DDR3, chosen).run(configuration).counts["ACT"]


def test_small_windows_need_more_activations():
    trace = trace_of(np.random.default_rng(0).integers(0, 1 << 16, 2000))
    counts = [least_activations(trace, DDR3, window)[0] for window in (1, 16, 64, 1 << 40)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 1.5 * counts[-1]


def test_too_many_sets_fall_back_to_full_rows():
    lines = np.random.default_rng(1).integers(0, 1 << 24, 300)
    assert least_activations(trace_of(lines), DDR3, 8) == (3, -1)
