"""Deadline tables: how old a red may be so that every link is still served in time.

A *recovery order* is a cycle of stages that together serve every link class, each for its minimum
green. A choice of stage is safe if afterwards some recovery order, started anywhere, still turns
every class green before its maximum red. Two facts make the rule inductive: following the order
from a safe state keeps the state safe (its rotation is the next witness), and younger reds are
never less safe. So the choices that keep an order feasible never run out, whatever was chosen
before; `shield_check` proves it per signal on the extreme ages.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

UNLIMITED_S = 1_000_000
"""Stands for "no limit" in the tables, s."""

MAX_SEQUENCES = 24
MAX_PERMUTED = 5
MAX_ENUMERATED_STAGES = 10


@dataclass(frozen=True, slots=True)
class Cycle:
    """What a stage sequence needs to know; all times whole s.

    Attributes:
        served: [stages, classes] bool.
        successors: [stages, stages] bool, diagonal true.
        transition_s: [stages, stages], from the end of one green to the start of the next.
        slot_s: [stages, stages], from a change to the first decision at which the entered stage may
            be left again.
        hold_s: time that keeping a stage for one more decision takes.
    """

    served: NDArray[np.bool_]
    successors: NDArray[np.bool_]
    transition_s: NDArray[np.int64]
    slot_s: NDArray[np.int64]
    hold_s: int


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Largest ages that keep a choice safe.

    Attributes:
        limit_s: [stage, choice, sequence, class]; a choice is safe if for some sequence every
            class's age is at most its limit.
        max_red_s: the limit in force; larger than asked where that cannot be met.
    """

    limit_s: NDArray[np.int64]
    max_red_s: int


def _orders(cycle: Cycle) -> Iterator[tuple[int, ...]]:
    """Cyclic stage orders that serve every class; the first stage is the lowest one."""
    n = len(cycle.served)
    needed = cycle.served.any(axis=0)
    covers: list[set[int]] = []
    sizes = range(1, n + 1) if n <= MAX_ENUMERATED_STAGES else ()
    for size in sizes:
        for subset in itertools.combinations(range(n), size):
            if any(cover <= set(subset) for cover in covers):
                continue
            if (cycle.served[list(subset)].any(axis=0) == needed).all():
                covers.append(set(subset))
    for cover in (*covers, set(range(n))):
        first, *rest = sorted(cover)
        tails = itertools.permutations(rest) if len(rest) < MAX_PERMUTED else [tuple(rest)]
        yield from ((first, *tail) for tail in tails)


def _allowed(cycle: Cycle, order: tuple[int, ...]) -> bool:
    following = zip(order, (*order[1:], order[0]), strict=True)
    return all(cycle.successors[a, b] for a, b in following)


def _walk(cycle: Cycle, start: int, sequence: tuple[int, ...]) -> tuple[NDArray[np.int64], int]:
    """Leave ``start`` now and run the sequence for ever.

    Returns:
        Time until each class that ``start`` does not serve is green, and the longest later red.
    """
    served = cycle.served
    now, current = 0, start
    first = np.where(served[start], 0, -1)
    left = np.zeros(served.shape[1], dtype=np.int64)
    longest = 0
    for stage in sequence * 2:
        if stage == current:
            continue
        left[served[current] & ~served[stage]] = now
        gains = served[stage] & ~served[current]
        green_at = now + int(cycle.transition_s[current, stage])
        unseen = gains & (first < 0)
        first[unseen] = green_at
        seen = gains & ~unseen
        longest = max(longest, int((green_at - left[seen]).max(initial=0)))
        now += int(cycle.slot_s[current, stage])
        current = stage
    return first, longest


def _sequences(
    cycle: Cycle, max_red_s: int, initial_stage: int
) -> tuple[list[tuple[int, ...]], int]:
    """Rotations of the best recovery orders and the smallest feasible maximum red."""
    ranked = []
    for order in _orders(cycle):
        if _allowed(cycle, order) or len(order) == 1:
            rotations = [order[k:] + order[:k] for k in range(len(order))]
            worst = max(_walk(cycle, order[-1], order)[1], _from(cycle, initial_stage, rotations))
            ranked.append((worst, len(order), order, rotations))
    if not ranked:  # the successor graph allows no such cycle: the shipped order is the best known
        n = len(cycle.served)
        rotations = [tuple((k + i) % n for i in range(n)) for k in range(n)]
        ranked.append((_from(cycle, initial_stage, rotations), n, tuple(range(n)), rotations))
    ranked.sort()
    feasible_s = max(max_red_s, ranked[0][0])
    kept: list[tuple[int, ...]] = []
    for worst, size, _, rotations in ranked:
        if worst <= feasible_s and (not kept or len(kept) + size <= MAX_SEQUENCES):
            kept += [r for r in rotations if r not in kept]
    return kept, feasible_s


