"""What rollouts know beside the queues that they see: longest reds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from trimtab_traffic.network import TrafficNetwork, compile_network
from trimtab_traffic.profiles import RuleProfile, field_profile, resco_profile
from trimtab_traffic.rollout import Rollouts


class EmptyStreets:
    """Readings of two streets with nobody on them, the first one green."""

    exit_lanes = ("CE_0", "CN_0")
    exit_columns = np.array([0, 1])
    lane_length_m = np.array([200.0, 200.0])
    first_link = np.array([0, 2])

    def approach_count(self, radius_m: float) -> np.ndarray:
        return np.zeros(2)

    def free_space_m(self) -> np.ndarray:
        return self.lane_length_m

    def stage(self) -> np.ndarray:
        return np.array([0])


@pytest.fixture
def network(two_streets: Callable[..., Path]) -> TrafficNetwork:
    return compile_network(two_streets())


def cheapest_after(network: TrafficNetwork, profile: RuleProfile, decisions: int) -> int:
    rollouts = Rollouts(network, EmptyStreets(), profile, 5)
    for _ in range(decisions):
        rollouts.played(np.array([0]))
    return int(rollouts.costs(None)[0].argmin())


def test_a_street_that_is_due_is_served_though_nobody_waits(network: TrafficNetwork) -> None:
    assert cheapest_after(network, field_profile(), decisions=0) == 0
    assert cheapest_after(network, field_profile(), decisions=20) == 1


def test_without_a_longest_red_an_empty_street_stays_red(network: TrafficNetwork) -> None:
    assert cheapest_after(network, field_profile(max_red_s=None), decisions=20) == 0
    assert cheapest_after(network, resco_profile(), decisions=20) == 0
