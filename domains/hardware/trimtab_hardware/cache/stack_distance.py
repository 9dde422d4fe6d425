"""Hits of LRU caches by Mattson's stack, without simulating one (IBM Systems Journal 9(2), 1970).

A reference hits a set of w ways if fewer than w other lines of the set came since its line's last
use. It shares nothing with `level`: no ways, no time stamps, no victims.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable


def lru_hits(lines: Iterable[int], sets: int, ways: int) -> int:
    """References that hit a cold LRU level.

    Args:
        lines: numbers of the lines that are referenced, in order.
        sets: of the level.
        ways: of a set.
    """
    stacks: defaultdict[int, list[int]] = defaultdict(list)
    hits = 0
    for line in lines:
        stack = stacks[line % sets]
        if line in stack:
            hits += len(stack) - 1 - stack.index(line) < ways
            stack.remove(line)
        stack.append(line)
        del stack[:-ways]
    return hits
