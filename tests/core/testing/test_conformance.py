import re
from dataclasses import replace
from pathlib import Path

from trimtab.contracts.domain import Exemption
from trimtab.contracts.registry import manifests
from trimtab.testing.checks import CheckResult, run_check, tier_of
from trimtab.testing.conformance import (
    CHECKS,
    DomainConformance,
    check_domain,
    fixture_of,
    installed_subject,
)
from trimtab.testing.subject import Subject
from trimtab.testing.toys.tank import DOMAIN as TANK

ROOT = Path(__file__).resolve().parents[3]


class TestTank(DomainConformance):
    subject = fixture_of("toy.tank")


class TestQueue(DomainConformance):
    subject = fixture_of("toy.queue")


class TestBeam(DomainConformance):
    subject = fixture_of("toy.beam")


def test_every_domain_in_the_tree_runs_the_suite() -> None:
    found = [path.read_text() for path in (ROOT / "tests").rglob("test_conformance.py")]
    checked = {name for text in found for name in re.findall(r'fixture_of\(\s*"([\w.]+)"', text)}
    missing = {
        name for name, (_, folder) in manifests().items() if ROOT in folder.parents
    } - checked
    assert not missing, f"inherit DomainConformance for {sorted(missing)} in a test_conformance.py"


def test_there_are_at_least_forty_checks_with_names_and_texts_for_each_kind() -> None:
    names = [rule.name for rule in CHECKS]
    assert len(set(names)) == len(names)
    assert all(rule.help for rule in CHECKS)
    assert sum(rule.kind in {"any", "control"} for rule in CHECKS) >= 40
    assert sum(rule.kind in {"any", "design"} for rule in CHECKS) >= 30


def test_a_failure_stops_nothing_and_what_does_not_apply_is_skipped_by_name() -> None:
    class Broken(type(TANK)):  # type: ignore[misc]
        title = ""

    results = check_domain(Broken(), processes=False)
    outcome = {result.name: result.outcome for result in results}
    assert outcome["domain_is_a_domain"] == "failed"
    assert outcome["spec_is_stable"] == "passed"
    assert outcome["codes_round_trip"] == "skipped"
    assert len(outcome) == sum(not rule.process for rule in CHECKS)


def test_tiers_are_computed_from_what_passed_and_missing_hooks_count() -> None:
    bronze = CheckResult("a", "bronze", "passed")
    hook = CheckResult("b", "silver", "skipped", "no hook", must_apply=True)
    assert tier_of([bronze, hook]) == "bronze"
    assert tier_of([bronze, replace(hook, outcome="passed")]) == "gold"
    assert tier_of([replace(bronze, outcome="failed"), hook]) is None


def test_an_exemption_leaves_a_rule_out_and_none_is_granted_from_bronze() -> None:
    subject = installed_subject("toy.tank")
    assert subject.manifest is not None
    rules = {rule.name: rule for rule in CHECKS}

    def exempt(name: str) -> Subject:
        quality = {name: Exemption(state="exempt", reason="an external simulator")}
        return replace(subject, manifest=subject.manifest.model_copy(update={"quality": quality}))

    hook = run_check(rules["conserved_quantities_balance"], exempt("conserved_quantities_balance"))
    assert (hook.outcome, hook.must_apply) == ("skipped", False)
    assert hook.detail == "exempt: an external simulator"
    basic = run_check(rules["exemptions_name_rules_above_bronze"], exempt("spec_is_stable"))
    assert basic.outcome == "failed"


def test_a_check_turns_whatever_a_domain_raises_into_a_result() -> None:
    subject = installed_subject("toy.tank")
    raising = replace(CHECKS[0], function=lambda _: 1 // 0)
    result = run_check(raising, subject)
    assert result.outcome == "failed"
    assert "ZeroDivisionError" in result.detail
