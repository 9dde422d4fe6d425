"""Load that may be shed, block by block in the declared order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from trimtab.contracts.records import EpisodeRecord
from trimtab.testing.subject import play
from trimtab_grid.domain import DOMAIN
from trimtab_grid.export import _schedule
from trimtab_grid.load_blocks import ONE, blocks_of, shed_by_block
from trimtab_grid.plant import Plant, load_plant
from trimtab_grid.scenario import GridScenario
from trimtab_grid.views import figures

BLOCKS = [{"name": "cold-store", "kw": 100}, {"name": "pumps", "kw": 70}]


def blocked(**more):
    return Plant.model_validate(
        load_plant("plant-a").model_dump() | {"shed_blocks": BLOCKS, **more}
    )


@given(st.lists(st.floats(0.0, 170.0), min_size=1, max_size=20))
def test_blocks_are_shed_in_order_and_add_up(shed):
    found = shed_by_block(blocked(), shed)
    first, second = found["cold-store"], found["pumps"]
    np.testing.assert_allclose(first + second, shed)
    assert (first <= 100.0).all()
    assert (second <= 70.0).all()
    assert not second[first < 100.0].any()


def test_a_plant_without_blocks_has_one_and_one_without_shedding_none():
    plant = load_plant("plant-a")
    assert [(block.name, block.kw) for block in blocks_of(plant)] == [(ONE, 170.0)]
    assert blocks_of(load_plant("plant-b")) == ()
    assert shed_by_block(load_plant("plant-b"), np.zeros(3)) == {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shed_kw": 150.0}, "shed_kw 150 is not the sum of shed_blocks: write 170"),
        ({"shed_blocks": [BLOCKS[0], {"name": "cold-store", "kw": 70}]}, "must differ"),
        ({"shed_blocks": [{"name": "pumps", "kw": 0}]}, "greater than 0"),
    ],
)
def test_blocks_that_do_not_fit_are_refused(change, told):
    with pytest.raises(ValidationError, match=told):
        blocked(**change)


def test_what_is_shed_is_told_by_block_in_schedule_details_and_report():
    faults = [{"kind": "load_jump", "at_min": 20, "for_min": 20, "size": 1350}]
    plant = blocked(wind=None)
    scenario = GridScenario(plant=plant, faults=faults, horizon_h=1)
    with DOMAIN.build(scenario, 1, "order") as problem:
        play(problem, (2,))
        log, details = problem.episode_log(0), problem.details(0)
    assert log["shed_kw"].max() == 170.0
    told = details["shed_kwh"]
    assert told["cold-store"] > told["pumps"] > 0.0
    assert sum(told.values()) == pytest.approx(log["shed_kw"].sum() / 60.0)
    columns = _schedule(plant, log)
    parts = columns["shed_cold-store_kw"] + columns["shed_pumps_kw"]
    np.testing.assert_allclose(parts, log["shed_kw"])
    record = EpisodeRecord("rule", 2, {"cost_l": 1.0}, details=details)
    assert details["alarm_min"] == {"load beyond its limits": (log["alarm"] == 2).sum()}
    alarms = next(f for f in figures(scenario, [record]) if f.title.startswith("Alarms"))
    assert [bar.label for bar in alarms.bars] == ["load beyond its limits"]
    drawn = [f for f in figures(scenario, [record]) if f.title.startswith("Load shed by block")]
    assert [bar.label for bar in drawn[0].bars] == ["cold-store", "pumps"]
    balance = next(f for f in figures(scenario, [record]) if f.title.startswith("Power balance"))
    unserved = next(one for one in balance.series if one.name == "not served")
    width = np.subtract(unserved.high, unserved.low)
    np.testing.assert_allclose(width, log["shed_kw"] + log["deficit_kw"], rtol=1e-3, atol=0.5)