def _from(cycle: Cycle, start: int, rotations: list[tuple[int, ...]]) -> int:
    """Longest red when the simulation starts in a stage with every age 0, by the best rotation."""
    best = UNLIMITED_S
    for sequence in rotations:
        if cycle.successors[start, sequence[0]]:
            first, longest = _walk(cycle, start, sequence)
            wait = int(cycle.slot_s[start, start])
            best = min(best, max(longest, wait + int(first.max(initial=0))))
    return best


def _choice_limits(
    cycle: Cycle, max_red_s: int, stage: int, choice: int, first: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Limits of one (stage, choice) when the classes are served ``first`` after the choice."""
    if choice == stage:
        waiting = max_red_s - cycle.hold_s - first
        return np.where(cycle.served[stage], UNLIMITED_S, waiting)
    arriving = max_red_s - int(cycle.transition_s[stage, choice])
    kept = np.where(cycle.served[stage], UNLIMITED_S, arriving)
    waiting = max_red_s - int(cycle.slot_s[stage, choice]) - first
    return np.where(cycle.served[choice], kept, waiting)


def _continuations(
    cycle: Cycle, max_red_s: int, choice: int, sequences: list[tuple[int, ...]]
) -> list[NDArray[np.int64]]:
    """Service times after leaving ``choice``, per sequence that keeps all later reds short."""
    found = []
    for sequence in sequences:
        head = sequence[0]
        restarts = head == choice and len(sequence) > 1
        if not restarts and cycle.successors[choice, head]:
            first, longest = _walk(cycle, choice, sequence)
            if longest <= max_red_s:
                found.append(first)
    return found


def _undominated(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows that no other row exceeds in every class."""
    rows = np.unique(rows[rows.min(axis=1, initial=0) >= 0], axis=0)
    exceeding = (rows[None, :, :] >= rows[:, None, :]).all(axis=2).sum(axis=1)
    undominated: NDArray[np.int64] = rows[exceeding == 1]  # exceeded by itself only
    return undominated


def deadlines(cycle: Cycle, max_red_s: int | None, initial_stage: int = 0) -> Deadlines:
    """Compute the deadline table of one signal.

    Args:
        cycle: stages and times.
        max_red_s: limit asked for; None: no limit.
        initial_stage: stage the simulation starts in, all ages 0.
    """
    arrays = (cycle.served, cycle.successors, cycle.transition_s, cycle.slot_s)
    content = tuple(array.tobytes() for array in arrays)
    key = _Key(cycle.served.shape, content, cycle.hold_s, cycle)
    return _solve(key, max_red_s, initial_stage)


@dataclass(frozen=True, slots=True)
class _Key:
    """Signals of a grid are alike; one of them is solved."""

    shape: tuple[int, ...]
    content: tuple[bytes, ...]
    hold_s: int
    cycle: Cycle = field(compare=False)


@lru_cache(maxsize=256)
def _solve(key: _Key, max_red_s: int | None, initial_stage: int) -> Deadlines:
    cycle = key.cycle
    n, classes = cycle.served.shape
    if max_red_s is None or classes == 0:
        unlimited = np.full((n, n, 1, classes), UNLIMITED_S, dtype=np.int64)
        return Deadlines(unlimited, UNLIMITED_S if max_red_s is None else max_red_s)
    sequences, feasible_s = _sequences(cycle, max_red_s, initial_stage)
    after = [_continuations(cycle, feasible_s, j, sequences) for j in range(n)]
    rows = {
        (s, j): _undominated(
            np.array(
                [_choice_limits(cycle, feasible_s, s, j, first) for first in after[j]],
                dtype=np.int64,
            ).reshape(-1, classes)
        )
        for s in range(n)
        for j in range(n)
    }
    limit = np.full((n, n, max(1, *(len(r) for r in rows.values())), classes), -1, dtype=np.int64)
    for (s, j), found in rows.items():
        limit[s, j, : len(found)] = found
    return Deadlines(limit, feasible_s)
