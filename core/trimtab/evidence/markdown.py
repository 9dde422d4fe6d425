"""A report document as Markdown, figures linked as SVG files beside it."""

from __future__ import annotations

import re

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
    TableBlock,
)

_SPECIAL = re.compile(r"([\\`*<>\[\]|#])|(?<!\w)(_)|(_)(?!\w)")


def escape_markdown(content: str) -> str:
    """Text that Markdown shows as it is: one line, markup characters escaped."""
    return _SPECIAL.sub(lambda found: "\\" + found.group(0), " ".join(content.split()))


def render_markdown(document: Document, figure_paths: tuple[str, ...]) -> str:
    """The report in Markdown.

    Args:
        document: What the report says.
        figure_paths: Relative path of each figure's SVG file, in the document's order.
    """
    heading, why = document.verdict
    parts = [
        f"# {escape_markdown(document.title)}",
        escape_markdown(document.subtitle),
        f"**{escape_markdown(heading)}.** {escape_markdown(why)}",
    ]
    paths = iter(figure_paths)
    for section in document.sections:
        parts.append(f"## {escape_markdown(section.title)}")
        parts.extend(
            _block(b, next(paths) if isinstance(b, FigureBlock) else "") for b in section.blocks
        )
    parts.append(f"---\n\n{escape_markdown(document.footer)}")
    return "\n\n".join(parts) + "\n"


def _block(block: Block, figure_path: str) -> str:
    match block:
        case Paragraph(content):
            return escape_markdown(content)
        case Bullets(items):
            return "\n".join(f"- {escape_markdown(item)}" for item in items)
        case Code(content):
            return f"```sh\n{content.replace('```', '')}\n```"
        case Facts(items):
            return "\n".join(
                f"- {escape_markdown(term)}: {escape_markdown(value)}" for term, value in items
            )
        case FigureBlock(figure, _):
            title, alt = escape_markdown(figure.title), escape_markdown(figure.alt)
            return f"### {title}\n\n![{alt}]({figure_path})\n\n{alt}"
        case TableBlock():
            return _table(block)
        case Folded(title, table):
            return f"### {escape_markdown(title)}\n\n{_table(table)}"


def _table(block: TableBlock) -> str:
    rule = ["---" if i in block.text else "---:" for i in range(len(block.header))]
    rows = [
        [_cell(cell, strong=i == block.strong and j == 0) for j, cell in enumerate(row)]
        for i, row in enumerate(block.rows)
    ]
    lines = [[escape_markdown(h) for h in block.header], rule, *rows]
    written = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{escape_markdown(block.caption)}\n\n{written}"


def _cell(cell: Cell, *, strong: bool) -> str:
    content = escape_markdown(f"{cell.text} {cell.detail}".strip())
    return f"**{content}**" if strong else content
