"""How often a 95 % percentile bootstrap interval of few seeds covers the true mean.

Run: python benchmarks/interval_coverage.py
Prints, per number of seeds, the share of normal and of skewed (exponential) samples whose
interval covers, beside Student's t interval. The report quotes the normal column.
"""

from __future__ import annotations

import numpy as np
from scipy import stats
from trimtab.evidence.bootstrap import bootstrap_interval
from trimtab.evidence.statistics import mean

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


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(0)
    print("seeds  normal: bootstrap  t      skewed: bootstrap  t")
    for seeds in (3, 4, 5, 6, 8, 10, 15, 20, 30):
        normal, skewed = coverage(seeds, "normal", rng), coverage(seeds, "skewed", rng)
        print(f"{seeds:5d}  {normal[0]:17.3f}  {normal[1]:.3f}  {skewed[0]:17.3f}  {skewed[1]:.3f}")


if __name__ == "__main__":
    main()
