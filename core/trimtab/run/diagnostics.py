"""Turns pydantic's errors into faults at the place in the file, with suggestions."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from trimtab.contracts.errors import Fault, suggestion
from trimtab.run.yaml_document import Document, Path

_TUPLE = re.compile(r"\b(valid )?tuple\b")  # a file knows lists only
_QUOTED = re.compile(r"'([^']*)'")


def faults_of(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Fault]:
    """One fault per finding of pydantic, duplicates removed, in the order of the file."""
    found = [_fault(detail, document, model) for detail in error.errors(include_url=False)]
    return list(dict.fromkeys(found))


def _fault(detail: ErrorDetails, document: Document, model: type[BaseModel]) -> Fault:
    path = _path_in_data(detail["loc"], document.data)
    kind = detail["type"]
    if kind == "extra_forbidden":
        known = _keys_at(model, path[:-1])
        what = f"unknown key; known: {', '.join(known)}.{suggestion(str(path[-1]), known)}"
        return document.key_mark(path).fault(path, what)
    if kind == "missing":
        name = str(detail["loc"][-1])
        return document.value_mark(path).fault((*path, name), "is missing: add it")
    what = _message(detail)
    mark = document.key_mark if detail["loc"][-1:] == ("[key]",) else document.value_mark
    return mark(path).fault(path, what)


def _path_in_data(loc: tuple[int | str, ...], data: Any) -> Path:
    """`loc` without union tags and other parts that are not keys of the data."""
    path: Path = ()
    for part in loc:
        if _holds(data, part):
            path, data = (*path, part), data[part]
    return path


def _holds(data: Any, part: int | str) -> bool:
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def _message(detail: ErrorDetails) -> str:
    got, context = detail["input"], detail.get("ctx", {})
    text = detail["msg"].removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    text = _TUPLE.sub("list", text).replace(" after validation", "")
    shown = "" if isinstance(got, dict | list) else f" (got {_short(got)})"
    known = _QUOTED.findall(str(context.get("expected", context.get("expected_tags", ""))))
    return f"{text}{shown}" + (f".{suggestion(str(got), known)}" if known else "")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """Keys that the models at `path` know, sorted."""
    kinds: list[Any] = [model]
    for part in path:
        kinds = [inner for kind in kinds for inner in _inner(kind, part)]
    return sorted(
        {
            field.alias or name
            for kind in kinds
            for option in options_of(kind)
            if _is_model(option)
            for name, field in option.model_fields.items()
        }
    )


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def options_of(kind: Any) -> Iterator[Any]:
    """The alternatives of a union, annotations stripped."""
    if get_origin(kind) is Annotated:
        yield from options_of(get_args(kind)[0])
    elif get_origin(kind) in {Union, types.UnionType}:
        for option in get_args(kind):
            yield from options_of(option)
    else:
        yield kind


def _inner(kind: Any, part: str | int) -> Iterator[Any]:
    """What stands at key or position `part` of a value of type `kind`."""
    for option in options_of(kind):
        if _is_model(option):
            for name, field in option.model_fields.items():
                if part in {name, field.alias}:
                    yield field.annotation
        else:
            yield from get_args(option)
