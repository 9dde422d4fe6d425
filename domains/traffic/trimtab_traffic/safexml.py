"""Reads XML that a stranger may have written: streaming, capped, without document types.

Every XML file of a user passes through `elements` or `read_tree` before SUMO or sumolib sees
it. Document types (hence entities of any kind) are refused at their first byte; size on disk,
decompressed size, compression ratio, nesting, length of one token and children of one element are
capped, so that a hostile file costs less than two seconds and a bounded amount of memory.
"""

from __future__ import annotations

import gzip
import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat  # noqa: S407 - DTDs are refused before any declaration is read

from trimtab.contracts.errors import InputFileError

MAX_BYTES = 512 * 1024 * 1024
"""Size above which a file is refused, on disk and decompressed, bytes."""
MAX_RATIO = 250
"""Compression ratio above which a gzip file is a bomb (SUMO's own files reach about 40)."""
RATIO_FLOOR = 8 * 1024 * 1024
"""Decompressed bytes below which the ratio does not matter."""
MAX_DEPTH = 32
MAX_CHILDREN = 300_000
"""Elements below one child of the root."""
MIN_DENSITY = 24
"""Mean bytes per element below which a file of more than `DENSITY_FLOOR` elements is refused."""
DENSITY_FLOOR = 300_000
MAX_TOKEN = 4 * 1024 * 1024
"""Length of one tag, comment or attribute, bytes."""
_CHUNK = 256 * 1024


class Refused(Exception):  # noqa: N818 - a signal inside this module, not an error of the tree
    """Raised out of an expat callback: the reason, without the place."""


_UNREADABLE = (Refused, expat.ExpatError, OSError, ValueError, LookupError)


@dataclass(slots=True)
class XmlElement:
    """One element with its place in the file; text between tags is not kept.

    Attributes:
        name: tag.
        line: line of the start tag, counted from 1.
    """

    name: str
    attributes: dict[str, str]
    file: Path
    line: int
    children: list[XmlElement] = field(default_factory=list)

    @property
    def where(self) -> str:
        """``file:line`` for messages."""
        return f"{self.file}:{self.line}"

    @property
    def label(self) -> str:
        """``<tag id='…'>`` for messages."""
        identity = self.attributes.get("id")
        return f"<{self.name} id={identity!r}>" if identity else f"<{self.name}>"

    def find_all(self, name: str) -> Iterator[XmlElement]:
        """Children with that tag."""
        return (child for child in self.children if child.name == name)

    def text(self, key: str) -> str:
        """A required attribute.

        Raises:
            InputFileError: it is missing.
        """
        if key not in self.attributes:
            msg = f"{self.where}: {self.label} has no attribute {key!r}; add it"
            raise InputFileError(msg)
        return self.attributes[key]

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number.

        Raises:
            InputFileError: it is missing (and there is no default) or not a finite number.
        """
        if default is not None and key not in self.attributes:
            return default
        text = self.text(key)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            msg = f"{self.where}: {self.label}: {key} is {text!r}; write a finite number"
            raise InputFileError(msg)
        return value

    def seconds(self, key: str, default: float | None = None) -> float:
        """A time: seconds, ``h:m:s`` or ``d:h:m:s`` as SUMO accepts them.

        Raises:
            InputFileError: it is missing or no time.
        """
        if default is not None and key not in self.attributes:
            return default
        value = parse_seconds(self.text(key))
        if value is None:
            msg = f"{self.where}: {self.label}: {key} is {self.text(key)!r}; write seconds or h:m:s"
            raise InputFileError(msg)
        return value


def parse_seconds(text: str) -> float | None:
    """Seconds, ``h:m:s`` or ``d:h:m:s`` → seconds; None when it is neither."""
    try:
        parts = [float(part) for part in text.strip().split(":")]
    except ValueError:
        return None
    if len(parts) not in {1, 3, 4} or not all(math.isfinite(part) for part in parts):
        return None
    return sum(
        part * unit for part, unit in zip(reversed(parts), (1, 60, 3600, 86400), strict=False)
    )


class _CappedGzip(io.RawIOBase):
    """Decompressed bytes of a gzip file; stops at the size and ratio caps.

    Raises:
        InputFileError: by `read`, where the file is no whole gzip file or reaches a cap.
    """

    def __init__(self, path: Path, size_on_disk: int) -> None:
        self._path = path
        self._stream = gzip.open(path, "rb")  # noqa: SIM115 - closed by close()
        self._allowed = min(MAX_BYTES, max(RATIO_FLOOR, MAX_RATIO * size_on_disk))
        self._seen = 0

    def read(self, size: int = -1) -> bytes:
        try:
            block = self._stream.read(size)
        except (EOFError, OSError, zlib.error) as error:
            msg = f"{self._path}: cannot be decompressed ({error}); copy it again"
            raise InputFileError(msg) from None
        self._seen += len(block)
        if self._seen > self._allowed:
            size_mb = self._allowed // 2**20
            msg = f"{self._path}: decompresses to more than {size_mb} MB (a zip bomb?)"
            raise InputFileError(msg)
        return block

    def close(self) -> None:
        self._stream.close()
        super().close()


def open_bytes(path: Path) -> BinaryIO | io.RawIOBase:
    """Open a plain or gzip file for reading, decompressed and capped.

    Raises:
        InputFileError: the file is missing, no regular file, unreadable or too large.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            zipped = stream.read(2) == b"\x1f\x8b"
    except FileNotFoundError:
        msg = f"{path}: no such file; check the path"
        raise InputFileError(msg) from None
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be read ({error}); name a readable file"
        raise InputFileError(msg) from None
    if size > MAX_BYTES:
        msg = f"{path}: {size // 2**20} MB, more than {MAX_BYTES // 2**20}; cut it to the area"
        raise InputFileError(msg)
    return _CappedGzip(path, size) if zipped else path.open("rb")


