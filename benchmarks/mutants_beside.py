"""The mutated scenario files of the tests, given to Hydra's OmegaConf as well.

    pip install hydra-core && python benchmarks/mutants_beside.py

OmegaConf gets the same schema as a dataclass. Counted: mutants that are refused, whose message
names the line of the spoilt token, that suggest the word meant (of the typos), and files with
several wrong values of which all are told at once.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf
from trimtab.contracts.errors import ScenarioError
from trimtab.run.scenario_file import load_scenario

TESTS = Path(__file__).parents[1] / "tests" / "core" / "run" / "test_scenario_mutants.py"
SPOILT = ("horizon_h", "tariff_peak", "seeds")
SEVERAL = [keys for n in (2, 3) for keys in combinations(SPOILT, n)]


@dataclass
class Problem:
    """The tank's settings."""

    horizon_h: int = 24
    tariff_peak: float = 3.0


@dataclass
class Sweep:
    """Points of a sweep."""

    mode: str = "grid"
    over: dict[str, Any] = field(default_factory=dict)
    n: int = 10
    seed: int = 0


@dataclass
class Schema:
    """The whole scenario."""

    schema: str = MISSING
    name: str = MISSING
    domain: str = MISSING
    description: str = ""
    problem: Problem = field(default_factory=Problem)
    controllers: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    sweep: Sweep = field(default_factory=Sweep)


def ours(path: Path) -> str:
    """What Trimtab says about a file; empty if it accepts it."""
    try:
        load_scenario(path)
    except ScenarioError as error:
        return str(error)
    return ""


def omegaconf(path: Path) -> str:
    """What OmegaConf says."""
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Schema), OmegaConf.load(path))
        OmegaConf.to_container(merged, throw_on_missing=True)
    except Exception as error:  # noqa: BLE001 - YAML and configuration errors share no root
        return str(error) or type(error).__name__
    return ""


def _mutants() -> Any:
    spec = importlib.util.spec_from_file_location("mutants", TESTS)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(TESTS)
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module
    spec.loader.exec_module(module)
    return module


def several(source: Any, say: Callable[[Path], str], path: Path) -> int:
    """Files with several wrong values of which every one is named in one go."""
    whole = 0
    for keys in SEVERAL:
        text = source.VALID
        for key in keys:
            valid, _ = source.WRONG_VALUES[key]
            text = text.replace(f"{key}: {valid}", f"{key}: wrong")
        path.write_text(text, encoding="utf-8")
        said = say(path)
        whole += all(key in said for key in keys)
    return whole


def main() -> None:
    """Count and print."""
    source = _mutants()
    mutants = source.mutants()
    typos = [mutant for mutant in mutants if mutant.meant]
    print(f"{len(mutants)} mutants, {len(typos)} of them typos, {len(SEVERAL)} with several faults")
    print(f"{'':10} {'refused':>8} {'right line':>11} {'suggested':>10} {'all at once':>12}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        for name, say in (("trimtab", ours), ("OmegaConf", omegaconf)):
            said = []
            for mutant in mutants:
                path.write_text(mutant.text, encoding="utf-8")
                said.append(say(path))
            pairs = list(zip(mutants, said, strict=True))
            line = sum(f":{m.line}:" in s or f"line {m.line}," in s for m, s in pairs)
            meant = sum(bool(m.meant) and f"mean '{m.meant}'" in s for m, s in pairs)
            whole = several(source, say, path)
            print(f"{name:10} {sum(map(bool, said)):8} {line:11} {meant:10} {whole:12}", flush=True)


if __name__ == "__main__":
    main()
