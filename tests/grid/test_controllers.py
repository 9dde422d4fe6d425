"""Classical and clairvoyant controllers on short episodes of both plants."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from trimtab_grid.controllers import REFERENCE, entries
from trimtab_grid.domain import DOMAIN
from trimtab_grid.scenario import GridScenario

SEEDS = np.array([1, 2])


def scenario(plant: str, shield: bool = True) -> GridScenario:
    """Sixty hours of plant B, ninety minutes of plant A."""
    if plant == "plant-b":
        data = {"load": {"mean_kw": 350}, "climate": {"drop_per_min": None}}
        return GridScenario.model_validate(
            {"plant": plant, "data": data, "step_min": 60, "horizon_h": 60, "shield": shield}
        )
    return GridScenario(plant=plant, horizon_h=1.5, shield=shield)


@lru_cache(maxsize=64)
def played(plant: str, name: str, shield: bool = True) -> dict[str, Any]:
    """Metrics of one controller, and the share of steps in which the shield intervened."""
    scene = scenario(plant, shield)
    entry = entries(scene)[name]
    with DOMAIN.build(scene, len(SEEDS), entry.interface) as problem:
        controller = entry.factory(problem)
        obs = problem.reset(SEEDS)
        controller.reset(SEEDS)
        intervened = 0
        for _ in range(scene.horizon):
            step = problem.step(controller.act(obs))
            obs = step.obs
            intervened += int(step.intervened.sum())
        assert step.metrics is not None
        return {**step.metrics, "intervened": intervened / scene.horizon / len(SEEDS)}


@lru_cache(maxsize=8)
def bounds(plant: str) -> tuple[float, ...]:
    found = [DOMAIN.bound(scenario(plant), int(seed)) for seed in SEEDS]
    return tuple(b.value for b in found if b is not None)


NAMES = tuple(entries(scenario("plant-a")))
SOME = (
    *(name for name in NAMES if not name.startswith(("always_", "milp_"))),
    "always_start_charge",
    "always_stop_discharge",
)


@pytest.mark.parametrize(
    ("plant", "name"),
    [(p, n) for p in ("plant-a", "plant-b") for n in SOME if n in entries(scenario(p))],
)
def test_no_controller_harms_the_plant_behind_the_shield_or_beats_the_bound(
    plant: str, name: str
) -> None:
    metrics = played(plant, name)
    assert np.all(metrics["unserved_kwh"] < 1e-6)
    assert np.all(metrics["surplus_kwh"] < 1e-6)
    assert np.all(metrics["cost_l"] >= np.array(bounds(plant)) * (1 - 1e-9))


@pytest.mark.parametrize("kind", ["persistence", "noisy", "perfect"])
def test_rolling_programs_serve_the_load_and_do_not_beat_the_bound(kind: str) -> None:
    metrics = played("plant-a", f"milp_{kind}")
    assert np.all(metrics["unserved_kwh"] < 1e-6)
    assert np.all(metrics["cost_l"] >= np.array(bounds("plant-a")) * (1 - 1e-9))


def test_perfect_foresight_without_a_shield_meets_the_bound_of_plant_b() -> None:
    cost = played("plant-b", "dp_perfect", shield=False)["cost_l"]
    np.testing.assert_allclose(cost, bounds("plant-b"), rtol=3e-3)  # the reserve rule costs 0.17 %


def test_the_shield_leaves_a_plan_with_perfect_foresight_nearly_as_it_is() -> None:
    metrics = played("plant-b", "dp_perfect")
    np.testing.assert_allclose(metrics["cost_l"], bounds("plant-b"), rtol=3e-3)
    assert metrics["intervened"] <= 0.01


def test_every_controller_is_offered_without_the_shield_and_then_watched_only() -> None:
    offered = DOMAIN.controllers(scenario("plant-b"))
    twins = {name for name in offered if name.endswith("_unshielded")}
    assert twins == {f"{name}_unshielded" for name in offered if name not in twins}
    assert not any(offered[name].shielded for name in twins)
    assert not any(e.shielded is False for e in entries(scenario("plant-b", False)).values())


def test_without_the_shield_the_monitor_counts_what_idle_units_do_not_serve() -> None:
    scene = scenario("plant-b")
    found = {}
    for name in ("always_stop_idle", "always_stop_idle_unshielded"):
        entry = DOMAIN.controllers(scene)[name]
        with DOMAIN.build(scene, 1, entry.interface) as problem:
            controller = entry.factory(problem)
            obs = problem.reset(SEEDS[:1])
            for _ in range(scene.horizon):
                obs = problem.step(controller.act(obs)).obs
            found[name] = DOMAIN.monitor(scene).check(problem.episode_log(0))["deficit"].count
    assert found["always_stop_idle"] == 0
    assert found["always_stop_idle_unshielded"] > 0


def test_rules_of_plant_b_stand_in_the_order_of_practice() -> None:
    names = ("dp_perfect", REFERENCE, "diesel_wind", "diesel_only")
    costs = [played("plant-b", name)["cost_l"].sum() for name in names]
    assert costs == sorted(costs)


def test_load_following_is_never_corrected_not_even_by_the_rounding_of_its_setpoints() -> None:
    scene = scenario("plant-b").model_copy(update={"horizon_h": 260.0})  # empties the battery
    entry = entries(scene)[REFERENCE]
    with DOMAIN.build(scene, 1, entry.interface) as problem:
        controller, seed = entry.factory(problem), np.array([1])
        obs = problem.reset(seed)
        controller.reset(seed)
        for _ in range(scene.horizon):
            step = problem.step(controller.act(obs))
            obs = step.obs
            assert not step.intervened.any()


def test_the_stochastic_program_without_foresight_beats_load_following_on_plant_b() -> None:
    costs = [played("plant-b", name)["cost_l"].sum() for name in ("stochastic_dp", REFERENCE)]
    assert costs[0] < costs[1]


def test_entries_play_the_plant_s_own_interface() -> None:
    for plant, interface in (("plant-a", "order"), ("plant-b", "default")):
        offered = entries(scenario(plant))
        assert {entry.interface for entry in offered.values()} == {interface}
        assert offered[REFERENCE].role == "reference"
        assert sum(name.startswith("always_") for name in offered) == 9


def test_a_rule_s_setpoint_changes_what_it_does() -> None:
    scene = scenario("plant-b")
    entry = entries(scene)["cycle_charging"]
    costs = []
    for setpoint in (0.3, 0.9):
        with DOMAIN.build(scene, 1, entry.interface) as problem:
            controller = entry.factory(problem, setpoint=setpoint)
            obs = problem.reset(SEEDS[:1])
            for _ in range(scene.horizon):
                step = problem.step(controller.act(obs))
                obs = step.obs
            assert step.metrics is not None
            costs.append(float(step.metrics["throughput_kwh"][0]))
    assert costs[0] < costs[1]


def resumed(scene: GridScenario, name: str, at: int) -> None:
    """Play an episode; from step `at` on a second controller goes on from the first one's state."""
    entry = entries(scene)[name]
    with DOMAIN.build(scene, len(SEEDS), entry.interface) as problem:
        one, two = entry.factory(problem), entry.factory(problem)
        obs = problem.reset(SEEDS)
        one.reset(SEEDS)
        for step in range(scene.horizon):
            if step == at:
                two.reset(SEEDS)
                two.load_state_dict({k: v.copy() for k, v in one.state_dict().items()})
            action = one.act(obs)
            if step >= at:
                other = two.act(obs)
                assert np.array_equal(action.discrete, other.discrete)
                assert np.array_equal(action.box, other.box)
            obs = problem.step(action).obs


