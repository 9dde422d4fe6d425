import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import InputFileError
from trimtab_hardware.dram.traces import Trace, merge


def trace(arrival, address=None, is_write=None, thread=None):
    n = len(arrival)
    return Trace.of(
        np.array(arrival, dtype=np.int64),
        np.array(address if address is not None else [64 * i for i in range(n)], dtype=np.int64),
        np.array(is_write if is_write is not None else [False] * n),
        None if thread is None else np.array(thread, dtype=np.int32),
    )


def test_an_empty_trace_is_refused():
    with pytest.raises(InputFileError, match="no requests"):
        trace([])


def test_decreasing_time_names_the_request():
    with pytest.raises(InputFileError, match="request 3 arrives at cycle 4, before"):
        trace([0, 5, 4])


def test_negative_addresses_are_refused():
    with pytest.raises(InputFileError, match="must not be negative"):
        trace([0], [-64])


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(InputFileError, match="one entry a request"):
        trace([0, 1], [0])


def test_columns_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        trace([0, 1]).arrival[0] = 3


def test_an_address_beyond_capacity_names_file_and_request():
    t = trace([0, 1], [0, 1 << 30])
    with pytest.raises(InputFileError, match=r"my\.stl: request 2: address 0x40000000 is beyond"):
        t.check_capacity(1 << 30, "my.stl")


def test_wrapping_keeps_addresses_below_capacity():
    wrapped = trace([0, 1], [64, (1 << 30) + 128]).wrapped(1 << 30)
    wrapped.check_capacity(1 << 30, "my.stl")
    assert wrapped.address.tolist() == [64, 128]


def test_the_hash_depends_on_every_column():
    base = trace([0, 1])
    others = [
        trace([0, 2]),
        trace([0, 1], [0, 128]),
        trace([0, 1], None, [False, True]),
        trace([0, 1], None, None, [0, 1]),
        trace([0]),
    ]
    assert len({base.content_hash(), *(t.content_hash() for t in others)}) == 6
    assert trace([0, 1]).content_hash() == base.content_hash()


arrivals = st.lists(st.integers(0, 1000), min_size=1, max_size=30).map(sorted)


@given(st.lists(arrivals, min_size=1, max_size=4))
def test_merging_keeps_every_request_its_order_and_its_source(parts):
    traces = [trace(a, [64 * i for i in range(len(a))]) for a in parts]
    merged = merge(traces)
    assert len(merged) == sum(map(len, parts))
    for k, part in enumerate(traces):
        mine = merged.thread == k
        assert merged.arrival[mine].tolist() == part.arrival.tolist()
        assert merged.address[mine].tolist() == part.address.tolist()


def test_ties_go_to_the_earlier_trace():
    assert merge([trace([5]), trace([0, 5])]).thread.tolist() == [1, 0, 1]


@given(arrivals, st.integers(1, 40))
def test_a_prefix_is_the_start_of_the_trace(arrival, n):
    whole = trace(arrival)
    assert whole.prefix(n).arrival.tolist() == arrival[: min(n, len(arrival))]
