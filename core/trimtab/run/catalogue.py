"""What there is to choose from: shipped scenarios, and the schema of scenario files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import ScenarioError
from trimtab.contracts.registry import load_domain, manifests, plugins
from trimtab.contracts.scenario import scenario_model
from trimtab.run.probe import look_at
from trimtab.run.yaml_document import decode, parse

JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Shipped:
    """One shipped scenario, as listings show it."""

    id: str
    domain: str
    description: str
    path: Path


def shipped_summaries(*, hidden: bool = False) -> list[Shipped]:
    """Shipped scenarios by id, those of test plug-ins only if `hidden`; imports no domain."""
    found: list[Shipped] = []
    for plugin in plugins():
        if plugin.manifest is None or plugin.folder is None:
            continue
        if plugin.manifest.hidden and not hidden:
            continue
        for domain in plugin.manifest.domains:
            files = sorted((plugin.folder / domain.scenarios).glob("*.yaml"))
            found += [_summary(f"{domain.area}/{path.stem}", path) for path in files]
    return sorted(found, key=lambda shipped: shipped.id)


def _summary(name: str, path: Path) -> Shipped:
    try:
        data = parse(decode(path.read_bytes(), str(path)), str(path)).data
    except ScenarioError as error:
        return Shipped(name, "", f"not readable: {error.faults[0].message}", path)
    known = data if isinstance(data, dict) else {}
    return Shipped(name, str(known.get("domain", "")), str(known.get("description", "")), path)


def scenario_schema(domain: str | None = None) -> dict[str, Any]:
    """JSON Schema of scenario files of one domain, or of every installed one.

    Raises:
        UnknownNameError: no plug-in offers that domain.
        PluginError: its plug-in is broken.
    """
    if domain is not None:
        return {"$schema": JSON_SCHEMA, **_schema_of(domain)}
    broken = {seen.plugin.name for seen in look_at(plugins()) if seen.broken}
    names = [
        domain.name
        for plugin in plugins()
        if plugin.manifest is not None and plugin.name not in broken
        for domain in plugin.manifest.domains
    ]
    return {"$schema": JSON_SCHEMA, "oneOf": [_schema_of(name) for name in sorted(names)]}


def _schema_of(name: str) -> dict[str, Any]:
    known = manifests()
    domain = load_domain(name, known)
    model = scenario_model(known[name][0].kind, domain.problem_model)
    schema: dict[str, Any] = model.model_json_schema(by_alias=True)
    schema["title"] = f"Trimtab scenario, {name}"
    schema["properties"]["domain"]["const"] = name
    return schema
