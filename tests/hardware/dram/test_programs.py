import numpy as np
import pytest
from trimtab.contracts.errors import ContractError, UnknownNameError
from trimtab_hardware.cache.filter import new_filter
from trimtab_hardware.dram import kernels
from trimtab_hardware.dram.programs import KERNELS, kernel_trace, paced


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_makes_a_trace_of_the_asked_length_and_load(name):
    trace = kernel_trace(name, 3000, load=0.4)
    assert len(trace) == 3000
    assert trace.arrival[0] == 0
    assert 3000 * 4 / trace.arrival[-1] == pytest.approx(0.4, rel=0.01)
    assert (trace.address % 64 == 0).all()


def test_triad_reads_three_lines_for_every_line_it_writes():
    assert kernel_trace("triad", 8000).is_write.mean() == pytest.approx(0.25, abs=0.01)


def test_updates_write_back_every_line_they_fetch():
    assert kernel_trace("gups", 4000, cache_bytes=32768).is_write.mean() > 0.45


def test_a_pointer_chase_only_reads_and_never_returns_early():
    trace = kernel_trace("pointer-chase", 5000)
    assert not trace.is_write.any()
    assert len(np.unique(trace.address)) == 5000


def test_tiling_keeps_most_references_in_the_cache():
    out = new_filter(256 * 1024, 20_000)
    kernels.gemm(out, 512, 64)
    assert out.counts[0] > 20 * out.counts[1]


def test_a_small_cache_lets_more_through_than_a_large_one():
    through = []
    for size in (32 * 1024, 1024 * 1024):
        out = new_filter(size, 100_000)
        kernels.gemm(out, 128, 64)
        through.append(int(out.counts[1]))
    assert through[0] > 2 * through[1]


def test_attention_reads_what_earlier_steps_wrote():
    out = new_filter(4096, 100_000)
    kernels.attention(out, np.arange(8).reshape(4, 2), 128, 2)
    k = int(out.counts[1])
    writes = set((out.requests[:k, 1][out.requests[:k, 1] & 1 == 1] >> 1).tolist())
    reads = set((out.requests[:k, 1][out.requests[:k, 1] & 1 == 0] >> 1).tolist())
    assert writes
    assert writes <= reads


def test_a_kernel_that_fits_the_cache_is_refused():
    with pytest.raises(ContractError, match="its lines fit into"):
        kernel_trace("attention", cache_bytes=64 * 1024 * 1024)


def test_an_unknown_kernel_is_refused():
    with pytest.raises(UnknownNameError, match="unknown kernel 'gem'"):
        kernel_trace("gem")


def test_pacing_keeps_the_pattern_of_gaps():
    when = np.array([10, 11, 20, 30])
    trace = paced(when, np.zeros(4, dtype=np.int64), np.zeros(4, dtype=bool), 0.4, 4)
    assert trace.arrival.tolist() == [0, 2, 20, 40]
