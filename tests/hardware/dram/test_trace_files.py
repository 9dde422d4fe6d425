import gzip
import io
import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import InputFileError, UnknownNameError
from trimtab_hardware.dram.trace_files import STANDARD_INPUT, read_trace, write_npz
from trimtab_hardware.dram.trace_lines import Pace
from trimtab_hardware.dram.traces import Trace
from trimtab_hardware.dram.workloads import seed_workload

DDR3_MHZ = 800.0


def read(text, name="t.trace", tmp_path=None, **options):
    path = tmp_path / name
    path.write_text(text)
    return read_trace(path, DDR3_MHZ, **options)


def rows(trace: Trace):
    return list(
        zip(trace.arrival.tolist(), trace.address.tolist(), trace.is_write.tolist(), strict=True)
    )


FILES = {
    "stl": ("# comment\n0: read 0x40\n5:\twrite\t0x80\n\n5: (64) read 0x1000 # x\n"),
    "dramsim3": "0x40 READ 0\n0x80 WRITE 5\n0x1000 read 5\n",
    "gem5": "r,64,64,0\nw,128,64,256,6250\nu,0,0,6250\n7,r,4096,64,0,6250,99\n",
}


@pytest.mark.parametrize("name", FILES)
def test_formats_with_times_are_told_apart_by_content(name, tmp_path):
    trace = read(FILES[name], tmp_path=tmp_path)
    assert rows(trace) == [(0, 64, False), (5, 128, True), (5, 4096, False)]


def test_relative_times_add_up(tmp_path):
    trace = read("3: read 0x40\n5: write 0x80\n0: read 0xc0\n", "t.rstl", tmp_path)
    assert trace.arrival.tolist() == [3, 8, 8]


def test_loads_and_stores_are_evenly_spaced(tmp_path):
    trace = read("LD 0x40\nST 0x80\nLD 192\n", tmp_path=tmp_path, pace=Pace(cycles_per_request=2.5))
    assert rows(trace) == [(0, 64, False), (2, 128, True), (5, 192, False)]


def test_bubbles_count_instructions_and_carry_write_backs(tmp_path):
    trace = read("3 64\n0 128 256\n", tmp_path=tmp_path, pace=Pace(cycles_per_instruction=2.0))
    assert rows(trace) == [(6, 64, False), (8, 128, False), (8, 256, True)]


def test_times_of_another_clock_are_rounded_up_to_the_next_edge(tmp_path):
    text = "0: read 0x0\n1: read 0x0\n5: read 0x0\n6: read 0x0\n"
    trace = read(text, tmp_path=tmp_path, pace=Pace(clock_mhz=1000.0))
    assert trace.arrival.tolist() == [0, 1, 4, 5]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20).map(sorted))
def test_no_request_comes_before_its_time_nor_a_cycle_late(times):
    text = "".join(f"{t}: read 0x0\n" for t in times).encode()
    trace = read_trace(STANDARD_INPUT, DDR3_MHZ, pace=Pace(clock_mhz=1333.0), pipe=io.BytesIO(text))
    for t, cycle in zip(times, trace.arrival.tolist(), strict=True):
        assert cycle * 1333 >= t * 800 > (cycle - 1) * 1333


def test_long_requests_are_split_at_64_bytes(tmp_path):
    trace = read("1: (160) write 0x20\n", tmp_path=tmp_path)
    assert rows(trace) == [(1, 0, True), (1, 64, True), (1, 128, True)]


@pytest.mark.parametrize(("opener", "name"), [(gzip.open, "t.stl.gz"), (lzma.open, "t.stl.xz")])
def test_compressed_files_are_read_as_they_are(opener, name, tmp_path):
    with opener(tmp_path / name, "wt") as file:
        file.write(FILES["stl"])
    assert len(read_trace(tmp_path / name, DDR3_MHZ)) == 3


def test_a_stored_trace_comes_back_unchanged(tmp_path):
    trace = seed_workload("cloud-2")
    write_npz(trace, tmp_path / "t.npz")
    assert read_trace(tmp_path / "t.npz", DDR3_MHZ).content_hash() == trace.content_hash()


def test_a_foreign_archive_is_named(tmp_path):
    np.savez(tmp_path / "t.npz", other=np.zeros(3))
    with pytest.raises(InputFileError, match=r"t\.npz: is no stored trace"):
        read_trace(tmp_path / "t.npz", DDR3_MHZ)


LACKEY = (
    "==12== Lackey, an example Valgrind tool\n"
    "I  04016f40,3\n"
    " L 1ffeffe7e0,8\n"
    "I  04016f43,5\n"
    " S 1ffeffe7e8,8\n"
    "I  04016f48,5\n"
    " M 1ffeffe83c,8\n"
)


