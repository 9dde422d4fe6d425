"""Readers of grid: series in CSV and Excel, weather, pandapower networks, plants, scenarios."""

from __future__ import annotations

import gzip
import io
import tempfile
from pathlib import Path

from fuzzing.core import DEEP, scenarios
from fuzzing.reader import SEPARATOR, Reader, Target, seed_file

SERIES = (
    b"time_utc,load_kw\n2025-01-01 00:00,300\n2025-01-01 01:00,310\n2025-01-01 02:00,320\n",
    b"# time zone: Europe/Berlin\nZeit;load [MW];wind_kw\n01.01.2025 00:00;1,5;3\n"
    b"01.01.2025 00:15;2,5;4\n",
)
TMY3 = (
    b'703165,"SAND POINT",AK,-9.0,55.317,-160.517,7\nDate (MM/DD/YYYY),Time (HH:MM),GHI (W/m^2),'
    b"DNI (W/m^2),DHI (W/m^2),Dry-bulb (C),Wspd (m/s)\n01/01/1997,01:00,0,0,0,2.0,5.1\n"
)
LOAD = b",0\n0,-40.0\n1,-50.0\n2,-60.5\n3,-45\n"
EPW = b"LOCATION,A,B,C,D,1,55.3,-160.5,-9.0,7\n" + b"X\n" * 7 + b"1997,1,1,1,60,?,2.0\n"


def _workbook() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["time_utc", "load_kw"], ["2025-01-01 00:00", 1], ["2025-01-01 01:00", 2.5]):
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _plants() -> tuple[bytes, ...]:
    import trimtab_grid

    folder = Path(trimtab_grid.__file__).parent / "plants"
    return tuple(path.read_bytes() for path in sorted(folder.glob("*.yaml")))


def _readers() -> tuple[Reader, ...]:
    from trimtab_grid.pandapower_files import read_network
    from trimtab_grid.plant import load_plant
    from trimtab_grid.python_microgrid import read_microgrid
    from trimtab_grid.readers import problem_from_files
    from trimtab_grid.series_files import read_series
    from trimtab_grid.weather_files import read_weather

    def microgrid(path: Path, table: Path) -> None:
        packed = path.parent / "data" / "load.csv.gz"
        packed.parent.mkdir(exist_ok=True)
        packed.write_bytes(gzip.compress(table.read_bytes(), mtime=0))
        read_microgrid(path)

    def whole(path: Path) -> None:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            problem_from_files([path], Path(folder))

    village = seed_file("microgrid.yaml") + SEPARATOR + LOAD
    every = (*SERIES, seed_file("network.json"), *_plants(), b"columns: {Zeit: time}\n")
    return (
        Reader("microgrid", ("m.yaml", "load.csv"), microgrid, (village,)),
        Reader("whole", ("f.txt",), whole, every),
        Reader("series", ("s.csv",), read_series, SERIES),
        Reader("workbook", ("s.xlsx",), read_series, (_workbook(),)),
        Reader("weather", ("w.csv",), read_weather, (TMY3, EPW)),
        Reader("network", ("n.json",), read_network, (seed_file("network.json"), DEEP)),
        Reader("plant", ("p.yaml",), load_plant, _plants()),
        scenarios("grid"),
    )


TARGETS = (Target("grid", ("trimtab", "trimtab_grid"), _readers),)
