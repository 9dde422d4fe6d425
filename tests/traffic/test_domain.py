"""The domain names metrics, flags, files, profile and shield of a scenario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from trimtab.contracts.records import EpisodeRecord
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers import entries
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem

Maker = Callable[..., SignalsProblem]


def test_every_metric_reported_is_declared(two_street_records: list[EpisodeRecord]) -> None:
    declared = {metric.name for metric in DOMAIN.metrics}
    assert all(set(record.metrics) <= declared for record in two_street_records)


def test_flags_name_gridlock_and_starvation(two_street_records: list[EpisodeRecord]) -> None:
    record = replace(
        two_street_records[0],
        metrics={"gridlock": 1.0, "never_inserted_veh": 5.0, "demand_veh": 100.0},
    )
    assert DOMAIN.flags(record) == ("gridlock", "starved")
    fine = {"gridlock": 0.0, "never_inserted_veh": 2.0, "demand_veh": 100.0}
    assert DOMAIN.flags(replace(record, metrics=fine)) == ()


def test_the_domain_names_its_files_profile_and_shield(two_street_scenario: SignalsProblem) -> None:
    assert [path.name for path in DOMAIN.data_files(two_street_scenario)] == [
        "two.net.xml",
        "two.rou.xml",
    ]
    assert DOMAIN.profile(two_street_scenario) == "resco"
    with DOMAIN.build(two_street_scenario) as problem:
        assert isinstance(problem, SignalControl)
        assert DOMAIN.shield(two_street_scenario, problem) is problem.shield


def test_the_monitor_sees_no_violation_of_field_rules_behind_the_shield(
    two_street_problem: Maker,
) -> None:
    scenario = two_street_problem(rules={"profile": "field"}, horizon_s=600)
    entry = entries(scenario)["greedy"]
    with DOMAIN.build(scenario) as problem:
        controller = entry.factory(problem, **entry.defaults)
        record = evaluate(problem, controller, [1], monitor=DOMAIN.monitor(scenario))[0]
    assert sum(found.count for found in record.violations.values()) == 0
    assert record.violations["yellow"].exposure > 4


def test_a_reader_is_told_what_settings_leave_open() -> None:
    problem = SignalsProblem.model_validate(
        {
            "network": {"generated": {"kind": "grid", "columns": 2, "rows": 2}},
            "warm_up_s": 600,
            "sensors": {"kind": "e1"},
        }
    )
    told = "\n".join(DOMAIN.notes(problem))
    assert "warm_up_s: only 0 of 600 s" in told
    assert "controllers see the traffic through e1" in told
