"""No tie flow within its rooms leads an island out of its safe set; wrong rooms are refuted."""

from types import SimpleNamespace

import numpy as np
import pytest
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.islands import rooms
from trimtab_grid.islands.composition import (
    TiedTheorem,
    cut_flows_exceed_their_room,
    prove_tied,
)
from trimtab_grid.plant import load_plant
from trimtab_grid.proof import Theorem, unit_states
from trimtab_grid.safety import safe_tables


@pytest.fixture(scope="module")
def ridge():
    return plant_arrays(load_plant("isle-ridge"), 15.0)


@pytest.fixture(scope="module")
def built(ridge):
    return safe_tables(ridge)


def test_every_query_of_an_island_with_ties_is_unsatisfiable(ridge):
    result = prove_tied(ridge)
    assert result.failures == ()
    assert result.proven
    assert result.live_queries == result.states == 15
    assert result.sound_queries == 36


def test_the_queries_are_not_empty(built):
    theorem = TiedTheorem(built)
    units = unit_states(built)[0]
    sent = theorem.ask(theorem.disturbance)[0], theorem.ask(theorem.flow < 0)[0]
    assert sent == ("sat", "sat")
    member = theorem.safe(units, theorem.soc_lo, theorem.soc_hi, theorem.load)
    assert theorem.ask(member)[0] == "sat"


@pytest.mark.parametrize("changed", ["export_room_kw", "import_room_kw"])
def test_a_room_larger_by_one_kilowatt_is_refuted(built, changed):
    theorem = TiedTheorem(built)
    true = vars(theorem.rooms)
    theorem.rooms = SimpleNamespace(**{**true, changed: lambda *kw: true[changed](*kw) + 1})
    failure = theorem.check(unit_states(built), stop_at_failure=True).failures[0]
    assert failure.answer == "sat"
    assert "flow" in failure.model


def test_tables_that_need_nothing_are_refuted(built):
    forgetful = TiedTheorem(built)
    forgetful.tables.low_kwh = np.where(np.isinf(built.tables.low_kwh), np.inf, 0.0)
    assert not forgetful.check(unit_states(built), stop_at_failure=True).proven


def test_shares_of_flows_never_exceed_a_room(built):
    assert Theorem(built).asked("sound", cut_flows_exceed_their_room(2)).proven


def test_rooms_are_never_negative_and_smaller_than_what_units_and_battery_give():
    assert rooms.export_room_kw(100.0, 20.0, 150.0) == 0.0
    assert rooms.export_room_kw(100.0, 20.0, 50.0) == pytest.approx(70.0)
    assert rooms.import_room_kw(40.0, -30.0, 5.0) == 0.0
    assert rooms.import_room_kw(40.0, -30.0, 50.0) == pytest.approx(40.0)
    assert rooms.import_room_kw(40.0, -30.0, 50.0) < 40.0
