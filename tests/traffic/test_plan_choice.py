from collections.abc import Callable
from pathlib import Path

import pytest
from trimtab_traffic import plan_choice
from trimtab_traffic.controllers.rewriting import longest_red_s
from trimtab_traffic.controllers.webster import Webster
from trimtab_traffic.corridors import corridors
from trimtab_traffic.inputs import compiled_network, resolve
from trimtab_traffic.plan_choice import chosen_plan, designed_plans, proved_plan
from trimtab_traffic.plan_design import templates
from trimtab_traffic.plans import is_stage, write_programs
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.rawrun import prepare, simulate_plan
from trimtab_traffic.scenario import (
    GeneratedNetwork,
    NetworkSource,
    RuleSettings,
    SignalsProblem,
)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Plans are kept in a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_chosen_plan_is_no_worse_than_the_shipped_one_on_a_seed_never_seen(
    two_street_scenario: SignalsProblem, own_cache: Path, tmp_path: Path
):
    plan = chosen_plan(two_street_scenario, {})
    case = prepare(two_street_scenario, 1, tmp_path)
    assert simulate_plan(case, plan, 1) <= simulate_plan(case, {}, 1)


def test_chosen_plan_is_made_once(two_street_scenario: SignalsProblem, own_cache: Path):
    first = chosen_plan(two_street_scenario, {})
    kept = list((own_cache / "trimtab" / "traffic" / "plans").iterdir())
    assert len(kept) == 1
    stamp = kept[0].stat().st_mtime_ns
    assert chosen_plan(two_street_scenario, {}) == first
    assert kept[0].stat().st_mtime_ns == stamp


def test_a_plan_that_is_worse_in_the_simulator_is_not_chosen(
    two_street_scenario: SignalsProblem, tmp_path: Path
):
    case = prepare(two_street_scenario, 1, tmp_path)
    template = templates(case.network, two_street_scenario.profile)["C"]
    lopsided = {"C": template.program([5, 100], 0.0)}
    assert proved_plan(case, {}, [lopsided]) == {}


@pytest.mark.parametrize("proved", [True, False])
def test_a_row_that_falls_back_to_the_shipped_plan_says_so(
    two_street_scenario: SignalsProblem,
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    proved: bool,
):
    if not proved:
        monkeypatch.setattr(plan_choice, "simulate_plan", lambda *_: 1.0)
    with SignalControl(two_street_scenario, "native") as control:
        made = Webster(control, two_street_scenario)
    assert bool(made.programs()) is proved
    assert made.notes == (() if proved else (plan_choice.NONE_PROVED,))


def test_without_candidates_today_stays(two_street_scenario: SignalsProblem, tmp_path: Path):
    assert proved_plan(prepare(two_street_scenario, 1, tmp_path), {}, []) == {}


def test_plans_of_the_benchmark_profile_keep_stages_and_yellows_as_shipped(
    two_street_scenario: SignalsProblem, tmp_path: Path
):
    case = prepare(two_street_scenario, 1, tmp_path)
    shipped = case.network.controllable[0].program
    for design in designed_plans(two_street_scenario, case, {}, "platoon"):
        program = design.programs["C"]
        assert [p.state for p in program.phases] == [p.state for p in shipped.phases]
        assert [p.duration_s for p in program.phases if not is_stage(p)] == [3.0, 3.0]


def test_plans_of_the_field_profile_keep_green_and_red_limits(two_street_problem, tmp_path: Path):
    problem = two_street_problem(rules={"profile": "field"})
    case = prepare(problem, 1, tmp_path)
    limits = problem.profile
    found = designed_plans(problem, case, {}, "platoon")
    assert found
    for design in found:
        phases = design.programs["C"].phases
        greens = [p.duration_s for p in phases if is_stage(p)]
        assert min(greens) >= limits.min_green_s
        assert max(greens) <= limits.max_green_s
        assert longest_red_s(phases) <= limits.max_red_s
        assert all("y" in p.state or "G" not in p.state for p in phases if not is_stage(p))


def test_a_signal_whose_program_stays_is_left_to_the_network(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    town = GeneratedNetwork(kind="grid", columns=2, rows=1, lanes=1, vehicles_per_h=1200)
    problem = SignalsProblem(
        network=NetworkSource(generated=town), rules=RuleSettings(profile="resco"), horizon_s=300
    )
    case = prepare(problem, 1, tmp_path)
    monkeypatch.setattr(plan_choice, "FINALISTS", 0)
    monkeypatch.setattr(plan_choice, "MODEL_WORK", 300 * 200)  # a few trials: one signal changes
    designs = designed_plans(problem, case, {}, "platoon")
    assert [len(design.programs) for design in designs] == [1]
    assert simulate_plan(case, designs[0].programs, 1) > 0


def test_a_plan_designed_before_can_be_the_shipped_one(
    two_street_problem: Callable[..., SignalsProblem], own_cache: Path, tmp_path: Path
):
    first = two_street_problem()
    path = write_programs(tmp_path / "before.add.xml", chosen_plan(first, {}))
    network = first.network.model_dump(exclude_none=True) | {"additional": [path]}
    again = two_street_problem(network=network)
    case = prepare(again, 1, tmp_path)
    template = templates(case.network, again.profile)["C"]
    assert simulate_plan(case, {"C": template.program([30, 12], 0.0)}, 1) > 0


def test_templates_leave_the_network_as_it_is(two_street_scenario: SignalsProblem):
    inputs = resolve(two_street_scenario)
    network = compiled_network(inputs.net, inputs.additional)
    template = templates(network, two_street_scenario.profile)["C"]
    again = template.program([30, 30], 0.0)
    assert [p.state for p in again.phases] == [p.state for p in network.signals[0].program.phases]
    assert template.lost_s == 6


def test_corridors_follow_the_heaviest_traffic_and_use_a_signal_once():
    flows = {(0, 1): 5.0, (1, 0): 4.0, (1, 2): 3.0, (1, 3): 6.0, (4, 5): 1.0, (2, 1): 0.0}
    assert corridors(flows) == [[0, 1, 3], [4, 5]]
