"""Reads text and JSON files that users bring; every fault names the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from trimtab.contracts.bounded import read_bounded
from trimtab.contracts.errors import InputFileError, TrimtabError

T = TypeVar("T")


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        InputFileError: The file is missing, unreadable, too large or no UTF-8.
    """
    try:
        return read_bounded(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as unreadable:
        msg = f"{path}: cannot be read: {unreadable}"
        raise InputFileError(msg) from unreadable


def parse_json(text: str, path: Path) -> Any:
    """The document in the text of a file.

    Raises:
        InputFileError: The text is no JSON; carries line and column.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as broken:
        msg = f"{path}:{broken.lineno}:{broken.colno}: not JSON: {broken.msg}"
        raise InputFileError(msg) from broken
    except RecursionError:
        msg = f"{path}: not such a file: brackets are nested too deep"
        raise InputFileError(msg) from None


def read_document(path: Path, parse: Callable[[Any], T]) -> T:
    """What `parse` makes of a JSON file.

    Raises:
        InputFileError: The file is unreadable, no JSON, or `parse` refuses what it says.
    """
    document = parse_json(read_text(path), path)
    with naming(path):
        return parse(document)


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Puts the file that a fault came from before what is said of it."""
    try:
        yield
    except TrimtabError as fault:
        msg = f"{path}: {fault}"
        raise InputFileError(msg) from fault
