"""Units at the begin: whole steps, refusals by name, and that all who plan or watch agree."""

import numpy as np
import pytest
from pydantic import ValidationError
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import Action
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab.testing.subject import play
from trimtab_grid.arrays import COOL, OFF, RUN, TRIPPED, WARM, plant_arrays
from trimtab_grid.bound_episode import episode_of
from trimtab_grid.bounds import lower_bound, verify_bound
from trimtab_grid.domain import DOMAIN
from trimtab_grid.first_units import FirstUnit, first_units
from trimtab_grid.islands.domain import DOMAIN as ISLANDS
from trimtab_grid.islands.scenario import IslandsScenario
from trimtab_grid.plant import load_plant
from trimtab_grid.scenario import GridScenario

RUNNING = {"unit": "G1", "mode": "running", "minutes": 300, "power_kw": 200}


def _state(plant, step_min, *units):
    record = plant_arrays(plant, step_min)
    return first_units([FirstUnit(**u) for u in units], plant, record).state(record)


@pytest.mark.parametrize(
    ("unit", "step_min", "state"),
    [
        ({"mode": "running", "minutes": 0}, 1, (RUN, 0)),
        ({"mode": "running", "minutes": 12.5}, 1, (RUN, 12)),
        ({"mode": "running", "minutes": 500}, 1, (RUN, 30)),
        ({"mode": "running", "minutes": 16}, 5, (RUN, 3)),
        ({"mode": "warming", "minutes": 0.5}, 1, (WARM, 3)),
        ({"mode": "warming", "minutes": 2}, 1, (WARM, 1)),
        ({"mode": "cooling", "minutes": 4}, 1, (COOL, 2)),
        ({"mode": "cooling", "minutes": 1}, 5, (COOL, 1)),
        ({"mode": "tripped", "minutes": 1000}, 1, (TRIPPED, 440)),
        ({"mode": "off", "minutes": 0}, 1, (OFF, 0)),
    ],
)
def test_minutes_become_steps_with_the_time_to_go_rounded_up(unit, step_min, state):
    assert _state(load_plant("plant-a"), step_min, {"unit": "G2", **unit}) == ((OFF, 0), state)


def test_minimum_down_time_still_to_go_is_counted():
    unit = {"unit": "G3", "mode": "off", "minutes": 25}
    assert _state(load_plant("plant-b"), 15, unit)[2] == (OFF, 3)


def test_the_published_plant_may_stop_a_minute_earlier():
    plant = load_plant("plant-a")
    battery = plant.battery.model_copy(update={"model": "compat"})
    compat = plant.model_copy(update={"battery": battery})
    assert _state(compat, 1, {"unit": "G1", "mode": "running", "minutes": 29})[0] == (RUN, 29)
    assert plant_arrays(compat, 1).min_run_steps[0] == 29


@pytest.mark.parametrize(
    ("units", "told"),
    [
        ([{"unit": "G9", "mode": "off", "minutes": 1}], "unit 'G9'; name one of"),
        ([RUNNING, RUNNING], "G1 is named twice"),
        ([{"unit": "G1", "mode": "warming", "minutes": 3}], "warm_up_min is 3: give less than"),
        ([{"unit": "G1", "mode": "cooling", "minutes": 9}], "cool_down_min is 6: .* or mode off"),
        ([{"unit": "G1", "mode": "tripped", "minutes": 2e3}], "repair_min is 1440"),
        ([{"unit": "G1", "mode": "running", "minutes": -1}], "greater than or equal to 0"),
        ([{**RUNNING, "power_kw": 50}], "power_kw 50 lies outside its limits 120 to 440"),
        ([{**RUNNING, "mode": "off"}], "power_kw is given, but the unit is off"),
        ([{**RUNNING, "mean_kw": 401}], "mean_kw 401 is above prime_kw 400"),
    ],
)
def test_illegal_units_are_refused_by_name_with_the_limit_and_what_to_do(units, told):
    with pytest.raises(ValidationError, match=told):
        GridScenario(first_units=units)


