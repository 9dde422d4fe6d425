"""Padded arrays over the automata of several signals, for the vectorised shield."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from trimtab_traffic.automaton import SignalAutomaton
from trimtab_traffic.recovery import UNLIMITED_S

T = TypeVar("T", bound=np.generic)


def padded(arrays: Sequence[NDArray[Any]], fill: int, kind: type[T]) -> NDArray[T]:
    """Stack arrays of different sizes, the missing parts filled."""
    shape = [max(sizes) for sizes in zip(*(a.shape for a in arrays), strict=True)]
    out = np.full((len(arrays), *shape), fill, dtype=kind)
    for stacked, a in zip(out, arrays, strict=True):
        stacked[tuple(slice(0, size) for size in a.shape)] = a
    return out


@dataclass(frozen=True, slots=True)
class StageTables:
    """What depends on the stage shown, one row per (signal, stage), padded.

    Attributes:
        carefree: age of red up to which no choice can miss a deadline.
    """

    successors: NDArray[np.bool_]
    transition: NDArray[np.int64]
    min_green: NDArray[np.int64]
    served: NDArray[np.bool_]
    limit: NDArray[np.int32]
    carefree: NDArray[np.int64]
    least_carefree: int

    @classmethod
    def of(cls, automata: Sequence[SignalAutomaton], n_stages: int) -> StageTables:
        """Stack the automata's tables."""

        def rows(arrays: Sequence[NDArray[Any]], kind: type[T]) -> NDArray[T]:
            stacked = padded(arrays, 0, kind)
            return stacked.reshape(len(automata) * n_stages, *stacked.shape[2:])

        served = rows([a.served for a in automata], np.bool_)
        limits = [_padded_limit(a, served.shape[1]) for a in automata]
        limit = padded(limits, -1, np.int32)
        ages = [[_carefree_age(a, s) for s in range(len(a.served))] for a in automata]
        return cls(
            successors=rows([a.successors for a in automata], np.bool_),
            transition=rows([a.transition_s for a in automata], np.int64),
            min_green=rows([a.min_green_s for a in automata], np.int64),
            served=served,
            limit=limit.reshape(len(automata) * n_stages, *limit.shape[2:]),
            carefree=rows([np.array(row) for row in ages], np.int64),
            least_carefree=min(min(row) for row in ages),
        )


def _padded_limit(automaton: SignalAutomaton, classes: int) -> NDArray[np.int64]:
    """Deadline table with the classes that only other signals have, without limit."""
    limit = automaton.deadlines.limit_s
    missing = classes - limit.shape[3]
    return np.pad(limit, ((0, 0), (0, 0), (0, 0), (0, missing)), constant_values=UNLIMITED_S)


def _carefree_age(automaton: SignalAutomaton, stage: int) -> int:
    rows = automaton.deadlines.limit_s[stage].min(axis=2, initial=UNLIMITED_S).max(axis=1)
    return int(rows[automaton.successors[stage]].min())
