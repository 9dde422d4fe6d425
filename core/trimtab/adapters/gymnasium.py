"""Gymnasium environments as control problems, and control problems as Gymnasium environments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from trimtab.adapters.spaces import (
    action_space,
    composite_of,
    flat_obs,
    flat_width,
    flatten,
    from_space_actions,
    obs_space,
    own_mask,
    to_space_action,
)
from trimtab.contracts.errors import ContractError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import (
    Action,
    Float32Array,
    IntArray,
    Obs,
    RewardChannel,
    Spec,
    Step,
)


class GymnasiumProblem(ControlProblem):
    """N Gymnasium environments of one kind as a control problem of one agent.

    The reward is one channel, `info["action_mask"]` becomes the action mask, and the metrics
    are `episode_return` and `episode_length`.

    Args:
        envs: N environments with flat-able observations.
        autoreset: see `ControlProblem`; restarts go on with the environment's own generator.
        horizon: decisions of the longest episode; default: the environment's time limit.
    """

    def __init__(
        self,
        envs: Sequence[gymnasium.Env[Any, Any]],
        *,
        autoreset: bool = False,
        horizon: int | None = None,
    ) -> None:
        first = envs[0]
        name = first.spec.id if first.spec is not None else type(first.unwrapped).__name__
        limit = first.spec.max_episode_steps if first.spec is not None else None
        self._envs, self.copies, self.autoreset = list(envs), len(envs), autoreset
        composite = composite_of(first.action_space, name)
        self.spec = Spec(
            name=f"gymnasium.{name}",
            agent_type=(0,),
            actions=(composite,),
            obs_dim=flat_width(first.observation_space, name),
            rewards=(RewardChannel("reward", "1"),),
            horizon=horizon or limit or 1_000_000,
            dt_s=1.0,
        )
        self._obs = np.zeros((self.copies, 1, self.spec.obs_dim), np.float32)
        self._mask = np.ones((self.copies, 1, self.spec.mask_width), bool)
        self._masked = False
        self._alive = np.zeros((self.copies, 1), bool)
        self._return = np.zeros(self.copies)
        self._length = np.zeros(self.copies)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """See `ControlProblem.reset`."""
        which = range(self.copies) if rows is None else rows
        for row, value in zip(which, seed, strict=True):
            self._restart(int(row), int(value))
        return self._observe()

    def _restart(self, row: int, seed: int | None) -> None:
        obs, info = self._envs[row].reset(seed=seed)
        self._see(row, obs, info)
        self._alive[row], self._return[row], self._length[row] = True, 0.0, 0.0

    def _see(self, row: int, obs: Any, info: dict[str, Any]) -> None:
        self._obs[row, 0] = flatten(self._envs[row].observation_space, obs)
        if "action_mask" in info:
            self._mask[row, 0], self._masked = np.asarray(info["action_mask"], bool), True

    def _observe(self) -> Obs:
        mask = self._mask.copy() if self._masked else None
        return Obs(obs=self._obs.copy(), alive=self._alive.copy(), action_mask=mask)

    def step(self, action: Action | None) -> Step:
        """See `ControlProblem.step`."""
        if action is None:
            msg = f"{self.spec.name}: Gymnasium environments have no native control"
            raise ContractError(msg)
        n = self.copies
        reward = np.zeros((n, 1, 1), np.float32)
        terminated, truncated = np.zeros(n, bool), np.zeros(n, bool)
        for row in np.flatnonzero(self._alive[:, 0]):
            env = self._envs[row]
            chosen = to_space_action(action, int(row), 0, env.action_space)
            obs, gain, terminated[row], truncated[row], info = env.step(chosen)
            self._see(int(row), obs, info)
            reward[row] = gain
            self._return[row] += float(gain)
            self._length[row] += 1
        return self._outcome(action, reward, terminated, truncated)

    def _outcome(
        self,
        action: Action,
        reward: Float32Array,
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
    ) -> Step:
        done = terminated | truncated
        rows = np.flatnonzero(done)
        metrics = {
            "episode_return": np.where(done, self._return, np.nan),
            "episode_length": np.where(done, self._length, np.nan),
        }
        self._alive[rows] = False
        final_obs = None
        if self.autoreset and len(rows):
            mask = self._mask[rows] if self._masked else None
            final_obs = Obs(obs=self._obs[rows], alive=self._alive[rows], action_mask=mask)
            for row in rows:
                self._restart(int(row), None)
        return Step(
            obs=self._observe(),
            reward=reward,
            cost=np.zeros((self.copies, 0), np.float32),
            terminated=terminated,
            truncated=truncated,
            elapsed_s=np.ones(self.copies),
            executed=action,
            intervened=np.zeros((self.copies, 1), bool),
            reason=np.zeros((self.copies, 1), np.int16),
            final_obs=final_obs,
            final_rows=rows if final_obs is not None else None,
            metrics=metrics,
        )

    def close(self) -> None:
        """Close every environment."""
        for env in self._envs:
            env.close()


def _single_agent(problem: ControlProblem) -> None:
    if problem.spec.n_agents != 1:
        msg = (
            f"{problem.spec.name}: Gymnasium knows one agent, the problem has "
            f"{problem.spec.n_agents}; use adapters.pettingzoo"
        )
        raise ContractError(msg)


class ProblemEnv(gymnasium.Env[Any, Any]):
    """One copy of a one-agent control problem as a Gymnasium environment.

    The reward is scalarised by the spec's weights; `info` carries `reward_vector`, `cost`, and
    `action_mask` where the problem has one, and at the end of an episode its metrics.

    Args:
        problem: of one copy, autoreset off.
    """

    def __init__(self, problem: ControlProblem) -> None:
        _single_agent(problem)
        if problem.copies != 1 or problem.autoreset:
            msg = f"{problem.spec.name}: build the problem with copies=1 and autoreset=False"
            raise ContractError(msg)
        self.problem = problem
        self.observation_space = obs_space(problem.spec)
        self.action_space = action_space(problem.spec, 0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode; `options["context"]` is a context row [P]."""
        super().reset(seed=seed)
        start = seed if seed is not None else int(self.np_random.integers(2**31))
        context = (options or {}).get("context")
        rows = None if context is None else np.asarray(context, np.float32)[None]
        obs = self.problem.reset(np.array([start], np.int64), rows)
        return flat_obs(obs, self.problem.spec)[0, 0], self._info(obs)

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """See `gymnasium.Env.step`."""
        spec = self.problem.spec
        step = self.problem.step(from_space_actions(spec, [{0: action}]))
        info = self._info(step.obs)
        info |= {"reward_vector": step.reward[0, 0], "cost": step.cost[0]}
        if step.done[0]:
            info["metrics"] = {name: float(x[0]) for name, x in step.metrics.items()}
        reward = float(step.reward[0, 0] @ spec.reward_weights)
        seen = flat_obs(step.obs, spec)[0, 0]
        return seen, reward, bool(step.terminated[0]), bool(step.truncated[0]), info

    def _info(self, obs: Obs) -> dict[str, Any]:
        row = None if obs.action_mask is None else obs.action_mask[0, 0]
        mask = own_mask(self.problem.spec, row, 0)
        return {} if mask is None else {"action_mask": mask}

    def close(self) -> None:
        """Close the problem."""
        self.problem.close()


