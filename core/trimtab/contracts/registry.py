"""Finds domains by entry points; reads static manifests without importing plug-in code."""

from __future__ import annotations

import importlib
import importlib.util
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from pydantic import ValidationError

from trimtab.contracts.domain import Domain, DomainManifest, PluginManifest
from trimtab.contracts.errors import PluginError, TrimtabError, UnknownNameError

GROUP = "trimtab.domains"
DISABLED = "TRIMTAB_DISABLE_PLUGINS"
"""Environment variable: names of plug-ins to leave out, separated by commas."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One installed plug-in: its manifest, or the reason why it is broken."""

    name: str
    folder: Path | None
    manifest: PluginManifest | None
    broken: str = ""


def plugins() -> tuple[Plugin, ...]:
    """Every installed plug-in by name, broken ones with their reason, disabled ones left out."""
    off = os.environ.get(DISABLED, "").split(",")
    found = (point for point in entry_points(group=GROUP) if point.name not in off)
    points = sorted(found, key=lambda point: point.name)
    names = [point.name for point in points]
    return tuple(_read(point, clash=names.count(point.name) > 1) for point in points)


def active() -> dict[str, str]:
    """Name of every working plug-in → version of the distribution that brings it."""
    working = {plugin.name for plugin in plugins() if plugin.manifest is not None}
    points = (p for p in entry_points(group=GROUP) if p.name in working and p.dist is not None)
    return {p.name: p.dist.version for p in sorted(points, key=lambda p: p.name) if p.dist}


Known = Mapping[str, tuple[DomainManifest, Path]]
"""Domain name → (its manifest, the plug-in's package folder)."""


def manifests() -> dict[str, tuple[DomainManifest, Path]]:
    """What is `Known` of working plug-ins; read anew at each call."""
    return {
        domain.name: (domain, plugin.folder)
        for plugin in plugins()
        if plugin.manifest is not None and plugin.folder is not None
        for domain in plugin.manifest.domains
    }


def load_domain(name: str, known: Known | None = None) -> Domain:
    """Import a domain's code by the name a scenario uses.

    Args:
        name: of the domain.
        known: what `manifests` gave, for callers who have asked already.

    Raises:
        UnknownNameError: no plug-in offers that domain.
        PluginError: its code does not import or is not a Domain.
    """
    known = manifests() if known is None else known
    if name not in known:
        raise UnknownNameError(name, "domain", known)
    module, _, attribute = known[name][0].code.partition(":")
    try:
        domain = getattr(importlib.import_module(module), attribute)
    except TrimtabError:
        raise
    except Exception as error:
        raise PluginError(name, f"{type(error).__name__}: {error}") from error
    if not isinstance(domain, Domain):
        raise PluginError(name, f"{known[name][0].code} is not a Domain")
    return domain


def shipped_scenarios(known: Known | None = None) -> dict[str, Path]:
    """Scenario id ``area/name`` → file, over all working plug-ins, toys included."""
    found: dict[str, Path] = {}
    for manifest, folder in (manifests() if known is None else known).values():
        for path in sorted((folder / manifest.scenarios).glob("*.yaml")):
            found[f"{manifest.area}/{path.stem}"] = path
    return found


def _read(point: EntryPoint, *, clash: bool) -> Plugin:
    if clash:
        return Plugin(point.name, None, None, "two plug-ins have this name; uninstall one")
    try:
        package, _, relative = point.value.partition(":")
        spec = importlib.util.find_spec(package.partition(".")[0])
        if spec is None or spec.origin is None:
            return Plugin(point.name, None, None, f"package {package!r} is not importable")
        path = Path(spec.origin).parent / relative
        manifest = PluginManifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        return Plugin(point.name, None, None, f"its manifest is not readable: {error}")
    return Plugin(point.name, path.parent, manifest)
