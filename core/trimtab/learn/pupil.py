"""The pupil: a controller taught by a domain's best classical one, for any control domain.

1. The teacher is the classical controller with the best headline on training scenarios.
2. A student imitates it on the states that the student itself meets (DAgger).
3. PPO goes on from the student: critic warmed first, on a leash to the teacher that decays.
   Scenarios on which the pupil's headline is worse than the teacher's are played again, the
   teacher playing a first part that shrinks with every success (`curriculum.Retry`).
4. What was learnt replaces the student only if the paired 95 % interval of the headline, on
   seeds that neither saw, excludes 0. The manifest says how the one that is kept stands to the
   teacher: where the teacher remains better, deploy the teacher.

A domain offers it in two lines: `trimtab.deploy.pupil.pupil_entry()` among its controllers, and
`return train_pupil(self, problem, seed, out, cpu_s, progress)` as its `train`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trimtab.contracts.controller import Controller, Entry
from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import ContractError, TrimtabError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import FloatArray, IntArray
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Policy, PolicyController
from trimtab.deploy.pupil import PUPIL
from trimtab.deploy.weights import save_policy
from trimtab.learn.checkpoint import Budget, Checkpoint, Progress, Resumable, Start, recipe_of
from trimtab.learn.curriculum import FreshSeeds, Retry, Verify
from trimtab.learn.ppo import PPO, PPOConfig
from trimtab.learn.teach import DaggerConfig, dagger
from trimtab.learn.verdict import Verdict, judged
from trimtab.run.controllers import Choice
from trimtab.run.grants import make_controller
from trimtab.run.shielding import shielded
from trimtab.run.stage import built, play, staged

CPU_S = 60.0
"""Default budget."""
COPIES = 64
"""Side by side; simulators of others run one."""
POOL, EXTERNAL_POOL = 64, 12
"""Training scenarios of own kernels, and of simulators of others: the teacher is the best on
them, and its headline on each is what the pupil is held against."""
JUDGED = 64
"""Scenarios of neither on which what was learnt is judged."""
SLACK = 0.01
"""Share of the teacher's headline by which a success may be worse."""
IMITATION = 0.4
"""Share of the budget after which imitation ends at the latest."""
ROUNDS = 4
LONGEST_ROLLOUT = 128


@dataclass(frozen=True, slots=True)
class _Course:
    """One training of a domain's pupil."""

    domain: Domain
    problem: Any
    seed: int
    kept: Resumable
    tell: Progress

    @property
    def sign(self) -> float:
        """Makes the headline a cost."""
        return 1.0 if self.domain.headline.sense == "min" else -1.0

    @property
    def copies(self) -> int:
        return 1 if self.domain.external else COPIES

    @property
    def budget(self) -> Budget:
        return self.kept.budget

    def seeds(self, count: int, stream: int) -> IntArray:
        """Seeds of 62 bits: no evaluation of `trimtab run` uses one."""
        return np.random.default_rng([self.seed, stream]).integers(2**40, 2**62, count)

    def costs(self, choice: Choice, seeds: Sequence[int]) -> FloatArray:
        """The headline on each seed, as a cost."""
        copies = min(self.copies, len(seeds))
        with staged(self.domain, self.problem, choice, copies) as stage:
            records = play(self.domain, stage, choice, seeds)
        return self.sign * np.array([r.metrics[self.domain.headline.name] for r in records])