@pytest.mark.parametrize("name", ["milp_persistence", "milp_noisy", "milp_perfect", "dp_perfect"])
@pytest.mark.parametrize("at", [0, 6])
def test_a_planner_goes_on_from_its_state_to_the_same_bits(name: str, at: int) -> None:
    """Six quarter-hours in, a plan of the hour before last is half followed."""
    data = {"load": {"mean_kw": 350}, "climate": {"drop_per_min": None}}
    scene = GridScenario.model_validate(
        {"plant": "plant-b", "data": data, "step_min": 15, "horizon_h": 3, "shield": False}
    )
    resumed(scene, name, at)


def test_a_rolling_plan_does_not_hoard_charge_that_the_episode_will_not_pay_for() -> None:
    """The end owes what is missing to the first charge, and pays nothing for more."""
    data = {"load": {"mean_kw": 350}, "climate": {"weibull_scale_m_s": 1.0}}
    scene = GridScenario.model_validate(
        {"plant": "plant-b", "data": data, "step_min": 60, "horizon_h": 6, "shield": False}
    )
    entry = entries(scene)["milp_perfect"]
    with DOMAIN.build(scene, len(SEEDS), entry.interface) as problem:
        controller = entry.factory(problem)
        obs = problem.reset(SEEDS)
        controller.reset(SEEDS)
        for _ in range(scene.horizon):
            step = problem.step(controller.act(obs))
            obs = step.obs
        state = problem.resource("state").states
        assert np.all(np.abs(state["soc"] - state["soc_first"]) < 0.05)