@pytest.mark.parametrize(
    "units",
    [
        [{"unit": n, "mode": "tripped", "minutes": 5} for n in ("G1", "G2")],
        [{"unit": n, "mode": "warming", "minutes": 1} for n in ("G1", "G2")],
    ],
)
def test_modes_that_nothing_legal_leads_to_are_refused_behind_the_shield_only(units):
    scenario = GridScenario(first_units=units, horizon_h=1.0)
    with pytest.raises(InputFileError, match="no commands, single trip and repair lead"):
        DOMAIN.build(scenario)
    with DOMAIN.build(scenario.model_copy(update={"shield": False})) as control:
        assert not control.guard.on


def test_a_begin_outside_the_safe_set_is_refused_with_the_missing_kwh():
    units = [{"unit": n, "mode": "running", "minutes": k} for n, k in (("G1", 1), ("G2", 0))]
    plant = load_plant("plant-a")
    battery = plant.battery.model_copy(update={"soc_initial": 0.9})
    plant = plant.model_copy(update={"battery": battery})
    with pytest.raises(InputFileError, match=r"first_units .* kWh are missing below"):
        DOMAIN.build(GridScenario(plant=plant, first_units=units, horizon_h=1.0))


def test_a_begin_that_no_charge_makes_safe_is_refused_with_the_missing_kwh_or_kw():
    units = [{"unit": n, "mode": "running", "minutes": k} for n, k in (("G1", 5), ("G2", 0))]
    plant = load_plant("plant-a")
    narrow = {"energy_kwh": 160.0, "model": "linear", "quadratic": None}
    small = plant.model_copy(update={"battery": plant.battery.model_copy(update=narrow)})
    with pytest.raises(InputFileError, match=r"first_units is safe .* kWh missing"):
        DOMAIN.build(GridScenario(plant=small, first_units=units, step_min=5, horizon_h=1.0))


def test_it_begins_with_the_stated_modes_powers_and_means():
    units = [{**RUNNING, "mean_kw": 260}, {"unit": "G2", "mode": "cooling", "minutes": 2}]
    with DOMAIN.build(GridScenario(first_units=units, horizon_h=1.0), 2, "order") as control:
        obs = control.reset(np.array([1, 2]))
        state = control.resource("state").states
        seen = dict(zip(control.columns, obs.obs[1, 0].tolist(), strict=True))
        assert state["mode"][:, :2].tolist() == [[RUN, COOL]] * 2
        assert state["timer"][:, :2].tolist() == [[30, 4]] * 2
        assert (seen["running[0]"], seen["cooling[1]"]) == (1.0, 1.0)
        assert seen["power_share[0]"] == pytest.approx(0.5)
        assert seen["mean_share[0]"] == pytest.approx(0.65)
        assert not obs.action_mask[0, 0, 2]  # no start while a unit cools


def test_the_first_step_goes_on_from_there_and_an_early_stop_is_not_taken():
    units = [{"unit": "G1", "mode": "running", "minutes": 10}]
    with DOMAIN.build(GridScenario(first_units=units, shield=False), 1, "order") as control:
        control.reset(np.array([1]))
        for k in range(22):
            box = np.zeros((1, 1, 1), np.float32)
            control.step(Action(np.zeros((1, 1, 1), np.int64), box))
            mode = control.episode_log(0)["mode"][k, 0]
            assert mode == (RUN if k < 20 else COOL)


@pytest.mark.parametrize(
    "units",
    [
        [RUNNING],
        [{"unit": "G1", "mode": "warming", "minutes": 1}],
        [RUNNING, {"unit": "G2", "mode": "cooling", "minutes": 3}],
        [RUNNING, {"unit": "G2", "mode": "tripped", "minutes": 30}],
        [{"unit": "G1", "mode": "running", "minutes": 5}],
    ],
)
def test_random_play_from_there_breaks_nothing_the_monitor_watches(units):
    scenario = GridScenario(first_units=units, horizon_h=2.0)
    with DOMAIN.build(scenario, 1, "order") as control:
        metrics = play(control, (3,)).moments[-1].step.metrics
        counted = DOMAIN.monitor(scenario).check(control.episode_log(0))
    assert {name for name, v in counted.items() if v.count} <= {"mean_power"}
    assert metrics["unserved_kwh"][0] == 0.0


