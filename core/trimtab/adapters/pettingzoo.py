"""PettingZoo parallel environments as control problems, and the other way round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

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
    Composite,
    Float32Array,
    IntArray,
    Obs,
    RewardChannel,
    Spec,
    Step,
)


class PettingZooProblem(ControlProblem):
    """N PettingZoo parallel environments of one kind as a control problem.

    Agents with the same action space are of one type; observations are flattened and padded to
    the widest. An agent that left `env.agents` is dead. An episode is truncated if all agents
    that were left at its end were truncated, else terminated. `env.state()` becomes the critic
    state where it is implemented.

    Args:
        envs: N environments.
        horizon: decisions of the longest episode.
        autoreset: see `ControlProblem`.
    """

    def __init__(
        self, envs: Sequence[ParallelEnv], horizon: int, *, autoreset: bool = False
    ) -> None:
        first = envs[0]
        name = str(first.metadata.get("name", type(first).__name__))
        self._envs, self.copies, self.autoreset = list(envs), len(envs), autoreset
        self._agents = list(first.possible_agents)
        composites = [composite_of(first.action_space(a), f"{name} {a}") for a in self._agents]
        kinds: list[Composite] = list(dict.fromkeys(composites))
        width = max(flat_width(first.observation_space(a), f"{name} {a}") for a in self._agents)
        self._has_state = _state_space(first) is not None
        self.spec = Spec(
            name=f"pettingzoo.{name}",
            agent_type=tuple(kinds.index(c) for c in composites),
            actions=tuple(kinds),
            obs_dim=width,
            rewards=(RewardChannel("reward", "1"),),
            horizon=horizon,
            dt_s=1.0,
            state_dim=int(np.prod(_state_space(first).shape)) if self._has_state else 0,
        )
        n, a = self.copies, len(self._agents)
        self._obs = np.zeros((n, a, width), np.float32)
        self._alive = np.zeros((n, a), bool)
        self._state = np.zeros((n, self.spec.state_dim), np.float32)
        self._return = np.zeros(n)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """See `ControlProblem.reset`."""
        which = range(self.copies) if rows is None else rows
        for row, value in zip(which, seed, strict=True):
            self._restart(int(row), int(value))
        return self._observe()

    def _restart(self, row: int, seed: int | None) -> None:
        seen, _ = self._envs[row].reset(seed=seed)
        self._return[row] = 0.0
        self._see(row, seen)

    def _see(self, row: int, seen: dict[str, Any]) -> None:
        env = self._envs[row]
        self._alive[row] = [agent in env.agents for agent in self._agents]
        for i, agent in enumerate(self._agents):
            if agent in seen:
                x = flatten(env.observation_space(agent), seen[agent])
                self._obs[row, i, : len(x)] = x
        if self._has_state:
            self._state[row] = np.asarray(env.state(), np.float32).ravel()

    def _observe(self) -> Obs:
        state = self._state.copy() if self._has_state else None
        return Obs(obs=self._obs.copy(), alive=self._alive.copy(), state=state)

    def step(self, action: Action | None) -> Step:
        """See `ControlProblem.step`."""
        if action is None:
            msg = f"{self.spec.name}: PettingZoo environments have no native control"
            raise ContractError(msg)
        n = self.copies
        reward = np.zeros((n, len(self._agents), 1), np.float32)
        terminated, truncated = np.zeros(n, bool), np.zeros(n, bool)
        for row in np.flatnonzero(self._alive.any(axis=1)):
            env = self._envs[row]
            chosen = {
                agent: to_space_action(action, int(row), i, env.action_space(agent))
                for i, agent in enumerate(self._agents)
                if self._alive[row, i]
            }
            seen, gains, _, cut, _ = env.step(chosen)
            reward[row, :, 0] = [gains.get(agent, 0.0) for agent in self._agents]
            self._return[row] += float(reward[row].mean())
            self._see(int(row), seen)
            if not env.agents:
                truncated[row] = all(cut.get(agent, False) for agent in chosen)
                terminated[row] = not truncated[row]
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
        metrics = {"episode_return": np.where(done, self._return, np.nan)}
        final_obs = None
        if self.autoreset and len(rows):
            whole = self._observe()
            state = None if whole.state is None else whole.state[rows]
            final_obs = Obs(obs=whole.obs[rows], alive=whole.alive[rows], state=state)
            for row in rows:
                self._restart(int(row), None)
        shape = self._alive.shape
        return Step(
            obs=self._observe(),
            reward=reward,
            cost=np.zeros((self.copies, 0), np.float32),
            terminated=terminated,
            truncated=truncated,
            elapsed_s=np.ones(self.copies),
            executed=action,
            intervened=np.zeros(shape, bool),
            reason=np.zeros(shape, np.int16),
            final_obs=final_obs,
            final_rows=rows if final_obs is not None else None,
            metrics=metrics,
        )

    def close(self) -> None:
        """Close every environment."""
        for env in self._envs:
            env.close()


def _state_space(env: ParallelEnv) -> Any:
    """Space of the global state, or None where the environment has none."""
    return getattr(env, "state_space", None)


class ProblemParallelEnv(ParallelEnv):  # type: ignore[misc]
    """One copy of a control problem as a PettingZoo parallel environment.

    Agents are named `agent_0` …; a dead agent leaves with `terminated`. Rewards are scalarised
    by the spec's weights; infos carry `reward_vector`, and `action_mask` where there is one.

    Args:
        problem: of one copy, autoreset off.
    """

    def __init__(self, problem: ControlProblem) -> None:
        if problem.copies != 1 or problem.autoreset:
            msg = f"{problem.spec.name}: build the problem with copies=1 and autoreset=False"
            raise ContractError(msg)
        self.problem = problem
        self.metadata = {"name": problem.spec.name, "render_modes": [], "is_parallelizable": True}
        self.render_mode = None
        spec = problem.spec
        self.possible_agents = [f"agent_{i}" for i in range(spec.n_agents)]
        self.agents: list[str] = []
        seen = obs_space(spec)
        self.observation_spaces = dict.fromkeys(self.possible_agents, seen)
        self.action_spaces = {
            agent: action_space(spec, i) for i, agent in enumerate(self.possible_agents)
        }
        if spec.state_dim:
            self.state_space = gymnasium.spaces.Box(-np.inf, np.inf, (spec.state_dim,), np.float32)
        self._obs: Obs | None = None
        self._seeds = np.random.default_rng()

    def observation_space(self, agent: str) -> gymnasium.Space[Any]:
        """Space of one agent's observation."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.Space[Any]:
        """Space of one agent's action."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode."""
        if seed is not None:
            self._seeds = np.random.default_rng(seed)
        start = seed if seed is not None else int(self._seeds.integers(2**31))
        self._obs = self.problem.reset(np.array([start], np.int64))
        self.agents = self._present(self._obs)
        return self._seen(self.agents), self._infos(self.agents)

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[
        dict[str, Any],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """See `ParallelEnv.step`."""
        spec = self.problem.spec
        acting = self.agents
        chosen = {self.possible_agents.index(agent): action for agent, action in actions.items()}
        step = self.problem.step(from_space_actions(spec, [chosen]))
        self._obs = step.obs
        ended, cut = bool(step.terminated[0]), bool(step.truncated[0])
        present = [] if ended or cut else self._present(step.obs)
        index = {agent: self.possible_agents.index(agent) for agent in acting}
        gains = step.reward[0] @ spec.reward_weights
        infos = self._infos(acting)
        for agent, i in index.items():
            infos[agent]["reward_vector"] = step.reward[0, i]
        self.agents = present
        return (
            self._seen(acting),
            {agent: float(gains[i]) for agent, i in index.items()},
            {agent: ended or (agent not in present and not cut) for agent in acting},
            dict.fromkeys(acting, cut),
            infos,
        )

    def state(self) -> NDArray[np.float32]:
        """The critic's state [Z]."""
        if self._obs is None or self._obs.state is None:
            msg = f"{self.problem.spec.name}: no critic state; see Spec.state_dim"
            raise ContractError(msg)
        return np.asarray(self._obs.state[0])

    def _present(self, obs: Obs) -> list[str]:
        return [agent for i, agent in enumerate(self.possible_agents) if obs.alive[0, i]]

    def _seen(self, agents: list[str]) -> dict[str, Any]:
        if self._obs is None:
            return {}
        flat = flat_obs(self._obs, self.problem.spec)[0]
        return {agent: flat[self.possible_agents.index(agent)] for agent in agents}

    def _infos(self, agents: list[str]) -> dict[str, dict[str, Any]]:
        infos: dict[str, dict[str, Any]] = {agent: {} for agent in agents}
        if self._obs is not None and self._obs.action_mask is not None:
            for agent, info in infos.items():
                i = self.possible_agents.index(agent)
                info["action_mask"] = own_mask(self.problem.spec, self._obs.action_mask[0, i], i)
        return infos

    def close(self) -> None:
        """Close the problem."""
        self.problem.close()
