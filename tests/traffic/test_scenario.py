"""A scenario's problem part is strict, says what is wrong, and compiles its rule profile."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from trimtab.contracts.errors import UnknownNameError
from trimtab.contracts.scenario import Scenario
from trimtab.run.template import scenario_template
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.inputs import resolve_inputs
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.sources import RESCO_NETS

SCENARIOS = Path(__file__).parents[2] / "domains/traffic/trimtab_traffic/scenarios"


def problem(**settings: object) -> SignalsProblem:
    return SignalsProblem.model_validate({"network": {"wheel": "cologne1"}} | settings)


def test_every_resco_network_is_a_shipped_scenario_under_resco() -> None:
    for source in RESCO_NETS:
        raw = yaml.safe_load((SCENARIOS / f"{source.name}.yaml").read_text())
        shipped = Scenario[SignalsProblem].model_validate(raw)
        assert shipped.problem.network.wheel == source.name
        assert shipped.problem.profile.name == "resco"
        assert shipped.problem.profile.decision_interval_s == source.decision_interval_s


def test_every_shipped_file_is_valid() -> None:
    for path in SCENARIOS.glob("*.yaml"):
        shipped = Scenario[SignalsProblem].model_validate(yaml.safe_load(path.read_text()))
        assert shipped.name == path.stem


def test_an_own_network_runs_under_field() -> None:
    assert problem().profile.name == "field"


def test_a_new_scenario_file_begins_with_a_network_of_ours_under_field() -> None:
    text = scenario_template(DOMAIN, "mine")
    begun = Scenario[SignalsProblem].model_validate(yaml.safe_load(text)).problem
    assert begun.network.generated is not None
    assert begun.profile.name == "field"


def test_limits_change_the_profile_and_signals_override_them() -> None:
    rules = {"limits": {"min_green_s": 9}, "signals": {"A": {"min_green_s": 12}}}
    profile = problem(rules=rules).profile
    assert profile.min_green_s == 9
    assert profile.for_signal("A").min_green_s == 12


def test_resco_takes_interval_and_yellow_of_its_network() -> None:
    network = {"wheel": "arterial4x4"}
    profile = problem(network=network, rules={"profile": "resco"}).profile
    assert (profile.decision_interval_s, profile.yellow_s, profile.min_green_s) == (5, 2, 3)


@pytest.mark.parametrize("name", ["field", "resco"])
def test_the_decision_interval_may_stand_among_the_limits(name: str) -> None:
    rules = {"profile": name, "limits": {"decision_interval_s": 6}}
    assert problem(rules=rules).profile.decision_interval_s == 6
    assert problem(rules=rules | {"decision_interval_s": 8}).profile.decision_interval_s == 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": {}}, "exactly one of"),
        ({"network": {"wheel": "cologne1", "sumocfg": "a.sumocfg"}}, "exactly one of"),
        ({"network": {"wheel": "cologne9"}}, "Did you mean"),
        ({"network": {"net": "a.net.xml"}}, "net without demand"),
        ({"network": {"wheel": "cologne1", "routes": ["a.rou.xml"]}}, "belong to net or osm"),
        ({"rules": {"limits": {"min_green_s": 70}}}, "min_green_s 70 is above max_green_s"),
        ({"rules": {"limits": {"min_gren_s": 7}}}, "Did you mean 'min_green_s'"),
        ({"rules": {"signals": {"A": {"min_gren_s": 7}}}}, "Did you mean 'min_green_s'"),
        ({"rules": {"limits": {"name": "resco"}}}, "unknown rule 'name'"),
        ({"rules": {"limits": {"min_green_s": "long"}}}, "min_green_s: Input should be a valid"),
        ({"rules": {"profile": "resco", "limits": {"yellow_s": "long"}}}, "yellow_s: Input should"),
        ({"rules": {"profile": "resco", "limits": {"yellow_s": None}}}, "yellow_s: Input should"),
        ({"rules": {"signals": {"A": {"decision_interval_s": 2}}}}, "one for all signals"),
        ({"weights": {"dely": 1}}, "Did you mean 'delay'"),
        ({"weights": {"delay": 0}}, "weights: one or more of"),
        (
            {"closures": [{"lane": "a", "start_s": 9, "end_s": 5}]},
            "start_s 9 must lie before end_s 5",
        ),
        ({"demand": {"surges": [{"start_s": 4000, "end_s": 4100}]}}, "starts after the horizon"),
    ],
)
def test_what_is_wrong_is_said(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        problem(**settings)


def test_rules_for_a_signal_that_is_not_in_the_network_are_refused(tmp_path: Path) -> None:
    rules = {"signals": {"no such signal": {"min_green_s": 9}}}
    with pytest.raises(
        UnknownNameError, match="unknown signal under rules.signals 'no such signal'"
    ):
        resolve_inputs(problem(rules=rules), tmp_path)


def test_paths_are_relative_to_the_scenario_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.net.xml").touch()
    (tmp_path / "sub/b.rou.xml").touch()
    raw = {"network": {"net": "a.net.xml", "routes": ["sub/b.rou.xml"]}}
    model = SignalsProblem.model_validate(raw, context={"folder": tmp_path})
    assert model.network.net == tmp_path / "a.net.xml"
    assert model.network.routes == (tmp_path / "sub/b.rou.xml",)


def test_a_wheel_network_brings_its_period_and_licence(tmp_path: Path) -> None:
    inputs = resolve_inputs(problem(warm_up_s=600, horizon_s=1800), tmp_path)
    assert (inputs.start_s, inputs.begin_s, inputs.end_s) == (24600, 25200, 27000)
    assert any("CC BY-NC-SA" in note for note in inputs.notes)


def test_the_emission_class_of_ordinary_cars_is_told(tmp_path: Path) -> None:
    told = [n for n in resolve_inputs(problem(emissions=True), tmp_path).notes if "emissions" in n]
    assert told == [
        "emissions: of each vehicle type's own class; cars whose type names none count as "
        "HBEFA4/PC_petrol_Euro-4, SUMO's default"
    ]
