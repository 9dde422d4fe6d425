"""Checks of what stands around a control problem: controllers, shield, bound, physics, leaks."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

import numpy as np

from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import BoundError
from trimtab.contracts.problem import Bound, ControlProblem
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.spec import Action, Obs
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab.testing.checks import Check, check, expect
from trimtab.testing.failures import NotApplicableError
from trimtab.testing.subject import RandomPolicy, Subject

_BALANCE = 1e-6
_CANCEL_S = 1.0


class _Random(Controller):
    def __init__(self, problem: ControlProblem) -> None:
        self._spec, self._copies = problem.spec, problem.copies
        self._policy = RandomPolicy(problem.spec, [0] * problem.copies)

    def act(self, obs: Obs) -> Action:
        return self._policy.act(obs)


def _evaluated(s: Subject, name: str) -> list[EpisodeRecord]:
    """Records of one controller, or of "random", behind the shield, one per seed; kept."""
    return s.once(f"records-{name}", lambda: _played(s, name))


def _played(s: Subject, name: str) -> list[EpisodeRecord]:
    entry = s.domain.controllers(s.problem).get(name)
    interface = "default" if entry is None else entry.interface
    built = s.domain.build(s.problem, len(s.batch), interface)
    if not isinstance(built, ControlProblem):
        msg = "build made no control problem"
        raise NotApplicableError(msg)
    with built as problem:
        shield = s.domain.shield(s.problem, problem)
        if entry is None:
            return evaluate(problem, _Random(problem), s.seeds, shield=shield)
        controller = make_controller(problem, entry)
        used = shield if entry.shielded else None
        monitor = s.domain.monitor(s.problem)
        return evaluate(problem, controller, s.seeds, name=name, shield=used, monitor=monitor)


def _names(s: Subject) -> list[str]:
    """References, then classical controllers that need nothing."""
    offered = s.domain.controllers(s.problem)
    simple = [n for n, e in offered.items() if e.role == "classical" and not e.needs]
    return list(dict.fromkeys([*s.domain.reference(s.problem), *simple]))[:4]


def _headline(s: Subject, name: str) -> list[float]:
    return [r.metrics[s.domain.headline.name] for r in _evaluated(s, name)]


@check(kind="control")
def controllers_play_to_the_end(s: Subject) -> None:
    """References and simple baselines play whole episodes with finite metrics."""
    for name in _names(s):
        for record in _evaluated(s, name):
            bad = [k for k, v in record.metrics.items() if not math.isfinite(v)]
            expect(not bad, f"{name}: metrics {bad} are not finite")


@check(kind="control")
def controllers_repeat_themselves(s: Subject) -> None:
    """A reference gives the same metrics when it plays the same seed again."""
    name = s.domain.reference(s.problem)[0]
    first = _evaluated(s, name)
    again = _evaluated(replace(s, _known={}), name)
    expect([r.metrics for r in first] == [r.metrics for r in again], f"{name} does not repeat")


@check(kind="control")
def a_controller_beats_random(s: Subject) -> None:
    """The best of references and baselines is better than random legal actions, on the mean."""
    sign = 1.0 if s.domain.headline.sense == "min" else -1.0
    best = min(sign * fmean(_headline(s, name)) for name in _names(s))
    random = sign * fmean(_headline(s, "random"))
    expect(best < random, f"best controller {sign * best:g}, random {sign * random:g}")


@check("silver", kind="control")
def controllers_resume_to_the_same_bits(s: Subject) -> None:
    """A controller that says its state goes on from it as if nothing had happened."""
    offered, said = s.domain.controllers(s.problem), 0
    for name in _names(s):
        entry = offered[name]
        built = s.domain.build(s.problem, 1, entry.interface)
        if not isinstance(built, ControlProblem):
            continue
        with built as problem:
            one = make_controller(problem, entry)
            if isinstance(one, Controller):
                two = make_controller(problem, entry)
                said += isinstance(two, Controller) and _resumes(s, problem, one, two, name)
    if not said:
        msg = "no controller says its state"
        raise NotApplicableError(msg)


def _resumes(
    s: Subject, problem: ControlProblem, one: Controller, two: Controller, name: str
) -> bool:
    seeds = np.array(s.seeds[:1])
    obs = problem.reset(seeds)
    one.reset(seeds)
    steps = min(12, problem.spec.horizon)
    for index in range(steps):
        if index == steps // 2:
            state = one.state_dict()
            if state is None:
                return False
            two.reset(seeds)
            two.load_state_dict({key: value.copy() for key, value in state.items()})
        action = one.act(obs)
        if index >= steps // 2:
            other = two.act(obs)
            for part in ("discrete", "box"):
                pair = getattr(action, part), getattr(other, part)
                same = pair[0] is None or np.array_equal(*pair)
                expect(same, f"{name} goes on differently from its saved state")
        obs = problem.step(action).obs
    return True


def _bound_of(s: Subject, seed: int) -> Bound | None:
    return s.once(f"bound-{seed}", lambda: s.domain.bound(s.problem, seed))


def _bound(s: Subject) -> Bound:
    bound = _bound_of(s, s.seeds[0])
    if bound is None:
        msg = "the domain computes no bound"
        raise NotApplicableError(msg)
    return bound


@check("silver", must_apply=True)
def bounds_are_finite_and_repeat(s: Subject) -> None:
    """The bound of a seed is a finite number with its kind and how, and is the same twice."""
    bound = _bound(s)
    expect(math.isfinite(bound.value), f"the bound is {bound.value}")
    expect(bound.kind in {"proven", "model", "floor", "best_known"}, f"kind {bound.kind!r}")
    expect(bound.how, "the bound does not say how it was computed")
    again = s.domain.bound(s.problem, s.seeds[0])
    expect(again is not None and again.value == bound.value, "two calls give two bounds")


@check("silver", kind="control")
def bounds_are_never_beaten(s: Subject) -> None:
    """No controller, nor random play behind the shield, beats a bound that is called proven."""
    if _bound(s).kind != "proven":
        msg = f"the bound is of kind {_bound(s).kind}, not proven"
        raise NotApplicableError(msg)
    sign = 1.0 if s.domain.headline.sense == "min" else -1.0
    for name in [*_names(s), "random"]:
        for seed, value in zip(s.seeds, _headline(s, name), strict=True):
            bound = _bound_of(s, seed)
            slack = 1e-6 * max(abs(value), 1.0)
            beaten = bound is not None and sign * value < sign * bound.value - slack
            expect(not beaten, f"{name}, seed {seed}: {value} beats the proven bound")


@check("silver")
def certificates_verify(s: Subject) -> None:
    """`verify` accepts a certificate, and refuses it for a tightened proven bound."""
    bound = _bound(s)
    s.domain.verify(s.problem, s.seeds[0], bound)
    if bound.kind != "proven":
        return
    worse = 0.1 * max(abs(bound.value), 1.0)
    tight = bound.value + (worse if s.domain.headline.sense == "min" else -worse)
    try:
        s.domain.verify(s.problem, s.seeds[0], replace(bound, value=tight))
    except BoundError:
        return
    expect(False, "a bound that its certificate does not carry verifies")  # noqa: FBT003


@check("silver", kind="control")
def shields_project_once(s: Subject) -> None:
    """Projecting twice changes nothing more, and reasons are told for each change."""
    with s.control(len(s.batch)) as problem:
        shield = s.domain.shield(s.problem, problem)
        if shield is None or shield.placement != "runner":
            msg = "no shield stands in the runner"
            raise NotApplicableError(msg)
        policy, obs = RandomPolicy(problem.spec, s.batch), problem.reset(np.array(s.batch))
        for _ in range(min(40, problem.spec.horizon)):
            first = shield.project(problem, policy.act(obs))
            second = shield.project(problem, first.action)
            expect(not second.changed[obs.alive].any(), "a projected action is changed again")
            told = first.reason[first.changed]
            expect((told > 0).all(), "a changed action has no reason")
            expect((first.reason < len(shield.reasons)).all(), "a reason has no text")
            expect((first.reason[~first.changed] == 0).all(), "an unchanged action has a reason")
            obs = problem.step(first.action).obs


@check("silver", kind="control")
def shielded_play_breaks_no_rule(s: Subject) -> None:
    """The monitor finds nothing in random play behind the shield, in any extreme context."""
    monitor = s.domain.monitor(s.problem)
    with s.control() as problem:
        shield = s.domain.shield(s.problem, problem)
        if shield is None or monitor is None:
            msg = "the domain has no shield or no monitor"
            raise NotApplicableError(msg)
        rows = [[c.low, c.default, c.high] for c in problem.spec.context]
        contexts = np.array(rows, np.float32).T if rows else np.zeros((1, 0), np.float32)
        for context in contexts:
            record = evaluate(
                problem,
                _Random(problem),
                s.seeds[:1],
                shield=shield,
                monitor=monitor,
                context=context[None],
            )[0]
            broken = {name: v.count for name, v in record.violations.items() if v.count}
            expect(not broken, f"violations behind the shield: {broken}, context {context}")
            expect(record.violations, "the monitor looks at nothing")


@check("silver", kind="control", must_apply=True)
def conserved_quantities_balance(s: Subject) -> None:
    """Each declared balance closes over a random episode (mass, energy, vehicles)."""
    with s.control() as problem:
        evaluate(problem, _Random(problem), s.seeds[:1])
        balances: Mapping[str, float] = s.domain.balances(s.problem, problem.episode_log(0))
    if not balances:
        msg = "the domain declares no balance (Domain.balances)"
        raise NotApplicableError(msg)
    for name, residual in balances.items():
        expect(abs(residual) <= _BALANCE, f"{name}: relative residual {residual:g}")


@check("silver", kind="control")
def decisions_are_short_enough_to_cancel(s: Subject) -> None:
    """A decision takes less than a second, so that a cancelled run ends at once."""
    with s.control(len(s.batch)) as problem:
        policy, obs = RandomPolicy(problem.spec, s.batch), problem.reset(np.array(s.batch))
        longest = 0.0
        for _ in range(min(10, problem.spec.horizon)):
            action, started = policy.act(obs), time.process_time()
            obs = problem.step(action).obs
            longest = max(longest, time.process_time() - started)
    expect(longest < _CANCEL_S, f"a decision took {longest:.2f} CPU seconds")


@check("silver", kind="control")
def views_are_figures_with_texts(s: Subject) -> None:
    """Views of the reference's records have a title and an alternative text."""
    name = s.domain.reference(s.problem)[0]
    for figure in s.domain.views(s.problem, _evaluated(s, name)):
        expect(figure.title and figure.alt, f"a figure lacks its title or its alt text: {figure}")


