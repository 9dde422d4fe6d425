"""All copies of a control problem as one Stable-Baselines3 vector environment, fully batched.

The agents of a copy become rows of their own (shared parameters), so that single-agent
algorithms train on multi-agent problems. `env_method("action_masks")` serves MaskablePPO.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv  # pyright: ignore[reportMissingImports]

from trimtab.adapters.spaces import action_space, flat_obs, obs_space
from trimtab.contracts.errors import ContractError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Obs, Step


class ProblemVecEnv(VecEnv):  # type: ignore[misc]
    """N × A rows; the reward is scalarised by the spec's weights.

    Args:
        problem: autoreset on, agents of one type with a discrete or a box action.
        seed: spawns the seeds of the copies.
    """

    render_mode = None

    def __init__(self, problem: ControlProblem, seed: int = 0) -> None:
        spec = problem.spec
        if len(spec.actions) != 1 or (spec.discrete and spec.n_box):
            msg = f"{spec.name}: Stable-Baselines3 needs one agent type, discrete or box"
            raise ContractError(msg)
        if not problem.autoreset:
            msg = f"{spec.name}: build the problem with autoreset=True"
            raise ContractError(msg)
        self.problem, self._seed = problem, seed
        self._obs: Obs | None = None
        self._action: NDArray[Any] | None = None
        self._quiet: list[dict[str, Any]] = [{} for _ in range(problem.copies * spec.n_agents)]
        super().__init__(problem.copies * spec.n_agents, obs_space(spec), action_space(spec, 0))

    def reset(self) -> NDArray[np.float32]:
        """Start all copies."""
        words = np.random.SeedSequence(self._seed).generate_state(self.problem.copies, np.uint64)
        self._obs = self.problem.reset((words >> np.uint64(1)).astype(np.int64))
        return self._rows(self._obs)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions [N·A, ...] for `step_wait`."""
        self._action = actions

    def step_wait(
        self,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Step all copies at once."""
        spec, n = self.problem.spec, self.problem.copies
        joint = np.asarray(self._action).reshape(n, spec.n_agents, -1)
        if spec.discrete:
            action = Action(discrete=joint.astype(np.int64))
        else:
            action = Action(box=joint.astype(np.float32))
        step = self.problem.step(action)
        self._obs = step.obs
        rewards = (step.reward @ spec.reward_weights).astype(np.float32).ravel()
        dones = np.repeat(step.done, spec.n_agents)
        return self._rows(step.obs), rewards, dones, self._infos(step)

    def _rows(self, obs: Obs) -> NDArray[np.float32]:
        flat = flat_obs(obs, self.problem.spec)
        return flat.reshape(self.num_envs, flat.shape[-1]).copy()

    def _infos(self, step: Step) -> list[dict[str, Any]]:
        if step.final_obs is None or step.final_rows is None:
            return self._quiet
        agents = self.problem.spec.n_agents
        infos = list(self._quiet)
        last = flat_obs(step.final_obs, self.problem.spec)
        for i, row in enumerate(step.final_rows):
            for agent in range(agents):
                infos[int(row) * agents + agent] = {
                    "terminal_observation": last[i, agent],
                    "TimeLimit.truncated": bool(step.truncated[row] and not step.terminated[row]),
                }
        return infos

    def action_masks(self) -> NDArray[np.bool_]:
        """Legal actions of every row, [N·A, Σn]; all of them where the agent is dead."""
        width = self.problem.spec.mask_width
        if self._obs is None or self._obs.action_mask is None:
            return np.ones((self.num_envs, width), dtype=bool)
        legal = self._obs.action_mask | ~self._obs.alive[..., None]
        return np.asarray(legal.reshape(self.num_envs, width))

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        """`action_masks` is the only method; one result per row.

        Raises:
            ContractError: any other method.
        """
        if method_name != "action_masks":
            msg = f"{self.problem.spec.name}: rows have no method {method_name!r}"
            raise ContractError(msg)
        return list(self.action_masks()[self._chosen(indices)])

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute of this object, once per row."""
        return [getattr(self, attr_name) for _ in self._chosen(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of this object; rows share it."""
        setattr(self, attr_name, value)

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """Rows are never wrapped."""
        return [False for _ in self._chosen(indices)]

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed of the next `reset`."""
        self._seed = self._seed if seed is None else seed
        return [self._seed] * self.num_envs

    def _chosen(self, indices: Any) -> list[int]:
        if indices is None:
            return list(range(self.num_envs))
        return [indices] if isinstance(indices, int) else list(indices)

    def close(self) -> None:
        """Close the problem."""
        self.problem.close()
