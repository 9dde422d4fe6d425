"""Many searches of one algorithm advanced together, and one of them as an `Optimizer`.

Arrays lead with the axis of R runs. A run depends on its own seed and settings alone, so it has
the same bits alone and in any company; its whole memory is the dictionary `state`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray, IntArray
from trimtab.contracts.streams import philox4x32
from trimtab.search.grid import Grid
from trimtab.search.optimizer import INFEASIBLE, Optimizer

_CHUNK = 1 << 16


class Vectorised(ABC):
    """R searches in lockstep: `propose` a round of points for each, then `absorb` its scores.

    Attributes:
        grid: the space's columns.
        runs: R.
        state: everything a run remembers, arrays by name; `draws` counts random draws.
        ahead: rounds may be proposed while the scores of earlier ones are outstanding.
    """

    ahead = True

    def __init__(self, space: Space, seeds: ArrayLike) -> None:
        self.grid = Grid(space)
        self._seeds = np.asarray(seeds, dtype=np.int64).astype(np.uint64)
        self.runs = len(self._seeds)
        self.state: dict[str, NDArray[Any]] = {"draws": np.zeros((), np.int64)}
        self._chunk, self._chunk_start = np.empty((self.runs, 0)), 0

    @abstractmethod
    def propose(self) -> FloatArray:
        """One round of points [R, m, width], legal and canonical."""

    @abstractmethod
    def absorb(self, points: FloatArray, score: FloatArray, objectives: FloatArray) -> None:
        """Learn a proposed round: points [R, m, width], score [R, m], objectives [R, m, K]."""

    def keep(self, runs: IntArray) -> bool:
        """Go on with these runs alone, to the same bits; False, and nothing done, if it cannot."""
        return False

    def _keep_state(self, runs: IntArray) -> None:
        """For `keep` of methods whose state leads with the runs throughout."""
        self._seeds, self.runs = self._seeds[runs], len(runs)
        self._chunk, self._chunk_start = np.empty((self.runs, 0)), 0
        self.state = {name: x[runs] if x.ndim else x for name, x in self.state.items()}

    def uniform(self, *shape: int) -> FloatArray:
        """Draws in (0, 1), [R, *shape]: the next numbers of each run's own Philox sequence."""
        size = int(np.prod(shape, dtype=np.int64))
        start = int(self.state["draws"])
        self.state["draws"] = self.state["draws"] + size
        first = self._chunk_start
        if start < first or start + size > first + self._chunk.shape[1]:
            self._chunk_start = start - start % 4
            ahead = max(_CHUNK // max(self.runs, 16), size + 4)
            self._chunk = self._numbers(self._chunk_start // 4, -(-ahead // 4))
        offset = start - self._chunk_start
        return self._chunk[:, offset : offset + size].reshape(self.runs, *shape)

    def _numbers(self, block: int, blocks: int) -> FloatArray:
        """[R, 4 · blocks] numbers of the sequences from Philox block `block` on."""
        counter = np.arange(block, block + blocks, dtype=np.uint64)[None, :]
        zero = np.zeros_like(counter)
        low, high = self._seeds & np.uint64(0xFFFFFFFF), self._seeds >> np.uint64(32)
        stream = np.full_like(counter, 0x5EA2C4)
        words = philox4x32((counter, zero, zero, stream), (low[:, None], high[:, None]))
        drawn = np.stack(words, axis=-1).reshape(self.runs, -1)
        return np.asarray((drawn + 0.5) / 2.0**32, dtype=np.float64)

    def normal(self, *shape: int) -> FloatArray:
        """Standard normal draws by Box–Muller, [R, *shape]."""
        u = self.uniform(2, *shape)
        return np.asarray(np.sqrt(-2.0 * np.log(u[:, 0])) * np.cos(2.0 * np.pi * u[:, 1]))

    def per_run(self, value: ArrayLike) -> FloatArray:
        """A setting, one number or one a run, as [R]."""
        return np.broadcast_to(np.asarray(value, dtype=np.float64), (self.runs,)).copy()


class Single(Optimizer):
    """One run of a vectorised algorithm behind ask/tell, with any batch size.

    Rounds are cut into the batches asked for; told points are gathered until a round is whole.
    """

    def __init__(self, algorithm: Vectorised) -> None:
        self._algorithm = algorithm
        width = algorithm.grid.width
        self._waiting = np.empty((0, width))  # proposed, not yet asked for
        self._points, self._told = np.empty((0, width)), np.empty((0, 0))
        self._rounds = np.empty(0, np.int64)  # sizes of proposed rounds not yet absorbed

    def ask(self, n: int) -> FloatArray:
        """See `Optimizer.ask`."""
        while len(self._waiting) < n and (self._algorithm.ahead or not len(self._rounds)):
            fresh = self._algorithm.propose()[0]
            self._waiting = np.concatenate([self._waiting, fresh])
            self._rounds = np.append(self._rounds, len(fresh))
        asked, self._waiting = self._waiting[:n], self._waiting[n:]
        return asked

    def tell(
        self,
        points: FloatArray,
        score: FloatArray,
        objectives: FloatArray | None = None,
        constraints: FloatArray | None = None,
    ) -> None:
        """See `Optimizer.tell`."""
        goals = score[:, None] if objectives is None else objectives
        goals = np.where(score[:, None] >= INFEASIBLE, score[:, None], goals)
        values = np.column_stack([score, goals])
        if not len(self._told):
            self._told = np.empty((0, values.shape[1]))
        self._points = np.concatenate([self._points, points])
        self._told = np.concatenate([self._told, values])
        while len(self._rounds) and len(self._points) >= self._rounds[0]:
            m = int(self._rounds[0])
            told = self._told[None, :m]
            self._algorithm.absorb(self._points[None, :m], told[:, :, 0], told[:, :, 1:])
            self._points, self._told = self._points[m:], self._told[m:]
            self._rounds = self._rounds[1:]

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """See `Optimizer.state_dict`."""
        own = {
            "single.waiting": self._waiting,
            "single.points": self._points,
            "single.told": self._told,
            "single.rounds": self._rounds,
        }
        return {name: np.array(array) for name, array in (self._algorithm.state | own).items()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Optimizer.load_state_dict`."""
        copied = {name: np.array(array) for name, array in state.items()}
        self._waiting = copied.pop("single.waiting")
        self._points = copied.pop("single.points")
        self._told = copied.pop("single.told")
        self._rounds = copied.pop("single.rounds")
        self._algorithm.state = copied


def rows_of(array: NDArray[Any], index: IntArray) -> NDArray[Any]:
    """array[r, index[r, ...]] for every run r; array [R, m, ...], index [R, k]."""
    return np.asarray(array[np.arange(len(array))[:, None], index])
