"""What a trainer says after each iteration, and what it must offer to be checkpointed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.spec import Spec
from trimtab.deploy.network import NetSpec
from trimtab.learn.collect import Episode


@dataclass(frozen=True, slots=True)
class Report:
    """One iteration, arrays [S] over training seeds.

    Attributes:
        env_steps: decisions × copies so far, per seed, dead copies not counted.
        loss: total loss, mean over updates.
        diagnostics: the algorithm's own figures, mean over updates (see its loss), and the share
            of dormant units, `dormant_actor` (and `dormant_critic`), after them.
        multipliers: [S, C] Lagrange multipliers.
        episodes: those that ended in this iteration.
        active: False for seeds that were stopped because their loss was not finite.
        intervened: share of live agents' decisions that a shield changed.
    """

    env_steps: NDArray[np.int64]
    loss: NDArray[np.float32]
    diagnostics: Mapping[str, NDArray[np.float32]]
    multipliers: NDArray[np.float64]
    episodes: list[Episode]
    active: NDArray[np.bool_]
    intervened: NDArray[np.float64]


class Trainer(Protocol):
    """What `checkpoint` needs of a trainer."""

    net: NetSpec
    seeds: tuple[int, ...]
    iteration: int

    @property
    def config(self) -> Any:
        """Hyper-parameters, a dataclass."""
        ...

    @property
    def spec(self) -> Spec:
        """The spec that is trained on."""
        ...

    def train(self) -> Iterator[Report]:
        """Iterate until the planned steps are played; one report per iteration."""
        ...

    def state_dict(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that a bit-identical resume needs: arrays, and plain data for JSON."""
        ...

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`, on a trainer built with the same arguments."""
