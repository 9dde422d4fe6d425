"""Writes text, XML and CSV so that a reader never sees half a file."""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from trimtab.contracts.errors import TrimtabError

from trimtab_traffic.safexml import XmlElement

XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    """Write lines to a temporary file beside `path`, then move it there in one step.

    Raises:
        TrimtabError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name[:32]}.", suffix=".tmp"
        )
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror}); choose another output folder"
        raise TrimtabError(msg) from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(f"{line}\n" for line in lines)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def xml_lines(
    name: str, attributes: Mapping[str, object], children: Sequence[Iterable[str]] = ()
) -> Iterator[str]:
    """One element, its children indented below it."""
    start = name + "".join(f' {key}="{_attribute(value)}"' for key, value in attributes.items())
    if not children:
        yield f"<{start}/>"
        return
    yield f"<{start}>"
    for child in children:
        yield from (f"    {line}" for line in child)
    yield f"</{name}>"


def element_lines(element: XmlElement) -> Iterator[str]:
    """An element that was read, as lines to be written."""
    children = [element_lines(child) for child in element.children]
    return xml_lines(element.name, element.attributes, children)


def write_xml(path: Path, root: str, children: Iterable[Iterable[str]]) -> Path:
    """Write a document of one root and its children; see `write_lines`."""

    def lines() -> Iterator[str]:
        yield XML_HEAD
        yield f"<{root}>"
        for child in children:
            yield from (f"    {line}" for line in child)
        yield f"</{root}>"

    return write_lines(path, lines())


def copy_without_comments(source: Path, target: Path) -> Path:
    """Copy XML that SUMO's tools wrote; their comments carry dates and paths, so hashes differ."""
    return write_lines(target, [_COMMENT.sub("", source.read_text(encoding="utf-8")).rstrip()])


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a table; text that a spreadsheet would run as a formula gets a leading quote."""

    def lines() -> Iterator[str]:
        for row in (header, *rows):
            buffer = io.StringIO()
            csv.writer(buffer, lineterminator="").writerow([_cell(value) for value in row])
            yield buffer.getvalue()

    return write_lines(path, lines())


def shortest(number: float) -> str:
    """Shortest text that reads back as the same number; whole numbers without a point."""
    return str(int(number)) if float(number).is_integer() else repr(float(number))


def _attribute(value: object) -> str:
    text = shortest(value) if isinstance(value, float) else str(value)
    return escape(text, quote=True).replace("\n", "&#10;").replace("\t", "&#9;")


def _cell(value: object) -> object:
    if isinstance(value, float):
        return shortest(value)
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value