class _Builder:
    """Expat callbacks that collect finished children of the root."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.root: XmlElement | None = None
        self.finished: list[XmlElement] = []
        self._open: list[XmlElement] = []
        self._descendants = 0
        self._elements = 0
        self._fed = 0

    def feed(self, block: bytes) -> None:
        self._fed += len(block)
        self.parser.Parse(block, not block)
        if block and self._fed - self.parser.CurrentByteIndex > MAX_TOKEN:
            msg = f"one tag, text or comment is longer than {MAX_TOKEN // 2**20} MB"
            raise Refused(msg)
        if self._elements > max(DENSITY_FLOOR, self._fed / MIN_DENSITY):
            msg = f"{self._elements} nearly empty elements; this is no SUMO file"
            raise Refused(msg)

    def _doctype(self, *_: object) -> None:
        msg = "contains a document type (DTD); remove the <!DOCTYPE …>, SUMO files need none"
        raise Refused(msg)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        element = XmlElement(name, attributes, self.path, self.parser.CurrentLineNumber)
        if self.root is None:
            self.root = element
        elif len(self._open) > 1:
            self._descendants += 1
            self._open[-1].children.append(element)
        self._open.append(element)
        self._elements += 1
        if len(self._open) > MAX_DEPTH:
            msg = f"elements nested deeper than {MAX_DEPTH}; this is no SUMO file"
            raise Refused(msg)
        if self._descendants > MAX_CHILDREN:
            msg = f"{self._open[1].label} has more than {MAX_CHILDREN} elements; split it"
            raise Refused(msg)

    def _end(self, _: str) -> None:
        element = self._open.pop()
        if len(self._open) == 1:
            self.finished.append(element)
            self._descendants = 0


def elements(path: Path) -> Iterator[XmlElement]:
    """Yield the root (without children), then each child of it as soon as it is complete.

    Raises:
        InputFileError: the file is missing, no XML, or breaks one of this module's caps.
    """
    builder = _Builder(path)
    root_given = False
    with open_bytes(path) as stream:
        while True:
            try:
                block = stream.read(_CHUNK)
                builder.feed(block or b"")
            except InputFileError:
                raise
            except _UNREADABLE as error:
                raise _refusal(builder, error) from None
            if builder.root is not None and not root_given:
                root_given = True
                yield builder.root
            yield from builder.finished
            builder.finished.clear()
            if not block:
                return


def _refusal(builder: _Builder, error: Exception) -> InputFileError:
    line = builder.parser.CurrentLineNumber
    if isinstance(error, expat.ExpatError):
        reason = expat.ErrorString(error.code)
        where = f"{builder.path}:{error.lineno}:{error.offset + 1}"
        return InputFileError(
            f"{where}: not well-formed XML ({reason}); mend or re-export the file"
        )
    if isinstance(error, Refused):
        return InputFileError(f"{builder.path}:{line}: {error}")
    return InputFileError(f"{builder.path}: cannot be read ({error}); copy it again")


def read_tree(path: Path, *roots: str) -> XmlElement:
    """Read a whole (small) file.

    Args:
        path: file, plain or gzip.
        roots: allowed root tags; any if none is given.

    Raises:
        InputFileError: as `elements`, or the root is another one.
    """
    stream = elements(path)
    root = next(stream)
    if roots:
        expect_root(root, *roots)
    for count, child in enumerate(stream):
        if count >= MAX_CHILDREN:
            msg = f"{child.where}: more than {MAX_CHILDREN} elements; split the file"
            raise InputFileError(msg)
        root.children.append(child)
    return root


def expect_root(root: XmlElement, *names: str) -> None:
    """Check the root tag.

    Raises:
        InputFileError: it is none of `names`.
    """
    if root.name not in names:
        expected = " or ".join(f"<{name}>" for name in names)
        msg = f"{root.where}: the root element is <{root.name}>, expected {expected}"
        raise InputFileError(msg)
