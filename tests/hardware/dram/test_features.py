import numpy as np
import pytest
from trimtab_hardware.dram.features import FEATURES, features
from trimtab_hardware.dram.programs import KERNELS, kernel_trace
from trimtab_hardware.dram.traces import Trace
from trimtab_hardware.dram.workloads import SEED_WORKLOADS, mixed_load, seed_workload


def observed(trace, banks=8):
    bank, row = (trace.address >> 13) % banks, trace.address >> 16
    return dict(zip(FEATURES, features(trace, bank, row, banks).tolist(), strict=True))


@pytest.mark.parametrize("name", SEED_WORKLOADS)
def test_features_of_seed_workloads_lie_in_the_unit_interval(name):
    assert all(0 <= value <= 1 for value in observed(seed_workload(name, requests=2000)).values())


@pytest.mark.parametrize("name", KERNELS)
def test_features_of_kernels_lie_in_the_unit_interval(name):
    assert all(0 <= value <= 1 for value in observed(kernel_trace(name, 2000)).values())


def test_a_stream_hits_its_rows_and_a_random_trace_does_not():
    assert observed(seed_workload("stream"))["row_hit_in_order"] > 0.98
    assert observed(seed_workload("random"))["row_hit_windowed"] < 0.01


def test_the_load_feature_is_half_the_load():
    assert observed(mixed_load(0.6, 200_000))["load"] == pytest.approx(0.3, abs=0.02)


def test_interleaved_streams_hit_within_the_window_only():
    n = 1000
    address = np.where(np.arange(n) % 2 == 0, 0, 1 << 20) + (np.arange(n) // 2 % 100) * 64
    trace = Trace.of(np.arange(n), address.astype(np.int64), np.zeros(n, dtype=bool))
    seen = observed(trace)
    assert seen["row_hit_in_order"] < 0.01
    assert seen["row_hit_windowed"] > 0.99


def test_a_line_read_again_after_ten_requests_shows_in_reuse():
    n = 1000
    trace = Trace.of(
        np.arange(n), (np.arange(n) % 10 * 64).astype(np.int64), np.zeros(n, dtype=bool)
    )
    assert observed(trace)["reuse_distance"] == pytest.approx(np.log(10) / np.log(n))


def test_a_single_request_has_features():
    trace = Trace.of(np.array([5]), np.array([64]), np.array([True]))
    assert observed(trace)["read_share"] == 0.0
