"""Stratified percentile bootstrap: training seeds first, episodes nested inside them.

A *stratum* is one scenario (or task): an array [seeds, episodes], where the seeds are the
independent units (trained policies, or days of demand) and the episodes are repetitions inside
a seed. A plain [seeds] array means one episode per seed. Strata are never mixed when resampling.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trimtab.contracts.errors import EvidenceError
from trimtab.evidence.statistics import (
    MIN_SEEDS_FOR_INTERVAL,
    FloatArray,
    as_samples,
    crn_gain,
    mean,
    t_test_p_value,
)

RESAMPLES = 4000
"""Resamples behind every printed interval; the protocol asks for at least 2000."""

_BLOCK_VALUES = 2_000_000
"""Resampled values held at once (16 MB); more are drawn in blocks."""

Statistic = Callable[[FloatArray], Any]
"""A reduction of [resamples, n] to [resamples], such as `iqm` or `mean`."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval in the unit of the statistic."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether all of the interval lies on one side of 0."""
        return self.low > 0.0 or self.high < 0.0


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Candidate minus other on common seeds.

    Attributes:
        mean: Mean difference, in the metric's unit.
        interval: 95 % bootstrap interval; None for fewer than three seeds.
        p_value: Two-sided Student p-value, not yet adjusted; None for fewer than three seeds.
        seeds: Number of independent seeds over all strata.
        crn_gain: Variance of the unpaired over the paired difference; None if undefined.
    """

    mean: float
    interval: Interval | None
    p_value: float | None
    seeds: int
    crn_gain: float | None


def generator(seed: int, *labels: str) -> np.random.Generator:
    """A generator of its own for each printed figure.

    Adding a controller or a metric then leaves the other intervals as they were.
    """
    digest = hashlib.sha256("\0".join(labels).encode()).digest()
    return np.random.default_rng([seed, *digest[:16]])


def bootstrap_interval(
    strata: Sequence[ArrayLike],
    statistic: Statistic,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Interval | None:
    """95 % percentile bootstrap interval of a statistic of the pooled values.

    Args:
        strata: One array per scenario, [seeds] or [seeds, episodes].
        statistic: Reduces the last axis of [resamples, n].
        rng: Seeded generator; the same state gives the same interval.
        resamples: Number of resamples, at least 2000.

    Returns:
        The interval, or None where a stratum has fewer than three seeds.

    Raises:
        EvidenceError: Too few resamples, no stratum, or values that are not finite.
    """
    if resamples < 2000:
        msg = f"bootstrap: expected at least 2000 resamples, got {resamples}. Raise resamples."
        raise EvidenceError(msg)
    arrays = [_seeds_by_episodes(s) for s in strata]
    if not arrays:
        msg = "bootstrap: expected at least one scenario, got none. Pass the scores of one run."
        raise EvidenceError(msg)
    if min(a.shape[0] for a in arrays) < MIN_SEEDS_FOR_INTERVAL:
        return None
    block = max(1, _BLOCK_VALUES // sum(a.size for a in arrays))
    sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
    values = np.concatenate([statistic(_resample(arrays, n, rng)) for n in sizes])
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(low), float(high))


def paired_difference(
    candidate: Sequence[ArrayLike],
    other: Sequence[ArrayLike],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> PairedDifference:
    """Mean of candidate minus other, paired by scenario, seed and episode.

    Args:
        candidate: One array per scenario, [seeds] or [seeds, episodes].
        other: Arrays of the same shapes, run on the same seeds.
        rng: Seeded generator.
        resamples: Number of bootstrap resamples, at least 2000.

    Returns:
        The difference with its interval and p-value.

    Raises:
        EvidenceError: The two sides do not have the same scenarios, seeds and episodes.
    """
    left = [_seeds_by_episodes(s) for s in candidate]
    right = [_seeds_by_episodes(s) for s in other]
    if [a.shape for a in left] != [b.shape for b in right]:
        msg = (
            "paired difference: expected the same scenarios, seeds and episodes on both sides, "
            f"got {[a.shape for a in left]} and {[b.shape for b in right]}. "
            "Run both controllers on the same seeds."
        )
        raise EvidenceError(msg)
    differences = [a - b for a, b in zip(left, right, strict=True)]
    interval = bootstrap_interval(differences, mean, rng, resamples)
    per_seed = [d.mean(axis=1) for d in differences]
    return PairedDifference(
        mean=float(np.concatenate([d.ravel() for d in differences]).mean()),
        interval=interval,
        p_value=None if interval is None else t_test_p_value(per_seed),
        seeds=sum(len(d) for d in per_seed),
        crn_gain=crn_gain(
            np.concatenate([a.mean(axis=1) for a in left]),
            np.concatenate([b.mean(axis=1) for b in right]),
        ),
    )


def _seeds_by_episodes(values: ArrayLike) -> FloatArray:
    array = as_samples(values, "scores")
    if array.ndim == 1:
        return array[:, None]
    if array.ndim != 2:
        msg = (
            f"scores: expected an array [seeds] or [seeds, episodes], got shape {array.shape}. "
            "Pass one array per scenario."
        )
        raise EvidenceError(msg)
    return array


def _resample(arrays: list[FloatArray], n: int, rng: np.random.Generator) -> FloatArray:
    """Draw seeds, then episodes of each drawn seed; shape [n, values of all strata]."""
    drawn = []
    for array in arrays:
        seeds, episodes = array.shape
        rows = rng.integers(seeds, size=(n, seeds))
        if episodes == 1:
            drawn.append(array[rows, 0])
            continue
        columns = rng.integers(episodes, size=(n, seeds, episodes))
        drawn.append(array[rows[:, :, None], columns].reshape(n, seeds * episodes))
    return np.concatenate(drawn, axis=1)
