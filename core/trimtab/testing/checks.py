"""What a conformance check is, how it is run, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from trimtab.testing.failures import CheckFailedError, NotApplicableError
from trimtab.testing.subject import Subject

Tier = Literal["bronze", "silver", "gold"]
Outcome = Literal["passed", "failed", "skipped"]
Kind = Literal["any", "control", "design"]


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of the plug-in contract.

    Attributes:
        tier: the tier that asks for it.
        kind: of domains it applies to.
        must_apply: a skip counts against the tier (a hook that the tier asks for).
        process: starts interpreters of its own, so it is slow.
    """

    name: str
    help: str
    tier: Tier
    kind: Kind
    must_apply: bool
    process: bool
    function: Callable[[Subject], None]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found.

    Attributes:
        detail: why it failed or was skipped; empty where it passed.
    """

    name: str
    tier: Tier
    outcome: Outcome
    detail: str = ""
    must_apply: bool = False


def check(
    tier: Tier = "bronze", kind: Kind = "any", *, must_apply: bool = False, process: bool = False
) -> Callable[[Callable[[Subject], None]], Check]:
    """Make a check of a function; its name and docstring are those of the check."""

    def made(function: Callable[[Subject], None]) -> Check:
        text = (function.__doc__ or "").strip()
        return Check(function.__name__, text, tier, kind, must_apply, process, function)

    return made


def expect(holds: object, message: str) -> None:
    """Fail the check with `message` unless `holds`."""
    if not holds:
        raise CheckFailedError(message)


def run_check(rule: Check, subject: Subject) -> CheckResult:
    """Run one check; whatever it raises becomes its result."""

    def result(outcome: Outcome, detail: str = "") -> CheckResult:
        return CheckResult(rule.name, rule.tier, outcome, detail, rule.must_apply)

    if rule.kind not in {"any", subject.kind}:
        return CheckResult(rule.name, rule.tier, "skipped", f"for {rule.kind} domains")
    if (exemption := subject.exemption(rule.name)) is not None:
        return CheckResult(rule.name, rule.tier, "skipped", f"exempt: {exemption}")
    try:
        rule.function(subject)
    except NotApplicableError as reason:
        return result("skipped", str(reason))
    except CheckFailedError as error:
        return result("failed", str(error))
    except Exception as error:  # noqa: BLE001 - a broken domain may raise anything
        return result("failed", f"raised {type(error).__name__}: {error}")
    return result("passed")


def tier_of(results: Iterable[CheckResult]) -> Tier | None:
    """The highest tier whose rules, and those below it, hold; None below bronze."""
    found = list(results)
    reached: Tier | None = None
    order: tuple[Tier, ...] = ("bronze", "silver", "gold")
    for tier in order:
        own = [r for r in found if r.tier == tier]
        if any(r.outcome == "failed" or (r.outcome == "skipped" and r.must_apply) for r in own):
            break
        reached = tier
    return reached
