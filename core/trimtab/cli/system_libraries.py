"""Names what no wheel can bring: the platform, and system libraries that this machine lacks.

Runs before anything is installed (``python system_libraries.py MANIFEST...``), so it uses the
standard library only.
"""

from __future__ import annotations

import ctypes
import platform
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path


def refused_platform() -> str | None:
    """Why nothing can be installed on this machine, in one line; ``None`` where it can."""
    if (sys.platform, platform.machine()) == ("darwin", "x86_64"):
        return (
            "macOS on Intel cannot run trimtab: torch, libsumo and numba have no wheels for it; "
            "use macOS on Apple silicon, Linux, or Windows through WSL"
        )
    return None


def missing(libraries: Iterable[str]) -> list[str]:
    """Shared libraries that the dynamic loader does not find."""
    return [name for name in libraries if not _loads(name)]


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def complaint(manifest: Path) -> str:
    """One line that names what is missing and the packages to install, or nothing."""
    domains = tomllib.loads(manifest.read_text(encoding="utf-8")).get("domains", [])
    lines = []
    for domain in domains:
        lacking = missing(domain.get("system_libraries", []))
        if lacking and sys.platform == "linux":
            packages = " ".join(domain.get("debian_packages", []))
            lines.append(
                f"{domain['name']} needs {', '.join(lacking)} from the system; "
                f"Debian and Ubuntu: apt install {packages}"
            )
    return "\n".join(dict.fromkeys(lines))


def main(arguments: list[str]) -> int:
    """Exit code 3 and one line per plug-in that lacks a library or for the platform, else 0."""
    lines = (refused_platform(), *(complaint(Path(a)) for a in arguments))
    complaints = [line for line in lines if line]
    sys.stderr.write("".join(f"{line}\n" for line in complaints))
    return 3 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