def test_the_monitor_rebuilds_timers_from_the_begin():
    units = [{"unit": "G1", "mode": "running", "minutes": 10}]
    scenario = GridScenario(first_units=units, shield=False, horizon_h=1.0)
    with DOMAIN.build(scenario, 1, "order") as control:
        control.reset(np.array([1]))
        for _ in range(60):
            control.step(Action(np.zeros((1, 1, 1), np.int64), np.zeros((1, 1, 1), np.float32)))
        log = control.episode_log(0)

    def counts(*first):
        told = GridScenario(first_units=first, shield=False, horizon_h=1.0)
        found = DOMAIN.monitor(told).check(log)
        return {name: found[name].count for name in ("transition", "min_run", "warm_up")}

    assert counts(*units) == {"transition": 0, "min_run": 0, "warm_up": 0}
    assert counts({**units[0], "minutes": 3})["min_run"] == 1
    assert counts()["transition"] == 1
    assert counts({"unit": "G1", "mode": "warming", "minutes": 1})["warm_up"] == 1


def _hourly(plant="plant-b", horizon_h=48, **units):
    first = [{"unit": name, **told} for name, told in units.items()]
    return GridScenario(
        plant=plant,
        shield=plant == "plant-b",
        data={"load": {"mean_kw": 350}, "climate": {"drop_per_min": None}},
        step_min=60,
        horizon_h=horizon_h,
        first_units=first,
    )


def test_bound_and_plan_start_from_the_stated_units():
    """A unit that runs already saves its start; one that must rest costs more."""
    plant = load_plant("plant-b")
    slow = {"min_run_min": 120.0, "min_down_min": 120.0}
    gensets = tuple(genset.model_copy(update=slow) for genset in plant.gensets[:2])
    plant = plant.model_copy(update={"gensets": gensets})
    running, resting = {"mode": "running", "minutes": 300}, {"mode": "off", "minutes": 60}
    values = []
    for units in ({"G1": running, "G2": running}, {}, {"G1": resting, "G2": resting}):
        scenario = _hourly(plant, **units)
        bound = DOMAIN.bound(scenario, 1)
        DOMAIN.verify(scenario, 1, bound)
        values.append(bound.value)
        entry = DOMAIN.controllers(scenario)["dp_perfect"]
        with DOMAIN.build(scenario, 1, entry.interface) as control:
            cost = evaluate(control, make_controller(control, entry), [1])[0].metrics["cost_l"]
        assert bound.value <= cost <= 1.02 * bound.value
    assert values[0] < values[1] <= values[2]


def test_a_bound_belongs_to_its_first_units():
    scenario = _hourly(G1={"mode": "running", "minutes": 300})
    with DOMAIN.build(scenario) as control:
        year = episode_of(control, 1)
    assert year.units_first[0] == (RUN, 1)
    bound = lower_bound(year)
    with DOMAIN.build(_hourly()) as control:
        other = episode_of(control, 1)
    with pytest.raises(Exception, match="another plant or series"):
        verify_bound(other, bound)


@pytest.mark.parametrize("name", ["milp_persistence", "stochastic_dp", "load_following"])
def test_every_planner_plays_on_from_there(name):
    units = {"G2": {"mode": "running", "minutes": 60}, "G3": {"mode": "off", "minutes": 90}}
    scenario = _hourly(horizon_h=12, **units)
    entry = DOMAIN.controllers(scenario)[name]
    with DOMAIN.build(scenario, 1, entry.interface) as control:
        record = evaluate(control, make_controller(control, entry), [1])[0]
        counted = DOMAIN.monitor(scenario).check(control.episode_log(0))
    assert record.metrics["unserved_kwh"] == 0.0
    assert not sum(v.count for v in counted.values())


def test_islands_begin_as_stated_and_their_pooled_bound_knows_it():
    first = {"first_units": (FirstUnit(unit="G1", mode="running", minutes=300),)}
    cold = IslandsScenario()
    islands = tuple(island.model_copy(update=first) for island in cold.islands)
    warm = cold.model_copy(update={"islands": islands})
    with ISLANDS.build(warm, 1, "default") as control:
        control.reset(np.array([1]))
        assert control.islands[1].resource("state").states["mode"][0, 0] == RUN
    assert ISLANDS.bound(warm, 1).value < ISLANDS.bound(cold, 1).value
