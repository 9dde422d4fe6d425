"""Who chooses the policies: static ones of practice, a threshold on row locality, an oracle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.controller import Controller, Entry
from trimtab.contracts.errors import UnknownNameError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.space import Categorical, Float, Space
from trimtab.contracts.spec import Action, Float32Array, IntArray, Obs

from trimtab_hardware.dram.adapt.copy import FEATURES
from trimtab_hardware.dram.adapt.scenario import PAGES, SCHEDULERS

REPEATED = FEATURES.index("repeated_row_share")


def position(name: str, kind: str, known: tuple[str, ...]) -> int:
    """Where a policy stands in the action.

    Raises:
        UnknownNameError: no such policy.
    """
    if name not in known:
        raise UnknownNameError(name, kind, known)
    return known.index(name)


class StaticPolicy(Controller):
    """One page policy and one scheduler throughout: what controllers are built with."""

    def __init__(
        self, problem: ControlProblem, page: str = "Open", scheduler: str = "FrFcfs"
    ) -> None:
        self._choice = (
            position(page, "page policy", PAGES), position(scheduler, "scheduler", SCHEDULERS),
        )  # fmt: skip

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        return Action(discrete=np.tile(np.array(self._choice, np.int64), (obs.copies, 1, 1)))

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """It remembers nothing."""
        return {}


class LocalityThreshold(Controller):
    """Keeps pages open while accesses repeat their bank's row, and closes them when they do not.

    Between the thresholds it stays with what it has (hysteresis).

    Args:
        problem: what is controlled.
        low: share of repeated rows below which pages are closed.
        high: share from which they are kept open.
        local: page policy of local phases.
        scattered: page policy of the others.
        scheduler: scheduler throughout.
    """

    def __init__(
        self,
        problem: ControlProblem,
        low: float = 0.2,
        high: float = 0.3,
        local: str = "Open",
        scattered: str = "ClosedAdaptive",
        scheduler: str = "FrFcfsGrp",
    ) -> None:
        self._low, self._high = low, max(low, high)
        self._local = position(local, "page policy", PAGES)
        self._scattered = position(scattered, "page policy", PAGES)
        self._scheduler = position(scheduler, "scheduler", SCHEDULERS)
        self._open = np.ones(problem.copies, bool)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        self._open[slice(None) if rows is None else rows] = True

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        share = obs.obs[:, 0, REPEATED]
        begins = ~obs.obs[:, 0].any(axis=1)  # nothing has been counted yet
        self._open = begins | (share >= self._high) | (self._open & (share > self._low))
        page = np.where(self._open, self._local, self._scattered)
        scheduler = np.full(obs.copies, self._scheduler)
        return Action(discrete=np.stack([page, scheduler], axis=-1)[:, None].astype(np.int64))

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """See `Controller.state_dict`."""
        return {"open": self._open}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Controller.load_state_dict`."""
        self._open = state["open"].astype(bool)


class EpochOracle(Controller):
    """Tries every policy on the coming epoch and takes the best: no chip can do that.

    It looks one epoch ahead only, so that it is no bound.
    """

    def __init__(self, problem: ControlProblem) -> None:
        self._problem = problem

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        problem, n = self._problem, obs.copies
        rows = np.flatnonzero(obs.alive[:, 0])
        kept = problem.snapshot(rows)
        best, choice = np.full(n, np.inf), np.zeros((n, 1, 2), np.int64)
        for pair in np.ndindex(len(PAGES), len(SCHEDULERS)):
            tried = np.tile(np.array(pair, np.int64), (n, 1, 1))
            latency = problem.step(Action(discrete=tried)).reward[:, 0, 0]
            problem.restore(kept, rows)
            better = obs.alive[:, 0] & (latency < best)
            best, choice[better] = np.where(better, latency, best), tried[better]
        return Action(discrete=choice)

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """It remembers nothing."""
        return {}


def _static(page: str, scheduler: str = "FrFcfs") -> Entry:
    return Entry(
        "reference",
        StaticPolicy,
        f"page policy {page} and scheduler {scheduler} throughout",
        defaults={"page": page, "scheduler": scheduler},
    )


ENTRIES = {
    "static_open": _static("Open"),
    "static_open_adaptive": _static("OpenAdaptive"),
    "static_closed": _static("Closed"),
    "static_closed_adaptive": _static("ClosedAdaptive"),
    "static_open_grouped": _static("Open", "FrFcfsGrp"),
    "static_closed_adaptive_grouped": _static("ClosedAdaptive", "FrFcfsGrp"),
    "locality_threshold": Entry(
        "classical",
        LocalityThreshold,
        "open pages while rows repeat, closed ones while not",
        parameters=Space(
            (
                Float("low", 0.05, 0.95),
                Float("high", 0.05, 0.95),
                Categorical("local", PAGES),
                Categorical("scattered", PAGES),
                Categorical("scheduler", SCHEDULERS),
            )
        ),
    ),
    "epoch_oracle": Entry(
        "clairvoyant",
        EpochOracle,
        "tries all twelve policies on each epoch before it plays the best",
        needs=frozenset({"snapshot"}),
    ),
}
REFERENCES = tuple(name for name, entry in ENTRIES.items() if entry.role == "reference")
