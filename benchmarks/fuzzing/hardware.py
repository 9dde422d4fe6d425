"""Readers of hardware: traces of every format, parts, address maps, controllers, scenarios."""

from __future__ import annotations

import gzip
import lzma
import tempfile
from pathlib import Path
from typing import Any

from fuzzing.core import DEEP, scenarios
from fuzzing.reader import SEPARATOR, Reader, Target, seed_file

CLOCK_MHZ = 800.0
STL = b"# comment\n0: read 0x40\n5:\twrite\t0x80\n\n5: (64) read 0x1000 # x\n"
TRACES = (
    STL,
    b"0x40 READ 0\n0x80 WRITE 5\n0x1000 read 5\n",
    b"r,64,64,0\nw,128,64,256,6250\nu,0,0,6250\n7,r,4096,64,0,6250,99\n",
    b"LD 0x40\nST 0x80\nLD 192\n",
    b"3 64\n0 128 256\n",
    b"==1== Lackey\nI  04000000,4\n L 1ffe0,8\n S 1ffe8,4\n M 0421c7cc,4\n",
)
CONTROLLER = b"""{"mcconfig": {"PagePolicy": "Open", "Scheduler": "FrFcfs", "RequestBufferSize": 8,
"RefreshPolicy": "AllBank", "RefreshMaxPostponed": 0, "PowerDownPolicy": "NoPowerDown"}}"""


def _npz() -> bytes:
    import numpy as np
    from trimtab_hardware.dram.trace_files import write_npz
    from trimtab_hardware.dram.traces import Trace

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.npz"
        write_npz(Trace.of(np.arange(3), np.arange(3) * 64, np.array([False, True, False])), path)
        return path.read_bytes()


def _read(path: Path) -> Any:
    from trimtab_hardware.dram.trace_files import read_trace

    return read_trace(path, CLOCK_MHZ)


def _trace_readers() -> tuple[Reader, ...]:
    xz = lzma.compress(STL)
    return (
        Reader("text", ("t.trace",), _read, TRACES),
        Reader("relative", ("t.rstl",), _read, (b"3: read 0x40\n5: write 0x80\n",)),
        Reader("gz", ("t.stl.gz",), _read, (gzip.compress(STL, mtime=0),)),
        Reader("xz", ("t.stl.xz",), _read, (xz,)),
        Reader("npz", ("t.npz",), _read, (_npz(),)),
    )


def _part_readers() -> tuple[Reader, ...]:
    from trimtab_hardware.dram import load_part
    from trimtab_hardware.dram.address_map import read_address_map
    from trimtab_hardware.dram.configuration_files import read_configuration
    from trimtab_hardware.dram.part_files import read_part
    from trimtab_hardware.dram.readers import problem_from_files

    def together(trace: Path, other: Path) -> None:
        problem_from_files((trace, other), trace.parent)

    own_map = load_part("ddr3-1600-1gb-x8").map.to_json().encode()
    memspec = seed_file("ddr4.json")
    with_each = tuple(STL + SEPARATOR + other for other in (own_map, CONTROLLER, memspec, DEEP))
    return (
        Reader("memspec", ("p.json",), read_part, (memspec, DEEP)),
        Reader("ini", ("p.ini",), read_part, (seed_file("ddr4.ini"),)),
        Reader("map", ("m.json",), read_address_map, (own_map,)),
        Reader("controller", ("c.json",), read_configuration, (CONTROLLER,)),
        Reader("together", ("t.stl", "x.json"), together, with_each),
        scenarios("hardware"),
    )


PACKAGES = ("trimtab", "trimtab_hardware")
TARGETS = (
    Target("hardware-traces", PACKAGES, _trace_readers),
    Target("hardware-parts", PACKAGES, _part_readers),
)
