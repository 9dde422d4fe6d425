"""The compiled hierarchy against a slow twin made of Python lists and sets of lines."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab_hardware.cache.hierarchy import COUNTS, INCLUSIONS, run_hierarchy
from trimtab_hardware.cache.level import PLRU, REPLACEMENTS, empty_level


class SlowLevel:
    """Sets as lists of slots; each slot is None or [line, dirty]; policies written out."""

    def __init__(self, sets, ways, policy):
        self.slots = [[None] * ways for _ in range(sets)]
        self.order = [[] for _ in range(sets)]  # slots, oldest first (LRU and FIFO)
        self.bits = [[0] * (2 * ways) for _ in range(sets)]
        self.policy, self.seed = policy, 1

    def slot(self, line):
        held = self.slots[line % len(self.slots)]
        return next((w for w, entry in enumerate(held) if entry and entry[0] == line), None)

    def entry(self, line):
        w = self.slot(line)
        return None if w is None else self.slots[line % len(self.slots)][w]

    def use(self, line, filled=False):
        s, w = line % len(self.slots), self.slot(line)
        if self.policy == "lru" or (self.policy == "fifo" and filled):
            if w in self.order[s]:
                self.order[s].remove(w)
            self.order[s].append(w)
        elif self.policy == "plru":
            low, high, node = 0, len(self.slots[s]), 1
            while high - low > 1:
                middle = (low + high) // 2
                went_right = w >= middle
                self.bits[s][node] = 0 if went_right else 1
                low, high = (middle, high) if went_right else (low, middle)
                node = 2 * node + went_right

    def put(self, line, dirty):
        s = line % len(self.slots)
        held = self.slots[s]
        if None in held:
            w = held.index(None)
        elif self.policy in ("lru", "fifo"):
            w = self.order[s][0]
        elif self.policy == "plru":
            low, high, node = 0, len(held), 1
            while high - low > 1:
                middle, right = (low + high) // 2, self.bits[s][node]
                low, high = (middle, high) if right else (low, middle)
                node = 2 * node + right
            w = low
        else:
            self.seed = self.seed * 48271 % (2**31 - 1)
            w = self.seed % len(held)
        old, held[w] = held[w], [line, dirty]
        self.use(line, filled=True)
        return old

    def take(self, line):
        s, w = line % len(self.slots), self.slot(line)
        if w is None:
            return None
        old, self.slots[s][w] = self.slots[s][w], None
        if w in self.order[s]:
            self.order[s].remove(w)
        return old


class SlowHierarchy:
    def __init__(self, l1, l2, inclusion):
        self.l1, self.l2, self.inclusion = l1, l2, inclusion
        self.counts = dict.fromkeys(COUNTS, 0)

    def put_l2(self, line, dirty):
        self.counts["l2_fills"] += 1
        old = self.l2.put(line, dirty)
        if old is None:
            return
        above = self.l1.take(old[0]) if self.inclusion == "inclusive" else None
        if old[1] or (above and above[1]):
            self.counts["memory_writes"] += 1

    def reference(self, line, write):
        entry = self.l1.entry(line)
        if entry:
            self.counts["l1_hits"] += 1
            self.l1.use(line)
            entry[1] = entry[1] or write
            return
        dirty = write
        if self.l2.entry(line):
            self.counts["l2_hits"] += 1
            if self.inclusion == "exclusive":
                dirty = self.l2.take(line)[1] or write
            else:
                self.l2.use(line)
        else:
            self.counts["memory_reads"] += 1
            if self.inclusion != "exclusive":
                self.put_l2(line, False)
        old = self.l1.put(line, dirty)
        if old is None:
            return
        if self.inclusion == "exclusive":
            self.put_l2(*old)
        elif old[1] and self.l2.entry(old[0]):
            self.l2.entry(old[0])[1] = True
            self.counts["l2_dirty_marks"] += 1
        elif old[1]:
            self.put_l2(old[0], True)


def both(sizes, policy, inclusion, lines, writes):
    (sets1, ways1), (sets2, ways2) = sizes
    code = REPLACEMENTS.index(policy)
    fast = run_hierarchy(
        empty_level(sets1, ways1, code),
        empty_level(sets2, ways2, code),
        INCLUSIONS.index(inclusion),
        6,
        np.array(lines, dtype=np.int64) * 64,
        np.array(writes),
    )
    slow = SlowHierarchy(
        SlowLevel(sets1, ways1, policy), SlowLevel(sets2, ways2, policy), inclusion
    )
    for line, write in zip(lines, writes, strict=True):
        slow.reference(line, write)
    return dict(zip(COUNTS, fast.tolist(), strict=True)), slow.counts


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(REPLACEMENTS),
    st.sampled_from(INCLUSIONS),
    st.sampled_from([((2, 2), (4, 4)), ((1, 4), (8, 2)), ((4, 1), (4, 8)), ((2, 4), (2, 8))]),
    st.integers(0, 2**32 - 1),
)
def test_counts_are_those_of_the_slow_twin(policy, inclusion, sizes, seed):
    rng = np.random.default_rng(seed)
    lines = rng.integers(0, 60, 600).tolist()
    writes = (rng.random(600) < 0.3).tolist()
    fast, slow = both(sizes, policy, inclusion, lines, writes)
    assert fast == slow


@pytest.mark.parametrize("inclusion", INCLUSIONS)
def test_a_working_set_that_fits_misses_once_a_line(inclusion):
    lines = list(range(16)) * 5
    fast, _ = both(((4, 2), (8, 4)), "lru", inclusion, lines, [False] * len(lines))
    assert fast["memory_reads"] == 16
    assert fast["memory_writes"] == 0


def test_exclusive_levels_hold_the_sum_of_their_sizes():
    lines = list(range(40)) * 5
    exclusive, _ = both(((1, 8), (1, 32)), "lru", "exclusive", lines, [False] * 200)
    inclusive, _ = both(((1, 8), (1, 32)), "lru", "inclusive", lines, [False] * 200)
    assert exclusive["memory_reads"] == 40
    assert inclusive["memory_reads"] == 200


def test_tree_bits_protect_the_last_used_way():
    level = empty_level(1, 4, PLRU)
    counts = run_hierarchy(
        level,
        empty_level(8, 8),
        0,
        6,
        np.array([0, 1, 2, 3, 0, 4, 0], dtype=np.int64) * 64,
        np.zeros(7, dtype=bool),
    )
    assert counts[0] == 2
