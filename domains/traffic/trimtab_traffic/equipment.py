"""What stage policies read besides vehicle counts: deadlines, requests, and what no sensor sees.

One column per stage each, 0 where nothing of the kind is known, so a network without crossings,
buses or faults looks to a policy as if the column were not there.
"""

from __future__ import annotations

import numpy as np
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray

from trimtab_traffic.requests import RequestReader
from trimtab_traffic.sensors import SensedState
from trimtab_traffic.shield import ShieldState, SignalShield
from trimtab_traffic.shield_tables import padded
from trimtab_traffic.signals import TrafficNetwork
from trimtab_traffic.state import TrafficState

EQUIPMENT_FEATURES = ("occupied", "unseen", "deadline", "buses", "emergency", "pedestrians")
URGENT_S = 60.0
"""A deadline further away than this counts as none, s."""
_PERSONS = 5.0  # brings the count near 1


class Equipment:
    """Reads the columns `EQUIPMENT_FEATURES` of all stages.

    occupied: share of the served approach lanes that vehicles cover. unseen: share of the traffic
    on them that no working sensor can report. deadline: how soon the longest red forces the stage,
    0 for `URGENT_S` or more, 1 for now; of the stage shown, minus the same for its longest green.
    buses, emergency: those approaching on served links. pedestrians: persons at served kerbs, by 5.

    Args:
        network: static model.
        state: readings; `true`: the same without sensor error, for the equipment of its own that
            hears buses, emergency vehicles and pedestrians.
        shield: compiled automata.
        requests: hears them.
    """

    def __init__(
        self,
        network: TrafficNetwork,
        state: TrafficState,
        shield: SignalShield,
        requests: RequestReader,
    ) -> None:
        signals = network.controllable
        self._state, self._requests = state, requests
        self._signal = np.repeat(np.arange(len(signals)), [len(s.stage_states) for s in signals])
        self._stage, self._lane = _served_lanes(network, state)
        self._lanes = np.maximum(np.bincount(self._stage, minlength=len(self._signal)), 1)
        automata = shield.automata
        self._served = padded([a.served for a in automata], 0, np.bool_)
        self._max_red_s = np.array([a.deadlines.max_red_s for a in automata], dtype=np.float64)
        self._max_green_s = np.array([a.max_green_s for a in automata], dtype=np.float64)

    def read(
        self, green: FloatArray, shown: BoolArray, slot: IntArray, signals: ShieldState
    ) -> FloatArray:
        """The columns at this decision, [stages, EQUIPMENT_FEATURES].

        Args:
            green: [stages, links] links that each stage serves.
            shown: [stages] whether its signal shows it.
            slot: [stages] its index at its signal.
            signals: what the signals show, and how old their reds are.
        """
        heard = self._requests
        on_links = np.stack([heard.buses(), heard.emergencies(), heard.persons() / _PERSONS])
        deadline = self._deadline(shown, slot, signals)
        occupied, unseen = map(self._mean, (self._state.occupancy(), self._unseen()))
        return np.column_stack([occupied, unseen, deadline, green @ on_links.T])

    def _mean(self, lanes: FloatArray) -> FloatArray:
        """Mean over the approach lanes that each stage serves, [stages]."""
        return np.bincount(self._stage, lanes[self._lane], len(self._lanes)) / self._lanes

    def _unseen(self) -> FloatArray:
        """Share of the traffic that no working sensor reports, [lanes]."""
        if not isinstance(self._state, SensedState):
            return np.zeros(len(self._state.lanes))
        return np.where(self._state.ok, 1.0 - self._state.share, 1.0)

    def _deadline(self, shown: BoolArray, slot: IntArray, signals: ShieldState) -> FloatArray:
        age_s = signals.age_s[self._signal, : self._served.shape[2]]
        oldest_s = (age_s * self._served[self._signal, slot]).max(axis=1, initial=0)
        red_left_s = self._max_red_s[self._signal] - oldest_s
        green_left_s = self._max_green_s[self._signal] - signals.elapsed_s[self._signal]
        left_s = np.where(shown, green_left_s, red_left_s)
        return np.where(shown, -1.0, 1.0) * np.clip(1.0 - left_s / URGENT_S, 0.0, 1.0)


def _served_lanes(network: TrafficNetwork, state: TrafficState) -> tuple[IntArray, IntArray]:
    """(stage, lane column) of every approach lane that a stage serves."""
    column = {lane: k for k, lane in enumerate(state.lanes)}
    pairs: set[tuple[int, int]] = set()
    first = 0
    for signal in network.controllable:
        for stage, green in enumerate(signal.stage_green):
            served = (c for c in signal.connections if c.on_road and green[c.link])
            pairs |= {(first + stage, column[c.in_lane]) for c in served}
        first += len(signal.stage_states)
    table = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
