"""The arrows of the house: app → core, domains → core, everything in core → contracts."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "trimtab": ROOT / "core/trimtab",
    "trimtab_traffic": ROOT / "domains/traffic/trimtab_traffic",
    "trimtab_grid": ROOT / "domains/grid/trimtab_grid",
    "trimtab_hardware": ROOT / "domains/hardware/trimtab_hardware",
    "trimtab_cloud": ROOT / "domains/cloud/trimtab_cloud",
    "trimtab_app": ROOT / "app/trimtab_app",
}
# What each room of core may import, besides itself and contracts.
ROOMS = {
    "contracts": set(),
    "search": set(),
    "learn": {"run", "evidence", "deploy", "search"},
    "run": {"evidence", "search"},
    "evidence": set(),
    "deploy": set(),
    "adapters": set(),
    "testing": {"run", "search", "evidence", "deploy", "learn"},
    "cli": {"learn", "search", "run", "evidence", "deploy", "adapters", "testing"},
}
CONTRACTS_MAY_USE = set(sys.stdlib_module_names) | {"numpy", "pydantic", "trimtab"}


def imported_modules(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module)
    return modules


def ours(modules: set[str]) -> set[str]:
    return {m for m in modules if m.partition(".")[0] in PACKAGES}


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_packages_import_only_themselves_and_core(package: str) -> None:
    for path in PACKAGES[package].rglob("*.py"):
        tops = {m.partition(".")[0] for m in ours(imported_modules(path))}
        assert tops <= {package, "trimtab"}, path


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_rooms_of_core_import_only_what_the_design_allows(room: str) -> None:
    allowed = ROOMS[room] | {room, "contracts"}
    for path in (PACKAGES["trimtab"] / room).rglob("*.py"):
        rooms = {
            m.split(".")[1]
            for m in ours(imported_modules(path))
            if m.startswith("trimtab.") and m != "trimtab"
        }
        assert rooms <= allowed, path


def test_contracts_use_only_numpy_and_pydantic() -> None:
    for path in (PACKAGES["trimtab"] / "contracts").rglob("*.py"):
        tops = {m.partition(".")[0] for m in imported_modules(path)}
        assert tops <= CONTRACTS_MAY_USE, path


def test_every_package_is_typed() -> None:
    assert all((folder / "py.typed").exists() for folder in PACKAGES.values())
