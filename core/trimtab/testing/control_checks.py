"""Checks of a control problem under random legal actions: arrays, seeds, ends, copies."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from trimtab.contracts.errors import ActionError, NeedNotGrantedError, SnapshotUnsupportedError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Obs
from trimtab.run.checks import FlowChecker
from trimtab.testing.checks import Check, check, expect
from trimtab.testing.failures import NotApplicableError
from trimtab.testing.subject import RandomPolicy, Subject, Trace, play, step_bits

_STEPS = 12


def _own_kernel(s: Subject) -> None:
    if s.domain.external:
        msg = "external simulators hold one copy"
        raise NotApplicableError(msg)


def _observations(trace: Trace) -> list[Obs]:
    return [trace.first, *(m.step.obs for m in trace.moments)]


def _same(left: Trace, right: Trace, i: int, j: int, what: str) -> None:
    for step, (a, b) in enumerate(zip(left.row(i), right.row(j), strict=False)):
        expect(a == b, f"{what}: differs from step {step} on")
    expect(len(left.moments) > 0, "the episode has no step")


def _shaped(name: str, array: Any, shape: tuple[int, ...], dtype: str) -> None:
    expect(array is not None, f"{name} is None, expected shape {shape}")
    got = np.asarray(array)
    expect(got.shape == shape, f"{name} has shape {got.shape}, expected {shape}")
    expect(got.dtype == np.dtype(dtype), f"{name} has dtype {got.dtype}, expected {dtype}")


@check(kind="control")
def spec_is_stable(s: Subject) -> None:
    """Two builds of one scenario have the same spec, and its name ends in a version."""
    with s.control() as problem:
        expect(problem.spec.fingerprint() == s.spec().fingerprint(), "specs of two builds differ")
    versioned = re.search(r"[-/]v?\d+$", s.spec().name)
    expect(versioned, f"spec name {s.spec().name!r} must end in a version such as -1")


@check(kind="control")
def spec_channels_have_units(s: Subject) -> None:
    """Rewards, costs and context variables have names, units and ranges that hold."""
    spec = s.spec()
    channels = [(c.name, c.unit) for c in spec.rewards]
    channels += [(c.name, c.unit) for c in spec.costs]
    channels += [(c.name, c.unit) for c in spec.context]
    for name, unit in channels:
        expect(name and unit, f"channel {name!r} lacks its name or its unit")
    for c in spec.context:
        expect(c.low <= c.default <= c.high, f"context {c.name}: default outside its range")


@check(kind="control")
def copies_are_what_was_asked(s: Subject) -> None:
    """`build` makes the copies and the autoreset that it was asked for."""
    n = len(s.batch)
    for autoreset in (False, True):
        with s.control(n, autoreset=autoreset) as problem:
            expect(problem.copies == n, f"asked for {n} copies, got {problem.copies}")
            expect(problem.autoreset == autoreset, f"asked for autoreset={autoreset}")


@check(kind="control")
def observations_have_the_specs_shape(s: Subject) -> None:
    """Observations are [N, A, D] float32 and `alive` is [N, A] bool, in every step."""
    spec, n = s.spec(), len(s.batch)
    for obs in _observations(s.trace()):
        _shaped("obs", obs.obs, (n, spec.n_agents, spec.obs_dim), "float32")
        _shaped("alive", obs.alive, (n, spec.n_agents), "bool")
        for block in spec.entity_blocks:
            shape = (n, spec.n_agents, block.capacity, block.features)
            _shaped(block.name, obs.entities.get(block.name), shape, "float32")
            _shaped(f"{block.name} mask", obs.entity_mask.get(block.name), shape[:3], "bool")
        if spec.state_dim:
            _shaped("state", obs.state, (n, spec.state_dim), "float32")


@check(kind="control")
def masks_have_the_specs_shape(s: Subject) -> None:
    """Action masks are [N, A, Σn] bool, box limits float32 with low ≤ high."""
    spec, n = s.spec(), len(s.batch)
    for obs in _observations(s.trace()):
        if obs.action_mask is not None:
            _shaped("action_mask", obs.action_mask, (n, spec.n_agents, spec.mask_width), "bool")
        if obs.box_low is not None and obs.box_high is not None:
            expect(obs.box_low.shape == obs.box_high.shape, "box limits differ in shape")
            low, high = obs.box_low[obs.alive], obs.box_high[obs.alive]
            expect((low <= high).all(), "box_low exceeds box_high")


@check(kind="control")
def what_flows_is_finite_and_has_a_legal_action(s: Subject) -> None:
    """No NaN in what live agents see, and no live agent without a legal action."""
    trace = s.trace()
    flow = FlowChecker.of(s.spec(), np.array(s.batch))
    for index, moment in enumerate(trace.moments):
        flow.obs(moment.seen, index)
        flow.step(moment.step, moment.seen.alive, index)


@check(kind="control")
def rewards_and_costs_have_the_specs_shape(s: Subject) -> None:
    """Rewards are [N, A, K] and costs [N, C], float32; costs are not negative."""
    spec, n = s.spec(), len(s.batch)
    for moment in s.trace().moments:
        _shaped("reward", moment.step.reward, (n, spec.n_agents, len(spec.rewards)), "float32")
        _shaped("cost", moment.step.cost, (n, len(spec.costs)), "float32")
        expect((moment.step.cost >= 0).all(), "a cost is negative")


@check(kind="control")
def flags_have_their_types(s: Subject) -> None:
    """`terminated` and `truncated` are [N] bool and never both; `intervened`, `reason` fit."""
    spec, n = s.spec(), len(s.batch)
    for step in (m.step for m in s.trace().moments):
        _shaped("terminated", step.terminated, (n,), "bool")
        _shaped("truncated", step.truncated, (n,), "bool")
        expect(not (step.terminated & step.truncated).any(), "terminated and truncated at once")
        _shaped("intervened", step.intervened, (n, spec.n_agents), "bool")
        _shaped("reason", step.reason, (n, spec.n_agents), "int16")


@check(kind="control")
def time_goes_forward(s: Subject) -> None:
    """`elapsed_s` is [N] float64 and positive while a copy lives."""
    for moment in s.trace().moments:
        _shaped("elapsed_s", moment.step.elapsed_s, (len(s.batch),), "float64")
        live = moment.seen.alive.any(axis=1)
        expect((moment.step.elapsed_s[live] > 0).all(), "a decision took no time")


@check(kind="control")
def executed_actions_are_told(s: Subject) -> None:
    """`executed` has the parts of the action, and is the proposal where nothing intervened."""
    for m in s.trace().moments:
        executed = m.step.executed
        expect(executed is not None, "executed is None after a proposed action")
        free = m.seen.alive & ~m.step.intervened
        for part in ("discrete", "box"):
            asked, done = getattr(m.action, part), getattr(executed, part)
            if asked is not None:
                _shaped(f"executed.{part}", done, asked.shape, str(asked.dtype))
                same = np.allclose(done[free], asked[free], rtol=1e-5, atol=1e-6)
                expect(same, f"executed.{part} differs from the proposal without a reason")


@check(kind="control")
def episodes_end_within_their_horizon(s: Subject) -> None:
    """Every copy ends, not later than `spec.horizon` decisions."""
    ended = np.zeros(len(s.batch), bool)
    for moment in s.trace().moments:
        ended |= moment.step.done
    expect(ended.all(), f"no end within the horizon of {s.spec().horizon} decisions")


@check(kind="control")
def copies_live_until_they_end(s: Subject) -> None:
    """Agents live at reset; without autoreset an ended copy is dead in the same step."""
    expect(s.trace().first.alive.any(axis=1).all(), "a copy is dead after reset")
    ended = np.zeros(len(s.batch), bool)
    for moment in s.trace().moments:
        ended |= moment.step.done
        live = moment.step.obs.alive.any(axis=1)
        expect((live == ~ended).all(), "alive must hold exactly until a copy ends")


@check(kind="control")
def ended_copies_stay_dead(s: Subject) -> None:
    """A step after the end restarts nothing, ends nothing again and earns nothing."""
    with s.control(len(s.batch)) as problem:
        trace = play(problem, s.batch)
        last = trace.moments[-1]
        step = problem.step(RandomPolicy(problem.spec, s.batch).act(last.step.obs))
    expect(not step.obs.alive.any(), "an ended copy came to life")
    expect(not step.done.any(), "an ended copy ended again")
    expect(not np.nan_to_num(step.reward).any(), "an ended copy earns a reward")


@check(kind="control")
def autoreset_restarts_in_the_same_step(s: Subject) -> None:
    """With autoreset, ended rows live on and `final_obs` keeps what was seen last."""
    with s.control(len(s.batch), autoreset=True) as problem:
        step = play(problem, s.batch).moments[-1].step
    rows = np.flatnonzero(step.done)
    expect(len(rows), "no row ended within the horizon")
    expect(step.obs.alive[rows].any(axis=1).all(), "a row did not restart")
    expect(step.final_obs is not None and step.final_rows is not None, "final_obs is missing")
    if step.final_obs is not None and step.final_rows is not None:
        expect(np.array_equal(step.final_rows, rows), f"final_rows {step.final_rows}, not {rows}")
        own = s.trace().moments[-1].step.obs.obs[rows]
        expect(step.final_obs.obs.shape == own.shape, "final_obs must have one row per ended row")
        expect(np.array_equal(step.final_obs.obs, own), "final_obs is not of the old episode")


@check(kind="control")
def metrics_are_those_declared(s: Subject) -> None:
    """Every declared metric comes with the end, finite, and no other one.

    External simulators leave out what a scenario does not have (no bus, no bus delay).
    """
    declared = {m.name for m in s.domain.metrics}
    for moment in s.trace().moments:
        done = moment.step.done
        if done.any():
            got = set(moment.step.metrics)
            whole = s.domain.headline.name in got if s.domain.external else declared <= got
            expect(got <= declared, f"metrics {sorted(got)}, declared {sorted(declared)}")
            expect(whole, f"metrics {sorted(got)} lack some of {sorted(declared)}")
        for name, values in moment.step.metrics.items():
            _shaped(f"metric {name}", values, (len(s.batch),), "float64")
            expect(np.isfinite(values[done]).all(), f"metric {name} is not finite at the end")
            expect(np.isnan(values[~done]).all(), f"metric {name} is told before the end")


@check(kind="control")
def seeds_repeat_across_problems(s: Subject) -> None:
    """The same seed and actions give the same bits in a second problem."""
    with s.control(len(s.batch)) as problem:
        again = play(problem, s.batch, _STEPS)
    for i in range(len(s.batch)):
        _same(again, s.trace(), i, i, "a second problem")


@check(kind="control")
def seeds_repeat_after_another_episode(s: Subject) -> None:
    """An episode leaves nothing behind: after another one, the seed gives the same bits."""
    with s.control(len(s.batch)) as problem:
        play(problem, tuple(seed + 100 for seed in s.batch), start=7)
        again = play(problem, s.batch, _STEPS if s.domain.external else None)
    for i in range(len(s.batch)):
        _same(again, s.trace(), i, i, "a second episode of one problem")


@check(kind="control")
def seeds_matter(s: Subject) -> None:
    """Two seeds under the same actions give two episodes."""
    a, b = s.seeds[:2]
    own = s.lone(a).moments
    with s.control() as problem:
        problem.reset(np.array([b]))
        other = [problem.step(moment.action) for moment in own]
    same = all(step_bits(m.step, 0) == step_bits(o, 0) for m, o in zip(own, other, strict=True))
    expect(not same, "two seeds give the same episode: is the seed used?")


@check(kind="control")
def autoreset_draws_new_episodes(s: Subject) -> None:
    """The episode after an autoreset is not the first one again."""
    _own_kernel(s)
    with s.control(autoreset=True) as problem:
        first = play(problem, s.seeds[:1])
        policy, obs = RandomPolicy(problem.spec, s.seeds[:1]), first.moments[-1].step.obs
        later = []
        for _ in range(min(_STEPS, len(first.moments))):
            step = problem.step(policy.act(obs))
            obs = step.obs
            later.append(obs.obs.tobytes())
    own = [m.step.obs.obs.tobytes() for m in first.moments[: len(later)]]
    expect(own != later, "the second episode repeats the first")


@check(kind="control")
def copies_equal_lone_runs(s: Subject) -> None:
    """Copy i is bit-identical whatever the number of its neighbours."""
    _own_kernel(s)
    for i, seed in enumerate(s.batch):
        _same(s.lone(seed), s.trace(), 0, i, f"copy {i} of {len(s.batch)} and a lone run")


@check(kind="control")
def copies_do_not_know_their_place(s: Subject) -> None:
    """Copies in another order give the same bits."""
    _own_kernel(s)
    turned = s.batch[::-1]
    with s.control(len(turned)) as problem:
        again = play(problem, turned, _STEPS)
    for i in range(len(turned)):
        _same(again, s.trace(), i, len(turned) - 1 - i, f"copy {i} in another order")


@check(kind="control")
def rows_are_reset_alone(s: Subject) -> None:
    """Resetting one row starts that row again and leaves the others as they are."""
    _own_kernel(s)
    with s.control(len(s.batch)) as problem:
        before = play(problem, s.batch, 3).moments[-1].step.obs
        kept = before.obs.copy()
        obs = problem.reset(np.array([s.batch[1]]), rows=np.array([1]))
        later = problem.step(s.trace().moments[3].action).obs
    expect(np.array_equal(obs.obs[[0, 2]], kept[[0, 2]]), "other rows changed")
    expect(np.array_equal(obs.obs[1], s.trace().first.obs[1]), "the row is not as after a reset")
    own = s.trace().moments[3].step.obs.obs[[0, 2]]
    expect(np.array_equal(later.obs[[0, 2]], own), "other rows go on differently")


@check(kind="control")
def contexts_are_taken_and_default(s: Subject) -> None:
    """A context given as the defaults is the same as none; another one matters or is there."""
    spec = s.spec()
    if not spec.context:
        msg = "the spec has no context variables"
        raise NotApplicableError(msg)
    policy = RandomPolicy(spec, s.seeds[:1])
    with s.control() as problem:
        problem.reset(np.array(s.seeds[:1]), spec.default_context[None])
        step = problem.step(policy.act(s.lone(s.seeds[0]).first))
    own = s.lone(s.seeds[0]).moments[0].step.obs.obs
    expect(np.array_equal(step.obs.obs, own), "the default context differs from no context")


@check(kind="control")
def snapshots_restore_exactly(s: Subject) -> None:
    """A restored snapshot goes on to the same bits; where unsupported, the error says so."""
    with s.control(len(s.batch)) as problem:
        obs = play(problem, s.batch, 3).moments[-1].step.obs
        rows = np.arange(len(s.batch))
        if not problem.spec.supports_snapshot:
            try:
                problem.snapshot(rows)
            except SnapshotUnsupportedError:
                return
            expect(False, "snapshot works but spec.supports_snapshot is False")  # noqa: FBT003
        kept = problem.snapshot(rows)
        first = _tail(problem, s, obs)
        problem.reset(np.array(s.batch) + 100)
        problem.restore(kept, rows)
        expect(_tail(problem, s, obs) == first, "a restored snapshot goes on differently")


def _tail(problem: ControlProblem, s: Subject, obs: Obs) -> list[bytes]:
    policy, seen = RandomPolicy(problem.spec, s.batch), []
    for _ in range(min(problem.spec.horizon - 3, 200)):
        step = problem.step(policy.act(obs))
        obs = step.obs
        seen.append(obs.obs.tobytes() + step.reward.tobytes() + obs.alive.tobytes())
        seen += [np.asarray(v).tobytes() for _, v in sorted(step.metrics.items())]
    return seen


@check(kind="control")
def inputs_are_left_alone(s: Subject) -> None:
    """Seeds and actions given to a problem are not written to."""
    seeds = np.array(s.batch)
    with s.control(len(s.batch)) as problem:
        obs = problem.reset(seeds)
        action = RandomPolicy(problem.spec, s.batch).act(obs)
        kept = [a.copy() for a in (action.discrete, action.box) if a is not None]
        problem.step(action)
    expect(np.array_equal(seeds, s.batch), "reset wrote to its seeds")
    after = [a for a in (action.discrete, action.box) if a is not None]
    pairs = zip(kept, after, strict=True)
    expect(all(np.array_equal(a, b) for a, b in pairs), "step wrote to its action")


@check(kind="control")
def ill_shaped_actions_are_refused(s: Subject) -> None:
    """An action of a wrong shape is an ActionError that names the problem and the shape."""
    spec = s.spec()
    shape = (len(s.batch), spec.n_agents + 1)
    discrete = np.zeros((*shape, len(spec.discrete)), np.int64) if spec.discrete else None
    box = np.zeros((*shape, spec.n_box), np.float32) if spec.n_box else None
    text = _refusal(s, Action(discrete, box), "an action with an agent too many")
    expect(str(spec.n_agents + 1) in text, f"the error does not say what it got: {text}")


@check(kind="control")
def missing_actions_are_refused(s: Subject) -> None:
    """An action without the parts of the spec is an ActionError."""
    _refusal(s, Action(), "an empty action")


@check(kind="control")
def illegal_actions_are_refused_or_replaced(s: Subject) -> None:
    """A number beyond the choices, or NaN in a box, is refused or not executed."""
    spec = s.spec()
    shape = (len(s.batch), spec.n_agents)
    discrete = np.full((*shape, len(spec.discrete)), max(spec.discrete, default=0) + 5)
    box = np.full((*shape, spec.n_box), np.nan, np.float32)
    action = Action(discrete if spec.discrete else None, box if spec.n_box else None)
    _refusal(s, action, "an action beyond every choice")


def _refusal(s: Subject, action: Action, what: str) -> str:
    with s.control(len(s.batch)) as problem:
        problem.reset(np.array(s.batch))
        try:
            problem.step(action)
        except ActionError as error:
            text = str(error)
            expect(problem.spec.name in text, f"the error does not name the problem: {text}")
            return text
    expect(False, f"{what} is accepted")  # noqa: FBT003 - always fails here
    return ""


@check(kind="control")
def unknown_needs_are_not_granted(s: Subject) -> None:
    """Asking for a resource that is not there is a NeedNotGrantedError that names it."""
    unknown: Any = "clairvoyance"
    with s.control() as problem:
        problem.reset(np.array(s.seeds[:1]))
        try:
            problem.resource(unknown)
        except NeedNotGrantedError as error:
            expect("clairvoyance" in str(error), f"the error does not name the need: {error}")
            return
    expect(False, "an unknown resource is granted")  # noqa: FBT003 - always fails here


@check(kind="control")
def the_future_does_not_depend_on_actions(s: Subject) -> None:
    """What is drawn from outside is the same whatever is done (where it can be asked for)."""
    with s.control() as problem:
        problem.reset(np.array(s.seeds[:1]))
        try:
            before = np.asarray(problem.resource("future")).copy()
        except NeedNotGrantedError:
            msg = "the problem offers no future"
            raise NotApplicableError(msg) from None
        play(problem, s.seeds[:1], _STEPS, start=5)
        expect(np.array_equal(before, problem.resource("future")), "acting changed the future")


CHECKS = tuple(value for value in list(globals().values()) if isinstance(value, Check))
