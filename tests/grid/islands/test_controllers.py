import numpy as np
import pytest
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.islands.central import ClusterProgram
from trimtab_grid.islands.controllers import SurplusSharing
from trimtab_grid.islands.domain import DOMAIN
from trimtab_grid.islands.ties import ties_of
from trimtab_grid.milp import Horizon, UnitCommitment
from trimtab_grid.plant import load_plant

NAMES = ("load_following", "cycle_charging", "combined", "surplus_sharing", "combined_sharing")


@pytest.fixture(scope="module")
def short(cluster):
    return cluster(horizon_h=4)


@pytest.fixture(scope="module")
def records(short):
    """Rules on two seeds, rolling programs on the first."""
    offered, found = DOMAIN.controllers(short), {}
    played = {(1, 2): (*NAMES, "random"), (1,): ("milp_perfect", "milp_persistence")}
    for seeds, names in played.items():
        with DOMAIN.build(short, len(seeds)) as problem:
            for name in names:
                found[name] = evaluate(
                    problem,
                    make_controller(problem, offered[name]),
                    seeds,
                    name=name,
                    shield=DOMAIN.shield(short, problem),
                    monitor=DOMAIN.monitor(short),
                )
    return found


def test_every_controller_serves_all_load_without_a_violation(records):
    for name, found in records.items():
        for record in found:
            assert record.metrics["unserved_kwh"] == 0.0, name
            assert not any(v.count for v in record.violations.values()), name


def test_no_controller_beats_the_pooled_bound(short, records):
    bounds = {seed: DOMAIN.bound(short, seed).value for seed in (1, 2)}
    for name, found in records.items():
        for record in found:
            assert record.metrics["cost_l"] >= bounds[record.seed] - 1e-6, name


def test_islands_alone_send_nothing_and_sharing_sends_something(records):
    assert all(r.metrics["sent_kwh"] == 0.0 for r in records["load_following"])
    assert sum(r.metrics["sent_kwh"] for r in records["surplus_sharing"]) > 10.0


def test_sharing_surplus_costs_less_than_keeping_it(records):
    for alone, sharing in (("load_following", "surplus_sharing"), ("combined", "combined_sharing")):
        costs = [sum(r.metrics["cost_l"] for r in records[name]) for name in (alone, sharing)]
        assert costs[1] < costs[0]


def test_ties_lose_their_share_of_what_is_sent(records):
    for record in records["combined_sharing"]:
        sent, lost = record.metrics["sent_kwh"], record.metrics["tie_loss_kwh"]
        assert lost == pytest.approx(0.04 * sent)


def test_promises_never_exceed_surplus_need_or_capacity(cluster):
    scenario = cluster()
    with DOMAIN.build(scenario, 1) as problem:
        controller = make_controller(problem, DOMAIN.controllers(scenario)["surplus_sharing"])
        assert isinstance(controller, SurplusSharing)
        obs = problem.reset(np.array([7]))
        for _ in range(problem.spec.horizon):
            action = controller.act(obs)
            tie = action.box[0, 1, 1]
            harbour = problem.resource("state")[0].bank[0]
            known = harbour[int(problem.resource("state")[0].states["step"][0])]
            assert abs(tie) <= 120.0 + 1e-4
            assert tie * 0.96 <= max(0.0, known[0] - known[1]) + 1e-3
            obs = problem.step(action).obs


def test_a_central_plan_equals_the_islands_own_plans_where_ties_carry_nothing(cluster):
    scenario = cluster()
    plants = [load_plant(i.plant) for i in scenario.islands]
    programs = tuple(UnitCommitment(plant_arrays(plant, 60.0), 4) for plant in plants)
    horizons = [
        Horizon(np.full(4, load), np.zeros(4), np.zeros(4), ((0, 0), (0, 0)), 0.5, 0.5, 0.3)
        for load in (150.0, 45.0, 65.0)
    ]
    alone = [p.solve(h, gap=0.0).cost_l for p, h in zip(programs, horizons, strict=True)]
    idle = ClusterProgram(programs, ties_of(cluster(ties=[]))).solve(horizons, gap=0.0)
    tied = ClusterProgram(programs, ties_of(scenario)).solve(horizons, gap=0.0)
    assert idle.cost_l == pytest.approx(sum(alone))
    assert tied.cost_l < idle.cost_l - 1.0
    assert tied.bound_l <= tied.cost_l + 1e-6


def test_views_show_islands_ties_and_energies(short, records):
    found = [r for name in ("load_following", "surplus_sharing") for r in records[name]]
    figures = DOMAIN.views(short, found)
    assert [figure.kind for figure in figures] == ["map", "bars"]
    assert len(figures[0].lines) == 5
    sent = sum(bar.value for bar in figures[1].bars)
    assert sent == pytest.approx(records["surplus_sharing"][0].metrics["sent_kwh"])
    assert DOMAIN.views(short, records["load_following"]) == ()


def test_notes_say_that_no_shield_counts_on_a_tie(cluster):
    assert "counts on no tie" in DOMAIN.notes(cluster())[0]
