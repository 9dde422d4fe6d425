"""Proximal policy optimisation (Schulman et al. 2017), one file for its whole family.

- IPPO: all agents share the parameters; MAPPO: `NetSpec.for_problem(..., central=True)` lets the
  critic read `Obs.state`. One agent is plain PPO.
- The critic has one output per reward and cost channel; advantages are scalarised afterwards by
  the reward weights, minus Lagrange multipliers times costs (`lagrangian`).
- A teacher leashes the policy by a divergence whose weight decays; a `Retry` source lets it
  play the first part of failed scenarios (guided decisions are imitated if the episode ended in
  verified success, and never enter the policy gradient).
- S training seeds are stacked in one process; the update is `step.Learner`.

Read `PPO.iterate` top to bottom. Example, a student of a classical controller on a leash:

    problem = domain.build(scenario.problem, copies=10 * 8, autoreset=True)
    net = NetSpec.for_problem(problem.spec)
    ppo = PPO(problem, net, PPOConfig(steps=100_000, leash=1.0), seeds=range(10), teacher=teacher)
    for report in ppo.train():
        ...                                   # report.env_steps, report.episode_reward, ...
    save_policy(path, ppo.policy().seed(0), problem.spec)
    controller = PolicyController(problem, ppo.policy().seed(0))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import CheckpointError, ContractError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Spec
from trimtab.deploy.arrays import Array, NumpyOps
from trimtab.deploy.network import ActorOutput, NetSpec, actor, critic
from trimtab.deploy.policy import Interface, Normaliser, Policy
from trimtab.learn.collect import Collector, Rollout
from trimtab.learn.curriculum import ScenarioSource
from trimtab.learn.dormant import dormant_share
from trimtab.learn.gae import advantages, value_after
from trimtab.learn.heads import log_prob_and_entropy, teacher_loss
from trimtab.learn.lagrangian import Multipliers
from trimtab.learn.nets import TorchOps, init_params
from trimtab.learn.normalise import RunningMoments, RunningNormaliser
from trimtab.learn.report import Report
from trimtab.learn.step import WORTH_COMPILING, Learner, Tensors
from trimtab.learn.teacher import Teacher
from trimtab.run.checkpoints import part

_OPS, _NUMPY = TorchOps(), NumpyOps()
_OWN = ("env_steps", "_running")
_LABELS = {"teacher_probs": "logits", "teacher_raw": "raw"}  # and what has the same shape


@dataclass(frozen=True, slots=True)
class PPOConfig:
    """Hyper-parameters; defaults are those that most published PPO results share.

    Attributes:
        steps: environment steps (decisions × copies) per training seed.
        rollout: decisions per copy and iteration, T.
        epochs: passes over each rollout.
        minibatches: updates per pass; a ragged rest is dropped.
        learning_rate: of Adam; falls linearly to 0 if `anneal`.
        anneal: let the learning rate fall.
        anneal_clip: let the clip range fall too.
        discount: γ per `Spec.dt_s`.
        trace: λ of GAE.
        clip: range of the probability ratio.
        value_weight: of the critic's squared error.
        entropy_weight: of the entropy bonus.
        max_grad_norm: per training seed.
        normalise_obs: running normaliser; frozen in the exported policy.
        normalise_reward: scale each channel by the deviation of its discounted return.
        reward_weights: [K] scalarisation; None for the spec's.
        cost_rate: gain of the Lagrange multipliers, per unit of cost; 0 ignores the costs.
        cost_proportional: their proportional gain, see `lagrangian`.
        cost_derivative: their derivative gain.
        leash: weight of the divergence from the teacher at the start.
        leash_until: share of the run after which the leash is gone.
        imitation: weight of imitating guided decisions that led to verified success.
        critic_warmup: first iterations that train the critic only.
        compiled: compile the update; None decides by the number of planned updates.
    """

    steps: int = 1_000_000
    rollout: int = 128
    epochs: int = 4
    minibatches: int = 4
    learning_rate: float = 3e-4
    anneal: bool = True
    anneal_clip: bool = False
    discount: float = 0.99
    trace: float = 0.95
    clip: float = 0.2
    value_weight: float = 0.5
    entropy_weight: float = 0.0
    max_grad_norm: float = 0.5
    normalise_obs: bool = True
    normalise_reward: bool = False
    reward_weights: tuple[float, ...] | None = None
    cost_rate: float = 0.0
    cost_proportional: float = 0.0
    cost_derivative: float = 0.0
    leash: float = 0.0
    leash_until: float = 1.0
    imitation: float = 1.0
    critic_warmup: int = 0
    compiled: bool | None = None


class PPO:
    """Trains one policy per seed on a problem of S × N copies.

    Args:
        problem: `copies` is a multiple of the number of seeds.
        net: from `NetSpec.for_problem`.
        config: hyper-parameters.
        seeds: training seeds; weights, exploration and environments of each follow from it.
        teacher: leash and guidance: a controller on the same problem, or a policy.
        initial: start from these parameters (S seeds, or one for all) and keep their normaliser.
        source: next scenarios for problems with autoreset off, see `curriculum`.
    """

    def __init__(
        self,
        problem: ControlProblem,
        net: NetSpec,
        config: PPOConfig,
        seeds: Sequence[int],
        *,
        teacher: Controller | Policy | None = None,
        initial: Policy | None = None,
        source: ScenarioSource | None = None,
    ) -> None:
        self.problem, self.net, self.config, self.seeds = problem, net, config, tuple(seeds)
        self.interface = Interface(net, problem.spec)
        self._teacher = None if teacher is None else Teacher(teacher, self.interface)
        if config.leash > 0 and teacher is None:
            msg = "PPOConfig.leash > 0 needs a teacher: pass one, or set leash=0"
            raise ContractError(msg)
        self.collector = Collector(problem, self.interface, self.seeds, self._teacher, source)
        roots = [np.random.SeedSequence(seed, spawn_key=(1,)).spawn(2) for seed in self.seeds]
        self._shuffle = np.random.default_rng(roots[0][1])
        params = init_params(net, [np.random.default_rng(root[0]) for root in roots])
        start = None if initial is None else initial.repeat(len(self.seeds))
        if start is not None:
            params |= start.params  # in the order of a fresh network, which a file does not keep
        rows = config.rollout * (problem.copies // len(self.seeds))
        self.iterations = max(1, config.steps // rows)
        self._batch_rows = rows // config.minibatches
        updates = self.iterations * config.epochs * config.minibatches
        compiled = config.compiled if config.compiled is not None else updates > WORTH_COMPILING
        self.learner = Learner(
            params, self._loss, compiled=compiled, max_grad_norm=config.max_grad_norm
        )
        self.normaliser = RunningNormaliser(net, len(self.seeds))
        self._fixed = None if start is None else start.normaliser
        self._returns = RunningMoments(len(self.seeds), net.values)
        self._running = np.zeros((problem.copies, problem.spec.n_agents, net.values))
        self.lagrange = Multipliers(
            problem.spec,
            len(self.seeds),
            rate=config.cost_rate,
            proportional=config.cost_proportional,
            derivative=config.cost_derivative,
        )
        self.iteration = 0
        self.env_steps = np.zeros(len(self.seeds), dtype=np.int64)

    @property
    def spec(self) -> Spec:
        """The spec that is trained on."""
        return self.problem.spec

    @property
    def multipliers(self) -> NDArray[np.float64]:
        """[S, C] Lagrange multipliers."""
        return self.lagrange.value

    def policy(self) -> Policy:
        """The present policy of all S seeds; parameters are live views until `Policy.seed`."""
        normaliser = self._fixed
        if normaliser is None:
            use = self.config.normalise_obs and self.normaliser.fitted
            normaliser = self.normaliser.frozen() if use else Normaliser({}, {})
        return Policy(self.net, self.learner.weights, normaliser)

    def state_dict(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that a bit-identical resume needs: arrays, and plain data for JSON."""
        played, plain = self.collector.state_dict()
        arrays = {f"collector/{name}": x for name, x in played.items()}
        arrays |= {f"learner/{name}": x for name, x in self.learner.state_dict().items()}
        arrays |= {f"normaliser/{name}": x for name, x in self.normaliser.state_dict().items()}
        arrays |= {f"returns/{name}": x for name, x in self._returns.state_dict().items()}
        arrays |= {f"lagrange/{name}": x for name, x in self.lagrange.state_dict().items()}
        arrays |= {f"own/{name}": np.array(getattr(self, name)) for name in _OWN}
        plain = {"collector": plain, "shuffle": self._shuffle.bit_generator.state}
        return arrays, plain | {"iteration": self.iteration, "seeds": list(self.seeds)}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`, on a trainer built with the same arguments.

        Raises:
            CheckpointError: the state belongs to other seeds or another network.
        """
        if plain["seeds"] != list(self.seeds):
            msg = f"checkpoint of seeds {plain['seeds']}, this run has {list(self.seeds)}"
            raise CheckpointError(msg)
        self.learner.load_state_dict(part(arrays, "learner/"))
        self.normaliser.load_state_dict(part(arrays, "normaliser/"))
        self._returns.load_state_dict(part(arrays, "returns/"))
        self.lagrange.load_state_dict(part(arrays, "lagrange/"))
        for name in _OWN:
            setattr(self, name, arrays[f"own/{name}"].copy())
        self.collector.load_state_dict(part(arrays, "collector/"), plain["collector"])
        self._shuffle.bit_generator.state = plain["shuffle"]
        self.iteration = plain["iteration"]

    def train(self) -> Iterator[Report]:
        """Iterate until the planned steps are played; yields one report per iteration."""
        while self.iteration < self.iterations and self.learner.active.any():
            yield self.iterate()

    def iterate(self) -> Report:
        """One rollout and the updates on it."""
        config = self.config
        progress = self.iteration / self.iterations
        leash = config.leash * max(0.0, 1.0 - progress / config.leash_until)
        if self._fixed is None and config.normalise_obs and not self.normaliser.fitted:
            self._fit_normaliser()
        policy = self.policy()
        rollout = self.collector.collect(policy, config.rollout, labels=leash > 0)
        batch = self._prepare(policy, rollout, leash)
        falling = 1.0 - progress
        actor_on = float(self.iteration >= config.critic_warmup)
        coefficients = {
            "clip": torch.tensor(config.clip * (falling if config.anneal_clip else 1.0)),
            "actor": torch.tensor(actor_on),
        }
        rate = config.learning_rate * (falling if config.anneal else 1.0)
        losses, diagnostics = self._update(batch, coefficients, rate)
        inputs = {name: batch[name].numpy() for name in rollout.inputs}
        for side in ("actor", "critic"):
            share = dormant_share(self.net, self.learner.weights, inputs, side)
            diagnostics[f"dormant_{side}"] = share
        if self._fixed is None and config.normalise_obs:
            self._add_to_normaliser(rollout)
        self.lagrange.follow(rollout)
        self.env_steps += rollout.alive[:, :-1].any(axis=-1).sum(axis=(1, 2))
        self.iteration += 1
        return Report(
            self.env_steps.copy(),
            losses,
            diagnostics,
            self.multipliers.copy(),
            rollout.episodes,
            self.learner.active,
            rollout.intervened(),
        )

    def _fit_normaliser(self) -> None:
        """Before the first update, see what observations look like under the first policy."""
        rollout = self.collector.collect(self.policy(), self.config.rollout)
        self._add_to_normaliser(rollout)
        self.env_steps += rollout.alive[:, :-1].any(axis=-1).sum(axis=(1, 2))

    def _add_to_normaliser(self, rollout: Rollout) -> None:
        flat = {name: _join(x[:, :-1]) for name, x in rollout.inputs.items()}
        self.normaliser.add(flat, _join(rollout.alive[:, :-1]))

    # --- from a rollout to a batch -------------------------------------------------------------

    def _prepare(self, policy: Policy, rollout: Rollout, leash: float) -> dict[str, torch.Tensor]:
        """Batch arrays [S, T·N, A, ...]: inputs, actions, old log-probabilities, targets."""
        arrays, alive = rollout.arrays, rollout.alive[:, :-1]
        inputs = policy.normaliser.apply(
            {name: _join(x) for name, x in rollout.inputs.items()}, self.interface
        )
        values = self._values(inputs).reshape(*rollout.alive.shape, self.net.values)
        scale = self._reward_scale(rollout)
        advantage = self._advantages(policy, rollout, values, scale)
        rows = alive.shape[1] * alive.shape[2]
        batch = {name: torch.from_numpy(x[:, :rows]) for name, x in inputs.items()}
        weight = (alive & ~arrays["guided"][..., None]).astype(np.float32)
        scalar = self._scalarised(advantage, scale, weight)
        steps = {
            "alive": alive.astype(np.float32),
            "weight": weight,
            "advantage": scalar,
            "targets": advantage + values[:, :-1],
        }
        names = ["discrete", "raw"]
        if self._teacher is not None:
            names += _LABELS
            unasked = {k: like for k, like in _LABELS.items() if like in arrays and k not in arrays}
            arrays = arrays | {k: np.zeros_like(arrays[like]) for k, like in unasked.items()}
            imitated = rollout.guided_success[..., None] & alive
            steps["taught"] = (leash * alive + self.config.imitation * imitated).astype(np.float32)
        steps |= {name: arrays[name] for name in names if name in arrays}
        batch |= {name: torch.from_numpy(_join(x)) for name, x in steps.items()}
        if self.net.box:
            used = np.broadcast_to(self.interface.box_used, batch["raw"].shape)
            batch["box_used"] = torch.from_numpy(used.copy())
        batch["log_prob"] = self._old_log_prob(batch, arrays)
        return batch

    def _values(self, inputs: Mapping[str, Array]) -> Array:
        """V of normalised inputs [S, B, A, ...]: [S, B, A, K + C]."""
        return critic(self.net, self.learner.weights, inputs, _NUMPY)

    @torch.inference_mode()
    def _old_log_prob(self, batch: Tensors, arrays: Mapping[str, Array]) -> torch.Tensor:
        """Log-probability of what was proposed, from the distribution it was drawn from."""
        names = [k for k in ("logits", "mean", "log_std") if k in arrays]
        drawn = {k: torch.from_numpy(_join(arrays[k])) for k in names}
        log_std = drawn.get("log_std")
        if self.net.box and log_std is None:
            log_std = self.learner.tensors()["actor.log_std"][:, None]
        out = ActorOutput(drawn.get("logits"), drawn.get("mean"), log_std)
        return log_prob_and_entropy(self.net, out, batch, self.interface.discrete)[0].clone()

    def _reward_scale(self, rollout: Rollout) -> NDArray[np.float32]:
        """[S, K + C] divisor of each channel: deviation of its running discounted return."""
        shape = (len(self.seeds), self.net.values)
        if not self.config.normalise_reward:
            return np.ones(shape, dtype=np.float32)
        reward = _channels(rollout)
        done = rollout.arrays["terminated"] | rollout.arrays["truncated"]
        running = self._running.reshape(len(self.seeds), -1, *self._running.shape[1:])
        for t in range(reward.shape[1]):
            running = running * self.config.discount + reward[:, t]
            rows = running.reshape(len(self.seeds), -1, self.net.values)
            self._returns.add(rows, _join(rollout.alive[:, t : t + 1]).reshape(rows.shape[:2]))
            running = np.where(done[:, t, :, None, None], 0.0, running)
        self._running = running.reshape(self._running.shape)
        return np.asarray(1.0 / self._returns.inverse_std())

    def _advantages(
        self, policy: Policy, rollout: Rollout, values: Array, scale: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """[S, T, N, A, K + C], by the bootstrap rules of `gae`."""
        arrays = rollout.arrays
        reward = np.where(
            rollout.alive[:, :-1, ..., None], _channels(rollout) / scale[:, None, None, None], 0.0
        ).astype(np.float32)
        final = self._final_values(policy, rollout, values[:, :-1])

        def time_first(x: Array) -> Array:
            return np.moveaxis(x, 1, 0)

        value = time_first(values)
        after, going_on = value_after(
            value[:-1],
            value[-1],
            time_first(arrays["terminated"]),
            time_first(arrays["truncated"]),
            time_first(rollout.alive)[1:],
            time_first(final),
        )
        discount = np.float32(self.config.discount) ** time_first(arrays["elapsed"])
        found = advantages(
            time_first(reward), value[:-1], after, going_on, discount, self.config.trace
        )
        return np.ascontiguousarray(np.moveaxis(found, 0, 1))

    def _final_values(self, policy: Policy, rollout: Rollout, like: Array) -> Array:
        """V(final observation) where an episode was truncated, 0 elsewhere; [S, T, N, A, K + C]."""
        final, ends = np.zeros_like(like), rollout.finals
        if ends is not None:
            value = self._values(policy.normaliser.apply(ends.inputs, self.interface))
            final[ends.seed, ends.t, ends.copy] = value[ends.seed, ends.place]
        return final

    def _scalarised(
        self, advantage: Array, scale: NDArray[np.float32], weight: Array
    ) -> NDArray[np.float32]:
        """Σ w_k A_k − Σ λ_c A_c, mean 0 over each seed's live decisions, [S, T, N, A].

        The divisor is √(Var(Σ w_k A_k) + Σ λ_c² Var(A_c)): unit deviation without costs, and with
        costs a step that vanishes where reward and cost balance, instead of one of full size.
        """
        rewards = len(self.problem.spec.rewards)
        signed = self._reward_weights().astype(np.float32) * scale[:, :rewards]
        priced = (self.multipliers * scale[:, rewards:]).astype(np.float32)
        gain = np.einsum("stnak,sk->stna", advantage[..., :rewards], signed)[..., None]
        parts = np.concatenate(
            [gain, -advantage[..., rewards:] * priced[:, None, None, None]], axis=-1
        )
        live = weight[..., None]
        total = np.maximum(live.sum(axis=(1, 2, 3), keepdims=True), 1.0)
        parts -= (parts * live).sum(axis=(1, 2, 3), keepdims=True) / total
        variance = (live * parts**2).sum(axis=(1, 2, 3), keepdims=True) / total
        deviation = np.sqrt(variance.sum(axis=-1)) + 1e-8
        return np.asarray(parts.sum(axis=-1) / deviation, dtype=np.float32)

    def _reward_weights(self) -> NDArray[np.float64]:
        """[K] scalarisation, minimised channels negative."""
        spec, chosen = self.problem.spec, self.config.reward_weights
        weights = spec.reward_weights
        if chosen is not None:
            signs = np.where([r.sense == "max" for r in spec.rewards], 1.0, -1.0)
            weights = signs * np.array(chosen)
        if not np.any(weights):
            msg = f"{spec.name}: all reward weights are zero; give at least one a positive weight"
            raise ContractError(msg)
        return weights

    # --- updates -------------------------------------------------------------------------------

    def _update(
        self, batch: Tensors, coefficients: Tensors, rate: float
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        """Epochs of minibatches; the permutation is shared by the seeds."""
        rows = batch["alive"].shape[1]
        losses: list[torch.Tensor] = []
        kept: list[dict[str, torch.Tensor]] = []
        for _ in range(self.config.epochs):
            order = torch.from_numpy(self._shuffle.permutation(rows))
            for i in range(0, rows - self._batch_rows + 1, self._batch_rows):
                index = order[i : i + self._batch_rows]
                loss, found = self.learner.update(batch, index, coefficients, rate)
                losses.append(loss)
                kept.append(found)
        diagnostics = {
            name: torch.stack([k[name] for k in kept]).mean(0).numpy() for name in kept[0]
        }
        return torch.stack(losses).mean(0).numpy(), diagnostics

    def _loss(
        self, weights: Tensors, batch: Tensors, coefficients: Tensors
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Clipped surrogate + critic − entropy + teacher, per seed [S]."""
        config, sizes = self.config, self.interface.discrete
        out = actor(self.net, weights, batch, _OPS)
        log_prob, entropy = log_prob_and_entropy(self.net, out, batch, sizes)
        weight, advantage = batch["weight"], batch["advantage"]
        change = (log_prob - batch["log_prob"]) * weight
        ratio = torch.exp(change)
        clip = coefficients["clip"]
        clipped = torch.minimum(torch.maximum(ratio, 1.0 - clip), 1.0 + clip)
        gain = torch.minimum(ratio * advantage, clipped * advantage)
        policy_loss = -_mean(gain, weight)
        spread = _mean(entropy, weight)
        total = policy_loss
        if config.entropy_weight:  # a slope of 0 costs as much as any other
            total = total - config.entropy_weight * spread
        beyond = ratio.detach() - 1.0
        diagnostics = {
            "policy_loss": policy_loss,
            "entropy": spread,
            "kl": _mean(beyond - change.detach(), weight),
            "clipped": _mean((beyond.abs() > clip).to(ratio.dtype), weight),
        }
        if "taught" in batch:
            divergence = _mean(teacher_loss(out, batch, sizes) * batch["taught"], batch["alive"])
            diagnostics["teacher_loss"] = divergence
            total = total + divergence
        error = critic(self.net, weights, batch, _OPS) - batch["targets"]
        value_loss = _mean((error * error).sum(-1), batch["alive"])
        diagnostics["value_loss"] = value_loss
        return coefficients["actor"] * total + config.value_weight * value_loss, diagnostics


def _mean(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted mean [S] of [S, B, A]; 0 where nothing has weight."""
    return (x * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1.0)


def _join(x: Array) -> Array:
    """[S, T, N, ...] as [S, T·N, ...]."""
    return np.ascontiguousarray(x).reshape(x.shape[0], -1, *x.shape[3:])


def _channels(rollout: Rollout) -> Array:
    """Rewards and costs as one array [S, T, N, A, K + C]; every agent bears the joint cost."""
    reward, cost = rollout.arrays["reward"], rollout.arrays["cost"]
    if cost.shape[-1] == 0:
        return reward
    shared = np.repeat(cost[:, :, :, None], reward.shape[3], axis=3)
    return np.concatenate([reward, shared], axis=-1)
