"""Rollouts for training: T decisions of S × N copies into arrays, in one loop without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.errors import ContractError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import IntArray, Obs, Step
from trimtab.deploy.arrays import Array
from trimtab.deploy.network import ActorOutput
from trimtab.deploy.policy import Interface, Policy, pick
from trimtab.learn.curriculum import FreshSeeds, ScenarioSource
from trimtab.learn.teacher import Teacher, as_arrays


@dataclass(frozen=True, slots=True)
class Episode:
    """One finished training episode.

    Attributes:
        seed: index of the training seed.
        reward: [K], sum over the episode, mean over agents.
        cost: [C], sum over the episode.
        length: decisions.
        success: as judged by the scenario source.
        metrics: the problem's own figures.
    """

    seed: int
    reward: NDArray[np.float64]
    cost: NDArray[np.float64]
    length: int
    success: bool
    metrics: Mapping[str, float]


@dataclass(slots=True)
class Rollout:
    """What T decisions of S training seeds × N copies left; valid until the next `collect`.

    Attributes:
        inputs: raw network inputs, [S, T + 1, N, A, ...]; the last is what followed.
        alive: [S, T + 1, N, A] bool.
        arrays: `discrete`, `raw`, `logits`, `mean`, `reward`, `cost`, `terminated`, `truncated`,
            `elapsed` (in units of dt_s), `guided`, and teacher labels; [S, T, N, ...].
        finals: (t, rows [M], raw inputs [1, M, ...]) of truncated episodes.
        guided_success: [S, T, N] bool, guided decisions of episodes that ended in success.
        episodes: those that ended.
    """

    inputs: dict[str, Array]
    alive: Array
    arrays: dict[str, Array]
    finals: list[tuple[int, IntArray, dict[str, Array]]]
    guided_success: NDArray[np.bool_]
    episodes: list[Episode]


@dataclass(slots=True)
class _Buffers:
    """Arrays [S, T, N, ...] that are allocated once and written step by step."""

    seeds: int
    length: int
    arrays: dict[str, Array] = field(default_factory=dict)

    def write(self, t: int, name: str, x: Array) -> None:
        """Store x [S, N, ...] of step t."""
        if name not in self.arrays:
            shape = (self.seeds, self.length, *x.shape[1:])
            self.arrays[name] = np.zeros(shape, dtype=x.dtype)
        self.arrays[name][:, t] = x

    def write_rows(self, t: int, name: str, x: Array) -> None:
        """Store x [S·N, ...] of step t."""
        self.write(t, name, x.reshape(self.seeds, x.shape[0] // self.seeds, *x.shape[1:]))


class Collector:
    """Plays a stochastic policy on a problem of S × N copies.

    Copies of training seed s are rows s·N … (s + 1)·N − 1. Exploration noise and environment
    seeds come from generators spawned per training seed, so they differ between seeds and do
    not depend on which other seeds are trained beside.

    Args:
        problem: autoreset on, or off with the scenarios drawn from `source`.
        interface: of the policy to be played.
        seeds: one per training seed.
        teacher: gives labels, and plays guided decisions.
        source: next scenarios, for problems with autoreset off; default: fresh seeds.
    """

    def __init__(
        self,
        problem: ControlProblem,
        interface: Interface,
        seeds: Sequence[int],
        teacher: Teacher | None = None,
        source: ScenarioSource | None = None,
    ) -> None:
        if problem.copies % len(seeds):
            msg = (
                f"{problem.spec.name}: {problem.copies} copies cannot be shared by {len(seeds)} "
                f"training seeds; build the problem with a multiple of {len(seeds)}"
            )
            raise ContractError(msg)
        if source is not None and problem.autoreset:
            msg = f"{problem.spec.name}: a scenario source needs a problem with autoreset=False"
            raise ContractError(msg)
        self.problem, self.interface, self.teacher = problem, interface, teacher
        self.seeds = len(seeds)
        streams = [np.random.SeedSequence(seed).spawn(3) for seed in seeds]
        self.noise = [np.random.default_rng(stream[0]) for stream in streams]
        n = problem.copies // self.seeds
        self._copy_seeds = np.concatenate(
            [(stream[1].generate_state(n, np.uint64) >> 1).astype(np.int64) for stream in streams]
        )
        self.source = source or FreshSeeds(np.random.default_rng(streams[0][2]))
        self._inputs = _Buffers(self.seeds, 0)
        self._rest = _Buffers(self.seeds, 0)
        self.obs = self._start()
        spec = problem.spec
        self._reward = np.zeros((problem.copies, len(spec.rewards)))
        self._cost = np.zeros((problem.copies, len(spec.costs)))
        self._length = np.zeros(problem.copies, dtype=np.int64)

    def _start(self) -> Obs:
        seeds, contexts = self._copy_seeds, None
        if not self.problem.autoreset:
            seeds, contexts = self.source.draw(np.arange(self.problem.copies))
        if self.teacher is not None:
            self.teacher.reset(seeds, contexts)
        return self.problem.reset(seeds, contexts)

    def state_dict(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Problem, episode sums and generators: arrays, and plain data for JSON.

        Raises:
            SnapshotUnsupportedError: the problem cannot be snapshot.
        """
        rows = np.arange(self.problem.copies)
        snapshot = self.problem.snapshot(rows)
        arrays = {f"problem.{name}": np.asarray(x) for name, x in snapshot.items()}
        arrays |= {f"obs.{name}": x for name, x in _obs_arrays(self.obs).items()}
        arrays |= {"reward": self._reward, "cost": self._cost, "length": self._length}
        generators = [g.bit_generator.state for g in self.noise]
        copies = {name: np.array(x) for name, x in arrays.items()}
        return copies, {"generators": generators, "source": self.source.state()}

    def load_state_dict(self, arrays: Mapping[str, Array], plain: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`."""

        def part(prefix: str) -> dict[str, Array]:
            return {k.removeprefix(prefix): x for k, x in arrays.items() if k.startswith(prefix)}

        self.problem.restore(part("problem."), np.arange(self.problem.copies))
        self.obs = _obs_from(part("obs."))
        for own, name in ((self._reward, "reward"), (self._cost, "cost"), (self._length, "length")):
            own[:] = arrays[name]
        for generator, state in zip(self.noise, plain["generators"], strict=True):
            generator.bit_generator.state = state
        self.source.load(plain["source"])

    def collect(
        self, policy: Policy, steps: int, *, labels: bool = False, teacher_plays: bool = False
    ) -> Rollout:
        """Play `steps` decisions.

        Args:
            policy: of all S seeds; its parameters may be live views.
            steps: T.
            labels: record what the teacher would do in every observation.
            teacher_plays: all decisions are the teacher's.
        """
        if self._rest.length != steps:
            self._inputs = _Buffers(self.seeds, steps + 1)
            self._rest = _Buffers(self.seeds, steps)
        rollout = Rollout({}, None, {}, [], np.zeros(0, bool), [])
        shape = (self.seeds, steps, self.problem.copies // self.seeds)
        rollout.guided_success = np.zeros(shape, dtype=bool)
        noise = self._draw_noise(policy, steps)
        for t in range(steps):
            inputs = self._see(t)
            guided = self.source.guided(self._length)
            if teacher_plays:
                guided = np.ones_like(guided)
            self._rest.write_rows(t, "guided", guided)
            out = policy.forward(inputs, self.interface)
            step = self._play(t, out, noise, guided, labels=labels)
            self._account(t, step, rollout)
        self._see(steps)
        rollout.inputs = {k: x for k, x in self._inputs.arrays.items() if k != "alive"}
        rollout.alive = self._inputs.arrays["alive"]
        rollout.arrays = self._rest.arrays
        return rollout

    def _see(self, t: int) -> dict[str, Array]:
        """Record the present observation as that of step t; returns its raw inputs."""
        inputs = self.interface.inputs(self.obs, self.seeds)
        for name, x in inputs.items():
            self._inputs.write(t, name, x)
        self._inputs.write_rows(t, "alive", self.obs.alive)
        return inputs

    def _draw_noise(self, policy: Policy, steps: int) -> dict[str, Array]:
        """Gumbel and Gaussian noise of the whole rollout, [T, S, N, A, ·]."""
        n = self.problem.copies // self.seeds
        shape = (steps, n, self.problem.spec.n_agents)
        noise: dict[str, Array] = {}
        if self.interface.discrete:
            width = sum(self.interface.discrete)
            tiny = np.finfo(np.float32).tiny
            draws = [g.standard_exponential((*shape, width), np.float32) for g in self.noise]
            noise["gumbel"] = -np.log(np.maximum(np.stack(draws, axis=1), tiny))
        if policy.net.box:
            normal = [g.standard_normal((*shape, policy.net.box), np.float32) for g in self.noise]
            noise["normal"] = np.stack(normal, axis=1)
        return noise

    def _play(
        self, t: int, out: ActorOutput, noise: Mapping[str, Array], guided: Array, *, labels: bool
    ) -> Step:
        """Draw, let the teacher override guided rows, record, and step the problem."""
        chosen: dict[str, Array] = {}
        if out.logits is not None:
            chosen["discrete"] = pick(out.logits + noise["gumbel"][t], self.interface.discrete)
            self._rest.write(t, "logits", out.logits)
        if out.mean is not None and out.log_std is not None:
            chosen["raw"] = out.mean + np.exp(out.log_std) * noise["normal"][t]
            self._rest.write(t, "mean", out.mean)
        if labels or guided.any():
            self._override(t, chosen, guided)
        for name, x in chosen.items():
            self._rest.write(t, name, x)
        joint = {name: x.reshape(-1, *x.shape[2:]) for name, x in chosen.items()}
        action = self.interface.to_action(joint.get("discrete"), joint.get("raw"), self.obs)
        return self.problem.step(action)

    def _override(self, t: int, chosen: dict[str, Array], guided: Array) -> None:
        if self.teacher is None:
            msg = "guidance and labels need a teacher: pass one to the learner"
            raise ContractError(msg)
        labels = self.teacher.labels(self.obs, self.seeds)
        for name, x in as_arrays(labels).items():
            self._rest.write(t, name, x)
        rows = guided.reshape(self.seeds, -1, 1, 1)
        for name, label in (("discrete", labels.discrete), ("raw", labels.raw)):
            if label is not None:
                chosen[name] = np.where(rows, label, chosen[name])

    def _account(self, t: int, step: Step, rollout: Rollout) -> None:
        """Record what the step led to, and start the next episodes where one ended."""
        elapsed = (step.elapsed_s / self.problem.spec.dt_s).astype(np.float32)
        record = (
            ("reward", step.reward),
            ("cost", step.cost),
            ("terminated", step.terminated),
            ("truncated", step.truncated),
            ("elapsed", elapsed),
        )
        for name, x in record:
            self._rest.write_rows(t, name, x)
        alive = self.obs.alive
        live = alive.any(axis=1)
        self._reward += np.where(alive[..., None], step.reward, 0.0).mean(axis=1)
        self._cost += step.cost
        self._length += live
        self.obs = step.obs
        done = step.terminated | step.truncated
        if done.any():
            self._end(t, step, np.flatnonzero(done), rollout)

    def _end(self, t: int, step: Step, rows: IntArray, rollout: Rollout) -> None:
        """Keep final observations, report episodes, restart rows if the problem does not."""
        cut = np.flatnonzero(step.truncated & ~step.terminated)
        if len(cut):
            final = step.obs if step.final_obs is None else step.final_obs
            ended = np.arange(self.problem.copies) if step.final_rows is None else step.final_rows
            where = np.searchsorted(ended, cut)
            inputs = self.interface.inputs(final)
            rollout.finals.append((t, cut, {k: x[:, where] for k, x in inputs.items()}))
        metrics = {name: x[rows] for name, x in step.metrics.items()}
        success = self.source.finished(rows, metrics)
        self._report(t, rows, metrics, success, rollout)
        self._reward[rows], self._cost[rows], self._length[rows] = 0.0, 0.0, 0
        seeds, contexts = self._copy_seeds[rows], None
        if not self.problem.autoreset:
            seeds, contexts = self.source.draw(rows)
            self.obs = self.problem.reset(seeds, contexts, rows)
        if self.teacher is not None:
            self.teacher.reset(seeds, contexts, rows)

    def _report(
        self,
        t: int,
        rows: IntArray,
        metrics: Mapping[str, Array],
        success: NDArray[np.bool_],
        rollout: Rollout,
    ) -> None:
        n = self.problem.copies // self.seeds
        for i, row in enumerate(rows):
            seed, copy = divmod(int(row), n)
            length = int(self._length[row])
            rollout.episodes.append(
                Episode(
                    seed,
                    self._reward[row].copy(),
                    self._cost[row].copy(),
                    length,
                    bool(success[i]),
                    {name: float(x[i]) for name, x in metrics.items()},
                )
            )
            if success[i]:
                first = max(0, t + 1 - length)
                guided = self._rest.arrays["guided"][seed, first : t + 1, copy]
                rollout.guided_success[seed, first : t + 1, copy] = guided


_PARTS = ("obs", "alive", "edges", "edge_mask", "action_mask", "box_low", "box_high", "state")


def _obs_arrays(obs: Obs) -> dict[str, Array]:
    """The arrays of an observation that exist, by flat names."""
    named = {name: getattr(obs, name) for name in _PARTS}
    named |= {f"entities.{name}": x for name, x in obs.entities.items()}
    named |= {f"entity_mask.{name}": x for name, x in obs.entity_mask.items()}
    return {name: x for name, x in named.items() if x is not None}


def _obs_from(arrays: Mapping[str, Array]) -> Obs:
    """Inverse of `_obs_arrays`."""

    def block(prefix: str) -> dict[str, Array]:
        return {k.removeprefix(prefix): x for k, x in arrays.items() if k.startswith(prefix)}

    return Obs(
        **{name: arrays[name] for name in _PARTS if name in arrays},
        entities=block("entities."),
        entity_mask=block("entity_mask."),
    )
