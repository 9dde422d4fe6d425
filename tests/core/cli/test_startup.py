import subprocess
import sys

import pytest
from trimtab.contracts.registry import manifests, shipped_scenarios
from trimtab.run.yaml_document import decode, parse

HEAVY = {
    "torch", "libsumo", "traci", "sumolib", "pandapower", "pyomo", "pandas", "streamlit", "scipy",
    "matplotlib", "networkx", "numba", "gymnasium",
}  # fmt: skip


def first_of_each_domain() -> list[str]:
    """The first shipped scenario of every installed domain."""
    found: dict[str, str] = {}
    for name, path in sorted(shipped_scenarios().items()):
        data = parse(decode(path.read_bytes(), str(path)), str(path)).data
        found.setdefault(data["domain"], name)
    assert set(found) == set(manifests())
    return sorted(found.values())


def imported(*arguments: str) -> set[str]:
    """Top-level modules that a command imports."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "trimtab.cli", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in ended.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize(
    "arguments", [("--help",), *(("validate", name) for name in first_of_each_domain())]
)
def test_starting_up_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    needless = {*HEAVY, "numpy"} if arguments[-1].startswith("traffic/") else HEAVY
    assert not imported(*arguments) & needless


def test_help_imports_neither_numpy_nor_pydantic() -> None:
    assert not imported("--help") & {"numpy", "pydantic", "yaml", "rich"}


def test_scenarios_are_listed_without_importing_a_domain() -> None:
    assert not imported("scenarios") & {"trimtab_traffic", *HEAVY}


def test_a_command_reads_no_other_command() -> None:
    code = (
        "import sys; from trimtab.cli.app import app; app(['scenarios'], standalone_mode=False); "
        "print(*sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ended.stderr.split())
    assert "trimtab.cli.scenarios" in loaded
    assert not loaded & {"trimtab.cli.running", "trimtab.cli.jobs", "trimtab.cli.improve"}


def test_a_mistyped_command_is_told_the_right_one() -> None:
    words = [sys.executable, "-m", "trimtab.cli", "valdate"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "Did you mean 'validate'?" in ended.stderr
