"""How often a 95 % percentile bootstrap interval of few seeds covers the true mean.

Run: python benchmarks/interval_coverage.py
Prints, per number of seeds, the share of normal and of skewed (exponential) samples whose
interval covers, beside Student's t interval (the report quotes the normal column); then how often
a table of 15 rows that do not differ from the reference calls at least one better or worse.
"""

from __future__ import annotations

import numpy as np
from scipy import stats
from trimtab.evidence.bootstrap import bootstrap_interval, paired_difference
from trimtab.evidence.statistics import holm, mean

TRIALS = 4000


def coverage(seeds: int, law: str, rng: np.random.Generator) -> tuple[float, float]:
    """Share of covering intervals: percentile bootstrap, Student's t."""
    draw = rng.standard_normal if law == "normal" else lambda n: rng.standard_exponential(n) - 1.0
    bootstrap_hits = t_hits = 0
    for _ in range(TRIALS):
        sample = draw(seeds)
        interval = bootstrap_interval([sample], mean, rng, resamples=2000)
        assert interval is not None  # noqa: S101
        bootstrap_hits += interval.low <= 0.0 <= interval.high
        half = stats.t.ppf(0.975, seeds - 1) * sample.std(ddof=1) / np.sqrt(seeds)
        t_hits += abs(sample.mean()) <= half
    return bootstrap_hits / TRIALS, t_hits / TRIALS


def false_tables(seeds: int, rng: np.random.Generator, tables: int = 400) -> tuple[float, float]:
    """Share of tables with a false claim: by interval alone, by interval and Holm's t test."""
    by_interval = by_both = 0
    for _ in range(tables):
        other = rng.standard_normal(seeds)
        rows = [rng.standard_normal(seeds) for _ in range(15)]
        found = [paired_difference([row], [other], rng, resamples=2000) for row in rows]
        apart = [d.interval is not None and d.interval.excludes_zero for d in found]
        adjusted = holm([d.p_value if d.p_value is not None else 1.0 for d in found])
        by_interval += any(apart)
        by_both += any(a and p < 0.05 for a, p in zip(apart, adjusted, strict=True))
    return by_interval / tables, by_both / tables


def main() -> None:
    """Print both tables."""
    rng = np.random.default_rng(0)
    print("seeds  normal: bootstrap  t      skewed: bootstrap  t")
    for seeds in (3, 4, 5, 6, 8, 10, 15, 20, 30):
        normal, skewed = coverage(seeds, "normal", rng), coverage(seeds, "skewed", rng)
        print(f"{seeds:5d}  {normal[0]:17.3f}  {normal[1]:.3f}  {skewed[0]:17.3f}  {skewed[1]:.3f}")
    print("seeds  tables with a false claim: interval alone  interval and Holm's t")
    for seeds in (3, 5, 10, 20):
        alone, both = false_tables(seeds, rng)
        print(f"{seeds:5d}  {alone:41.3f}  {both:21.3f}")


if __name__ == "__main__":
    main()
