"""Choosing the next stage of every signal from stage scores: layout, sums and the tie rule.

All rule-based stage controllers are a score per stage and one argmax (RESCO decision loop, Ault &
Sharon, NeurIPS 2021 Datasets and Benchmarks): every signal observes at the same instant and takes
the stage of the highest score; ties within 1e-9 keep the present stage, else the lowest index wins.
Scores are sums over links or lanes, precomputed as index lists, so a decision runs no Python per
vehicle, link or lane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, BoolArray, FloatArray, IntArray, Obs

from trimtab_traffic.signals import Connection, Signal, TrafficNetwork

TIE = 1e-9
"""Scores closer than this are equal."""


class Counts(Protocol):
    """What stage rules read of the traffic; vectors over flat links or lanes."""

    @property
    def lanes(self) -> Sequence[str]:
        """Lane id of each lane column: approach and exit lanes of all controllable signals."""
        ...

    def approach_count(self, radius_m: float) -> FloatArray | IntArray:
        """[links] n(j): vehicles within the radius whose next signalled link is j."""
        ...

    def lane_vehicles(self) -> FloatArray | IntArray:
        """[lanes] V: all vehicles."""
        ...

    def lane_halting(self) -> FloatArray | IntArray:
        """[lanes] H: vehicles slower than 0.1 m/s."""
        ...

    def stage(self) -> IntArray:
        """[signals] stage shown, or being entered."""
        ...

    def stage_elapsed_s(self) -> FloatArray:
        """[signals] time since the stage began, s."""
        ...


@dataclass(frozen=True, slots=True)
class Sum:
    """A sparse sum: value [rows] = Σ weight · quantity[column]."""

    rows: IntArray
    columns: IntArray
    weights: FloatArray
    n_rows: int

    @classmethod
    def of(cls, terms: Iterable[tuple[int, int, float]], n_rows: int) -> Sum:
        """From (row, column, weight) terms; terms of one cell add up."""
        table = np.array(list(terms), dtype=np.float64).reshape(-1, 3)
        return cls(
            table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2].copy(), n_rows
        )

    def __call__(self, quantity: FloatArray | IntArray) -> FloatArray:
        """Sums over a vector of links or lanes, [rows]."""
        terms = self.weights * quantity[self.columns]
        return np.asarray(
            np.bincount(self.rows, weights=terms, minlength=self.n_rows), dtype=np.float64
        )


@dataclass(frozen=True)
class StageLayout:
    """Flat numbering of stages and links over all controllable signals.

    Attributes:
        signals: controllable signals, in the order of the problem's agents.
        lanes: lane id → column of lane quantities.
    """

    signals: tuple[Signal, ...]
    lanes: dict[str, int]

    @classmethod
    def of(cls, network: TrafficNetwork, lanes: Iterable[str]) -> StageLayout:
        """Layout of a network whose lane quantities come in the order of `lanes`."""
        return cls(network.controllable, {lane: k for k, lane in enumerate(lanes)})

    @cached_property
    def first_link(self) -> IntArray:
        """[signals + 1] first column of each signal's links."""
        return _starts(s.n_links for s in self.signals)

    @cached_property
    def first_stage(self) -> IntArray:
        """[signals + 1] first row of each signal's stages."""
        return _starts(len(s.stage_states) for s in self.signals)

    @property
    def n_stages(self) -> int:
        """Stages of all signals."""
        return int(self.first_stage[-1])

    @cached_property
    def exists(self) -> BoolArray:
        """[signals, most stages] bool: the signal has that stage."""
        counts = np.diff(self.first_stage)
        return np.asarray(np.arange(counts.max(initial=0))[None, :] < counts[:, None])

    def green_links(self) -> Iterable[tuple[int, int, Signal, int]]:
        """(stage row, link column, signal, link) of every link green (g or G) in a stage."""
        for signal, stage0, link0 in zip(
            self.signals, self.first_stage, self.first_link, strict=False
        ):
            for stage, link in np.argwhere(signal.stage_green):
                yield int(stage0 + stage), int(link0 + link), signal, int(link)

    def green_connections(self) -> Iterable[tuple[int, Connection, Signal]]:
        """(stage row, connection, signal) of every road connection green in a stage."""
        for stage, _, signal, link in self.green_links():
            for connection in signal.link_connections[link]:
                if connection.on_road:
                    yield stage, connection, signal

    def links_of_stages(self) -> Sum:
        """Per stage the sum over its green links."""
        return Sum.of(((stage, link, 1.0) for stage, link, *_ in self.green_links()), self.n_stages)

    def choose(
        self, scores: FloatArray, present: IntArray, legal: BoolArray | None = None
    ) -> IntArray:
        """Stage of the highest score per signal.

        Args:
            scores: [stages of all signals].
            present: [signals] stage shown now.
            legal: [signals, most stages], or None where every stage may follow.

        Returns:
            [signals] stage index.
        """
        table = np.full(self.exists.shape, -np.inf)
        table[self.exists] = scores
        if legal is not None:
            table[~legal] = -np.inf
        best = table >= table.max(axis=1, keepdims=True) - TIE
        keep = best[np.arange(len(present)), present]
        return np.where(keep, present, best.argmax(axis=1))


def _starts(counts: Iterable[int]) -> IntArray:
    return np.concatenate([[0], np.cumsum(list(counts))]).astype(np.int64)


Score = Callable[[Counts], FloatArray]
"""State → score of every stage, [stages of all signals]."""


def layout_of(problem: ControlProblem) -> tuple[StageLayout, Counts]:
    """Layout and live state of a signal problem; needs "model" and "state"."""
    state: Counts = problem.resource("state")
    return StageLayout.of(problem.resource("model"), state.lanes), state


class StageRule(Controller):
    """Plays the stage of the highest score at every signal.

    Args:
        rule: builds the score of a layout; takes the rule's parameters by name.
    """

    def __init__(
        self, problem: ControlProblem, rule: Callable[..., Score], **parameters: float
    ) -> None:
        self._layout, self._state = layout_of(problem)
        self._score = rule(self._layout, **parameters)

    def act(self, obs: Obs) -> Action:
        """Next stage of every signal, `discrete` [1, signals, 1]."""
        return stage_action(self._layout, self._score(self._state), self._state, obs)


def stage_action(layout: StageLayout, scores: FloatArray, state: Counts, obs: Obs) -> Action:
    """The joint action that plays the best legal stages."""
    legal = None if obs.action_mask is None else obs.action_mask[0]
    stages = layout.choose(scores, state.stage(), legal)
    return Action(discrete=stages[None, :, None])
