"""Rollouts for training: T decisions of S × N copies into arrays, in one loop without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.errors import ContractError, EmptyMaskError, ObservationError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, IntArray, Obs, Step
from trimtab.deploy.arrays import Array
from trimtab.deploy.network import ActorOutput
from trimtab.deploy.policy import Interface, Policy, pick
from trimtab.learn.curriculum import FreshSeeds, ScenarioSource
from trimtab.learn.teacher import Teacher, as_arrays
from trimtab.run.checkpoints import part


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


@dataclass(frozen=True, slots=True)
class Finals:
    """Last observations of M truncated episodes, grouped by training seed.

    Attributes:
        inputs: raw network inputs [S, W, A, ...], padded to the seed with most of them.
        seed: [M].
        place: [M] row in W.
        t: [M] decision after which the episode was cut.
        copy: [M] row in N.
    """

    inputs: dict[str, Array]
    seed: IntArray
    place: IntArray
    t: IntArray
    copy: IntArray


def _grouped(
    cut: list[tuple[int, IntArray, dict[str, Array]]], seeds: int, n: int
) -> Finals | None:
    """From (t, rows, inputs [1, rows, ...]) of each step with truncated episodes."""
    if not cut:
        return None
    t = np.concatenate([np.full(len(rows), t) for t, rows, _ in cut])
    rows = np.concatenate([rows for _, rows, _ in cut])
    order = np.argsort(rows // n, kind="stable")
    seed = rows[order] // n
    place = np.arange(len(order)) - np.searchsorted(seed, seed)
    inputs: dict[str, Array] = {}
    for name in cut[0][2]:
        x = np.concatenate([part[name][0] for _, _, part in cut])
        inputs[name] = np.zeros((seeds, int(place.max()) + 1, *x.shape[1:]), dtype=x.dtype)
        inputs[name][seed, place] = x[order]
    return Finals(inputs, seed, place, t[order], rows[order] % n)


@dataclass(slots=True)
class Rollout:
    """What T decisions of S training seeds × N copies left; valid until the next `collect`.

    Attributes:
        inputs: raw network inputs, [S, T + 1, N, A, ...]; the last is what followed.
        alive: [S, T + 1, N, A] bool.
        arrays: `discrete`, `raw`, `logits`, `mean`, `reward`, `cost`, `terminated`, `truncated`,
            `elapsed` (in units of dt_s), `guided`, `intervened`, teacher labels, `log_std` where
            it depends on the observation, and what was executed as `executed_discrete` and
            `executed_raw` where asked for; [S, T, N, ...].
        finals: last observations of truncated episodes, or None.
        guided_success: [S, T, N] bool, guided decisions of episodes that ended in success.
        episodes: those that ended.
    """

    inputs: dict[str, Array]
    alive: Array
    arrays: dict[str, Array]
    finals: Finals | None
    guided_success: NDArray[np.bool_]
    episodes: list[Episode]

    def intervened(self) -> NDArray[np.float64]:
        """[S] share of live agents' decisions that a shield changed."""
        live = self.alive[:, :-1]
        changed = (self.arrays["intervened"] & live).sum(axis=(1, 2, 3))
        return np.asarray(changed / np.maximum(live.sum(axis=(1, 2, 3)), 1))


@dataclass(slots=True)
class _Buffers:
    """Arrays [T, ...] that are allocated once and written step by step."""

    length: int
    arrays: dict[str, Array] = field(default_factory=dict)

    def write(self, t: int, name: str, x: Array) -> None:
        """Store x as that of step t."""
        known = self.arrays.get(name)
        if known is None:
            known = self.arrays[name] = np.zeros((self.length, *x.shape), dtype=x.dtype)
        known[t] = x


