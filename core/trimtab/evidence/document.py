"""A report as plain blocks, so that HTML and Markdown say the same in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.contracts.figure import Figure


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of one-line points."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """A command to copy."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms and what they are."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell: the value, a second smaller part (the interval), and its tone."""

    text: str
    detail: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class TableBlock:
    """A table of figures, aligned right, with some columns of text.

    Attributes:
        text: indices of the columns that are text; the first names the row.
        strong: index of the row that stands out, or None.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    text: tuple[int, ...] = (0,)
    strong: int | None = None


@dataclass(frozen=True, slots=True)
class FigureBlock:
    """A figure and, for who cannot see it, a table of its data."""

    figure: Figure
    table: TableBlock | None = None


@dataclass(frozen=True, slots=True)
class Folded:
    """A table that most readers pass over: one line until it is opened."""

    title: str
    table: TableBlock


Block = Paragraph | Bullets | Code | Facts | TableBlock | FigureBlock | Folded


@dataclass(frozen=True, slots=True)
class Section:
    """One titled part of the report; `key` is its anchor."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The whole report.

    Attributes:
        verdict: the recommendation, a short heading and the sentence why.
        tiles: key figures: label, value, remark.
    """

    title: str
    subtitle: str
    verdict: tuple[str, str]
    tiles: tuple[tuple[str, str, str], ...]
    sections: tuple[Section, ...]
    footer: str


def figures_of(document: Document) -> list[Figure]:
    """Every figure in order."""
    blocks: Sequence[Block] = [b for section in document.sections for b in section.blocks]
    return [b.figure for b in blocks if isinstance(b, FigureBlock)]
