"""What a job's id hashes: everything that can change its result, and nothing else."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from pathlib import Path
from typing import Any

import trimtab
from trimtab.contracts.controller import Entry
from trimtab.contracts.domain import Domain, PluginManifest
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.registry import GROUP, manifests, plugins
from trimtab.contracts.scenario import StrictModel, canonical_json

_CORE_ROOMS = ("contracts", "run", "deploy")
_DESIGN_ROOMS = (*_CORE_ROOMS, "search")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content.

    Raises:
        InputFileError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise InputFileError(msg) from None


def is_whole(path: Path, sha256: str) -> bool:
    """Whether a file is there with that content."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


@cache
def _source_sha256(folders: tuple[Path, ...]) -> str:
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            total.update(f"{path.relative_to(folder)}:{file_sha256(path)}\n".encode())
    return total.hexdigest()


def installed(package: str) -> str | None:
    """Installed version of a distribution, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def versions(domain: str) -> Mapping[str, str]:
    """Versions under which a job of this domain gives the same bits.

    Product, plug-in, Python, the distributions of the domain's extra, and a digest of the
    source of plug-in and core, so that an edited checkout never serves stale results.
    """
    manifest, folder = manifests()[domain]
    core = Path(trimtab.__file__).parent
    rooms = _DESIGN_ROOMS if manifest.kind == "design" else _CORE_ROOMS
    sources = (*(core / room for room in rooms), folder)
    found = {
        "trimtab": trimtab.__version__,
        "python": platform.python_version(),
        "source": _source_sha256(sources),
    }
    for name in ("numpy", *_distribution(domain), *_extra_packages(manifest.extra)):
        found[name] = installed(name) or "absent"
    return found


def _distribution(domain: str) -> list[str]:
    """Distribution that brings the plug-in, where it is not the product itself."""
    owners = {p.name for p in plugins() if p.manifest and domain in _names(p.manifest)}
    found = {p.dist.name for p in entry_points(group=GROUP) if p.name in owners and p.dist}
    return sorted(found - {"trimtab"})


def _names(manifest: PluginManifest) -> set[str]:
    return {domain.name for domain in manifest.domains}


def _extra_packages(extra: str) -> list[str]:
    mark = f"extra == '{extra}'"
    wanted = [text for text in requires("trimtab") or [] if mark in text] if extra else []
    return sorted({package_name(text) for text in wanted})


def package_name(requirement: str) -> str:
    """Distribution name of a requirement such as ``numpy>=2; extra == 'x'``."""
    for stop in "<>=!~;[ ":
        requirement = requirement.partition(stop)[0]
    return requirement


@dataclass(frozen=True, slots=True)
class ProblemIdentity:
    """Identity of one scenario's problem; computed once, shared by its jobs.

    Attributes:
        problem: canonical JSON of the domain's settings.
        data: SHA-256 of each input file, in the domain's order.
    """

    domain: str
    problem: str
    data: tuple[str, ...]
    versions: Mapping[str, str]

    @classmethod
    def of(cls, domain: Domain, problem: StrictModel) -> ProblemIdentity:
        """Identity of a validated problem.

        Raises:
            InputFileError: one of its data files cannot be read.
        """
        data = tuple(file_sha256(path) for path in domain.data_files(problem))
        return cls(domain.name, canonical_json(problem), data, versions(domain.name))

    def sha256(self, **more: Any) -> str:
        """Hash of the problem together with `more` plain values."""
        everything = {
            "domain": self.domain,
            "problem": self.problem,
            "data": list(self.data),
            "versions": dict(self.versions),
            **more,
        }
        return hashlib.sha256(canonical_json(everything).encode()).hexdigest()


def controller_identity(
    name: str, entry: Entry, parameters: Mapping[str, Any], extra_files: Sequence[Path] = ()
) -> dict[str, Any]:
    """What identifies a controller: name, how it is built, parameters, and files' content."""
    used = {**entry.defaults, **parameters}
    return {
        "name": name,
        "interface": entry.interface,
        "shielded": entry.shielded,
        "needs": sorted(entry.needs),
        "parameters": json.loads(json.dumps(used, sort_keys=True, default=str)),
        "files": [file_sha256(path) for path in (*entry.files, *extra_files)],
    }
