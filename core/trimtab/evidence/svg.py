"""SVG building blocks: elements, escaping, nice axis ticks, text width, the figure frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from trimtab.contracts.figure import Axis
from trimtab.evidence.words import unit_text

FONT_PX = 13
SMALL_PX = 12
_CHARACTER_EM = 0.6
"""Mean advance of a character in common sans-serif fonts, on the wide side."""


def element(name: str, attributes: Mapping[str, object], *children: str) -> str:
    """One element; attribute values are escaped, children must be ready markup."""
    written = "".join(f' {k}="{escape(_plain(v))}"' for k, v in attributes.items() if v != "")
    inner = "".join(children)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def _plain(value: object) -> str:
    return coordinate(value) if isinstance(value, float) else str(value)


def coordinate(value: float) -> str:
    """A coordinate with at most one decimal; the same value always gives the same text."""
    text = f"{value:.1f}"
    text = text.removesuffix(".0")
    return "0" if text == "-0" else text


def text(content: str, x: float, y: float, css: str = "", anchor: str = "start") -> str:
    """A line of text with its baseline at y; the content is escaped."""
    attributes = {"x": x, "y": y, "class": css, "text-anchor": "" if anchor == "start" else anchor}
    return element("text", attributes, escape(content))


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": css})


def hover(content: str) -> str:
    """What a pointer resting on the parent element shows."""
    return element("title", {}, escape(content))


def axis_text(axis: Axis) -> str:
    """Label of an axis with its unit."""
    return f"{axis.label} ({axis.unit})" if unit_text(axis.unit) else axis.label


def text_width(content: str, size_px: float = FONT_PX) -> float:
    """Estimated width in pixels."""
    return _CHARACTER_EM * size_px * len(content)


def frame(title: str, alt: str, width: float, height: float, body: Sequence[str]) -> str:
    """A figure: scalable, named and described for readers who cannot see it."""
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "class": "tt-figure",
        "role": "img",
        "viewBox": f"0 0 {coordinate(width)} {coordinate(height)}",
        "width": width,
        "height": height,
    }
    named = element("title", {}, escape(title)) + element("desc", {}, escape(alt))
    return element("svg", attributes, named, *body)


def standalone(svg: str) -> str:
    """The same figure with its style inside, for a file of its own."""
    head, separator, rest = svg.partition("</desc>")
    return f"{head}{separator}<style>{figure_css()}</style>{rest}\n"


def figure_css() -> str:
    """Style sheet of figures, light and dark."""
    return files("trimtab.evidence").joinpath("figure.css").read_text(encoding="utf-8")


def nice_step(span: float, target: int = 5) -> float:
    """Step of 1, 2, 2.5 or 5 times a power of ten that cuts a span into about `target` parts."""
    raw = span / max(target, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= raw * (1 - 1e-9))


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear axis from values to pixels, with its ticks.

    Attributes:
        low, high: values at the two ends.
        start, end: pixels of the two ends.
        step: distance of two ticks, in values.
    """

    low: float
    high: float
    start: float
    end: float
    step: float

    def __call__(self, value: float) -> float:
        """Pixel of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> tuple[float, ...]:
        """Multiples of the step between the two ends, in rising order."""
        first = math.ceil(self.low / self.step - 1e-9)
        last = math.floor(self.high / self.step + 1e-9)
        return tuple(i * self.step for i in range(first, last + 1))

    def label(self, tick: float) -> str:
        """Text of a tick, with the decimals its step needs."""
        decimals = max(0, -math.floor(math.log10(self.step) + 1e-9))
        if not float(round(self.step * 10**decimals, 9)).is_integer():
            decimals += 1
        if self.step < 1e-4 or self.high >= 1e7:
            return f"{tick:.3g}".replace("-", "\N{MINUS SIGN}")
        shown = f"{tick:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")
        return shown.lstrip("\N{MINUS SIGN}") if round(tick, decimals) == 0 else shown


@dataclass(frozen=True, slots=True)
class LogScale:
    """A logarithmic axis from positive values to pixels; attributes as in `Scale`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Pixel of a value; the low end's for any below it."""
        share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> tuple[float, ...]:
        """Powers of ten between the ends; also their doubles and fives where those are few."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        steps = (1, 2, 5) if last - first <= 2 else (1,)
        every = [m * 10.0**power for power in range(first, last + 1) for m in steps]
        return tuple(t for t in every if self.low * 0.999 <= t <= self.high * 1.001)

    def label(self, tick: float) -> str:
        """Text of a tick."""
        return f"{tick:,.0f}" if tick >= 1 else f"{tick:.6g}"


def log_scale(values: Sequence[float], start: float, end: float) -> LogScale:
    """A logarithmic scale around the positive ones of the values, its low end a power of ten."""
    positive = [value for value in values if value > 0.0] or [1.0]
    low = 10.0 ** math.floor(math.log10(min(positive)) + 1e-9)
    return LogScale(low, max(max(positive), low * 1.001), start, end)


def nice_scale(
    values: Sequence[float], start: float, end: float, *, zero: bool = False, tight: bool = False
) -> Scale:
    """A scale whose ends are nice ticks around the values.

    Args:
        values: Finite values that must fit; an empty sequence gives 0 to 1.
        start: Pixel of the low end.
        end: Pixel of the high end.
        zero: Whether 0 must be on the axis; it is also taken in where it is near.
        tight: End the axis at the outermost values instead of the next ticks.
    """
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if zero or 0.0 < low < 0.4 * high:
        low = min(low, 0.0)
    if zero or 0.4 * low < high < 0.0:
        high = max(high, 0.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = 0.5 * abs(high) or 0.5
        low, high = low - pad, high + pad
    step = nice_step(high - low)
    if tight:
        return Scale(low, high, start, end, step)
    return Scale(
        low=math.floor(low / step + 1e-9) * step,
        high=math.ceil(high / step - 1e-9) * step,
        start=start,
        end=end,
        step=step,
    )
