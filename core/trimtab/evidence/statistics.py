"""Point statistics and tests of the evaluation protocol.

Every function is a pure function of arrays; resampling lives in `trimtab.evidence.bootstrap`.
Sources: Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical
precipice" (IQM, probability of improvement, profile, optimality gap); Rockafellar and Uryasev
2002 (CVaR with a fractional atom); Holm 1979 (step-down adjustment); Hanley and Lippman-Hand
1983 (rule of three); Garwood 1936 (exact Poisson limit).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from trimtab.contracts.errors import EvidenceError

FloatArray = NDArray[np.float64]

MIN_SEEDS_FOR_INTERVAL = 3
"""Fewer independent seeds than this: no interval, raw values only."""

MIN_TAIL_SAMPLES = 10
"""A CVaR needs at least this many samples in its tail (n times alpha)."""


_ROUND_OFF = 1e-24
"""A variance below this share of another is the square of a float64 round-off, hence 0."""


def as_samples(values: ArrayLike, name: str) -> FloatArray:
    """Check and convert a sample.

    Args:
        values: Anything numpy turns into an array of numbers, not empty.
        name: What the sample is called in an error message.

    Returns:
        The sample as float64, same shape.

    Raises:
        EvidenceError: The sample is empty or holds a NaN or an infinity.
    """
    samples = np.asarray(values, dtype=np.float64)
    if samples.size == 0:
        msg = f"{name}: expected at least one value, got none. Run at least one seed."
        raise EvidenceError(msg)
    if not np.isfinite(samples).all():
        msg = f"{name}: expected finite values, got NaN or infinity. Drop the failed runs first."
        raise EvidenceError(msg)
    return samples


def iqm(values: ArrayLike) -> Any:
    """Interquartile mean along the last axis: the mean of the middle 50 % of the values.

    A quarter of the values is cut from each end; where a quarter is not a whole number it is
    rounded down, so that fewer than four values give the plain mean.

    Args:
        values: Scores, shape [..., n].

    Returns:
        The mean, shape [...] (a float for a plain sample).
    """
    ordered = np.sort(as_samples(values, "iqm"), axis=-1)
    n = ordered.shape[-1]
    cut = n // 4
    return ordered[..., cut : n - cut].mean(axis=-1)


def mean(values: ArrayLike) -> Any:
    """Arithmetic mean along the last axis, shape [..., n] to [...]."""
    return as_samples(values, "mean").mean(axis=-1)


def probability_of_improvement(candidate: Sequence[ArrayLike], other: Sequence[ArrayLike]) -> float:
    """Probability that a random run of the candidate scores above a random run of the other.

    Per task (1 / (n n')) sum over pairs of 1{x > y} + 1/2 1{x = y}; then the mean over tasks.

    Args:
        candidate: One sample of scores per task, larger is better (negate costs).
        other: As many samples, in the same order of tasks.

    Returns:
        A probability; 0.5 where the two cannot be told apart.

    Raises:
        EvidenceError: The numbers of tasks differ.
    """
    if len(candidate) != len(other):
        msg = (
            f"probability_of_improvement: expected the same tasks on both sides, got "
            f"{len(candidate)} and {len(other)}. Compare on common tasks only."
        )
        raise EvidenceError(msg)
    tasks = [_win_share(x, y) for x, y in zip(candidate, other, strict=True)]
    return float(mean(tasks))


def _win_share(x: ArrayLike, y: ArrayLike) -> float:
    left = as_samples(x, "candidate").ravel()
    right = np.sort(as_samples(y, "other").ravel())
    below = np.searchsorted(right, left, side="left")
    not_above = np.searchsorted(right, left, side="right")
    return float((below + not_above).mean() / (2 * right.size))


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> FloatArray:
    """Share of scores above each threshold.

    Args:
        scores: Any shape, larger is better; all values are pooled.
        thresholds: Thresholds tau, shape [m].

    Returns:
        F(tau), shape [m], in [0, 1] and falling with tau.
    """
    ordered = np.sort(as_samples(scores, "scores").ravel())
    at_most = np.searchsorted(ordered, np.asarray(thresholds, np.float64), side="right")
    return np.asarray(1.0 - at_most / ordered.size, dtype=np.float64)


def optimality_gap(normalised: ArrayLike) -> float:
    """1 - mean(min(x, 1)) on bound-normalised scores (1 = the bound, larger is better)."""
    return float(1.0 - np.minimum(as_samples(normalised, "normalised scores"), 1.0).mean())


def cvar_lower(values: ArrayLike, alpha: float, least: int = MIN_TAIL_SAMPLES) -> float:
    """Mean of the lowest share `alpha` of a sample, the last value counted by its fraction.

    Args:
        values: Scores of which low ones are the risk, any shape.
        alpha: Tail share in (0, 1].
        least: Samples the tail must hold; fewer only where nothing is claimed from it.

    Returns:
        The conditional value at risk, in the unit of the values.

    Raises:
        EvidenceError: `alpha` is outside (0, 1] or the tail holds fewer samples.
    """
    if not 0.0 < alpha <= 1.0:
        msg = f"alpha: expected a share in (0, 1], got {alpha}. Use 0.1 for the worst tenth."
        raise EvidenceError(msg)
    ordered = np.sort(as_samples(values, "cvar").ravel())
    tail = ordered.size * alpha
    if tail < least * (1.0 - 1e-12):
        needed = math.ceil(least / alpha)
        msg = (
            f"cvar: expected n * alpha >= {least}, got {ordered.size} values at "
            f"alpha {alpha}. Use at least {needed} values or a larger alpha."
        )
        raise EvidenceError(msg)
    whole = min(math.floor(tail), ordered.size)
    fraction = tail - whole
    total = ordered[:whole].sum()
    if whole < ordered.size:
        total += fraction * ordered[whole]
    return float(total / tail)


def event_rate_upper95(count: int, exposure: float) -> float:
    """One-sided 95 % upper bound of an event rate.

    Rule of three, 3 / n, when none was seen; else the exact Poisson limit, half the 95 %
    quantile of chi-square with 2 (count + 1) degrees of freedom over the exposure.

    Args:
        count: Events seen.
        exposure: What they were looked for in: episodes, stage changes, hours.

    Returns:
        Events per unit of exposure.

    Raises:
        EvidenceError: A negative count or no exposure.
    """
    if count < 0 or exposure <= 0:
        msg = (
            f"event rate: expected a count >= 0 over an exposure > 0, got {count} over "
            f"{exposure}. Count events of at least one finished episode."
        )
        raise EvidenceError(msg)
    if count == 0:
        return 3.0 / exposure
    return float(special.gammaincinv(count + 1.0, 0.95)) / exposure


def t_test_p_value(strata: Sequence[ArrayLike]) -> float:
    """Two-sided p-value of "the mean difference is 0" by Student's t on independent seeds.

    With one stratum this is the one-sample t test. With several, the pooled mean has the
    variance sum of (n_h / n)^2 s_h^2 / n_h and n minus the number of strata degrees of freedom.
    The percentile bootstrap is not used for p-values: with five seeds of one sign it would
    always report its smallest value, where the chance of that is 1/16.

    Args:
        strata: Differences per independent seed, one sample per scenario, each of two or more.

    Returns:
        The p-value; 0 for a constant difference other than 0, 1 where all differences are 0.
    """
    samples = [as_samples(s, "differences").ravel() for s in strata]
    sizes = np.array([s.size for s in samples], dtype=np.float64)
    if (sizes < 2).any():
        msg = "t test: expected two or more seeds per scenario, got one. Add seeds."
        raise EvidenceError(msg)
    weights = sizes / sizes.sum()
    centre = float(np.concatenate(samples).mean())
    spread = np.array([s.var(ddof=1) / s.size for s in samples])
    variance = float((weights**2 * spread).sum())
    if math.sqrt(variance) <= 1e-12 * abs(centre):
        return 1.0 if centre == 0.0 else 0.0
    degrees = sizes.sum() - len(samples)
    return float(2.0 * special.stdtr(degrees, -abs(centre) / math.sqrt(variance)))


def holm(p_values: ArrayLike) -> FloatArray:
    """Holm's step-down adjustment of p-values of one family.

    Args:
        p_values: Raw p-values, shape [m].

    Returns:
        Adjusted p-values, shape [m], same order, never below the raw ones, at most 1.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    stepped = raw[order] * np.arange(raw.size, 0, -1)
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def crn_gain(candidate: ArrayLike, other: ArrayLike) -> float | None:
    """Gain of common random numbers: Var(independent difference) / Var(paired difference).

    Args:
        candidate: One value per seed, shape [n].
        other: The other controller on the same seeds, shape [n].

    Returns:
        The factor by which pairing cuts the variance; None for fewer than two seeds or where
        the paired difference does not vary beyond round-off.
    """
    x = as_samples(candidate, "candidate").ravel()
    y = as_samples(other, "other").ravel()
    if x.size < 2:
        return None
    independent, paired = float(x.var(ddof=1) + y.var(ddof=1)), float((x - y).var(ddof=1))
    return None if paired <= _ROUND_OFF * independent else independent / paired


def seeds_needed(
    sd_difference: float, smallest_effect: float, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Seeds a paired comparison needs: ((z_{1-alpha/2} + z_{power}) sd / effect)^2, rounded up.

    Args:
        sd_difference: Standard deviation of the paired difference.
        smallest_effect: Smallest difference worth finding, same unit, not 0.
        alpha: Two-sided error of the first kind.
        power: Probability of finding the effect if it is there.

    Returns:
        Number of seeds, at least 2.
    """
    if smallest_effect == 0.0:
        msg = "seeds_needed: expected an effect other than 0, got 0. Name one that matters."
        raise EvidenceError(msg)
    z = float(special.ndtri(1.0 - alpha / 2.0) + special.ndtri(power))
    return max(2, math.ceil((z * sd_difference / smallest_effect) ** 2))
