"""Checks of what a domain declares: manifest, metrics, scenario model, shipped scenarios."""

from __future__ import annotations

import copy
import inspect
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError

from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import TrimtabError
from trimtab.run.scenario_file import load_scenario
from trimtab.testing.checks import Check, check, expect
from trimtab.testing.failures import NotApplicableError
from trimtab.testing.subject import Subject

_LIMITS = {"minimum": -1, "exclusiveMinimum": 0, "maximum": 1, "exclusiveMaximum": 0}


@check()
def manifest_agrees_with_the_code(s: Subject) -> None:
    """Name and title are the same in both, and the kind is what `build` makes."""
    if s.manifest is None:
        msg = "no manifest was given"
        raise NotApplicableError(msg)
    for part in ("name", "title"):
        declared, coded = getattr(s.manifest, part), getattr(s.domain, part)
        expect(declared == coded, f"{part}: the manifest says {declared!r}, the code {coded!r}")
    problem = s.control() if s.kind == "control" else s.design()
    problem.close()


@check()
def domain_is_a_domain(s: Subject) -> None:
    """The object is an instance of `Domain` and has a name, a title and a problem model."""
    expect(isinstance(s.domain, Domain), f"got {type(s.domain).__name__}, expected a Domain")
    expect(s.domain.name and s.domain.title, "name and title must not be empty")


@check()
def metrics_are_well_named(s: Subject) -> None:
    """Metric names are unique identifiers with a unit and a sense."""
    names = [m.name for m in s.domain.metrics]
    expect(len(set(names)) == len(names), f"metric names must differ, got {names}")
    for metric in s.domain.metrics:
        expect(metric.name.isidentifier(), f"metric name {metric.name!r} is no identifier")
        expect(metric.unit, f"metric {metric.name} has no unit; write '1' for a pure number")
        expect(metric.sense in {"min", "max"}, f"metric {metric.name}: sense {metric.sense!r}")


@check()
def headline_is_among_the_metrics(s: Subject) -> None:
    """The headline, its unit and sense, is among the metrics; so is what pulls against it."""
    expect(s.domain.headline in s.domain.metrics, f"{s.domain.headline} is not in metrics")
    opposed = set() if s.manifest is None else set(s.manifest.trade_offs)
    unknown = sorted(opposed - {metric.name for metric in s.domain.metrics})
    expect(not unknown, f"trade_offs of the manifest name no metric: {', '.join(unknown)}")


@check()
def concepts_are_unique(s: Subject) -> None:
    """Names of concepts differ and are not empty."""
    names = s.domain.concepts
    expect(len(set(names)) == len(names) and all(names), f"concepts {names} must differ")


@check()
def problem_model_is_frozen(s: Subject) -> None:
    """A problem cannot be altered once it is validated."""
    expect(s.domain.problem_model.model_config.get("frozen"), "problem_model must be frozen")


@check()
def fields_are_described(s: Subject) -> None:
    """Every field of the problem model has a description, for the form and the errors."""
    bare = [n for n, f in s.domain.problem_model.model_fields.items() if not f.description]
    expect(not bare, f"fields without a description: {', '.join(bare)}")


@check()
def scenario_round_trips_through_json(s: Subject) -> None:
    """A problem written as JSON and read again is the same problem."""
    again = s.domain.problem_model.model_validate_json(s.problem.model_dump_json())
    expect(again == s.problem, "the problem read from its own JSON differs")


@check()
def json_schema_names_every_field(s: Subject) -> None:
    """The JSON Schema can be written and has every field of the model."""
    schema = json.loads(json.dumps(s.domain.problem_model.model_json_schema(by_alias=True)))
    fields = s.domain.problem_model.model_fields
    missing = {f.alias or n for n, f in fields.items()} - set(schema.get("properties", {}))
    expect(not missing, f"the schema lacks {sorted(missing)}")


@check()
def unknown_keys_are_refused_by_name(s: Subject) -> None:
    """A key that the model does not know is an error that names it."""
    _refused(s, "no_such_key", 1)


@check()
def wrong_types_are_refused_by_field(s: Subject) -> None:
    """A field given as a wrong type is an error that names the field."""
    for name in s.domain.problem_model.model_fields:
        _refused(s, name, object())


@check()
def infinite_numbers_are_refused(s: Subject) -> None:
    """NaN and infinity are no numbers of a scenario."""
    config = s.domain.problem_model.model_config
    expect(config.get("allow_inf_nan") is False, "problem_model must set allow_inf_nan=False")
    for name, schema in _numbers(s).items():
        if schema["type"] == "number":
            _refused(s, name, float("nan"))
            _refused(s, name, float("inf"))


