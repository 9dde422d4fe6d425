"""How figures are written: rounding, intervals, verdicts; the same in table, report and CSV."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from statistics import median_low
from typing import Any

from trimtab.contracts.figure import Axis
from trimtab.evidence.result import Ci95, GapClosed, MetricSummary, PairedSummary, Result, Row
from trimtab.evidence.statistics import event_rate_upper95

NOT_AVAILABLE = "n/a"
_LONGEST_NAME = 32
GAP_AXIS = Axis("share of the gap closed", "%", cut_below=-100.0)
"""Shares far below today's practice are told, not drawn: one would press all others together."""

MINUS = "\N{MINUS SIGN}"


def decimals_for(value: float) -> int:
    """Decimals that show three significant digits, and one decimal from 100 to 9,999."""
    if value == 0.0 or float(value).is_integer():
        return 0
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < 2:
        return 2 - magnitude
    return 1 if magnitude < 4 else 0


def number(value: float | None, decimals: int | None = None) -> str:
    """A value as a person reads it.

    Args:
        value: The value, or None.
        decimals: Decimals to show; None chooses by size, in powers of ten below 0.0001.

    Returns:
        Text such as "43.6", "1,470.7", "0.0123", "2.4e−06" or "n/a".
    """
    if value is None or not math.isfinite(value):
        return NOT_AVAILABLE
    if abs(value) >= 1e12 or (decimals is None and 0.0 < abs(value) < 1e-4):
        return f"{value:.1e}".replace("-", MINUS)
    text = f"{value:,.{decimals_for(value) if decimals is None else decimals}f}"
    return text.replace("-", MINUS) if float(text.replace(",", "")) else text.lstrip("-")


def _interval_decimals(mean: float, width: float) -> int:
    """Decimals that give the width of an interval two significant digits."""
    fine = 1 - math.floor(math.log10(width)) if width > 1e-6 else decimals_for(mean)
    return max(0, min(fine, 8))


def common_decimals(summaries: Iterable[tuple[float | None, Ci95 | None]]) -> int | None:
    """Decimals for a whole column, so that its points align: the median of what each needs.

    Args:
        summaries: Mean and interval of each row; rows without an interval have no say.

    Returns:
        Number of decimals; None where no row has an interval.
    """
    known = list(summaries)
    needed = [
        _interval_decimals(mean, ci95[1] - ci95[0])
        for mean, ci95 in known
        if mean is not None and ci95 is not None and ci95[1] > ci95[0]
    ]
    largest = max((abs(mean) for mean, _ in known if mean is not None), default=0.0)
    return min(median_low(needed), _decimals_of_column(largest)) if needed else None


def _decimals_of_column(largest: float) -> int:
    """Decimals beyond which a column says nothing: five digits of its largest value."""
    if largest < 1e-4:  # zeros beside values that are written as powers of ten
        return 0
    return max(0, 4 - math.floor(math.log10(largest)))


def with_interval(mean: float | None, ci95: Ci95 | None, decimals: int | None = None) -> str:
    """A mean with its 95 % interval, "16.8 [16.2, 17.5]", decimals matched to the interval."""
    if mean is None or ci95 is None:
        return number(mean, decimals)
    low, high = ci95
    if decimals is None:
        decimals = _interval_decimals(mean, high - low)
    return f"{number(mean, decimals)} [{number(low, decimals)}, {number(high, decimals)}]"


def value_text(value: float | None, unit: str) -> str:
    """A value with its unit."""
    return f"{number(value)} {unit_text(unit)}".strip()


def shorten(name: str) -> str:
    """A name that fits a column or an axis: the middle of a long one is left out."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:12]}\N{HORIZONTAL ELLIPSIS}{name[-19:]}"


def unit_text(unit: str) -> str:
    """A unit as it is printed; the dimensionless "1" is not."""
    return "" if unit == "1" else unit


def percent(gap: GapClosed) -> tuple[float | None, Ci95 | None]:
    """Share of the gap closed and its interval in per cent."""
    mean = None if gap.mean is None else 100 * gap.mean
    return mean, None if gap.ci95 is None else (100 * gap.ci95[0], 100 * gap.ci95[1])


def verdict_text(comparison: PairedSummary) -> str:
    """What the comparison shows; "better" and "worse" only where the interval excludes 0."""
    if comparison.verdict == "too few seeds":
        return "no interval from fewer than three seeds"
    if comparison.verdict != "not shown":
        return comparison.verdict
    low, high = comparison.ci95 or (0.0, 0.0)
    if low <= 0.0 <= high:
        return "no difference shown, the interval includes 0"
    return f"no difference shown after Holm's adjustment (p = {p_value_text(comparison.p_holm)})"


def difference_text(comparison: PairedSummary, unit: str) -> str:
    """A paired difference in words: value, unit, interval, verdict."""
    difference = with_interval(comparison.mean, comparison.ci95)
    value, bracket, interval = difference.partition(" [")
    said = f"{value} {unit_text(unit)}".strip()
    return f"{said}{bracket}{interval} ({verdict_text(comparison)})"


def plus_minus(mean: float | None, ci95: Ci95 | None, decimals: int | None = None) -> str:
    """A mean and half the width of its interval, "16.6 ± 0.4"; for narrow columns."""
    if mean is None or ci95 is None:
        return number(mean, decimals)
    half = (ci95[1] - ci95[0]) / 2
    decimals = _interval_decimals(mean, 2 * half) if decimals is None else decimals
    return f"{number(mean, decimals)} ± {number(half, decimals)}"


def raw_values(summary: MetricSummary) -> str:
    """The values of each seed, "49.0, 50.0", where they are too few to summarise; else ""."""
    if summary.ci95 is not None:
        return ""
    return ", ".join(number(value) for value in summary.per_seed if value is not None)


def metric_words(name: str, unit: str) -> str:
    """A metric's public name as words, without its unit: "true_delay_s" reads "true delay"."""
    if unit_text(unit):
        for said in (unit, _plain_unit(unit), _plain_unit(unit.replace("/", "_per_"))):
            name = name.removesuffix(f"_{said}")
    return name.replace("_", " ")


