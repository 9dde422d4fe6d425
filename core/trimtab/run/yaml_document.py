"""YAML read safely, with the place of every key and value.

A strict subset of YAML 1.2: no aliases, anchors, tags, merge keys or duplicate keys; scalars by
the YAML 1.2 core schema (`10:30`, `on`, `2026-01-01` stay text, `010` is ten, `1e3` a number).
Only parser *events* are read: composing nodes recurses, and the C composer crashes the process
on deep nesting, while the event stream is cut at the first level too deep.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from trimtab.contracts.errors import Fault, ScenarioError

MAX_BYTES = 1_000_000
MAX_DEPTH = 64
MAX_NODES = 100_000
EMPTY = "is empty: `trimtab init` writes one to start from"
Path = tuple[str | int, ...]

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INF = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NAN = re.compile(r"\.(nan|NaN|NAN)")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def fault(self, path: Path, message: str) -> Fault:
        """A finding at this place."""
        return Fault(self.file, self.line, self.column, dotted(path), message)


@dataclass(slots=True)
class Document:
    """Plain data with the mark of each value, and of each key of a mapping."""

    data: Any
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def value_mark(self, path: Path) -> Mark:
        """Mark of the value at `path`, or of its nearest ancestor that exists."""
        while path not in self.values:
            path = path[:-1]
        return self.values[path]

    def key_mark(self, path: Path) -> Mark:
        """Mark of the key at `path`, or of the value where it is not a key."""
        return self.keys.get(path) or self.value_mark(path)


def dotted(path: Path) -> str:
    """``problem.lanes[2].speed`` for a path."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def scalar(text: str) -> Any:
    """A plain (unquoted) scalar by the YAML 1.2 core schema."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INF.fullmatch(text):
        return float(text.lower().replace(".", ""))
    return float("nan") if _NAN.fullmatch(text) else text


def raw_text(path: FilePath) -> bytes:
    """What a file begins with: enough for `decode` to see that it is too large."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def decode(raw: bytes, file: str) -> str:
    """Bytes → text: size cap, UTF-8 (a byte-order mark is accepted), no NUL.

    Raises:
        ScenarioError: with the line and column of the first bad byte.
    """
    if len(raw) > MAX_BYTES:
        msg = f"is larger than {MAX_BYTES} bytes: keep data in files of their own"
        raise ScenarioError([Fault(file, 1, 1, "", msg)])
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ScenarioError([Fault(file, 1, 1, "", "is UTF-16: save it as UTF-8")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig")
        what = f"byte 0x{raw[error.start]:02x} is not UTF-8: save the file as UTF-8"
        raise ScenarioError([_at_end_of(before, file, what)]) from None
    if "\0" in text:
        what = "NUL character: the file is binary or damaged"
        raise ScenarioError([_at_end_of(text[: text.index("\0")], file, what)])
    return text


def _at_end_of(before: str, file: str, message: str) -> Fault:
    line = before.count("\n") + 1
    return Fault(file, line, len(before) - before.rfind("\n"), "", message)


def parse(text: str, file: str) -> Document:
    """Text → data and marks; duplicate keys and the like are kept as faults.

    Raises:
        ScenarioError: the text is not YAML of the accepted subset; only the first such finding
            is known, since nothing after it can be read.
    """
    return _Builder(file, _events(text, file)).document()


def _mark(mark: Any, file: str) -> Mark:
    """PyYAML's mark, which counts from 0, as ours."""
    return Mark(file, mark.line + 1, mark.column + 1)


def _events(text: str, file: str) -> Iterator[yaml.Event]:
    depth = 0
    nodes = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            nodes += isinstance(event, yaml.NodeEvent)
            _refuse(event, depth, nodes, file)
            yield event
    except yaml.MarkedYAMLError as error:
        what = f"is not YAML: {error.problem or error.context}"
        mark = error.problem_mark
        if mark is None or mark.line >= len(text.splitlines()):
            raise ScenarioError([_at_end_of(text.rstrip(), file, what)]) from None
        raise ScenarioError([_mark(mark, file).fault((), what)]) from None
    except yaml.reader.ReaderError as error:
        what = f"character {error.character!r} is not allowed in YAML"
        raise ScenarioError([_at_end_of(text[: error.position], file, what)]) from None


def _refuse(event: yaml.Event, depth: int, nodes: int, file: str) -> None:
    reason = ""
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        reason = "anchors and aliases are not accepted: write the value out"
    elif tag := getattr(event, "tag", None):
        reason = f"tag {tag!r} is not accepted: write a plain value"
    elif depth > MAX_DEPTH:
        reason = f"is nested deeper than {MAX_DEPTH} levels"
    elif nodes > MAX_NODES:
        reason = f"has more than {MAX_NODES} values: keep data in files of their own"
    if reason:
        raise ScenarioError([_mark(event.start_mark, file).fault((), reason)])


class _Builder:
    """Builds data from events; recursion is bounded by `MAX_DEPTH`."""

    def __init__(self, file: str, events: Iterator[yaml.Event]) -> None:
        self._file = file
        self._events = events
        self._out = Document(None)

    def document(self) -> Document:
        start = [yaml.StreamStartEvent, yaml.DocumentStartEvent]
        if [type(e) for e in (next(self._events), next(self._events))] != start:
            raise ScenarioError(
                [Fault(self._file, 1, 1, "", "is empty: `trimtab init` writes one to start from")]
            )
        self._out.data = self._value(next(self._events), ())
        next(self._events)  # the end of the document
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            fault = self._mark(after).fault((), "a second document starts here: keep one")
            raise ScenarioError([fault])
        return self._out

    def _mark(self, event: yaml.Event) -> Mark:
        return _mark(event.start_mark, self._file)

    def _value(self, event: yaml.Event, path: Path) -> Any:
        self._out.values[path] = self._mark(event)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._value(item, (*path, i)) for i, item in enumerate(self._until_end())]
        return self._mapping(path)

    def _until_end(self) -> Iterator[yaml.Event]:
        for event in self._events:
            if isinstance(event, yaml.CollectionEndEvent):
                return
            yield event

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> Any:
        if not event.implicit[0]:
            return event.value
        try:
            return scalar(event.value)
        except ValueError:
            self._fault(event, path, f"a number of {len(event.value)} digits is too long")
            return None

    def _mapping(self, path: Path) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_event in self._until_end():
            key = self._key(key_event, path)
            value_path = (*path, key)
            repeated = key in out
            first = self._out.keys.get(value_path)
            value = self._value(next(self._events), value_path)
            if repeated and first is not None:
                self._fault(key_event, value_path, f"is given twice, first in line {first.line}")
                continue
            self._out.keys[value_path] = self._mark(key_event)
            out[key] = value
        return out

    def _key(self, event: yaml.Event, path: Path) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise ScenarioError([self._mark(event).fault(path, "a key must be plain text")])
        if event.value == "<<" and event.implicit[0]:
            fault = self._mark(event).fault(path, "merge keys are not accepted: write the keys out")
            raise ScenarioError([fault])
        return str(event.value)

    def _fault(self, event: yaml.Event, path: Path, message: str) -> None:
        self._out.faults.append(self._mark(event).fault(path, message))