class ProblemVectorEnv(VectorEnv[NDArray[np.float32], Any, NDArray[Any]]):
    """All copies of a one-agent control problem as one vector environment (SAME_STEP).

    Args:
        problem: any number of copies, autoreset on.
    """

    def __init__(self, problem: ControlProblem) -> None:
        _single_agent(problem)
        if not problem.autoreset:
            msg = f"{problem.spec.name}: build the problem with autoreset=True"
            raise ContractError(msg)
        self.problem, self.num_envs = problem, problem.copies
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space = obs_space(problem.spec)
        self.single_action_space = action_space(problem.spec, 0)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start all copies; one seed spawns those of the copies."""
        if isinstance(seed, list):
            seeds = np.array([0 if value is None else value for value in seed], np.int64)
        else:
            words = np.random.SeedSequence(seed).generate_state(self.num_envs, np.uint64)
            seeds = (words >> np.uint64(1)).astype(np.int64)
        obs = self.problem.reset(seeds)
        return flat_obs(obs, self.problem.spec)[:, 0], self._info(obs)

    def step(
        self, actions: Any
    ) -> tuple[
        NDArray[np.float32],
        NDArray[Any],
        NDArray[Any],
        NDArray[Any],
        dict[str, Any],
    ]:
        """See `gymnasium.vector.VectorEnv.step`."""
        spec = self.problem.spec
        step = self.problem.step(self._joint(actions))
        info = self._info(step.obs)
        info["reward_vector"], info["cost"] = step.reward[:, 0], step.cost
        if step.final_obs is not None and step.final_rows is not None:
            final = np.full(self.num_envs, None, dtype=object)
            seen = flat_obs(step.final_obs, spec)[:, 0]
            for row, obs in zip(step.final_rows, seen, strict=True):
                final[row] = obs
            info |= {"final_obs": final, "_final_obs": step.done}
            info |= {"final_info": dict(step.metrics), "_final_info": step.done}
        rewards = step.reward[:, 0] @ spec.reward_weights
        return flat_obs(step.obs, spec)[:, 0], rewards, step.terminated, step.truncated, info

    def _joint(self, actions: Any) -> Action:
        """Batched actions of the single space as a joint action."""
        own = self.problem.spec.actions[0]
        if own.discrete and own.box:
            discrete, box = actions["discrete"], actions["box"]
        else:
            discrete, box = (actions, None) if own.discrete else (None, actions)
        n = self.num_envs
        return Action(
            None if discrete is None else np.asarray(discrete, np.int64).reshape(n, 1, -1),
            None if box is None else np.asarray(box, np.float32).reshape(n, 1, -1),
        )

    def _info(self, obs: Obs) -> dict[str, Any]:
        return {} if obs.action_mask is None else {"action_mask": obs.action_mask[:, 0]}

    def close_extras(self, **_: Any) -> None:
        """Close the problem."""
        self.problem.close()