def train_pupil(
    domain: Domain,
    problem: Any,
    seed: int,
    out: Path,
    cpu_s: float | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train the pupil of a control domain; see `Domain.train`, which this is the body of.

    Args:
        domain: offers the classical controllers and judges by its headline.
        problem: the scenario's problem.
        seed: of training.
        out: folder of the weights and their manifest.
        cpu_s: budget in CPU seconds; None for `CPU_S`.
        progress: told how it goes.

    Returns:
        Parameters of `play_pupil`.

    Raises:
        TrimtabError: no classical controller acts on the domain's default interface.
    """
    budget, path = Budget(CPU_S if cpu_s is None else cpu_s), out / f"{PUPIL}.safetensors"
    follows = recipe_of(domain, problem, seed=seed, cpu_s=budget.cpu_s)
    checkpoint = Checkpoint(path.with_suffix(".training.safetensors"), follows, progress)
    kept = Resumable(budget, checkpoint, progress)
    course = _Course(domain, problem, seed, kept, progress or (lambda _: None))
    teacher, known = _teacher(course)
    with built(domain, problem, course.copies) as control:
        played = shielded(control, domain.shield(problem, control))
        tutor = make_controller(control, teacher.entry, teacher.parameters, teacher.name)
        if not isinstance(tutor, Controller):
            msg = f"{domain.name}: {teacher.name} is native and cannot teach"
            raise ContractError(msg)
        policy, notes = _taught(course, played, tutor, teacher.name, known)
        against = _verdict(course, policy, teacher)
        _say(course, f"{teacher.name}, the teacher", against)
        notes |= {"teacher": teacher.name, "against_teacher": asdict(against)}
        notes |= {"seed": seed, "cpu_s": round(budget.spent_s, 1)}
        notes |= {"command": f"trimtab train SCENARIO --controller {PUPIL} --seed {seed}"}
        save_policy(path, policy, control.spec, notes)
    kept.end()
    return {"weights": str(path)}


def _teacher(course: _Course) -> tuple[Choice, dict[int, float]]:
    """The classical controller with the best mean headline, and its cost on each scenario."""
    if course.kept.facts is None:
        return _best_teacher(course)
    name = course.kept.facts["teacher"]
    known = {int(seed): cost for seed, cost in course.kept.facts["known"].items()}
    return Choice(name, course.domain.controllers(course.problem)[name]), known


def _best_teacher(course: _Course) -> tuple[Choice, dict[int, float]]:
    offered = course.domain.controllers(course.problem)
    pool = course.seeds(EXTERNAL_POOL if course.domain.external else POOL, 1).tolist()
    found: dict[str, FloatArray] = {}
    for name, entry in offered.items():
        if _may_teach(entry) and _acts(course, Choice(name, entry)):
            found[name] = course.costs(Choice(name, entry), pool)
    if not found:
        msg = f"{course.domain.name}: no classical controller acts here, so none can teach"
        raise TrimtabError(msg)
    best = min(found, key=lambda name: found[name].mean())
    course.tell(f"teacher: {best}, the best of {', '.join(found)}")
    return Choice(best, offered[best]), dict(zip(pool, found[best].tolist(), strict=True))


def _may_teach(entry: Entry) -> bool:
    return (
        entry.role in ("reference", "classical")
        and entry.shielded
        and entry.interface == "default"
        and "future" not in entry.needs
    )


def _acts(course: _Course, choice: Choice) -> bool:
    with staged(course.domain, course.problem, choice) as stage:
        return isinstance(stage.controller, Controller)


def _taught(
    course: _Course,
    problem: ControlProblem,
    tutor: Controller,
    teacher: str,
    known: Mapping[int, float],
) -> tuple[Policy, dict[str, Any]]:
    """Student, what became of it on-policy, and which of both is kept."""
    pool = np.array(list(known), dtype=np.int64)
    streams = [np.random.default_rng([course.seed, 2, k]) for k in range(3)]

    def imitate() -> Start:
        start, facts = _imitated(course, problem, tutor, FreshSeeds(streams[0], among=pool))
        told = {str(seed): cost for seed, cost in known.items()}
        return Start(start, {**facts, "teacher": teacher, "known": told})

    begun = course.kept.begin(imitate)
    start, facts = begun.policy, begun.facts
    source = Retry(
        FreshSeeds(streams[1], among=pool),
        problem.copies,
        problem.spec.horizon,
        verifier(course.domain, known),
        streams[2],
    )
    config = _on_policy(problem, facts["steps"])
    ppo = PPO(problem, start.net, config, (course.seed,), teacher=tutor, initial=start,
              source=source)  # fmt: skip
    for number, report in enumerate(course.kept.train(ppo)):
        if number % 10 == 0:
            steps = int(report.env_steps[0])
            course.tell(f"{steps} steps, {source.retries} retries, {source.solved} solved alone")
    learnt = ppo.policy().seed(0)
    verdict = _verdict(course, learnt, _choice(start))
    _say(course, "the student", verdict)
    notes = {
        "env_steps": facts["env_steps"] + int(ppo.env_steps[0]),
        "retries": source.retries,
        "solved": source.solved,
        "given_up": source.dropped,
        "against_student": asdict(verdict),
        "kept": "what was learnt" if verdict.better else "the student it began as",
    }
    return (learnt if verdict.better else start), notes


def _imitated(
    course: _Course, problem: ControlProblem, tutor: Controller, source: FreshSeeds
) -> tuple[Policy, dict[str, Any]]:
    """The student, the decisions it took, and as many more as the rest of the budget pays for."""
    budget, before_s = course.budget, course.budget.spent_s
    net = NetSpec.for_problem(problem.spec, initial_std=0.2)
    config = _imitation(course, problem)
    student = dagger(problem, tutor, net, config, (course.seed,), source=source)
    spent_s = budget.spent_s - before_s
    course.tell(f"imitation: {spent_s:.0f} CPU-s, {student.agreement[-1, 0]:.3f} agree")
    steps = int(student.env_steps / spent_s * max(1.0, budget.left()))
    return student.policy.seed(0), {"env_steps": student.env_steps, "steps": steps}


def verifier(domain: Domain, known: Mapping[int, float]) -> Verify:
    """Success on a scenario: a headline no worse than the teacher's, up to `SLACK` of it.

    Args:
        domain: names the headline and says which way is better.
        known: seed → the teacher's headline, as a cost.
    """
    name, sign = domain.headline.name, 1.0 if domain.headline.sense == "min" else -1.0

    def succeeded(seed: int, metrics: Mapping[str, float]) -> bool:
        return sign * metrics[name] <= known[seed] + SLACK * abs(known[seed])

    return succeeded


def _imitation(course: _Course, problem: ControlProblem) -> DaggerConfig:
    return DaggerConfig(
        rounds=ROUNDS,
        steps=min(problem.spec.horizon, LONGEST_ROLLOUT),
        updates=max(10, min(400, int(25 * IMITATION * course.budget.cpu_s))),
        compiled=False,
    )


def _on_policy(problem: ControlProblem, steps: int) -> PPOConfig:
    return PPOConfig(
        steps=steps,
        rollout=min(problem.spec.horizon, LONGEST_ROLLOUT),
        normalise_reward=True,
        leash=0.1,
        leash_until=0.5,
        critic_warmup=2,
        compiled=False,
    )


def _choice(policy: Policy) -> Choice:
    return Choice(PUPIL, Entry("learned", lambda problem: PolicyController(problem, policy), ""))


def _verdict(course: _Course, policy: Policy, other: Choice) -> Verdict:
    """The policy against another controller on the same unseen seeds."""
    seeds = course.seeds(JUDGED, 3).tolist()
    ours, theirs = course.costs(_choice(policy), seeds), course.costs(other, seeds)
    return judged(ours, theirs)


def _say(course: _Course, whom: str, verdict: Verdict) -> None:
    headline = course.domain.headline
    course.tell(verdict.told(f"{headline.name} as a cost", headline.unit, whom))
