"""Valid files with one attribute dropped or garbled: read or refused, never a crash."""

import re
from pathlib import Path

import numpy as np
import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.importers.checks import check_files
from trimtab_traffic.importers.files import TrafficFiles
from trimtab_traffic.importers.sumocfg import read_config

MUTANTS = 60
WORDS = ("", "§x", "-7", "1e999", "nowhere_0", "0 0", "' &lt;")
CONFIG = """<configuration><input><net-file value="grid.net.xml"/>
<route-files value="cars.rou.xml"/></input>
<time><begin value="0"/><end value="600"/></time></configuration>"""
CARS = """<routes><vType id="car" accel="2.6" vClass="passenger"/>
<route id="r" edges="A1B1 B1C1"/><vehicle id="v0" type="car" depart="1" route="r"/>
<trip id="t0" type="car" depart="2" from="A0A1" to="B1C1"/>
<flow id="f0" begin="3" end="600" period="20" from="A1B1" to="B1B2"/>
<flow id="f1" begin="4" end="600" probability="0.1" from="A1B1" to="B1B2"/></routes>"""


def mutant(text: str, rng: np.random.Generator) -> str:
    spans = [m.span() for m in re.finditer(r' [\w-]+="[^"]*"', text)]
    start, end = spans[int(rng.integers(len(spans)))]
    name = text[start:end].partition("=")[0]
    word = WORDS[int(rng.integers(len(WORDS)))]
    return text[:start] + ("" if rng.random() < 0.2 else f'{name}="{word}"') + text[end:]


@pytest.mark.parametrize("name", ["grid.net.xml", "cars.rou.xml", "grid.sumocfg"])
def test_mutated_file_is_read_or_refused_in_one_line(
    grid_net: Path, tmp_path: Path, name: str
) -> None:
    net = grid_net.read_text()
    sources = {
        "grid.net.xml": net[net.index("<net ") :],
        "cars.rou.xml": CARS,
        "grid.sumocfg": CONFIG,
    }
    for file, text in sources.items():
        (tmp_path / file).write_text(text)
    assert check_files(read_config(tmp_path / "grid.sumocfg")).route_files
    rng = np.random.default_rng(1)
    refused: list[str] = []
    for _ in range(MUTANTS):
        (tmp_path / name).write_text(mutant(sources[name], rng))
        try:
            files: TrafficFiles = read_config(tmp_path / "grid.sumocfg")
            check_files(files, tmp_path / "work")
        except InputFileError as error:
            refused.append(str(error))
    assert 0 < len(refused) < MUTANTS
    assert not [m for m in refused if "\n" in m or not any(file in m for file in sources)]
