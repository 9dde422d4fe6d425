"""One set-associative cache level as compiled primitives: find, touch, choose a victim, fill.

Several levels, or a filter of one, are made of the same few functions. Lines are numbers
(address // line size); write-back, write-allocate. All that a set holds lies in one row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

LRU, FIFO, PLRU, RANDOM = 0, 1, 2, 3
REPLACEMENTS = ("lru", "fifo", "plru", "random")
EMPTY = -1
_F = TypeVar("_F", bound=Callable[..., Any])
EVENT, GENERATOR, POLICY, WAYS, SET_MASK = 0, 1, 2, 3, 4


class Level(NamedTuple):
    """State of one level.

    Attributes:
        rows: [sets, 2·ways + 1] int64; per way 2·line + dirty, or -1; per way the time of its
            last use (LRU) or filling (FIFO); pseudo-LRU bits, node k having children 2k and
            2k + 1, root 1.
        head: [5] int64: events so far, state of the random generator, policy, ways, sets - 1.
    """

    rows: NDArray[np.int64]
    head: NDArray[np.int64]


def empty_level(sets: int, ways: int, policy: int = LRU) -> Level:
    """A cold level."""
    rows = np.zeros((sets, 2 * ways + 1), dtype=np.int64)
    rows[:, :ways] = EMPTY
    return Level(rows, np.array([0, 1, policy, ways, sets - 1], dtype=np.int64))


def within(function: _F) -> _F:
    """Compile what only compiled code calls: no way in from Python, no place on disk."""
    decorate = cast(Any, njit)(no_cpython_wrapper=True, no_cfunc_wrapper=True)
    return cast("_F", decorate(function))


@within
def find(level: Level, line: int) -> int:
    """Way that holds the line, or -1."""
    row = level.rows[line & level.head[SET_MASK]]
    for way in range(level.head[WAYS]):
        if row[way] >> 1 == line:
            return way
    return -1


@within
def soil(level: Level, line: int, way: int) -> None:
    """Mark a held line dirty."""
    level.rows[line & level.head[SET_MASK], way] |= 1


@within
def touch(level: Level, line: int, way: int, filled: bool) -> None:
    """Record a use of a way (`filled`: it has just been filled)."""
    head = level.head
    row = level.rows[line & head[SET_MASK]]
    ways, policy = head[WAYS], head[POLICY]
    if policy == LRU or (policy == FIFO and filled):
        head[EVENT] += 1
        row[ways + way] = head[EVENT]
    elif policy == PLRU:
        node, tree, half = 1, row[2 * ways], ways >> 1
        while half > 0:
            right = 1 if way & half else 0
            tree = tree & ~(1 << node) if right else tree | (1 << node)
            node = 2 * node + right
            half >>= 1
        row[2 * ways] = tree


@within
def victim(level: Level, line: int) -> int:
    """Way to fill next in the line's set: the first empty one, else by policy."""
    head = level.head
    row = level.rows[line & head[SET_MASK]]
    ways, policy = head[WAYS], head[POLICY]
    for way in range(ways):
        if row[way] == EMPTY:
            return way
    if policy in (LRU, FIFO):
        oldest = 0
        for way in range(1, ways):
            if row[ways + way] < row[ways + oldest]:
                oldest = way
        return oldest
    if policy == PLRU:
        node = 1
        while node < ways:
            node = 2 * node + ((row[2 * ways] >> node) & 1)
        return int(node - ways)
    # Minimal standard generator (Park and Miller, CACM 1988).
    head[GENERATOR] = head[GENERATOR] * 48271 % 2147483647
    return int(head[GENERATOR] % ways)


@within
def fill(level: Level, line: int, dirty: bool) -> int:
    """Put a line in; return 2·line + dirty of what it evicted, or -1."""
    way = victim(level, line)
    row = level.rows[line & level.head[SET_MASK]]
    old = row[way]
    row[way] = 2 * line + (1 if dirty else 0)
    touch(level, line, way, True)
    return int(old)


@within
def remove(level: Level, line: int) -> bool:
    """Take a line out if it is there; return whether it was dirty."""
    way = find(level, line)
    if way < 0:
        return False
    row = level.rows[line & level.head[SET_MASK]]
    dirty = row[way] & 1
    row[way] = EMPTY
    return bool(dirty)
