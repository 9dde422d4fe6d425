import numpy as np
import pytest
from trimtab.contracts.errors import ContractError, UnknownNameError
from trimtab_hardware.dram.workloads import (
    SEED_WORKLOADS,
    load_sweep,
    mixed_load,
    seed_workload,
)


@pytest.mark.parametrize("name", SEED_WORKLOADS)
def test_seed_workloads_are_ten_thousand_reads_one_a_clock(name):
    trace = seed_workload(name)
    assert trace.arrival.tolist() == list(range(10_000))
    assert not trace.is_write.any()
    assert (trace.address % 64 == 0).all()
    assert trace.address.max() < 1 << 30


def test_stream_walks_line_by_line_from_zero():
    assert seed_workload("stream").address.tolist() == [64 * i for i in range(10_000)]


def test_random_covers_a_gibibyte_evenly():
    eighths = np.bincount(seed_workload("random").address >> 27, minlength=8)
    assert eighths.min() > 1100
    assert eighths.max() < 1400


@pytest.mark.parametrize("seed", range(5))
def test_cloud_1_starts_with_a_hundred_sequential_requests(seed):
    steps = np.diff(seed_workload("cloud-1", seed).address)
    assert (steps[:99] == 64).all()


@pytest.mark.parametrize("seed", range(5))
def test_cloud_2_starts_with_a_hundred_uniform_requests(seed):
    steps = np.diff(seed_workload("cloud-2", seed).address)
    assert (steps[:99] == 64).sum() == 0


def test_half_of_the_cloud_pairs_are_sequential():
    pairs = [
        (np.diff(seed_workload(name, seed).address) == 64).sum()
        for name in ("cloud-1", "cloud-2")
        for seed in range(20)
    ]
    # Binomial: 198 blocks of 49 pairs each, standard deviation 49·√198/2 = 345.
    assert abs(np.mean(pairs) - 4850) < 4 * 345 / np.sqrt(40)


def test_the_sequential_counter_goes_on_across_blocks():
    trace = seed_workload("cloud-1", 3)
    lines = trace.address // 64
    counted = [int(lines[0])]
    for line in lines[1:].tolist():
        if line == counted[-1] + 1:
            counted.append(line)
    assert len(counted) > 3000
    assert counted == list(range(len(counted)))


def test_a_seed_makes_the_same_trace_again_and_another_one_another():
    again = seed_workload("random", 7).content_hash()
    assert seed_workload("random", 7).content_hash() == again
    assert seed_workload("random", 8).content_hash() != again


def test_an_unknown_workload_suggests_the_nearest_name():
    with pytest.raises(UnknownNameError, match="Did you mean 'cloud-1'"):
        seed_workload("cloud1")


@pytest.mark.parametrize("load", [0.1, 0.5, 0.9])
def test_a_sweep_keeps_its_load_over_64_refresh_intervals(load):
    trace = load_sweep((load,), 6240)[load]
    assert 64 * 6240 * 0.999 < trace.arrival[-1] < 64 * 6240
    assert len(trace) * 4 / (64 * 6240) == pytest.approx(load, rel=0.05)


def test_writes_come_in_the_share_that_is_asked_for():
    trace = mixed_load(0.8, 400_000, write_share=0.3, run_length=4)
    assert trace.is_write.mean() == pytest.approx(0.3, abs=0.03)


def test_only_sequential_runs_walk():
    walking = mixed_load(0.5, 100_000, sequential_share=1.0, run_length=32)
    uniform = mixed_load(0.5, 100_000, sequential_share=0.0, run_length=32)
    assert (np.diff(walking.address) == 64).mean() > 0.95
    assert (np.diff(uniform.address) == 64).sum() == 0


def test_an_impossible_load_is_refused():
    with pytest.raises(ContractError, match=r"load 1\.5 must lie in \(0, 1\)"):
        mixed_load(1.5, 1000)
