import numpy as np
import pytest
import rainflow
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab_grid.ageing import (
    capacity_loss,
    counted,
    depth_stress,
    soc_stress,
    summed_stress,
    temperature_stress,
)

socs = st.lists(st.integers(0, 20).map(lambda k: k / 20), min_size=3, max_size=60)


@settings(max_examples=60, deadline=None)
@given(socs)
def test_cycles_are_those_of_the_rainflow_package(history):
    cycles = list(rainflow.extract_cycles(history))
    flow = counted(history)
    own = [c * depth_stress(r) * soc_stress(m) for r, m, c, _, _ in cycles]
    if len(set(history)) > 1 and cycles:
        assert flow.full_cycles == pytest.approx(sum(c * r for r, _, c, _, _ in cycles))
        assert flow.stress == pytest.approx(sum(own))


def test_a_long_random_history_is_counted_as_by_the_rainflow_package():
    history = np.random.default_rng(3).random(5000)
    cycles = list(rainflow.extract_cycles(history))
    assert counted(history).full_cycles == pytest.approx(sum(c * r for r, _, c, _, _ in cycles))


def test_deeper_cycles_and_fuller_batteries_age_faster_and_no_cycle_does_not_age():
    assert depth_stress(0.0) == 0.0
    assert depth_stress(0.2) < depth_stress(0.4) < depth_stress(1.0)
    assert soc_stress(0.5) == 1.0 < soc_stress(0.9)
    assert temperature_stress(25.0) == 1.0 < temperature_stress(35.0)


def test_a_full_cycle_has_the_papers_stress():
    assert depth_stress(1.0) == pytest.approx(1.0 / 1.7e4)


def test_a_year_on_the_shelf_loses_what_the_papers_constants_say():
    stress = summed_stress(0.0, 365 * 86400.0, 0.5, 25.0)
    assert stress == pytest.approx(4.14e-10 * 365 * 86400)
    expected = 1 - 5.75e-2 * np.exp(-121 * stress) - (1 - 5.75e-2) * np.exp(-stress)
    assert capacity_loss(stress) == pytest.approx(expected)


def test_a_new_battery_has_lost_nothing():
    assert capacity_loss(0.0) == 0.0
