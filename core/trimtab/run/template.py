"""Scenario templates: every key of a domain with its help, range and default as comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from trimtab.contracts.domain import Domain, Imported
from trimtab.contracts.registry import manifests
from trimtab.contracts.scenario import SearchBudget
from trimtab.run.diagnostics import options_of
from trimtab.run.scenario_file import SCHEMA, SCHEMA_NUMBER
from trimtab.run.yaml_document import decode, parse

_LIMITS = (("ge", "≥ {}"), ("gt", "> {}"), ("le", "≤ {}"), ("lt", "< {}"))


def scenario_template(domain: Domain, name: str, imported: Imported | None = None) -> str:
    """Text of a scenario file of `domain` that is valid as it is where the domain ships one.

    Values are those of the shipped scenario that the manifest names (`template`, else the first),
    or what was imported from a user's files, with the notes on it; every other key is there as a
    comment with its default.
    """
    given = _shipped(domain.name).get("problem", {}) if imported is None else imported.problem
    problem = dict(given)
    notes = () if imported is None else imported.notes
    clean = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "scenario"
    lines = [
        f"# {domain.title}. Check it with `trimtab validate`, run it with `trimtab run`.",
        *(f"# note: {' '.join(note.split())}" for note in notes),
        f"schema: {SCHEMA}{SCHEMA_NUMBER}",
        f"name: {clean}",
        f"domain: {domain.name}",
        "# description: one line for listings",
        "problem:" if problem or _required(domain.problem_model) else "problem: {}",
        *_keys(domain.problem_model, problem, "  "),
        *_choices(domain),
        "seeds: [1, 2, 3, 4, 5]",
    ]
    return "\n".join(lines) + "\n"


def _choices(domain: Domain) -> list[str]:
    if manifests()[domain.name][0].kind == "control":
        return ["# controllers: [a, b]   # all of the domain if absent"]
    field = SearchBudget.model_fields["evaluations"]
    return [
        "# controllers: [random, cmaes]   # optimizers; all that need no extra if absent",
        f"# {field.description}",
        f"budget: {{evaluations: {field.default}}}",
    ]


def _shipped(domain: str) -> dict[str, Any]:
    manifest, folder = manifests()[domain]
    shipped = (folder / manifest.scenarios).glob("*.yaml")
    for path in sorted(shipped, key=lambda path: (path.stem != manifest.template, path.name)):
        data = parse(decode(path.read_bytes(), str(path)), str(path)).data
        if data.get("domain") == domain:
            return dict(data)
    return {}


def _required(model: type[BaseModel]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


def _keys(model: type[BaseModel], given: dict[str, Any], indent: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = field.alias or name
        yield from _about(field, indent)
        nested = _nested(field)
        if key not in given:
            yield f"{indent}# {key}: {_default(field)}"
        elif nested is not None and isinstance(given[key], dict) and given[key]:
            yield f"{indent}{key}:"
            yield from _keys(nested, given[key], f"{indent}  ")
        else:
            yield f"{indent}{key}: {_value(given[key])}"


def _about(field: FieldInfo, indent: str) -> Iterator[str]:
    limits = [
        text.format(getattr(mark, name))
        for mark in field.metadata
        for name, text in _LIMITS
        if getattr(mark, name, None) is not None
    ]
    said = "; ".join(part for part in (field.description or "", ", ".join(limits)) if part)
    if said:
        yield f"{indent}# {said}"


def _nested(field: FieldInfo) -> type[BaseModel] | None:
    for option in options_of(field.annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True, validated_data={})
    return "required" if default is PydanticUndefined else _value(default)


def _value(value: Any) -> str:
    """A value as YAML in flow style (JSON is YAML)."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True)
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w/-]*", value):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(_value(item) for item in value)}]"
    return json.dumps(value, default=str, ensure_ascii=False)
