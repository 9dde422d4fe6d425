"""Checks of a design problem: codes, evaluations, references and bounds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.problem import Evaluation
from trimtab.contracts.spec import FloatArray
from trimtab.testing.checks import Check, check, expect
from trimtab.testing.failures import NotApplicableError
from trimtab.testing.subject import Subject

_SAMPLES = 6
_SEED = 0


def _designs(s: Subject) -> FloatArray:
    def made() -> FloatArray:
        problem = s.design()
        sample = problem.spec.space.sample(_SAMPLES, np.random.default_rng(5))
        problem.close()
        return sample

    return s.once("designs", made)


def _score(s: Subject, designs: FloatArray) -> Evaluation:
    problem = s.design()
    try:
        return problem.evaluate(designs, problem.spec.fidelities[-1], _SEED)
    finally:
        problem.close()


def _scored(s: Subject) -> Evaluation:
    return s.once("scored", lambda: _score(s, _designs(s).copy()))


def _equal(left: FloatArray, right: FloatArray, what: str) -> None:
    expect(np.array_equal(left, right, equal_nan=True), what)


@check(kind="design")
def design_spec_is_stable(s: Subject) -> None:
    """Two builds agree on spec and identity, and the first objective is the headline."""
    one, two = s.design(), s.design()
    expect(one.spec == two.spec and one.identity == two.identity, "two builds differ")
    expect(one.spec.objectives[0] == s.domain.headline, "the first objective is not the headline")
    expect(one.spec.fidelities, "no fidelity")


@check(kind="design")
def evaluations_have_their_shapes(s: Subject) -> None:
    """Objectives [n, K], constraints [n, C], cost [n] are float64; status and cached are [n]."""
    spec, found = s.design().spec, _scored(s)
    shapes = {
        "objectives": (_SAMPLES, len(spec.objectives)),
        "constraints": (_SAMPLES, len(spec.constraints)),
        "cost_s": (_SAMPLES,),
    }
    for name, shape in shapes.items():
        array = getattr(found, name)
        expect(array.shape == shape, f"{name} has shape {array.shape}, expected {shape}")
        expect(array.dtype == np.float64, f"{name} has dtype {array.dtype}, expected float64")
    expect(found.cached.shape == (_SAMPLES,), "cached must be [n]")
    expect(found.cached.dtype == np.bool_, "cached must be bool")
    expect(len(found.status) == _SAMPLES, f"{len(found.status)} states of {_SAMPLES} designs")


@check(kind="design")
def failed_rows_are_nan_and_others_finite(s: Subject) -> None:
    """Rows that are ok hold finite numbers, failed ones NaN."""
    found = _scored(s)
    expect(set(found.status) <= {"ok", "failed", "timeout"}, f"states {set(found.status)}")
    ok = np.array([state == "ok" for state in found.status])
    expect(ok.any(), "every sampled design failed")
    expect(np.isfinite(found.objectives[ok]).all(), "an objective of a good row is not finite")
    expect(np.isfinite(found.constraints[ok]).all(), "a constraint of a good row is not finite")
    expect(np.isnan(found.objectives[~ok]).all(), "a failed row holds numbers")


@check(kind="design")
def costs_are_told(s: Subject) -> None:
    """CPU seconds are finite and not negative."""
    cost = _scored(s).cost_s
    expect((np.isfinite(cost) & (cost >= 0)).all(), f"cost_s {cost}")


@check(kind="design")
def design_metrics_are_those_declared(s: Subject) -> None:
    """Every declared metric comes with each evaluation, [n], and no other one."""
    declared, found = {m.name for m in s.domain.metrics}, _scored(s).metrics
    expect(set(found) == declared, f"metrics {sorted(found)}, declared {sorted(declared)}")
    for name, values in found.items():
        expect(values.shape == (_SAMPLES,), f"metric {name} has shape {values.shape}")
    _equal(
        np.asarray(found[s.domain.headline.name], np.float64),
        _scored(s).objectives[:, 0],
        "the headline metric is not the first objective",
    )


@check(kind="design")
def designs_repeat(s: Subject) -> None:
    """The same designs and seed give the same numbers in a second problem."""
    again = _score(s, _designs(s).copy())
    _equal(again.objectives, _scored(s).objectives, "objectives differ in a second problem")
    _equal(again.constraints, _scored(s).constraints, "constraints differ in a second problem")


@check(kind="design")
def designs_do_not_know_their_neighbours(s: Subject) -> None:
    """A design scores the same alone, and in another order."""
    own = _scored(s).objectives
    _equal(_score(s, _designs(s)[::-1].copy()).objectives[::-1], own, "the order matters")
    _equal(_score(s, _designs(s)[:1].copy()).objectives, own[:1], "neighbours matter")


@check(kind="design")
def designs_leave_no_trace(s: Subject) -> None:
    """Evaluating something else first does not change a score."""
    problem = s.design()
    full = problem.spec.fidelities[-1]
    problem.evaluate(problem.spec.space.sample(3, np.random.default_rng(9)), full, _SEED)
    again = problem.evaluate(_designs(s).copy(), full, _SEED)
    problem.close()
    _equal(again.objectives, _scored(s).objectives, "an earlier evaluation changed a score")


@check(kind="design")
def designs_differ(s: Subject) -> None:
    """Sampled designs do not all score the same."""
    good = _scored(s).objectives[[state == "ok" for state in _scored(s).status]]
    expect(len(np.unique(good, axis=0)) > 1, "every design scores the same")


@check(kind="design")
def design_arrays_are_left_alone(s: Subject) -> None:
    """Coded designs given to `evaluate` are not written to."""
    given = _designs(s).copy()
    _score(s, given)
    _equal(given, _designs(s), "evaluate wrote to its designs")


@check(kind="design")
def canonical_designs_are_canonical(s: Subject) -> None:
    """`canonical` is idempotent and does not change a score."""
    problem = s.design()
    once = problem.canonical(_designs(s).copy())
    _equal(problem.canonical(once.copy()), once, "canonical twice is not canonical once")
    expect(once.shape == _designs(s).shape, "canonical changes the shape")
    left, right = _score(s, once).objectives, _scored(s).objectives
    expect(np.allclose(left, right, equal_nan=True), "the canonical design scores differently")


@check(kind="design")
def codes_round_trip(s: Subject) -> None:
    """Coded designs survive the unit cube, and samples are legal."""
    space, coded = s.design().spec.space, _designs(s)
    expect(space.legal(coded).all(), "a sampled design is not legal")
    unit = space.encode(coded)
    expect(((unit >= 0) & (unit <= 1)).all(), "encode leaves the unit cube")
    expect(np.allclose(space.decode(unit), coded, rtol=1e-6), "decode(encode(x)) is not x")


@check(kind="design")
def incomplete_designs_are_refused(s: Subject) -> None:
    """A design without its parameters is refused by the name of one, or filled in wholly."""
    problem = s.design()
    try:
        found = problem.evaluate_design({}, problem.spec.fidelities[-1], _SEED)
    except TrimtabError as error:
        names = [p.name for p in problem.spec.space.parameters]
        expect(any(n in str(error) for n in names), f"the error names no parameter: {error}")
        return
    good = found.status == ("ok",) and np.isfinite(found.objectives).all()
    expect(good, "an empty design is neither refused nor completed from the scenario")


def _references(s: Subject) -> dict[str, Evaluation]:
    def made() -> dict[str, Evaluation]:
        problem = s.design()
        full = problem.spec.fidelities[-1]
        named = s.domain.reference_designs(s.problem)
        return {n: problem.evaluate_design(d, full, _SEED) for n, d in named.items()}

    return s.once("references", made)


@check(kind="design")
def reference_designs_can_be_scored(s: Subject) -> None:
    """At least one design in use today is given, scores, and is feasible."""
    found = _references(s)
    expect(found, "no reference design: name one that is in use today")
    for name, result in found.items():
        expect(result.status == ("ok",), f"{name}: status {result.status}")
    feasible = [n for n, r in found.items() if (r.constraints <= 0).all()]
    expect(feasible, f"no reference is feasible among {sorted(found)}")


@check("silver", kind="design")
def design_bounds_are_never_beaten(s: Subject) -> None:
    """No feasible sample and no reference beats a bound that is called proven."""
    bound = s.domain.bound(s.problem, _SEED)
    if bound is None or bound.kind != "proven":
        msg = "the domain proves no bound"
        raise NotApplicableError(msg)
    sign = 1.0 if s.domain.headline.sense == "min" else -1.0
    problem = s.design()
    many = problem.spec.space.sample(64, np.random.default_rng(3))
    results: list[Any] = [_score(s, many), *_references(s).values()]
    for found in results:
        good = (found.constraints <= 0).all(axis=1) & np.isfinite(found.objectives[:, 0])
        best = min((sign * found.objectives[good, 0]).tolist(), default=math.inf)
        slack = 1e-9 * max(abs(bound.value), 1.0)
        expect(best >= sign * bound.value - slack, f"{sign * best} beats the proven bound")


CHECKS = tuple(value for value in list(globals().values()) if isinstance(value, Check))