@check(kind="control")
def flags_are_words(s: Subject) -> None:
    """Flags of a record are short words."""
    name = s.domain.reference(s.problem)[0]
    for record in _evaluated(s, name):
        for flag in s.domain.flags(record):
            expect(flag and "\n" not in flag, f"flag {flag!r}")


@check("gold", must_apply=True)
def independent_reference_agrees(s: Subject) -> None:
    """What the engine computes agrees with an independent reference to one part in a million."""
    found = s.domain.cross_checks(s.problem, s.seeds[0])
    if not found:
        msg = "the domain gives nothing to compare (Domain.cross_checks)"
        raise NotApplicableError(msg)
    for name, (own, other) in found.items():
        close = math.isclose(own, other, rel_tol=_BALANCE, abs_tol=1e-12)
        expect(close, f"{name}: the engine says {own:g}, the independent reference {other:g}")


@check("gold", must_apply=True)
def speed_floor_holds(s: Subject) -> None:
    """Decisions or evaluations per CPU second reach the floor that the manifest declares."""
    floor = s.manifest.speed_floor_per_s if s.manifest is not None else 0.0
    if floor <= 0:
        msg = "the manifest declares no speed floor (speed_floor_per_s)"
        raise NotApplicableError(msg)
    rate = _control_rate(s) if s.kind == "control" else _design_rate(s)
    expect(rate >= floor, f"{rate:.0f} per CPU second, the floor is {floor:.0f}")


def _control_rate(s: Subject) -> float:
    name = s.domain.reference(s.problem)[0]
    _evaluated(s, name)  # compiles what a first episode compiles
    records = _played(s, name)
    cpu_s = sum(r.budget.cpu_s for r in records)
    return sum(r.budget.env_steps for r in records) / max(cpu_s, 1e-6)


def _design_rate(s: Subject) -> float:
    problem = s.design()
    designs = problem.spec.space.sample(8, np.random.default_rng(0))
    problem.evaluate(designs[:1], problem.spec.fidelities[-1], 0)  # compiles what a first one does
    started = time.process_time()
    problem.evaluate(designs, problem.spec.fidelities[-1], 0)
    spent = time.process_time() - started
    problem.close()
    return len(designs) / max(spent, 1e-6)


CHECKS = tuple(value for value in list(globals().values()) if isinstance(value, Check))
