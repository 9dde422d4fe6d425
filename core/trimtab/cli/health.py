"""What `doctor` looks at."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path
from typing import Literal

import trimtab
from trimtab.cli.system_libraries import missing, refused_platform
from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.registry import plugins
from trimtab.run.identity import installed, package_name
from trimtab.run.probe import look_at
from trimtab.run.store import STORE_FILE, Store

State = Literal["ok", "absent", "warning", "broken"]
LOW_DISK_GB = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination."""

    check: str
    state: State
    what: str


def findings(workspace: Path) -> list[Finding]:
    """Everything that was looked at, in a fixed order."""
    return [
        Finding("trimtab", "ok", f"{trimtab.__version__}, Python {platform.python_version()}"),
        _platform(),
        *_packages(),
        *_pins(),
        *_simulators(),
        _disk(workspace),
        _store(workspace),
        *_plugins(),
    ]


def _platform() -> Finding:
    name = f"{platform.system()} {platform.machine()}"
    refused = refused_platform()
    return Finding("platform", "broken" if refused else "ok", refused or name)


def _requirements() -> dict[str, list[str]]:
    """Extra ("" for the base) → names of its packages."""
    found: dict[str, list[str]] = {}
    for text in requires("trimtab") or []:
        _, marked, condition = text.partition("extra ==")
        extra = condition.strip().strip("'\"") if marked else ""
        found.setdefault(extra, []).append(package_name(text))
    return found


def _packages() -> Iterator[Finding]:
    for extra, names in sorted(_requirements().items()):
        lacking = sorted({name for name in names if installed(name) is None})
        label = f"extra [{extra}]" if extra else "base packages"
        if not lacking:
            yield Finding(label, "ok", f"{len(set(names))} packages")
        elif extra:
            how = f'pip install "trimtab[{extra}]"'
            yield Finding(label, "absent", f"without {', '.join(lacking)}; {how}")
        else:
            yield Finding(label, "broken", f"missing {', '.join(lacking)}")


def _pins() -> Iterator[Finding]:
    """Installed versions against `constraints.txt`, where we run from a checkout."""
    file = Path(trimtab.__file__).parents[2] / "constraints.txt"
    if not file.is_file():
        return
    pins = [line.split("==") for line in file.read_text(encoding="utf-8").split() if "==" in line]
    versions = [(name, pin, (installed(name) or pin).partition("+")[0]) for name, pin in pins]
    other = [f"{name} {found} (pinned {pin})" for name, pin, found in versions if found != pin]
    if other:
        yield Finding("constraints", "warning", ", ".join(other))
    else:
        yield Finding("constraints", "ok", f"{len(pins)} pins agree with what is installed")


def _simulators() -> Iterator[Finding]:
    versions = {name: installed(name) for name in ("eclipse-sumo", "libsumo", "traci", "sumolib")}
    present = {name: version for name, version in versions.items() if version}
    if not present:
        yield Finding("SUMO", "absent", 'pip install "trimtab[traffic]"')
    elif len(present) < len(versions) or len(set(present.values())) > 1:
        yield Finding("SUMO", "broken", f"wheels must be one version, found {present}")
    else:
        yield Finding("SUMO", "ok", str(versions["libsumo"]))
    if os.environ.get("SUMO_HOME"):
        what = f"{os.environ['SUMO_HOME']} is ignored: the wheel's own SUMO is used"
        yield Finding("SUMO_HOME", "ok", what)


def _disk(workspace: Path) -> Finding:
    folder = workspace.resolve()
    while not folder.exists():
        folder = folder.parent
    free_gb = shutil.disk_usage(folder).free / 1e9
    state: State = "ok" if free_gb >= LOW_DISK_GB else "warning"
    return Finding("disk", state, f"{free_gb:.0f} GB free in {folder}")


def _store(workspace: Path) -> Finding:
    if not (workspace / STORE_FILE).exists():
        return Finding("job store", "ok", f"none yet in {workspace}")
    try:
        with Store(workspace) as store:
            verdict, count = store.check(), len(store.runs(1000))
    except (TrimtabError, sqlite3.Error) as error:
        return Finding("job store", "broken", str(error))
    state: State = "ok" if verdict == "ok" else "broken"
    return Finding("job store", state, f"{store.path}: integrity {verdict}, {count} runs")


def _plugins() -> Iterator[Finding]:
    for seen in look_at(plugins()):
        plugin = seen.plugin
        if plugin.manifest is None or seen.broken:
            yield Finding(f"plug-in {plugin.name}", "broken", seen.broken)
            continue
        domains = plugin.manifest.domains
        lacking = sorted({lib for d in domains for lib in missing(d.system_libraries)})
        what = ", ".join(domain.name for domain in domains)
        if lacking:
            what += f"; this system lacks {', '.join(lacking)}"
        yield Finding(f"plug-in {plugin.name}", "broken" if lacking else "ok", what)
