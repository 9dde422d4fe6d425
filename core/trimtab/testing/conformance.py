"""The plug-in contract as checks: run them on a domain, or inherit them as a pytest class."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar

from trimtab.contracts.domain import Domain, DomainManifest
from trimtab.contracts.errors import UnknownNameError
from trimtab.contracts.registry import load_domain, manifests
from trimtab.contracts.scenario import StrictModel
from trimtab.run.scenario_file import load_scenario
from trimtab.testing import (
    control_checks,
    declaration_checks,
    design_checks,
    play_checks,
    process_checks,
)
from trimtab.testing.checks import Check, CheckResult, check, expect, run_check, tier_of
from trimtab.testing.subject import Subject

__all__ = [
    "CHECKS",
    "CheckResult",
    "DomainConformance",
    "check_domain",
    "fixture_of",
    "installed_subject",
    "subject_of",
    "tier_of",
]


@check()
def exemptions_name_rules_above_bronze(s: Subject) -> None:
    """The manifest's `quality` speaks of rules that there are, and exempts from none of bronze."""
    tiers = {rule.name: rule.tier for rule in CHECKS}
    declared = {} if s.manifest is None else s.manifest.quality
    unknown = sorted(set(declared) - set(tiers))
    expect(not unknown, f"quality speaks of {unknown}, which are no rules of the kit")
    basic = [n for n, q in declared.items() if q.state == "exempt" and tiers[n] == "bronze"]
    expect(not basic, f"nobody is exempt from {basic}: bronze is the contract")


CHECKS: tuple[Check, ...] = (
    *declaration_checks.CHECKS,
    *control_checks.CHECKS,
    *play_checks.CHECKS,
    *design_checks.CHECKS,
    *process_checks.CHECKS,
    exemptions_name_rules_above_bronze,
)


def check_domain(
    domain: Domain,
    manifest: DomainManifest | None = None,
    problem: StrictModel | None = None,
    folder: Path | None = None,
    *,
    processes: bool = True,
    skip: Collection[str] = (),
) -> list[CheckResult]:
    """Run every check on a domain; a failure stops nothing.

    Args:
        domain: what is checked.
        manifest: its manifest; checks that need one are skipped by name without.
        problem: the scenario's problem part to check on; small ones are quick. The model's
            defaults where None.
        folder: the plug-in's package folder, for its shipped scenarios and documents.
        processes: run the checks that start interpreters of their own.
        skip: names of checks that are left out, and not reported.
    """
    subject = subject_of(domain, manifest, problem, folder)
    rules = [r for r in CHECKS if r.name not in skip and (processes or not r.process)]
    return [run_check(rule, subject) for rule in rules]


def subject_of(
    domain: Domain,
    manifest: DomainManifest | None = None,
    problem: StrictModel | None = None,
    folder: Path | None = None,
) -> Subject:
    """A domain ready to be checked, on the model's defaults where no problem is given."""
    if problem is None:
        problem = domain.problem_model()
    return Subject(domain, manifest, problem, folder)


def installed_subject(name: str, problem: Mapping[str, Any] | None = None) -> Subject:
    """An installed domain on a problem part given as plain data.

    Without one it is the manifest's `checked_on`, or else that of the first shipped scenario:
    checks play hundreds of episodes, which a city for an hour is too large for.

    Raises:
        UnknownNameError: no plug-in offers that domain.
        PluginError: its code is broken.
        ScenarioError: the scenario is not valid.
    """
    known = manifests()
    if name not in known:
        raise UnknownNameError(name, "domain", known)
    manifest, folder = known[name]
    domain = load_domain(name)
    small = manifest.checked_on if problem is None else problem
    if small:
        part = domain.problem_model.model_validate(small)
        return subject_of(domain, manifest, part, folder)
    shipped = sorted((folder / manifest.scenarios).glob("*.yaml"))
    first = load_scenario(shipped[0]).scenario.problem if shipped else None
    return subject_of(domain, manifest, first, folder)


class DomainConformance:
    """The checks as a pytest class, one test each: inherit it and supply the fixture ``subject``.

    ``subject`` returns `subject_of(...)` or `installed_subject(name)`; give it class scope, so
    that checks share the episodes that they look at. `skip` names checks to leave out.
    """

    skip: ClassVar[Collection[str]] = ()


def fixture_of(name: str, **problem: Any) -> Any:
    """The fixture ``subject`` of an installed domain, for the body of a test class.

    Args:
        name: of the domain.
        problem: keys of a small problem to check on; what `installed_subject` takes where none.
    """
    import pytest

    made: Any = classmethod(lambda _: installed_subject(name, problem or None))
    return pytest.fixture(scope="class")(made)


def _test_of(rule: Check) -> Callable[[DomainConformance, Subject], None]:
    def test(self: DomainConformance, subject: Subject) -> None:
        import pytest  # here, since `check_domain` works without it

        if rule.name in self.skip:
            pytest.skip("left out")
        result = run_check(rule, subject)
        if result.outcome == "skipped":
            pytest.skip(result.detail)
        assert result.outcome == "passed", f"{rule.help} {result.detail}"

    test.__doc__ = rule.help
    return test


for _rule in CHECKS:
    setattr(DomainConformance, f"test_{_rule.name}", _test_of(_rule))
