"""Screening descent: learn what every value does, then try the most promising changes first.

From a random corner, both ends of every ordered parameter and all values of every category are
tried one at a time, and each gain is kept (two-level screening, as in factorial experiments). What
a value did to the score is remembered as its effect, relative to the present design, and is taken
to add up. From then on the change of least predicted loss is tried: of one value, or of two at
once at a charge for the interaction that the sum leaves out. A step that gained goes on in its
direction. When no change has gained for some time, ladders of many-valued and continuous
parameters are refined around the design; once they are as fine as they get, part of the best
design is redrawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from trimtab.contracts.space import Space
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray
from trimtab.search.moves import moved
from trimtab.search.optimizer import INFEASIBLE
from trimtab.search.vectorised import Vectorised

LEVELS = 9
"""Rungs of the ladder of a continuous parameter, or of one with more ordered values than that."""
_FINEST = 1e-4
_ONWARD, _END, _VALUE = -4.0, -3.0, -2.0
"""Priorities of what is not known yet: the next step of a gain, ends of ranges, categories."""
_NEGLIGIBLE = 0.25
"""Quantile of the losses seen: what a change without any effect is ranked as."""


class Screening(Vectorised):
    """R screening descents; a round is one design.

    Args:
        space: what is searched.
        seeds: [R].
        patience: [R] designs in a row without a gain before refinement or restart.
        kick: [R] share of the parameters redrawn at a restart; 1 restarts anywhere.
        interaction: [R] charge on two changes at once, in their predicted loss.
    """

    ahead = False

    def __init__(
        self,
        space: Space,
        seeds: ArrayLike,
        *,
        patience: ArrayLike = 30.0,
        kick: ArrayLike = 1.0,
        interaction: ArrayLike = 1.0,
    ) -> None:
        super().__init__(space, seeds)
        self._patience, self._kick = self.per_run(patience), self.per_run(kick)
        self._charge = 1.0 + self.per_run(interaction)
        self._lay_out_slots()
        runs, width, slots = self.runs, self.grid.width, len(self._column)
        for name in ("here", "best", "trial", "middle"):
            self.state[name] = np.full((runs, width), 0.5)
        for name in ("here_score", "best_score"):
            self.state[name] = np.full(runs, np.inf)
        self.state["level"] = np.zeros((runs, width), np.int64)
        self.state["trend"] = np.zeros((runs, width), np.int64)
        self.state["effect"], self.state["tie"] = np.full((2, runs, slots), np.nan)
        self.state["tested"] = np.zeros((runs, slots, slots), bool)  # diagonal: one change
        self.state["chosen"] = np.zeros((runs, 2), np.int64)
        for name in ("idle", "zoom"):
            self.state[name] = np.zeros(runs, np.int64)
        self.state["fresh"] = np.ones(runs, bool)
        self.state["reorders"] = np.zeros((runs, len(self.grid.permutations)), np.int64)

    def _lay_out_slots(self) -> None:
        """A slot is one value (or rung) of one column, or one order that may change."""
        grid = self.grid
        self._ladder = ~grid.keys & grid.ordered & ((grid.counts == 0) | (grid.counts > LEVELS))
        counts = np.where(self._ladder, LEVELS, np.where(grid.keys, 0, grid.counts))
        firsts = [s.start for s in grid.permutations]
        values = int(counts.sum())
        self._column = np.concatenate([np.repeat(np.arange(grid.width), counts), firsts])
        self._column = self._column.astype(np.int64)
        self._rung = np.concatenate([np.arange(c) for c in counts] + [np.zeros(len(firsts))])
        self._rung = self._rung.astype(np.int64)
        self._is_order = np.arange(len(self._column)) >= values
        self._start = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self._last = np.maximum(counts - 1, 0)
        self._single = self._last[self._column] == 0
        self._lines = grid.ordered & (counts > 2)
        finest = np.where(grid.counts == 0, _FINEST, 0.5 / np.maximum(grid.counts, 1))
        least = float(np.min(finest, initial=1.0, where=self._ladder))
        self._deepest = max(0, int(np.log2(1.0 / ((LEVELS - 1) * least)))) * self._ladder.any()
        self._other = self._column[:, None] != self._column[None, :]
        self._other &= ~self._is_order[:, None] & ~self._is_order[None, :]

    def propose(self) -> FloatArray:
        """See `Vectorised.propose`."""
        state = self.state
        priority, settled = self._priorities()
        alone = np.where(np.einsum("rss->rs", state["tested"]), np.inf, priority)
        first = np.argmin(alone, axis=1)
        least = np.take_along_axis(alone, first[:, None], axis=1)[:, 0]
        one, two, pair_loss = self._best_pair(priority, settled & (least >= 0.0))
        paired = pair_loss < least
        state["chosen"] = np.where(
            paired[:, None], np.stack([one, two], 1), np.stack([first, first], 1)
        )
        spent = np.isinf(np.minimum(least, pair_loss)) | (state["idle"] >= self._patience)
        spent &= ~state["fresh"]
        self._refine(spent & (state["zoom"] < self._deepest))
        state["fresh"] = state["fresh"] | (spent & (state["zoom"] >= self._deepest))
        refined = spent & ~state["fresh"]
        changed = np.where(refined[:, None], state["here"], self._changed())
        state["trial"] = np.where(state["fresh"][:, None], self._corner(), changed)
        return self.grid.snap(state["trial"])[:, None]

    def _priorities(self) -> tuple[FloatArray, BoolArray]:
        """[R, slots] predicted loss, below 0 where unknown, inf where no change; [R] all known."""
        state, column, rung = self.state, self._column, self._rung
        effect, level = state["effect"], state["level"][:, column]
        known = ~np.isnan(effect)
        usual, negligible = self._usual(effect)
        ends = (rung == 0) | (rung == self._last[column])
        near = np.abs(rung - level) == 1
        lines = self._lines[column]
        loss = np.where(effect >= INFEASIBLE / 2, usual, effect)
        between, ends_known = self._between(known)
        loss = np.where(known, loss, np.where(lines & near & ends_known, between, np.inf))
        loss = np.where(loss == 0.0, negligible, loss) * (1.0 + 1e-3 * state["tie"])
        tie = state["tie"][:, self._start[column]]
        unknown = np.where(lines, np.where(ends, _END, np.inf), _VALUE + 1e-3 * state["tie"])
        loss = np.where(known | (lines & ~ends), loss, unknown + tie)
        trend = state["trend"][:, column]
        loss = np.where(lines & near & (trend != 0) & (rung - level == trend), _ONWARD, loss)
        orders = self._is_order
        loss[:, orders] = negligible * (1.0 + state["reorders"])
        live = self.grid.active(self.grid.snap(state["here"]))[:, column]
        open_ = live & ((rung != level) | orders) & (~self._single | orders)
        loss = np.where(open_, loss, np.inf)
        return loss, np.asarray((loss >= 0.0).all(axis=1))

    def _usual(self, effect: FloatArray) -> tuple[FloatArray, FloatArray]:
        """[R, 1] median and lower quantile of the finite losses seen (1 before any)."""
        ordered = np.sort(
            np.where((effect > 0) & (effect < INFEASIBLE / 2), effect, np.inf), axis=1
        )
        count = np.isfinite(ordered).sum(axis=1, keepdims=True)
        places = [np.maximum(0, (q * (count - 1)).astype(np.int64)) for q in (0.5, _NEGLIGIBLE)]
        median, low = (np.take_along_axis(ordered, place, axis=1) for place in places)
        return np.where(count > 0, median, 1.0), np.where(count > 0, low, 1.0)

    def _between(self, known: BoolArray) -> tuple[FloatArray, BoolArray]:
        """[R, slots] effect by interpolation from `here` to the next known rung beyond a slot."""
        column, rung = self._column, self._rung
        level = self.state["level"][:, column]
        effect = self.state["effect"]
        reach = np.where(known & (effect < INFEASIBLE / 2), effect, 0.0)
        slots = np.arange(len(column))
        after = np.where(known, slots, len(slots))
        after = np.minimum.accumulate(after[:, ::-1], axis=1)[:, ::-1]
        before = np.maximum.accumulate(np.where(known, slots, -1), axis=1)
        beyond = np.where(rung > level, after, before)
        inside = (beyond >= 0) & (beyond < len(slots))
        beyond = np.clip(beyond, 0, len(slots) - 1)
        inside &= column[beyond] == column
        far = np.take_along_axis(reach, beyond, axis=1)
        share = 1.0 / np.maximum(np.abs(rung[beyond] - level), 1)
        start, last = self._start[column], self._last[column]
        both = known[:, start] & known[:, np.minimum(start + last, len(slots) - 1)]
        return np.where(inside, far * share, 0.0), both

    def _best_pair(
        self, priority: FloatArray, which: BoolArray
    ) -> tuple[IntArray, IntArray, FloatArray]:
        """Two slots of different parameters of least predicted loss, for the runs in `which`."""
        runs = np.flatnonzero(which)
        one, two = np.zeros((2, self.runs), np.int64)
        loss = np.full(self.runs, np.inf)
        if not len(runs) or not self._other.any():
            return one, two, loss
        each = priority[runs]
        both = (each[:, :, None] + each[:, None, :]) * self._charge[runs, None, None]
        both[self.state["tested"][runs] | ~self._other] = np.inf
        flat = both.reshape(len(runs), -1)
        best = np.argmin(flat, axis=1)
        one[runs], two[runs] = np.divmod(best, len(self._column))
        loss[runs] = flat[np.arange(len(runs)), best]
        return one, two, loss

    def _position(self, slot: IntArray) -> FloatArray:
        """[R] unit-cube coordinate of one slot a run."""
        column, rung = self._column[slot], self._rung[slot]
        runs = np.arange(self.runs)
        spacing = 0.5 ** self.state["zoom"] / (LEVELS - 1)
        rung_at = self.state["middle"][runs, column] + (rung - LEVELS // 2) * spacing
        value_at = (rung + 0.5) / (self._last[column] + 1)
        return np.asarray(np.where(self._ladder[column], np.clip(rung_at, 0.0, 1.0), value_at))

    def _changed(self) -> FloatArray:
        """[R, width] `here` with the chosen slots set, or an order changed at random."""
        out = self.state["here"].copy()
        runs = np.arange(self.runs)
        for slot in self.state["chosen"].T:
            value = ~self._is_order[slot]
            out[runs[value], self._column[slot[value]]] = self._position(slot)[value]
        if not self._is_order.any():
            return out
        draws = self.uniform(1, self.grid.width + 3)
        first = self.state["chosen"][:, 0]
        mine = self.grid.owner == self.grid.owner[self._column[first]][:, None]
        mine &= self._is_order[first][:, None]
        reach = np.ones(self.runs)
        return np.asarray(moved(self.grid, out[:, None], mine[:, None], draws, reach)[:, 0])

    def _corner(self) -> FloatArray:
        """[R, width]: the best design with part of it redrawn, ordered parameters at an end."""
        state, width = self.state, self.grid.width
        u, keep = self.uniform(width), self.uniform(len(self.grid.members))[:, self.grid.owner]
        ties = self.uniform(len(self._column))
        drawn = np.where(self._lines, np.round(u), u)
        redrawn = (keep < self._kick[:, None]) | np.isinf(state["best_score"])[:, None]
        fresh = state["fresh"]
        state["tie"] = np.where(fresh[:, None], ties, state["tie"])
        state["zoom"] = np.where(fresh, 0, state["zoom"])
        corner = np.where(redrawn, drawn, state["best"])
        rungs = np.round(corner * (LEVELS - 1)) / (LEVELS - 1)
        return np.where(self._ladder, rungs, corner)

    def _refine(self, which: BoolArray) -> None:
        """Halve the ladders around `here`; what their rungs do is to be found anew."""
        state, ladder = self.state, self._ladder
        both = which[:, None] & ladder
        state["zoom"] = state["zoom"] + which
        state["middle"] = np.where(both, state["here"], state["middle"])
        state["level"] = np.where(both, LEVELS // 2, state["level"])
        state["idle"] = np.where(which, 0, state["idle"])
        of_ladder = which[:, None] & ladder[self._column]
        own = self._rung == state["level"][:, self._column]
        state["effect"] = np.where(of_ladder, np.where(own, 0.0, np.nan), state["effect"])
        state["tested"] = state["tested"] & ~of_ladder[:, :, None] & ~of_ladder[:, None, :]

    def absorb(self, points: FloatArray, score: FloatArray, objectives: FloatArray) -> None:
        """See `Vectorised.absorb`."""
        state, value, runs = self.state, score[:, 0], np.arange(self.runs)
        fresh, chosen = state["fresh"], state["chosen"]
        gain = fresh | (value < state["here_score"])
        with np.errstate(invalid="ignore"):
            shift = np.where(fresh, 0.0, value - state["here_score"])
        for slot in chosen.T:
            state["tested"][runs, chosen[:, 0], slot] = True
            state["tested"][runs, slot, chosen[:, 0]] = True
        alone = (chosen[:, 0] == chosen[:, 1]) & ~fresh
        single = alone & ~self._is_order[chosen[:, 0]]
        state["effect"][runs[single], chosen[single, 0]] = shift[single]
        state["reorders"] += self._is_order[chosen[:, :1]] & (~fresh[:, None])
        self._follow(gain & alone, fresh)
        self._rebase(gain & ~fresh)
        self._settle(gain, fresh, value)
        better = value < state["best_score"]
        state["best"] = np.where(better[:, None], state["trial"], state["best"])
        state["best_score"] = np.where(better, value, state["best_score"])
        state["fresh"] = np.zeros_like(fresh)

    def _follow(self, gained: BoolArray, fresh: BoolArray) -> None:
        """A step of one rung that gained sets the trend of its column; any other try ends it."""
        state, slot = self.state, self.state["chosen"][:, 0]
        column, runs = self._column[slot], np.arange(self.runs)
        step = self._rung[slot] - state["level"][runs, column]
        onward = gained & self._lines[column] & (np.abs(step) == 1)
        state["trend"][runs, column] = np.where(onward, step, 0)
        state["trend"][fresh] = 0

    def _rebase(self, moved_: BoolArray) -> None:
        """Effects of the changed columns count from the new design; nothing is tested there."""
        state = self.state
        runs = np.flatnonzero(moved_)
        for slot in state["chosen"][runs].T:
            mine = self._column[slot][:, None] == self._column[None, :]
            own = state["effect"][runs, slot]
            finite = np.where(np.isnan(own), 0.0, own)
            state["effect"][runs] -= np.where(mine, finite[:, None], 0.0)
            state["effect"][runs, slot] = 0.0
            value = ~self._is_order[slot]
            state["level"][runs[value], self._column[slot[value]]] = self._rung[slot[value]]
        state["tested"][runs] = False
        state["reorders"][runs] = 0

    def _settle(self, gain: BoolArray, fresh: BoolArray, value: FloatArray) -> None:
        state = self.state
        state["here"] = np.where(gain[:, None], state["trial"], state["here"])
        state["here_score"] = np.where(gain, value, state["here_score"])
        state["idle"] = np.where(gain, 0, state["idle"] + 1)
        bins = np.maximum(self._last + 1, 1)
        index = np.minimum(np.floor(state["here"] * bins), self._last)
        rungs = np.round(state["here"] * (LEVELS - 1))
        level = np.where(self._ladder, rungs, index).astype(np.int64)
        state["level"] = np.where(fresh[:, None], level, state["level"])
        state["middle"] = np.where(fresh[:, None], 0.5, state["middle"])
        own = self._rung == state["level"][:, self._column]
        state["effect"] = np.where(fresh[:, None], np.where(own, 0.0, np.nan), state["effect"])
        state["tested"][fresh] = False
        state["reorders"][fresh] = 0