@check()
def numbers_have_ranges_that_hold(s: Subject) -> None:
    """Every number has a limit on at least one side, and values beyond it are refused."""
    for name, schema in _numbers(s).items():
        limits = {key: schema[key] for key in _LIMITS if key in schema}
        expect(limits, f"{name}: give the field a range (ge, gt, le or lt)")
        for key, value in limits.items():
            _refused(s, name, value + _LIMITS[key])


def _numbers(s: Subject) -> dict[str, dict[str, Any]]:
    properties = s.domain.problem_model.model_json_schema(by_alias=True).get("properties", {})
    return {n: p for n, p in properties.items() if p.get("type") in {"number", "integer"}}


def _refused(s: Subject, field: str, value: Any) -> None:
    data = {**s.problem.model_dump(by_alias=True), field: value}
    try:
        s.domain.problem_model.model_validate(data)
    except ValidationError as error:
        named = {str(part) for fault in error.errors() for part in fault["loc"]}
        expect(field in named, f"{field} = {value!r} is refused, but the error names {named}")
        return
    expect(False, f"{field} = {value!r} is accepted")  # noqa: FBT003 - always fails here


@check()
def shipped_scenarios_are_valid(s: Subject) -> None:
    """Every scenario file in the package loads, and one of them at least is there."""
    if s.manifest is None or s.folder is None:
        msg = "no package folder is known"
        raise NotApplicableError(msg)
    files = sorted((s.folder / s.manifest.scenarios).glob("*.yaml"))
    expect(files, f"no scenario file in {s.manifest.scenarios}: ship one to start from")
    for path in files:
        loaded = load_scenario(path)
        expect(loaded.scenario.domain == s.domain.name, f"{path.name}: {loaded.scenario.domain}")


@check()
def hostile_files_are_refused_by_name(s: Subject) -> None:
    """Importing a file of noise raises a Trimtab error and leaves nothing behind."""
    with TemporaryDirectory() as name:
        noise = Path(name) / "noise.bin"
        noise.write_bytes(bytes(range(256)) * 4)
        home = Path(name) / "home"
        home.mkdir()
        try:
            s.domain.from_files([noise], home, "noise")
        except TrimtabError:
            left = [p.name for p in home.rglob("*")]
            expect(not left, f"a refused import left {left}")
            return
    expect(False, "a file of noise was imported")  # noqa: FBT003 - always fails here


@check()
def data_files_exist(s: Subject) -> None:
    """`data_files` and `check` name files that are there, and notes are one line each."""
    missing = [str(p) for p in s.domain.data_files(s.problem) if not p.is_file()]
    expect(not missing, f"data files that are not there: {missing}")
    for note in (*s.domain.check(s.problem), *s.domain.notes(s.problem)):
        expect(note and "\n" not in note, f"a note must be one line, got {note!r}")


@check(kind="control")
def references_are_among_the_controllers(s: Subject) -> None:
    """`reference` names at least one controller, and only offered ones."""
    offered, named = s.domain.controllers(s.problem), s.domain.reference(s.problem)
    expect(named, "no reference controller: name what practitioners use today")
    unknown = [n for n in named if n not in offered]
    expect(not unknown, f"references {unknown} are not among {sorted(offered)}")


@check(kind="control")
def controllers_are_described(s: Subject) -> None:
    """Every controller has an identifier for a name, and one line of help."""
    for name, entry in s.domain.controllers(s.problem).items():
        expect(name.replace("-", "_").isidentifier(), f"controller name {name!r}")
        expect(entry.help, f"controller {name} has no help")


@check(kind="control")
def defaults_lie_in_their_spaces(s: Subject) -> None:
    """Shipped parameters of a controller are known to its tuning space, or named by its factory."""
    for name, entry in s.domain.controllers(s.problem).items():
        if entry.parameters is not None:
            named = inspect.signature(entry.factory).parameters.values()
            known = {p.name for p in named if p.kind is not p.VAR_KEYWORD}
            known |= {p.name for p in entry.parameters.parameters}
            extra = sorted(set(entry.defaults) - known)
            expect(not extra, f"{name}: defaults {extra} are not in its parameter space")


@check()
def domain_keeps_no_state(s: Subject) -> None:
    """Building a problem alters nothing on the domain object."""
    before = copy.deepcopy(vars(s.domain))
    problem = s.control() if s.kind == "control" else s.design()
    problem.close()
    expect(vars(s.domain) == before, "build altered the domain object, which must be frozen")


@check("gold", must_apply=True)
def documentation_is_there(s: Subject) -> None:
    """The manifest names a document in the package, and it says something."""
    if s.manifest is None or s.folder is None or not s.manifest.docs:
        msg = "the manifest names no document (docs)"
        raise NotApplicableError(msg)
    path = s.folder / s.manifest.docs
    expect(path.is_file() and path.stat().st_size > 200, f"{s.manifest.docs} is not there")


CHECKS = tuple(value for value in list(globals().values()) if isinstance(value, Check))
