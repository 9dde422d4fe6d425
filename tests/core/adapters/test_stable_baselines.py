"""Stable-Baselines3 is not installed for tests: its base class is stood in for by its contract."""

import sys
import types
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from trimtab.contracts.errors import ContractError

ABSTRACT = (
    ("reset", "step_async", "step_wait", "close")
    + ("get_attr", "set_attr", "env_method", "env_is_wrapped")
)  # fmt: skip


class VecEnv(ABC):  # noqa: B024 - methods are added below
    """What the base class of 2.9.2 does before and between the abstract methods."""

    def __init__(self, num_envs: int, observation_space: Any, action_space: Any) -> None:
        self.num_envs = num_envs
        self.observation_space, self.action_space = observation_space, action_space
        modes = self.get_attr("render_mode")
        assert modes == [None] * num_envs

    def step(self, actions: np.ndarray) -> Any:
        self.step_async(actions)
        return self.step_wait()

    def has_attr(self, name: str) -> bool:
        try:
            self.get_attr(name)
        except AttributeError:
            return False
        return True


def _abstract(name: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    method.__name__ = name
    return abstractmethod(method)


@pytest.fixture
def vec_env(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`ProblemVecEnv` over the stand-in."""
    base = type("VecEnv", (VecEnv,), {name: _abstract(name) for name in ABSTRACT})
    home = types.ModuleType("stable_baselines3.common.vec_env")
    home.VecEnv = base  # type: ignore[attr-defined]
    for name in ("stable_baselines3", "stable_baselines3.common"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, home.__name__, home)
    monkeypatch.delitem(sys.modules, "trimtab.adapters.stable_baselines", raising=False)
    adapter = import_module("trimtab.adapters.stable_baselines")
    monkeypatch.delitem(sys.modules, adapter.__name__)
    return adapter.ProblemVecEnv  # type: ignore[no-any-return]


def masks_of(env: Any) -> np.ndarray:
    """As `sb3_contrib.common.maskable.utils` asks for them."""
    assert env.has_attr("action_masks")
    return np.stack(env.env_method("action_masks"))


def test_maskable_ppo_gets_the_legal_actions_of_every_row_after_every_step(
    vec_env: Callable[..., Any], relay: Callable[..., Any]
) -> None:
    env = vec_env(relay(2, copies=3, autoreset=True, plain=True))
    assert masks_of(env).all()
    env.reset()
    for t in range(1, 8):
        env.step(np.full(6, 1 + t % 2))
        seen = env.problem._observe()
        expected = np.where(seen.alive[..., None], seen.action_mask, True)
        assert np.array_equal(masks_of(env), expected.reshape(6, 3))
        assert masks_of(env)[:, 0].all() == (t % 2 == 0)
    assert np.array_equal(env.env_method("action_masks", indices=[4]), masks_of(env)[[4]])


def test_rows_are_the_agents_of_every_copy_and_episodes_end_as_truncated(
    vec_env: Callable[..., Any], relay: Callable[..., Any]
) -> None:
    env = vec_env(relay(2, copies=2, autoreset=True, plain=True))
    assert env.num_envs == 4
    first = env.reset()
    assert env.observation_space.contains(first[0])
    for t in range(6):
        obs, reward, done, infos = env.step(np.array([0, 1, 2, 0]))
        assert reward.tolist() == [-0.5, 0.5, 1.5, -0.5]
        assert done.tolist() == [t == 5] * 4
    assert np.array_equal(obs, first)
    assert [info["TimeLimit.truncated"] for info in infos] == [True] * 4
    assert [info["terminal_observation"][0] for info in infos] == [6.0] * 4


def test_one_seed_starts_the_same_episodes_again(
    vec_env: Callable[..., Any], relay: Callable[..., Any]
) -> None:
    env = vec_env(relay(1, copies=4, autoreset=True, plain=True))
    assert env.seed(5) == [5] * 4
    first = env.reset()
    assert np.array_equal(env.reset(), first)
    env.seed(6)
    assert not np.array_equal(env.reset(), first)


def test_what_it_cannot_serve_is_refused(
    vec_env: Callable[..., Any], relay: Callable[..., Any]
) -> None:
    with pytest.raises(ContractError, match="one agent type, discrete or box"):
        vec_env(relay(2, autoreset=True))
    with pytest.raises(ContractError, match="autoreset=True"):
        vec_env(relay(1, plain=True))
    env = vec_env(relay(1, autoreset=True, plain=True))
    with pytest.raises(ContractError, match="rows have no method 'render'"):
        env.env_method("render")
    assert not env.has_attr("nonsense")
    assert env.env_is_wrapped(dict) == [False]
