"""Counter-based random streams: Philox4x32-10, vectorised over copies and entities.

Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011. The value
of a draw depends on (seed, stream, episode, step, entity) alone: never on what was drawn
before, so copies are independent of each other's number and of the actions taken.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.spec import FloatArray, IntArray

UInt = NDArray[np.uint64]

_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def philox4x32(counter: tuple[UInt, UInt, UInt, UInt], key: tuple[UInt, UInt]) -> tuple[UInt, ...]:
    """Ten Philox rounds on 32-bit words held in uint64 arrays that broadcast together."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product_0, product_1 = c0 * _MULTIPLIER_0, c2 * _MULTIPLIER_1
        c0, c1, c2, c3 = (
            (product_1 >> _SHIFT) ^ c1 ^ k0,
            product_1 & _LOW,
            (product_0 >> _SHIFT) ^ c3 ^ k1,
            product_0 & _LOW,
        )
        k0, k1 = (k0 + _WEYL_0) & _LOW, (k1 + _WEYL_1) & _LOW
    return c0, c1, c2, c3


@dataclass(frozen=True, slots=True)
class Stream:
    """A named stream of draws ("arrivals", "weather", "failures", "sensors", "policy")."""

    name: str

    def _words(
        self, seed: IntArray, episode: IntArray, step: int | IntArray, entities: int
    ) -> tuple[UInt, ...]:
        seeds = np.asarray(seed, dtype=np.int64).astype(np.uint64)[:, None]
        steps = np.broadcast_to(np.asarray(step, dtype=np.uint64), seeds.shape[:1])[:, None]
        counter = (
            np.arange(entities, dtype=np.uint64)[None, :],
            steps & _LOW,
            np.asarray(episode).astype(np.uint64)[:, None] & _LOW,
            np.full_like(seeds, zlib.crc32(self.name.encode())),
        )
        return philox4x32(counter, (seeds & _LOW, seeds >> _SHIFT))

    def uniform(
        self, seed: IntArray, episode: IntArray, step: int | IntArray, entities: int = 1
    ) -> FloatArray:
        """Draws in [0, 1) with 53 random bits, shape [N, entities].

        Args:
            seed: [N] int64, one per copy.
            episode: [N] int64 counter of the copy's episode.
            step: decision counter, scalar or [N].
            entities: draws per copy.
        """
        high, low, _, _ = self._words(seed, episode, step, entities)
        mixed = (high >> np.uint64(5)) * 67108864.0 + (low >> np.uint64(6))
        return np.asarray(mixed / 9007199254740992.0, dtype=np.float64)

    def normal(
        self, seed: IntArray, episode: IntArray, step: int | IntArray, entities: int = 1
    ) -> FloatArray:
        """Standard normal draws by Box–Muller, shape [N, entities]."""
        words = self._words(seed, episode, step, entities)
        radius = np.sqrt(-2.0 * np.log((words[0] + 1.0) / 4294967297.0))
        return np.asarray(radius * np.cos(2.0 * np.pi * (words[1] / 4294967296.0)))