def _plain_unit(unit: str) -> str:
    """A unit as names spell it: "µJ·µs" is "uj_us", "veh/h" is "veh_h" (or "veh_per_h")."""
    return re.sub(r"[^a-z0-9]+", "_", unit.lower().replace("µ", "u").replace("μ", "u")).strip("_")


def with_article(words: str) -> str:
    """Words with the indefinite article before them."""
    return f"{'an' if words[:1].lower() in 'aeiou' else 'a'} {words}"


def metric_header(name: str, unit: str) -> str:
    """A metric's words with its unit, for column headers and axes."""
    words = metric_words(name, unit)
    return f"{words} ({unit})" if unit_text(unit) else words


def rate_text(rate: float) -> str:
    """An upper bound of a rate, rounded up to two digits: "6.0e−04"."""
    if rate >= 0.01:
        return number(math.ceil(rate * 1000 - 1e-9) / 1000)
    unit = 10.0 ** (math.floor(math.log10(rate)) - 1)
    return f"{math.ceil(rate / unit - 1e-9) * unit:.1e}".replace("-", MINUS)


def p_value_text(p_value: float | None) -> str:
    """A p-value to two digits, "< 0.0001" below that."""
    if p_value is None:
        return NOT_AVAILABLE
    return "< 0.0001" if p_value < 1e-4 else f"{p_value:.2g}"


def violations_text(row: Row) -> str:
    """Violations of a row; where none was seen, the 95 % upper bound of the rate per check."""
    if not row.violations:
        return "not watched"
    if row.violation_count or not row.checks:
        return number(row.violation_count)
    return f"0 (≤ {rate_text(event_rate_upper95(0, row.checks))})"


def interventions_text(row: Row) -> str:
    """Share of decisions that the shield changed, or "no shield"."""
    if not row.shielded:
        return "no shield"
    if not row.decisions:
        return number(row.interventions)
    return f"{100 * row.interventions / row.decisions:.1f} %"


def reference_text(result: Result) -> str:
    """The reference, its headline, and the candidates it was chosen from."""
    if result.reference is None:
        return "none ran"
    headline = result.headline_of(result.row(result.reference))
    words = metric_words(result.headline, headline.unit)
    text = f"{result.reference}, {words} of {value_text(headline.mean, headline.unit)}"
    if len(result.reference_candidates) < 2:
        return text
    values = [
        f"{n} {value_text(result.headline_of(result.row(n)).mean, headline.unit)}"
        for n in result.reference_candidates
    ]
    return f"{text} (best of {', '.join(values)})"


BOUND_KINDS = {
    "proven": "proven bound",
    "model": "model bound",
    "floor": "simulation floor",
    "best_known": "best known value",
}


def bound_text(result: Result) -> str:
    """The bound: value, kind, how it was computed, and who went past it."""
    failed = f"failed on {result.bound_failure}" if result.bound_failure else ""
    if result.bound is None:
        return failed or "none"
    bound = result.bound
    text = f"{value_text(bound.mean, result.unit)}, {BOUND_KINDS[bound.kind]} ({bound.how})"
    beaten = f"beaten by {', '.join(bound.beaten_by)}" if bound.beaten_by else ""
    return "; ".join(part for part in (text, beaten, failed) if part)


def parameter_text(value: Any) -> str:
    """A parameter's value as a person reads it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return str(value) if isinstance(value, int) else f"{value:.5g}"


def design_text(design: Mapping[str, Any]) -> str:
    """A design in one line."""
    return ", ".join(f"{key} {parameter_text(value)}" for key, value in design.items())