def test_lackey_goes_through_a_cache_and_counts_instructions():
    trace = read_trace(
        STANDARD_INPUT,
        DDR3_MHZ,
        pace=Pace(cycles_per_instruction=0.5),
        pipe=io.BytesIO(LACKEY.encode()),
    )
    # One line holds the first two references; the modify spans two more.
    assert rows(trace) == [
        (1, 0x1FFEFFE7C0, False),
        (2, 0x1FFEFFE800, False),
        (2, 0x1FFEFFE840, False),
    ]


def test_lackey_writes_back_what_it_evicts():
    lines = [f"I  0,3\n S {64 * 64 * k:x},8\n" for k in range(9)]
    trace = read_trace(
        STANDARD_INPUT,
        DDR3_MHZ,
        pace=Pace(cache_bytes=8 * 64 * 64),
        pipe=io.BytesIO("".join(lines).encode()),
    )
    assert rows(trace)[-1] == (9, 0, True)
    assert trace.is_write.sum() == 1


BAD = {
    "0: read 0xzz\n": r"t\.trace:1: address '0xzz' is not hexadecimal",
    "0: read 40\n": r"t\.trace:1: address '40' does not start with 0x",
    "0: read 0x40\n4: read\n": r"t\.trace:2: missing column: expected 'time: \[\(bytes\)\]",
    "0: read 0x40\n4: fetch 0x40\n": r"t\.trace:2: unknown command 'fetch': expected read or write",
    "9: read 0x40\n\n4: read 0x40\n": r"t\.trace:3: time 4 is earlier than 9",
    "-3: read 0x40\n": r"t\.trace:1: time '-3' is not a non-negative integer",
    "": r"t\.trace: empty",
    "# nothing\n\n": r"t\.trace: empty: no request in 2 lines",
    "hello\n": r"t\.trace:1: 'hello' is of no known trace format: stl, rstl",
    "0x40 READ\n": r"t\.trace:1: missing column: expected '0xaddress READ\|WRITE cycle'",
    "0x40 READ 1\n0x40 COPY 2\n": r"t\.trace:2: unknown command 'COPY'",
    "LD 0x40\nLD\n": r"t\.trace:2: missing column",
    "3 64\nx 64\n": r"t\.trace:2: bubbles 'x' is not a non-negative integer",
    "r,64,64,0\nq,1,2,64\n": r"t\.trace:2: missing column",
    "0: read 0x40000000000000000\n": r"t\.trace:1: time 0 or address .* does not fit into 62 bits",
    "I  0,3\nXX\n": r"t\.trace:2: b'XX' is no line of lackey",
    "I  0,3\n L zz,8\n": r"t\.trace:2: b'L zz,8' is no line of lackey",
    "I  0,3\n": r"t\.trace: empty: no load or store in 1 lines",
}


@pytest.mark.parametrize("text", BAD)
def test_a_corrupt_trace_gives_one_error_with_file_and_line(text, tmp_path):
    with pytest.raises(InputFileError, match=BAD[text]):
        read(text, tmp_path=tmp_path)


def test_a_small_file_that_splits_into_millions_of_bursts_is_refused(tmp_path):
    with pytest.raises(InputFileError, match=r"t\.trace:65: 1064960 bursts by this line"):
        read("".join(f"r,0,{1 << 20},{k}\n" for k in range(70)), tmp_path=tmp_path)


def test_empty_lines_without_end_are_refused(tmp_path):
    with pytest.raises(InputFileError, match="more than 1000000 empty lines"):
        read("0: read 0x40\n" + "\n" * 1_000_001, tmp_path=tmp_path)


def test_a_binary_file_is_refused_with_its_line(tmp_path):
    (tmp_path / "t.stl").write_bytes(b"0: read 0x40\n\xff\xfe\x00\n")
    with pytest.raises(InputFileError, match=r"t\.stl:2: not a text trace"):
        read_trace(tmp_path / "t.stl", DDR3_MHZ)


def test_a_truncated_archive_is_refused(tmp_path):
    whole = gzip.compress(FILES["stl"].encode() * 100)
    (tmp_path / "t.stl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputFileError, match=r"t\.stl\.gz: cannot be read"):
        read_trace(tmp_path / "t.stl.gz", DDR3_MHZ)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputFileError, match=r"none\.stl: cannot be read"):
        read_trace(tmp_path / "none.stl", DDR3_MHZ)


def test_an_unknown_format_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'dramsim3'"):
        read_trace(Path("x"), DDR3_MHZ, form="dramsim")
