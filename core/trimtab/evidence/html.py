"""A report document as one self-contained HTML page: no script, no request to any host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from importlib.resources import files

from trimtab.contracts.figure import Figure
from trimtab.evidence.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Document,
    Facts,
    FigureBlock,
    Folded,
    Paragraph,
    Section,
    TableBlock,
)
from trimtab.evidence.figures import render_both
from trimtab.evidence.svg import element, figure_css

Draw = Callable[[Figure], str]
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render_html(document: Document, draw: Draw = render_both, policy: str = _POLICY) -> str:
    """The page; every text that came from a user is escaped.

    Args:
        document: what it says.
        draw: markup of a figure.
        policy: what the page may load and run.
    """
    sections = (_section(section, draw) for section in document.sections)
    head = element(
        "head",
        {},
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="color-scheme" content="light dark">',
        element("title", {}, escape(f"{document.title}: comparison")),
        f"<style>{_page_css()}{figure_css()}</style>",
    )
    body = element(
        "body", {}, _header(document), element("main", {}, *sections),
        element("footer", {}, escape(document.footer)),
    )  # fmt: skip
    return f'<!doctype html>\n<html lang="en">{head}\n{body}</html>\n'


def _page_css() -> str:
    return files("trimtab.evidence").joinpath("report.css").read_text(encoding="utf-8")


def _header(document: Document) -> str:
    heading, why = document.verdict
    return element(
        "header",
        {},
        element("p", {"class": "brand"}, "Trimtab comparison"),
        element("h1", {}, escape(document.title)),
        element("p", {"class": "subtitle"}, escape(document.subtitle)),
        element(
            "div",
            {"class": "verdict"},
            element("h2", {}, escape(heading)),
            element("p", {}, escape(why)),
        ),
        tiles_html(document.tiles),
        _contents(document),
    )


def tiles_html(tiles: Sequence[tuple[str, str, str]]) -> str:
    """Key figures side by side: label, value, remark each."""
    return element("dl", {"class": "tiles"}, *(_tile(*tile) for tile in tiles))


def _tile(label: str, value: str, remark: str) -> str:
    return element(
        "div",
        {},
        element("dt", {}, escape(label)),
        element("dd", {"class": "value"}, escape(value)),
        element("dd", {"class": "remark"}, escape(remark)),
    )


def _contents(document: Document) -> str:
    links = "".join(
        element("a", {"href": f"#{section.key}"}, escape(section.title))
        for section in document.sections
    )
    return element("nav", {"aria-label": "Sections"}, links)


def _section(section: Section, draw: Draw) -> str:
    blocks = "\n".join(block_html(block, draw) for block in section.blocks)
    heading = element("h2", {"id": f"{section.key}-title"}, escape(section.title))
    attributes = {"id": section.key, "aria-labelledby": f"{section.key}-title"}
    return "\n" + element("section", attributes, heading, "\n", blocks)


def block_html(block: Block, draw: Draw = render_both) -> str:
    """One block of a report as markup; all text is escaped."""
    match block:
        case Paragraph(content):
            return element("p", {"class": "lead"}, escape(content))
        case Bullets(items):
            return element("ul", {}, *(element("li", {}, escape(item)) for item in items))
        case Code(content):
            return element("pre", {"tabindex": 0}, element("code", {}, escape(content)))
        case Facts(items):
            return element("dl", {"class": "facts"}, *(_fact(t, v) for t, v in items))
        case FigureBlock():
            return _figure(block, draw)
        case TableBlock():
            return _table(block)
        case Folded(title, table):
            return _folded(title, table)


def _folded(title: str, table: TableBlock) -> str:
    return element("details", {}, element("summary", {}, escape(title)), _table(table))


def _fact(term: str, value: str) -> str:
    return element("dt", {}, escape(term)) + element("dd", {}, escape(value))


def _figure(block: FigureBlock, draw: Draw) -> str:
    caption = element(
        "figcaption",
        {},
        element("strong", {}, escape(block.figure.title)),
        element("span", {}, escape(block.figure.alt)),
    )
    details = _folded("Data", block.table) if block.table else ""
    return element("figure", {}, caption, draw(block.figure), details)


def _table(block: TableBlock) -> str:
    css = ["text" if i in block.text else "figure" for i in range(len(block.header))]
    head = "".join(
        element("th", {"scope": "col", "class": c}, escape(h))
        for h, c in zip(block.header, css, strict=True)
    )
    rows = [
        element(
            "tr",
            {"class": "strong" if i == block.strong else ""},
            _cell(row[0], css[0], "th"),
            *(_cell(cell, c, "td") for cell, c in zip(row[1:], css[1:], strict=True)),
        )
        for i, row in enumerate(block.rows)
    ]
    table = element(
        "table",
        {},
        element("caption", {}, escape(block.caption)),
        element("thead", {}, element("tr", {}, head)),
        element("tbody", {}, "\n".join(rows)),
    )
    scroll = {"class": "scroll", "role": "region", "aria-label": block.caption, "tabindex": 0}
    return element("div", scroll, table)


def _cell(cell: Cell, css: str, tag: str) -> str:
    detail = element("small", {}, escape(cell.detail)) if cell.detail else ""
    scope = "row" if tag == "th" else ""
    attributes = {"class": f"{css} {cell.tone}".strip(), "scope": scope}
    return element(tag, attributes, escape(cell.text), detail)