@dataclass(frozen=True, slots=True)
class _End:
    """Rows whose episodes ended at step t, as the problem and the scenario source saw it."""

    t: int
    rows: IntArray
    length: IntArray
    success: NDArray[np.bool_]
    metrics: Mapping[str, Array]


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
        keep_executed: record what the shields let through beside what was proposed.
    """

    def __init__(
        self,
        problem: ControlProblem,
        interface: Interface,
        seeds: Sequence[int],
        teacher: Teacher | None = None,
        source: ScenarioSource | None = None,
        *,
        keep_executed: bool = False,
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
        self.seeds, self._keep_executed = len(seeds), keep_executed
        streams = [np.random.SeedSequence(seed).spawn(3) for seed in seeds]
        self.noise = [np.random.default_rng(stream[0]) for stream in streams]
        n = problem.copies // self.seeds
        self._copy_seeds = np.concatenate(
            [(stream[1].generate_state(n, np.uint64) >> 1).astype(np.int64) for stream in streams]
        )
        self.source = source or FreshSeeds(np.random.default_rng(streams[0][2]))
        self._inputs, self._rest = _Buffers(0), _Buffers(0)
        self._cut: list[tuple[int, IntArray, dict[str, Array]]] = []
        self._ends: list[_End] = []
        self.obs = self._start()
        spec = problem.spec
        self._sums = np.zeros((problem.copies, len(spec.rewards) + len(spec.costs)))
        self._decision = np.zeros(problem.copies, dtype=np.int64)

    def _start(self) -> Obs:
        seeds, contexts = self._copy_seeds, None
        if not self.problem.autoreset:
            seeds, contexts = self.source.draw(np.arange(self.problem.copies))
        obs = self.problem.reset(seeds, contexts)
        self._begun = {"seeds": seeds.copy()}
        if contexts is not None:
            self._begun["contexts"] = contexts.copy()
        if self.teacher is not None:
            self.teacher.reset(seeds, contexts)
        return obs

    def state_dict(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Problem, episode sums, the teacher's memory and generators: arrays, and data for JSON.

        Where the problem cannot be snapshot, or the teacher does not say what it remembers, the
        episodes that are being played are left out: they will begin anew.
        """
        generators = [g.bit_generator.state for g in self.noise]
        taught = {} if self.teacher is None else self.teacher.state_dict()
        whole = self.problem.spec.supports_snapshot and taught is not None
        plain = {"generators": generators, "source": self.source.state(), "whole": whole}
        if taught is None or not whole:
            return {}, plain
        snapshot = self.problem.snapshot(np.arange(self.problem.copies))
        arrays = {f"problem.{name}": _as_bytes(np.asarray(x)) for name, x in snapshot.items()}
        arrays |= {f"obs.{name}": x for name, x in _obs_arrays(self.obs).items()}
        arrays |= {f"teacher.{name}": np.asarray(x) for name, x in taught.items()}
        arrays |= {f"begun.{name}": x for name, x in self._begun.items()}
        arrays |= {"sums": self._sums, "decision": self._decision}
        return {name: np.array(x) for name, x in arrays.items()}, plain

    def load_state_dict(self, arrays: Mapping[str, Array], plain: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`."""
        for generator, state in zip(self.noise, plain["generators"], strict=True):
            generator.bit_generator.state = state
        self.source.load(plain["source"])
        if not plain["whole"]:
            self.obs = self._start()
            return
        rows, saved = np.arange(self.problem.copies), part(arrays, "problem.")
        like = self.problem.snapshot(rows)
        taken = {name: _from_bytes(x, np.asarray(like[name]).dtype) for name, x in saved.items()}
        self.problem.restore(taken, rows)
        self.obs = _obs_from(part(arrays, "obs."))
        self._sums[:], self._decision[:] = arrays["sums"], arrays["decision"]
        self._begun = part(arrays, "begun.")
        if self.teacher is not None:
            self.teacher.reset(self._begun["seeds"], self._begun.get("contexts"))
            self.teacher.load_state_dict(part(arrays, "teacher."))

    def collect(
        self, policy: Policy, steps: int, *, labels: bool = False, teacher_plays: bool = False
    ) -> Rollout:
        """Play `steps` decisions.

        Args:
            policy: of all S seeds; its parameters may be live views.
            steps: T.
            labels: record what the teacher would do in every observation.
            teacher_plays: all decisions are the teacher's.

        Raises:
            ObservationError: a number of a live agent is not finite; names where.
            EmptyMaskError: a live agent had no legal action.
        """
        if self._rest.length != steps:
            self._inputs, self._rest = _Buffers(steps + 1), _Buffers(steps)
        self._cut, self._ends = [], []
        noise = self._draw_noise(policy, steps)
        everyone = np.ones(self.problem.copies, dtype=bool)
        for t in range(steps):
            inputs = self._see(t)
            guided = everyone if teacher_plays else self.source.guided(self._decision)
            out = policy.forward(inputs, self.interface)
            step = self._play(t, out, noise, guided, labels=labels)
            self._account(t, step)
        self._see(steps)
        self._check()
        return self._rollout(steps)

    def _check(self) -> None:
        """Refuse what would spoil the learner, once per rollout."""
        seen, rest = self._inputs.arrays, self._rest.arrays
        alive = seen["alive"].reshape(len(seen["alive"]), self.problem.copies, -1)
        numbers = {k: x for k, x in seen.items() if x.dtype == np.float32} | {"cost": rest["cost"]}
        for name, x in numbers.items():
            if not np.isfinite(x).all():
                place = np.argwhere(~np.isfinite(x.reshape(len(x), self.problem.copies, -1)))[0]
                self._refuse(f"{name} is not finite", place[:2])
        bad = ~np.isfinite(rest["reward"]).all(axis=-1) & alive[:-1]
        if bad.any():
            self._refuse("reward is not finite", np.argwhere(bad)[0])
        if "action_mask" in seen:
            starts = np.concatenate([[0], np.cumsum(self.interface.discrete)[:-1]]).astype(int)
            legal = np.logical_or.reduceat(seen["action_mask"], starts, axis=-1).all(axis=-1)
            if not legal.all():
                place = np.argwhere(~legal.reshape(alive.shape))[0]
                self._refuse("every action is masked", place, EmptyMaskError)

    def _refuse(
        self, what: str, place: IntArray, kind: type[ContractError] = ObservationError
    ) -> None:
        """Raise, naming step of the rollout, copy and agent."""
        names = zip(("step", "copy", "agent"), place.tolist(), strict=False)
        where = ", ".join(f"{name} {index}" for name, index in names)
        seed = int(self._copy_seeds[place[1]])
        msg = (
            f"{self.problem.spec.name}: {what} at {where} of the rollout (seed of the copy: {seed})"
        )
        raise kind(msg)

    def _rollout(self, steps: int) -> Rollout:
        """Seed-first views of the buffers, and what is computed once per rollout."""
        n = self.problem.copies // self.seeds
        inputs = {name: np.moveaxis(x, 0, 1) for name, x in self._inputs.arrays.items()}
        rest = self._rest.arrays
        arrays = {
            name: np.moveaxis(x.reshape(steps, self.seeds, n, *x.shape[_ROWS[name] :]), 0, 1)
            for name, x in rest.items()
        }
        arrays["elapsed"] = (arrays["elapsed"] / self.problem.spec.dt_s).astype(np.float32)
        success = np.zeros((self.seeds, steps, n), dtype=bool)
        episodes = self._episodes(success)
        alive = inputs.pop("alive")
        return Rollout(inputs, alive, arrays, _grouped(self._cut, self.seeds, n), success, episodes)

    def _see(self, t: int) -> dict[str, Array]:
        """Record the present observation as that of step t; returns its raw inputs."""
        inputs = self.interface.inputs(self.obs, self.seeds)
        for name, x in inputs.items():
            self._inputs.write(t, name, x)
        alive = self.obs.alive
        shape = (self.seeds, alive.shape[0] // self.seeds, alive.shape[1])
        self._inputs.write(t, "alive", alive.reshape(shape))
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
        self,
        t: int,
        out: ActorOutput,
        noise: Mapping[str, Array],
        guided: NDArray[np.bool_],
        *,
        labels: bool,
    ) -> Step:
        """Draw, let the teacher override guided rows, record, and step the problem."""
        chosen: dict[str, Array] = {}
        if out.logits is not None:
            chosen["discrete"] = pick(out.logits + noise["gumbel"][t], self.interface.discrete)
            self._rest.write(t, "logits", out.logits)
        if out.mean is not None and out.log_std is not None:
            chosen["raw"] = out.mean + np.exp(out.log_std) * noise["normal"][t]
            self._rest.write(t, "mean", out.mean)
            if self.interface.net.state_std:
                self._rest.write(t, "log_std", out.log_std)
        self._rest.write(t, "guided", guided)
        if labels or np.count_nonzero(guided):
            self._override(t, chosen, guided)
        for name, x in chosen.items():
            self._rest.write(t, name, x)
        joint = {name: x.reshape(-1, *x.shape[2:]) for name, x in chosen.items()}
        action = self.interface.to_action(joint.get("discrete"), joint.get("raw"), self.obs)
        step = self.problem.step(action)
        if self._keep_executed:
            self._write_executed(t, step.executed or action)
        return step

    def _write_executed(self, t: int, executed: Action) -> None:
        """What was executed, in the units of what was proposed; `obs` is still the old one."""
        shape = (self.seeds, -1, self.problem.spec.n_agents)
        if self.interface.discrete and executed.discrete is not None:
            discrete = executed.discrete.astype(np.int64)
            self._rest.write(t, "executed_discrete", discrete.reshape(*shape, discrete.shape[-1]))
        raw = self.interface.to_raw(executed, self.obs)
        if raw is not None:
            self._rest.write(t, "executed_raw", raw.reshape(*shape, raw.shape[-1]))

    def _override(self, t: int, chosen: dict[str, Array], guided: NDArray[np.bool_]) -> None:
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

    def _account(self, t: int, step: Step) -> None:
        """Record what the step led to, and start the next episodes where one ended."""
        write = self._rest.write
        write(t, "reward", step.reward)
        write(t, "cost", step.cost)
        write(t, "terminated", step.terminated)
        write(t, "truncated", step.truncated)
        write(t, "elapsed", step.elapsed_s)
        write(t, "intervened", step.intervened)
        self._decision += 1
        self.obs = step.obs
        done = step.terminated | step.truncated
        if np.count_nonzero(done):
            self._end(t, step, np.flatnonzero(done))

    def _end(self, t: int, step: Step, rows: IntArray) -> None:
        """Keep final observations, ask for verdicts, restart rows if the problem does not."""
        cut = np.flatnonzero(step.truncated & ~step.terminated)
        if len(cut):
            final = step.obs if step.final_obs is None else step.final_obs
            ended = np.arange(self.problem.copies) if step.final_rows is None else step.final_rows
            where = np.searchsorted(ended, cut)
            inputs = self.interface.inputs(final)
            self._cut.append((t, cut, {k: x[:, where] for k, x in inputs.items()}))
        metrics = {name: x[rows] for name, x in step.metrics.items()}
        success = self.source.finished(rows, metrics)
        self._ends.append(_End(t, rows, self._decision[rows], success, metrics))
        self._decision[rows] = 0
        seeds, contexts = self._copy_seeds[rows], None
        if not self.problem.autoreset:
            seeds, contexts = self.source.draw(rows)
            self.obs = self.problem.reset(seeds, contexts, rows)
        self._begun["seeds"][rows] = seeds
        if contexts is not None:
            self._begun["contexts"][rows] = contexts
        if self.teacher is not None:
            self.teacher.reset(seeds, contexts, rows)

    def _episodes(self, guided_success: NDArray[np.bool_]) -> list[Episode]:
        """Sums of the episodes that ended; marks their guided decisions where they succeeded."""
        rest, copies = self._rest.arrays, self.problem.copies
        alive = self._inputs.arrays["alive"][:-1].reshape(*rest["reward"].shape[:3])
        reward = np.where(alive[..., None], rest["reward"], 0.0).mean(axis=2, dtype=np.float64)
        joined = np.concatenate([reward, rest["cost"]], axis=-1)
        running = np.concatenate([np.zeros_like(joined[:1]), joined.cumsum(axis=0)])
        start, n, found = np.zeros(copies, np.int64), copies // self.seeds, list[Episode]()
        for end in self._ends:
            total = self._sums[end.rows] + running[end.t + 1, end.rows]
            total -= running[start[end.rows], end.rows]
            for i, row in enumerate(end.rows):
                seed, copy = divmod(int(row), n)
                metrics = {name: float(x[i]) for name, x in end.metrics.items()}
                own = np.split(total[i], [reward.shape[-1]])
                good = bool(end.success[i])
                found.append(Episode(seed, own[0], own[1], int(end.length[i]), good, metrics))
                if good:
                    played = slice(max(0, end.t + 1 - int(end.length[i])), end.t + 1)
                    guided_success[seed, played, copy] = rest["guided"][played, row]
            self._sums[end.rows], start[end.rows] = 0.0, end.t + 1
        self._sums += running[-1] - running[start, np.arange(copies)]
        return found


def _as_bytes(x: Array) -> Array:
    """Records, which files of arrays cannot hold, as bytes [..., size]; others as they are."""
    return np.ascontiguousarray(x)[..., None].view(np.uint8) if x.dtype.kind == "V" else x


def _from_bytes(x: Array, dtype: np.dtype[Any]) -> Array:
    """Inverse of `_as_bytes`."""
    return np.ascontiguousarray(x).view(dtype)[..., 0] if dtype.kind == "V" else x


# Leading axes that stand for the S·N rows: [T, S·N, ...] as problems give them, [T, S, N, ...]
# as networks do.
_ROWS: dict[str, int] = dict.fromkeys(
    ("reward", "cost", "terminated", "truncated", "elapsed", "guided"), 2
)
_ROWS |= dict.fromkeys(("intervened",), 2)
_ROWS |= dict.fromkeys(("logits", "mean", "discrete", "raw", "teacher_probs", "teacher_raw"), 3)
_ROWS |= dict.fromkeys(("log_std", "executed_discrete", "executed_raw"), 3)
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
