"""Reads YAML whose values carry known local tags; nothing is constructed but plain data.

Only parser events are read, so that depth and size are capped before anything is built.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass
from typing import Any

import yaml
from trimtab.contracts.errors import InputFileError
from trimtab.run.yaml_document import MAX_DEPTH, MAX_NODES, scalar


@dataclass(frozen=True, slots=True)
class Tagged:
    """A plain value with its tag."""

    tag: str
    value: Any


@dataclass(slots=True)
class _Open:
    """A collection that is being read; `key` waits for its value."""

    node: list[Any] | dict[Any, Any]
    tag: str | None
    key: Any = None
    has_key: bool = False


def parse_tagged(text: str, name: str, tags: Collection[str]) -> Any:
    """The one document of a text; tagged values become `Tagged`.

    Raises:
        InputFileError: no YAML, aliases, a tag that is not among `tags`, too deep or too large;
            names line and column.
    """
    try:
        return _compose(text, name, tags)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        what = getattr(error, "problem", None) or "cannot be read"
        msg = f"{name}{place}: is no YAML: {what}; mend it there"
        raise InputFileError(msg) from None


def _compose(text: str, name: str, tags: Collection[str]) -> Any:
    stack: list[_Open] = []
    document: list[Any] = []
    count = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        mark: Any = event.start_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}"
        if isinstance(event, yaml.AliasEvent):
            msg = f"{where}: aliases are not read; write the value out"
            raise InputFileError(msg)
        if not isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            continue
        count += 1
        if count > MAX_NODES or len(stack) > MAX_DEPTH:
            msg = f"{where}: more than {MAX_NODES} values or {MAX_DEPTH} levels; cut it"
            raise InputFileError(msg)
        if isinstance(event, yaml.CollectionEndEvent):
            closed = stack.pop()
            value = closed.node if closed.tag is None else Tagged(closed.tag, closed.node)
        else:
            tag = _tag(event, where, tags)
            if isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
                empty: list[Any] | dict[Any, Any] = (
                    [] if isinstance(event, yaml.SequenceStartEvent) else {}
                )
                stack.append(_Open(empty, tag))
                continue
            value = _scalar(event, tag, where)
        _put(stack, document, value, where)
    if len(document) != 1:
        msg = f"{name}: holds {len(document)} documents; one is read"
        raise InputFileError(msg)
    return document[0]


def _tag(event: Any, where: str, tags: Collection[str]) -> str | None:
    tag = event.tag
    if tag is None or tag == "!":
        return None
    if tag not in tags:
        msg = f"{where}: tag {tag} is not read; known: {', '.join(sorted(tags))}"
        raise InputFileError(msg)
    return str(tag)


def _scalar(event: Any, tag: str | None, where: str) -> Any:
    if event.style or tag is not None:
        return event.value if tag is None else Tagged(tag, event.value)
    try:
        return scalar(event.value)
    except ValueError:
        msg = f"{where}: a number of {len(event.value)} digits; shorten it"
        raise InputFileError(msg) from None


def _put(stack: list[_Open], document: list[Any], value: Any, where: str) -> None:
    if not stack:
        document.append(value)
        return
    top = stack[-1]
    if isinstance(top.node, list):
        top.node.append(value)
    elif not top.has_key:
        if not isinstance(value, Hashable) or isinstance(value, Tagged) or value in top.node:
            msg = f"{where}: key {value!r} cannot be used or comes twice; rename it"
            raise InputFileError(msg)
        top.key, top.has_key = value, True
    else:
        top.node[top.key] = value
        top.has_key = False
