"""What off-policy learners share: play, remember, sample, update, resume.

A learner adds its networks and its loss (`sac`, `iql`, `cql`). Each iteration plays a short
rollout with the present policy, adds its transitions to the replay and makes
`update_ratio` updates per joint sample played. Data sets of logs are pinned in the same replay:
`fit` learns from them alone, `train` goes on online with a fixed share of each minibatch drawn
from the logs (balanced sampling, Ball et al. 2023), so that nothing is forgotten at the switch.

Observations are normalised by statistics that are fitted once, to the first `start` decisions or
to the data set, and then frozen: what is in the replay never has to be normalised again.

The learner may learn from what was *proposed* (the shield is part of the environment, and the
policy gradient is of what the policy does) or from what was *executed* (the logs of others name
nothing else). Interventions are counted in every report and cost a light penalty, because a
projection that costs nothing makes all proposals that it maps together look alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from trimtab.contracts.errors import CheckpointError, ContractError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Spec
from trimtab.deploy.arrays import Array
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Interface, Normaliser, Policy
from trimtab.learn.action_values import ActionValues
from trimtab.learn.collect import Collector, Episode, Rollout
from trimtab.learn.curriculum import ScenarioSource
from trimtab.learn.dataset import Dataset
from trimtab.learn.dormant import dormant_share
from trimtab.learn.lagrangian import Multipliers
from trimtab.learn.nets import init_params
from trimtab.learn.normalise import RunningNormaliser
from trimtab.learn.replay import NEXT, Replay, transitions
from trimtab.learn.report import Report
from trimtab.learn.step import WORTH_COMPILING, Learner, Tensors
from trimtab.run.checkpoints import part


@dataclass(frozen=True, slots=True)
class OffPolicyConfig:
    """Hyper-parameters of every off-policy learner.

    Attributes:
        steps: environment steps (decisions × copies) per training seed.
        start: of these, played before the first update; they fit the normaliser.
        rollout: decisions per copy and iteration.
        multi_step: returns of as many steps as are left of a rollout, in place of one; for steps
            so short that a value has far to come.
        update_ratio: updates per joint sample played.
        capacity: rows of the replay per training seed, a pinned data set included.
        batch: joint samples per update.
        offline_share: share of each minibatch from the pinned data set while playing online.
        learning_rate: of Adam.
        discount: γ per `Spec.dt_s`.
        polyak: τ of the target networks.
        max_grad_norm: per training seed.
        normalise_obs: fit and freeze a normaliser.
        reward_weights: [K] scalarisation; None for the spec's.
        reward_scale: multiplies the scalarised reward.
        intervention_penalty: taken from the scaled reward of a decision that a shield changed.
        learn_from: the action that the transition is about.
        cost_rate: gain of the Lagrange multipliers, per unit of cost; 0 ignores the costs.
        cost_proportional: their proportional gain, see `lagrangian`.
        cost_derivative: their derivative gain.
        compiled: compile the update; None decides by the number of planned updates.
    """

    steps: int = 100_000
    start: int = 1_000
    rollout: int = 8
    multi_step: bool = False
    update_ratio: float = 1.0
    capacity: int = 200_000
    batch: int = 256
    offline_share: float = 0.5
    learning_rate: float = 3e-4
    discount: float = 0.99
    polyak: float = 0.005
    max_grad_norm: float = float("inf")
    normalise_obs: bool = True
    reward_weights: tuple[float, ...] | None = None
    reward_scale: float = 1.0
    intervention_penalty: float = 0.0
    learn_from: Literal["proposed", "executed"] = "proposed"
    cost_rate: float = 0.0
    cost_proportional: float = 0.0
    cost_derivative: float = 0.0
    compiled: bool | None = None


class OffPolicy(ABC):
    """Trains one policy per seed from replayed transitions.

    Args:
        problem: with copies a multiple of the seeds; None to learn from `data` alone.
        net: from `NetSpec.for_problem`, with `squash=True` for box actions.
        config: hyper-parameters.
        seeds: training seeds; weights, exploration and environments of each follow from it.
        data: logs that stay in the replay.
        initial: start from the actor and the normaliser of this policy (S seeds, or one for all).
        source: next scenarios for problems with autoreset off.
    """

    def __init__(
        self,
        problem: ControlProblem | None,
        net: NetSpec,
        config: OffPolicyConfig,
        seeds: Sequence[int],
        *,
        data: Dataset | None = None,
        initial: Policy | None = None,
        source: ScenarioSource | None = None,
    ) -> None:
        if problem is None and data is None:
            msg = "nothing to learn from: give a problem to play, a data set, or both"
            raise ContractError(msg)
        self.problem, self.net, self.config, self.seeds = problem, net, config, tuple(seeds)
        self._spec = problem.spec if problem is not None else _spec_of(data)
        self.interface = Interface(net, self._spec)
        self.values = ActionValues(net, self._spec.discrete, self._channels())
        self.collector = None
        if problem is not None:
            executed = config.learn_from == "executed"
            self.collector = Collector(
                problem, self.interface, self.seeds, source=source, keep_executed=executed
            )
        self.lagrange = Multipliers(
            self._spec,
            len(self.seeds),
            rate=config.cost_rate,
            proportional=config.cost_proportional,
            derivative=config.cost_derivative,
        )
        self.learner = self._build_learner(initial)
        self._normaliser = Normaliser({}, {})
        self._fitted = not config.normalise_obs
        if initial is not None:
            self._normaliser, self._fitted = initial.repeat(len(self.seeds)).normaliser, True
        self.replay = Replay(config.capacity)
        if data is not None:
            self._pin(data)
        self.iteration = 0
        self.env_steps = np.zeros(len(self.seeds), dtype=np.int64)

    def _build_learner(self, initial: Policy | None) -> Learner:
        config = self.config
        roots = [np.random.SeedSequence(seed, spawn_key=(4,)).spawn(3) for seed in self.seeds]
        self._shuffle = np.random.default_rng(roots[0][1])
        self._noise = [np.random.default_rng(root[2]) for root in roots]
        rngs = [np.random.default_rng(root[0]) for root in roots]
        drawn = init_params(self.net, rngs)
        if initial is not None:
            drawn |= dict(initial.repeat(len(self.seeds)).params)
        params = {name: x for name, x in drawn.items() if name.startswith("actor.")}
        params |= self.values.init(rngs) | self._further(rngs)
        copies = 0 if self.problem is None else self.problem.copies // len(self.seeds)
        rows = config.rollout * max(1, copies)
        self.iterations = max(1, (config.steps - config.start) // rows)
        self.updates = max(1, round(config.update_ratio * rows))
        planned = self.iterations * self.updates
        compiled = config.compiled if config.compiled is not None else planned > WORTH_COMPILING
        return Learner(
            params,
            self._loss,
            compiled=compiled,
            max_grad_norm=config.max_grad_norm,
            polyak=config.polyak,
        )

    def _channels(self) -> int:
        """Outputs of the action values: the scalarised reward, and each cost that counts."""
        return 1 + len(self._spec.costs) * bool(self.config.cost_rate)

    def _further(self, rngs: Sequence[np.random.Generator]) -> dict[str, Array]:
        """Parameters beyond the actor and the action values."""
        return {}

    @abstractmethod
    def _loss(
        self, weights: Tensors, batch: Tensors, coefficients: Tensors
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss [S] and diagnostics [S] of a minibatch, see `_prepared` for its arrays."""

    @property
    def spec(self) -> Spec:
        """The spec that is trained on."""
        return self._spec

    def policy(self) -> Policy:
        """The present policy of all S seeds; parameters are live views until `Policy.seed`."""
        actor = {k: x for k, x in self.learner.weights.items() if k.startswith("actor.")}
        return Policy(self.net, actor, self._normaliser)

    def fit(self, updates: int) -> Report:
        """Learn from the pinned data set alone."""
        return self._report(*self._improve(updates, 1.0), [], np.zeros(len(self.seeds)))

    def train(self) -> Iterator[Report]:
        """Play and learn until the planned steps are played; one report per iteration."""
        while self.iteration < self.iterations and self.learner.active.any():
            yield self.iterate()

    def iterate(self) -> Report:
        """One rollout and the updates that it pays for."""
        collector = self._collector()
        if not self.replay.filled or not self._fitted:
            self._begin(collector)
        rollout = collector.collect(self.policy(), self.config.rollout)
        self._remember(rollout)
        losses, diagnostics = self._improve(self.updates, self.config.offline_share)
        self.lagrange.follow(rollout)
        self.iteration += 1
        return self._report(losses, diagnostics, rollout.episodes, rollout.intervened())

    def _report(
        self,
        losses: NDArray[np.float32],
        diagnostics: Mapping[str, NDArray[np.float32]],
        episodes: list[Episode],
        intervened: NDArray[np.float64],
    ) -> Report:
        return Report(
            self.env_steps.copy(),
            losses,
            diagnostics,
            self.lagrange.value.copy(),
            episodes,
            self.learner.active,
            intervened,
        )

    def _collector(self) -> Collector:
        if self.collector is None:
            msg = "this learner was built without a problem to play: call fit, or pass a problem"
            raise ContractError(msg)
        return self.collector

    def _begin(self, collector: Collector) -> None:
        """Play the first decisions and fit the normaliser to them."""
        copies = collector.problem.copies // len(self.seeds)
        rollout = collector.collect(self.policy(), max(1, self.config.start // copies))
        if not self._fitted:
            self._fit_normaliser({k: x[:, :-1] for k, x in rollout.inputs.items()}, rollout.alive)
        self._remember(rollout)

    def _fit_normaliser(self, inputs: Mapping[str, Array], alive: Array) -> None:
        """Fit to inputs [S, T, N, A, ...]; alive may hold one step more."""
        running = RunningNormaliser(self.net, len(self.seeds))
        steps = next(iter(inputs.values())).shape[1]
        flat = {k: x.reshape(x.shape[0], -1, *x.shape[3:]) for k, x in inputs.items()}
        seen = alive[:, :steps]
        running.add(flat, np.ascontiguousarray(seen).reshape(seen.shape[0], -1, seen.shape[-1]))
        self._normaliser, self._fitted = running.frozen(), True

    def _pin(self, data: Dataset) -> None:
        rows = data.repeat(len(self.seeds))
        if not self._fitted:
            inputs = {k: x[:, None] for k, x in rows.items() if NEXT + k in rows}
            self._fit_normaliser(inputs, rows["alive"][:, None])
        self.replay.add(self._prepared(rows))
        self.replay.pin()

    def _remember(self, rollout: Rollout) -> None:
        discount = self.config.discount if self.config.multi_step else None
        self.replay.add(self._prepared(transitions(rollout, discount)))
        self.env_steps += rollout.alive[:, :-1].any(axis=-1).sum(axis=(1, 2))

    def _prepared(self, rows: Mapping[str, Array]) -> dict[str, Array]:
        """Raw transitions as the loss reads them.

        Returns:
            Normalised inputs and `next.` inputs; `discrete` and `raw` of the action learnt from;
            `reward` [S, M, A] scalarised, `cost` [S, M, C], `discount` [S, M, A] (0 where nothing
            follows), `alive` [S, M, A].
        """
        names = [name for name in rows if NEXT + name in rows]
        now = self._normaliser.apply({name: rows[name] for name in names}, self.interface)
        after = self._normaliser.apply({name: rows[NEXT + name] for name in names}, self.interface)
        found = now | {NEXT + name: x for name, x in after.items()}
        for name in ("discrete", "raw"):
            key = f"executed_{name}" if self.config.learn_from == "executed" else name
            if name in rows:
                found[name] = rows.get(key, rows[name])
        alive = rows["alive"]
        reward = self.config.reward_scale * (rows["reward"] @ self._reward_weights())
        if "intervened" in rows:
            reward = reward - self.config.intervention_penalty * rows["intervened"]
        gamma = np.float32(self.config.discount) ** rows["elapsed"].astype(np.float32)
        found["reward"] = np.where(alive, reward, 0.0).astype(np.float32)
        found["discount"] = (gamma[..., None] * rows["goes_on"]).astype(np.float32)
        found["cost"] = rows["cost"].astype(np.float32)
        found["alive"] = alive.astype(np.float32)
        return found

    def _reward_weights(self) -> NDArray[np.float64]:
        """[K] scalarisation, minimised channels negative."""
        chosen = self.config.reward_weights
        if chosen is None:
            return self._spec.reward_weights
        signs = np.where([r.sense == "max" for r in self._spec.rewards], 1.0, -1.0)
        return np.asarray(signs * np.array(chosen))

    def _improve(
        self, updates: int, pinned_share: float
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        """`updates` Adam steps; mean loss and diagnostics [S]."""
        batch = self.replay.tensors()
        fixed = {"multipliers": torch.from_numpy(self.lagrange.value.astype(np.float32))}
        fixed["box_used"] = torch.from_numpy(self.interface.box_used[None, None])
        losses: list[torch.Tensor] = []
        kept: list[dict[str, torch.Tensor]] = []
        for _ in range(updates):
            index = self.replay.sample(self._shuffle, self.config.batch, pinned_share)
            coefficients = fixed | self._draw_noise()
            rate = self.config.learning_rate
            loss, found = self.learner.update(batch, index, coefficients, rate)
            losses.append(loss)
            kept.append(found)
        diagnostics = {
            name: torch.stack([k[name] for k in kept]).mean(0).numpy() for name in kept[0]
        }
        names = [k for k in self.replay.arrays if NEXT + k in self.replay.arrays]
        inputs = {k: self.replay.arrays[k][:, : self.replay.filled] for k in names}
        share = dormant_share(self.net, self.learner.weights, inputs, "actor")
        diagnostics["dormant_actor"] = share
        return torch.stack(losses).mean(0).numpy(), diagnostics

    def _draw_noise(self) -> dict[str, torch.Tensor]:
        """Standard normal noise of the box actions, per seed, for what the loss samples."""
        return {}

    def _normal(self, *shape: int) -> torch.Tensor:
        """Standard normal draws [S, batch, A, *shape] of each seed's own generator."""
        size = (self.config.batch, self._spec.n_agents, *shape)
        draws = [g.standard_normal(size, dtype=np.float32) for g in self._noise]
        return torch.from_numpy(np.stack(draws))

    def state_dict(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that a bit-identical resume needs, the replay included."""
        arrays = {f"learner/{name}": x for name, x in self.learner.state_dict().items()}
        arrays |= {f"replay/{name}": x for name, x in self.replay.state_dict().items()}
        arrays |= {f"lagrange/{name}": x for name, x in self.lagrange.state_dict().items()}
        arrays |= {f"mean/{name}": np.array(x) for name, x in self._normaliser.mean.items()}
        scale = self._normaliser.inverse_std
        arrays |= {f"inverse_std/{name}": np.array(x) for name, x in scale.items()}
        arrays["env_steps"] = self.env_steps.copy()
        plain: dict[str, Any] = {"iteration": self.iteration, "seeds": list(self.seeds)}
        plain |= {"fitted": self._fitted, "shuffle": self._shuffle.bit_generator.state}
        plain["noise"] = [g.bit_generator.state for g in self._noise]
        if self.collector is not None:
            played, plain["collector"] = self.collector.state_dict()
            arrays |= {f"collector/{name}": x for name, x in played.items()}
        return arrays, plain

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`, on a learner built with the same arguments.

        Raises:
            CheckpointError: the state belongs to other seeds, another network or replay.
        """
        if plain["seeds"] != list(self.seeds):
            msg = f"checkpoint of seeds {plain['seeds']}, this run has {list(self.seeds)}"
            raise CheckpointError(msg)
        self.learner.load_state_dict(part(arrays, "learner/"))
        self.replay.load_state_dict(part(arrays, "replay/"))
        self.lagrange.load_state_dict(part(arrays, "lagrange/"))
        self._normaliser = Normaliser(part(arrays, "mean/"), part(arrays, "inverse_std/"))
        self.env_steps = arrays["env_steps"].copy()
        self.iteration, self._fitted = plain["iteration"], plain["fitted"]
        self._shuffle.bit_generator.state = plain["shuffle"]
        for generator, state in zip(self._noise, plain["noise"], strict=True):
            generator.bit_generator.state = state
        if self.collector is not None:
            self.collector.load_state_dict(part(arrays, "collector/"), plain["collector"])


def _spec_of(data: Dataset | None) -> Spec:
    if data is None:
        msg = "nothing to learn from: give a problem to play, a data set, or both"
        raise ContractError(msg)
    return data.spec
