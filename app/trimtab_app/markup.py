"""Accessible markup for what Streamlit has no element for; every text is escaped."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

import streamlit as st
from trimtab.contracts.figure import Figure
from trimtab.evidence.document import Block, Cell, TableBlock
from trimtab.evidence.figures import NARROW, WIDTH, render_svg
from trimtab.evidence.html import block_html, tiles_html
from trimtab.evidence.svg import standalone

TONES = {
    "done": "good",
    "running": "live",
    "cancelling": "warn",
    "failed": "bad",
    "cancelled": "",
    "paused": "warn",
    "queued": "",
}
"""State of a job or run → tone of its badge."""


def show(markup: str) -> None:
    """Put ready markup on the page in the app's style."""
    st.html(f'<div class="tt">{markup}</div>')


def title(text: str, subtitle: str = "") -> None:
    """The page's heading."""
    below = f'<p class="subtitle">{escape(subtitle)}</p>' if subtitle else ""
    show(f'<h1 class="page-title">{escape(text)}</h1>{below}')


def lead(text: str) -> None:
    """A quiet sentence that explains what follows."""
    show(f'<p class="lead">{escape(text)}</p>')


def badge(state: str) -> str:
    """A state as a word in a pill; the word carries the meaning, not the colour."""
    return f'<span class="badge {TONES.get(state, "")}">{escape(state)}</span>'


def bar(share: float, label: str) -> str:
    """A progress bar with its text alternative."""
    percent = round(100 * min(max(share, 0.0), 1.0))
    return (
        f'<div class="bar" role="img" aria-label="{escape(label)}: {percent} per cent">'
        f'<span style="width:{percent}%"></span></div>'
    )


def tiles(items: Sequence[tuple[str, str, str]]) -> None:
    """Key figures: label, value, remark each."""
    show(tiles_html(items))


def verdict(heading: str, why: str) -> None:
    """The one thing to take home."""
    show(f'<div class="verdict"><strong>{escape(heading)}</strong>{escape(why)}</div>')


def blocks(items: Iterable[Block]) -> None:
    """Blocks of a report, as the report shows them."""
    show("\n".join(block_html(block) for block in items))


def table(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str | Cell]],
    text: Sequence[int] = (0,),
    strong: int | None = None,
) -> None:
    """A table; `text` names the columns that are no figures."""
    cells = tuple(tuple(Cell(v) if isinstance(v, str) else v for v in row) for row in rows)
    blocks([TableBlock(caption, tuple(header), cells, tuple(text), strong)])


def picture(figure: Figure) -> None:
    """A figure as a still picture, one for phones too; its colours follow the page's theme."""
    show(_image(figure, WIDTH, "wide") + _image(figure, NARROW, "narrow"))


def _image(figure: Figure, width: float, css: str) -> str:
    svg = b64encode(standalone(render_svg(figure, width)).encode()).decode()
    image = f'src="data:image/svg+xml;base64,{svg}" alt="{escape(figure.alt)}"'
    return f'<img class="picture {css}" {image}>'


def facts(items: Sequence[tuple[str, str]]) -> None:
    """Terms and what they are."""
    inner = "".join(f"<dt>{escape(term)}</dt><dd>{escape(value)}</dd>" for term, value in items)
    show(f'<dl class="facts">{inner}</dl>')


def empty(heading: str, text: str) -> None:
    """What to do where there is nothing to show yet."""
    show(f'<div class="empty"><strong>{escape(heading)}</strong><p>{escape(text)}</p></div>')


def log(text: str, label: str) -> None:
    """The end of a log, its last line in view, scrollable by keyboard."""
    attributes = f'class="log" tabindex="0" role="region" aria-label="{escape(label)}"'
    show(f"<pre {attributes}><code>{escape(text)}</code></pre>")


def faults(lines: Sequence[tuple[str, str]]) -> None:
    """Findings: place and message each."""
    inner = "".join(f"<li><code>{escape(at)}</code>{escape(text)}</li>" for at, text in lines)
    show(f'<ul class="faults" aria-label="What is wrong">{inner}</ul>')


def fine(text: str) -> None:
    """A quiet confirmation."""
    show(f'<p class="ok">{escape(text)}</p>')
