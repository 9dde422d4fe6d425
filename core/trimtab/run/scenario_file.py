"""Scenario files: found by path or shipped id, parsed, overridden, migrated and validated.

Every fault of a file is reported at once, each at the line and column of its key or value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, ValidationError

from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import (
    Fault,
    PluginError,
    ScenarioError,
    TrimtabError,
    UnknownNameError,
    suggestion,
)
from trimtab.contracts.registry import Known, load_domain, manifests, shipped_scenarios
from trimtab.contracts.scenario import DesignScenario, Scenario, StrictModel, scenario_model
from trimtab.run.diagnostics import faults_of
from trimtab.run.yaml_document import Document, Mark, decode, parse, raw_text
from trimtab.run.yaml_document import Path as KeyPath

SCHEMA = "trimtab/scenario/"
SCHEMA_NUMBER = 1
Migration = Callable[[dict[str, Any]], dict[str, Any]]
MIGRATIONS: dict[int, Migration] = {}
"""Schema number → the function that turns its data into that of the next number."""


@dataclass(frozen=True, slots=True)
class LoadedScenario:
    """A valid scenario and where it came from.

    Attributes:
        scenario: the whole model; `scenario.problem` is an instance of the domain's model.
        source: path or shipped id as the user named it.
        text: the file's text.
        overrides: what `--set` changed, as given.
        notes: one line each ("was written for an older schema").
    """

    scenario: Scenario[Any]
    domain: Domain
    source: str
    path: Path
    text: str
    overrides: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class _AnyProblem(StrictModel):
    """Stands in for the domain's model where the domain is not known."""

    model_config = ConfigDict(extra="allow")


def load_scenario(
    source: str | Path, overrides: Sequence[str] = (), inside: Path | None = None
) -> LoadedScenario:
    """Read a scenario by path or shipped id and validate it wholly.

    Args:
        source: a path, or a shipped id such as `traffic/cologne8`.
        overrides: `dotted.key=value` settings, values in YAML.
        inside: folder that every data file must lie in; None for anywhere.

    Raises:
        ScenarioError: with every fault found.
        UnknownNameError: neither a file nor a shipped id.
        PluginError: the domain's plug-in is broken.
    """
    known = manifests()
    path = find_scenario(source, known)
    text = decode(raw_text(path), str(path))
    document = parse(text, str(path))
    if not isinstance(document.data, dict):
        raise ScenarioError([document.values[()].fault((), "must be a mapping of keys to values")])
    notes = _migrate(document)
    for override in overrides:
        apply_override(document, override)
    scenario, domain = _validate(document, path.parent, inside, known)
    if scenario.sweep is not None:
        notes.append("has a sweep, which `run` does not walk: only its base point is run")
    return LoadedScenario(scenario, domain, str(source), path, text, tuple(overrides), tuple(notes))


def stored_scenario(
    scenario: Mapping[str, Any], source: str, overrides: tuple[str, ...] = ()
) -> LoadedScenario:
    """A scenario that a run stored, validated again; `source` is what the user called it.

    Raises:
        ScenarioError: it is no longer valid under this version.
    """
    text = json.dumps(dict(scenario))
    document = parse(text, f"stored scenario of {source}")
    notes = _migrate(document)
    valid, domain = _validate(document, Path("/"), None, manifests())
    return LoadedScenario(valid, domain, source, Path(source), text, overrides, tuple(notes))


def find_scenario(source: str | Path, known: Known | None = None) -> Path:
    """The file of a path or shipped id.

    Raises:
        UnknownNameError: there is neither.
        ScenarioError: it is no regular file.
    """
    path = Path(source)
    if path.is_file():
        return path
    if path.exists():
        raise ScenarioError([Fault(str(path), 1, 1, "", "is not a file: name the scenario in it")])
    shipped = shipped_scenarios(known)
    if str(source) in shipped:
        return shipped[str(source)]
    if path.suffix in {".yaml", ".yml", ".json"}:
        raise ScenarioError([Fault(str(path), 1, 1, "", _absent(path))])
    raise UnknownNameError(str(source), "scenario (a path or a shipped id)", shipped)


def _absent(path: Path) -> str:
    """No file of that name: say what is near it, or which folder is missing."""
    if not path.parent.is_dir():
        return f"no such file: there is no folder {path.parent}"
    close = suggestion(path.name, [other.name for other in path.parent.glob("*.y*ml")])
    return f"no such file.{close}" if close else "no such file"


def apply_override(document: Document, override: str) -> None:
    """Set `dotted.key=value` in a parsed document; list items are numbered from 0.

    Raises:
        ScenarioError: the override is malformed, or passes through something without keys.
    """
    origin = f"--set {override}"
    key, equals, value = override.partition("=")
    if not equals or not re.fullmatch(r"[^.\s=]+(\.[^.\s=]+)*", key):
        raise ScenarioError([Fault(origin, 1, 1, "", "write it as dotted.key=value")])
    shifted = " " * (len(key) + 1) + value  # so that columns count in the override
    parsed = parse(shifted, origin) if value else Document(None, {(): Mark(origin, 1, 1)})
    if parsed.faults:
        raise ScenarioError(parsed.faults)
    parts = key.split(".")
    path, target = _descend(document, parts[:-1], origin)
    last = _index(target, parts[-1], origin, path)
    target[last] = parsed.data
    _graft(document, parsed, (*path, last))


