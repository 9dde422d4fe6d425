"""The manifest of a run: everything needed to reproduce it, and what it took."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import trimtab
from trimtab.contracts.registry import active
from trimtab.run.identity import installed, package_name

SCHEMA = "trimtab/manifest/1"


def manifest(about: Mapping[str, Any]) -> dict[str, Any]:
    """Environment and `about` (command, seeds, hashes, times) as one document."""
    return {
        "schema": SCHEMA,
        "product": {"trimtab": trimtab.__version__, **_git()},
        "python": platform.python_version(),
        "os": platform.platform(),
        "cpu": {"model": _cpu_model(), "count": os.cpu_count()},
        "packages": _dependencies(),
        "plugins": active(),
        **about,
    }


def _dependencies() -> dict[str, str]:
    """Installed versions of every direct dependency, extras included."""
    names = {package_name(text) for text in requires("trimtab") or []}
    found = {name: installed(name) for name in sorted(names)}
    return {name: version for name, version in found.items() if version}


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git() -> dict[str, Any]:
    """Commit and dirty flag where the product runs from a checkout."""
    folder = Path(trimtab.__file__).parent
    commit = _git_says(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    status = _git_says(folder, "status", "--porcelain", "--untracked-files=no")
    return {"git": commit, "dirty": bool(status)}


def _git_says(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
