"""The defects of the tests' tank, given to PettingZoo's and Gymnasium's checkers as well.

    python benchmarks/conformance_beside.py

The tank has two agents, so its environment is a PettingZoo one (`parallel_api_test` and
`parallel_seed_test`); Gymnasium's `check_env` sees agent 0 beside an idle second one. A checker
that fails or raises has seen the defect; warnings do not count. Needs the extra `marl`.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test
from trimtab.adapters.pettingzoo import ProblemParallelEnv
from trimtab.contracts.problem import ControlProblem

TESTS = Path(__file__).parents[1] / "tests" / "core" / "testing" / "test_seeded_defects.py"
CYCLES = 60


class FirstAgent(gymnasium.Env[Any, Any]):
    """Agent 0 of a parallel environment; the others do what comes first."""

    def __init__(self, env: ProblemParallelEnv) -> None:
        self._env, self._agent = env, env.possible_agents[0]
        self.observation_space = env.observation_space(self._agent)
        self.action_space = env.action_space(self._agent)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, Any]:
        """See `gymnasium.Env`."""
        super().reset(seed=seed)
        seen, info = self._env.reset(seed=seed)
        return seen[self._agent], info[self._agent]

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Any]:
        """See `gymnasium.Env`."""
        idle = {a: np.zeros_like(self._env.action_space(a).sample()) for a in self._env.agents}
        found = self._env.step({**idle, self._agent: action})
        obs, reward, terminated, truncated, info = (part[self._agent] for part in found)
        return obs, reward, terminated, truncated, info


def sees(check: Callable[[], None]) -> bool:
    """Whether a checker fails or raises."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            check()
        except Exception:  # noqa: BLE001 - that is how it says so
            return True
    return False


def checkers(make: Callable[[], ControlProblem]) -> dict[str, Callable[[], None]]:
    """What is compared, by name."""

    def env() -> ProblemParallelEnv:
        return ProblemParallelEnv(make())

    def pettingzoo() -> None:
        parallel_api_test(env(), num_cycles=CYCLES)
        parallel_seed_test(env, num_cycles=CYCLES)

    return {
        "PettingZoo": pettingzoo,
        "Gymnasium": lambda: check_env(FirstAgent(env()), skip_render_check=True),
    }


def _tests() -> Any:
    spec = importlib.util.spec_from_file_location("defects", TESTS)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(TESTS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Count and print."""
    tests = _tests()
    tank = (tests.TOYS / "tank.py").read_text(encoding="utf-8")
    sound = importlib.import_module("trimtab.testing.toys.tank").DOMAIN
    quiet = [n for n, c in checkers(lambda: sound.build(sound.problem_model())).items() if sees(c)]
    print(f"said against the sound tank: {', '.join(quiet) or 'nothing'}")
    seen = {"trimtab": 0, "PettingZoo": 0, "Gymnasium": 0}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.path.insert(0, folder)
        for number, (old, new) in enumerate(tests.TANK):
            seen["trimtab"] += tests.seen(Path(folder), number)
            name = f"other_{number}"
            (Path(folder) / f"{name}.py").write_text(tank.replace(old, new), encoding="utf-8")

            def make(name: str = name) -> Any:
                domain = importlib.import_module(name).DOMAIN
                return domain.build(domain.problem_model())

            for who, check in checkers(make).items():
                seen[who] += sees(check)
    for who, count in seen.items():
        print(f"{who:12} sees {count} of {len(tests.TANK)} defects")


if __name__ == "__main__":
    main()