def _descend(document: Document, parts: Sequence[str], origin: str) -> tuple[KeyPath, Any]:
    path: KeyPath = ()
    target = document.data
    for part in parts:
        key = _index(target, part, origin, path)
        if isinstance(target, dict) and target.get(key) is None:
            target[key] = {}
        path, target = (*path, key), target[key]
        document.values.setdefault(path, Mark(origin, 1, 1))
    return path, target


def _index(target: Any, part: str, origin: str, path: KeyPath) -> str | int:
    mark = Mark(origin, 1, 1)
    if isinstance(target, dict):
        return part
    if not isinstance(target, list):
        raise ScenarioError([mark.fault(path, f"has no key {part!r}: it is {target!r}")])
    if not part.isdigit() or int(part) >= len(target):
        what = f"has {len(target)} items: number one from 0, got {part!r}"
        raise ScenarioError([mark.fault(path, what)])
    return int(part)


def _graft(document: Document, parsed: Document, path: KeyPath) -> None:
    """Put the marks of an override in place of those of the value it replaced."""
    for marks, new in ((document.values, parsed.values), (document.keys, parsed.keys)):
        for old in [p for p in marks if p[: len(path)] == path]:
            del marks[old]
        marks.update({path + below: mark for below, mark in new.items()})
    document.keys[path] = Mark(document.values[path].file, 1, 1)


def _migrate(document: Document) -> list[str]:
    """Bring older data to the present schema; a newer one is an error."""
    data, path = document.data, ("schema",)
    declared = str(data.get("schema", f"{SCHEMA}{SCHEMA_NUMBER}"))
    number = declared.removeprefix(SCHEMA)
    if not declared.startswith(SCHEMA) or not number.isdigit():
        return []  # the model says what is expected
    if int(number) > SCHEMA_NUMBER:
        what = (
            f"{declared} is newer than this version reads ({SCHEMA}{SCHEMA_NUMBER}): "
            "upgrade trimtab"
        )
        raise ScenarioError([document.value_mark(path).fault(path, what)])
    document.data = migrated(data, int(number), MIGRATIONS)
    if int(number) == SCHEMA_NUMBER:
        return []
    return [f"written for {declared}; `trimtab migrate` rewrites it for {SCHEMA}{SCHEMA_NUMBER}"]


def migrated(
    data: dict[str, Any], number: int, migrations: Mapping[int, Migration]
) -> dict[str, Any]:
    """Apply the migrations from schema `number` on and set the id that results.

    Raises:
        TrimtabError: one of them is missing.
    """
    while number < SCHEMA_NUMBER:
        if number not in migrations:
            msg = f"schema {SCHEMA}{number} is no longer read: oldest known is {SCHEMA}1"
            raise TrimtabError(msg)
        data = {**migrations[number](data), "schema": f"{SCHEMA}{number + 1}"}
        number += 1
    return data


def migrate_file(path: Path) -> bool:
    """Rewrite a file of an older schema for the present one; False if it is up to date.

    The file is parsed, migrated and written again, so comments are lost.

    Raises:
        ScenarioError: it cannot be read, or is of a newer schema.
    """
    path = find_scenario(path)
    document = parse(decode(raw_text(path), str(path)), str(path))
    if not isinstance(document.data, dict):
        raise ScenarioError([document.values[()].fault((), "must be a mapping of keys to values")])
    if document.faults:
        raise ScenarioError(document.faults)
    if not _migrate(document):
        return False
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(yaml.safe_dump(document.data, sort_keys=False), encoding="utf-8")
    draft.replace(path)
    return True


def _validate(
    document: Document, folder: Path, inside: Path | None, known: Known
) -> tuple[Scenario[Any], Domain]:
    faults = list(document.faults)
    domain = _domain(document, faults, known)
    model: type[Scenario[Any]] = Scenario[_AnyProblem]
    if domain is not None:
        model = scenario_model(known[domain.name][0].kind, domain.problem_model)
    context = {"folder": folder, "inside": None if inside is None else inside.resolve()}
    try:
        scenario = model.model_validate(document.data, context=context)
    except ValidationError as error:
        raise ScenarioError(_in_order(faults + faults_of(error, document, model))) from None
    if domain is not None and not faults:
        faults += _unknown_controllers(document, scenario, domain)
    if faults or domain is None:
        raise ScenarioError(_in_order(faults))
    return scenario, domain


def _in_order(faults: Sequence[Fault]) -> list[Fault]:
    return sorted(faults, key=lambda fault: (fault.file, fault.line, fault.column))


def _domain(document: Document, faults: list[Fault], known: Known) -> Domain | None:
    name = document.data.get("domain")
    if not isinstance(name, str):
        return None  # the model says so
    try:
        return load_domain(name, known)
    except UnknownNameError:
        names = sorted(known)
        what = f"unknown domain {name!r}; known: {', '.join(names)}.{suggestion(name, names)}"
    except PluginError as error:
        what = str(error)
    faults.append(document.value_mark(("domain",)).fault(("domain",), what))
    return None


def _unknown_controllers(
    document: Document, scenario: Scenario[Any], domain: Domain
) -> list[Fault]:
    if not scenario.controllers:
        return []
    kind, known = "controller", sorted(domain.controllers(scenario.problem))
    if isinstance(scenario, DesignScenario):
        from trimtab.search.catalogue import OPTIMIZERS  # slow to import, and rarely needed

        kind, known = "optimizer", sorted(OPTIMIZERS)
    return [
        document.value_mark(path).fault(
            path,
            f"unknown {kind} {name!r}; known: {', '.join(known)}.{suggestion(name, known)}",
        )
        for path, name in [(("controllers", i), n) for i, n in enumerate(scenario.controllers)]
        if name not in known
    ]
