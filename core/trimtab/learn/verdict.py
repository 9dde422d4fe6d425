"""Whether what was learnt replaces what it began as: the paired interval on unseen scenarios."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trimtab.contracts.spec import FloatArray
from trimtab.evidence.bootstrap import paired_difference


@dataclass(frozen=True, slots=True)
class Verdict:
    """Paired difference of a cost on seeds that neither side saw: negative is better.

    Attributes:
        better: the 95 % interval lies below 0.
        mean, low, high: in the cost's unit.
    """

    better: bool
    mean: float
    low: float
    high: float

    def told(self, cost: str, unit: str, whom: str) -> str:
        """One line for a person."""
        outcome = "better" if self.better else "not shown to be better"
        return (
            f"{cost} less that of {whom}: {self.mean:+.4g} {unit} "
            f"[{self.low:+.4g}, {self.high:+.4g}], {outcome}"
        )


def judged(ours: FloatArray, theirs: FloatArray) -> Verdict:
    """Verdict on costs [seeds] of two controllers on the same seeds."""
    found = paired_difference([ours], [theirs], np.random.default_rng(0))
    low, high = (-np.inf, np.inf)
    if found.interval is not None:
        low, high = found.interval.low, found.interval.high
    return Verdict(high < 0.0, found.mean, low, high)
