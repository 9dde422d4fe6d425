"""CVaR by stock augmentation, on a two-stage gamble whose every policy can be written down.

Stage 1 pays 0 or −3 with probability ½. Stage 2: the safe action pays −1, the gamble 0 with
probability ¾ and −3 with ¼ (mean −0.75). Always gambling has the best mean, −2.25, and CVaR at
α = ¼ of −4.5 (⅛ at −6, ⅛ at −3). Safe after −3 has CVaR −4, the best there is.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import ContractError
from trimtab.contracts.spec import Action
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Policy, PolicyController
from trimtab.learn.ppo import PPO, PPOConfig
from trimtab.learn.risk import (
    BESIDE,
    RETURN,
    StockController,
    StockProblem,
    choose_stock,
    cvar,
    episode_returns,
)
from trimtab.learn.sac import SAC, SACConfig
from trimtab.testing.classics.spread import SimpleSpread
from trimtab.testing.classics.tabular import Tabular

ALPHA = 0.25
MOVES = np.zeros((6, 2, 6))
MOVES[0, :, 1] = MOVES[0, :, 2] = 0.5  # stage 1: fine or bad
MOVES[1:3, 0, 3] = 1.0  # safe
MOVES[1:3, 1, 4], MOVES[1:3, 1, 5] = 0.75, 0.25  # the gamble: won or lost
MOVES[3:, :, 3] = 1.0
PAY = np.zeros((6, 2, 6))
PAY[0, :, 2] = -3.0
PAY[1:3, 0, 3], PAY[1:3, 1, 5] = -1.0, -3.0
SEEDS = np.arange(4096) + 10_000


def gamble(copies: int, autoreset: bool = True) -> Tabular:
    return Tabular(MOVES, PAY, (3, 4, 5), copies, autoreset=autoreset)


def stocked(copies: int, autoreset: bool = True, **options: Any) -> StockProblem:
    return StockProblem(gamble(copies, autoreset), 0.0, 7.0, **options)


def trained_by_ppo(problem: Any) -> Policy:
    net = NetSpec.for_problem(problem.spec, hidden=(32,))
    config = PPOConfig(
        steps=120_000,
        rollout=8,
        epochs=4,
        minibatches=2,
        learning_rate=1e-2,
        discount=1.0,
        entropy_weight=0.003,
        normalise_obs=False,
        compiled=False,
    )
    ppo = PPO(problem, net, config, (0,))
    for _ in ppo.train():
        pass
    return ppo.policy().seed(0)


@pytest.fixture(scope="module")
def averse() -> Policy:
    return trained_by_ppo(stocked(256))


def test_the_risk_neutral_learner_takes_the_best_mean_and_its_bad_tail() -> None:
    policy = trained_by_ppo(gamble(256))
    inner = gamble(len(SEEDS), autoreset=False)
    obs = inner.reset(SEEDS)
    controller, total = PolicyController(inner, policy), np.zeros(len(SEEDS))
    while obs.alive.any():
        step = inner.step(controller.act(obs))
        total += step.reward[:, 0, 0]
        obs = step.obs
    assert total.mean() == pytest.approx(-2.25, abs=0.08)
    assert cvar(total, ALPHA) == pytest.approx(-4.5, abs=0.12)


def test_the_stock_learner_reaches_the_best_cvar_within_two_percent(averse: Policy) -> None:
    problem = stocked(len(SEEDS), autoreset=False)
    choice = choose_stock(problem, averse, ALPHA, SEEDS, np.linspace(0.0, 7.0, 15))
    assert choice.cvar == pytest.approx(-4.0, abs=0.08)
    assert choice.mean > -2.55


def test_what_is_played_depends_on_what_happened_before(averse: Policy) -> None:
    """The bad branch leaves 1.2 of the stock: the safe action's −1 uses it up, and no more."""
    problem = stocked(len(SEEDS), autoreset=False)
    returns, _ = episode_returns(problem, averse, 4.2, SEEDS)
    assert set(np.round(returns[returns <= -3.0], 6).tolist()) <= {-4.0, -3.0}


def test_a_stock_controller_plays_as_the_context_did(averse: Policy) -> None:
    problem = stocked(512, autoreset=False, draw=False)
    controller = StockController(problem, averse, 4.2)
    obs = problem.reset(SEEDS[:512])
    controller.reset(SEEDS[:512])
    while obs.alive.any():
        step = problem.step(controller.act(obs))
        obs = step.obs
    expected, _ = episode_returns(stocked(512, autoreset=False), averse, 4.2, SEEDS[:512])
    assert cvar(expected, ALPHA) == pytest.approx(-4.0, abs=0.08)
    assert obs.obs[:, 0, -1] * 7.0 == pytest.approx(expected, abs=1e-5)


def test_soft_actor_critic_learns_the_stock_too() -> None:
    problem = stocked(64)
    net = NetSpec.for_problem(problem.spec, hidden=(32, 32), squash=True, activation="relu")
    config = SACConfig(
        steps=64 * 8 * 40,
        start=1024,
        capacity=32_768,
        update_ratio=0.02,
        discount=1.0,
        learning_rate=5e-3,
        polyak=0.05,
        automatic=False,
        temperature=0.01,
        normalise_obs=False,
        compiled=False,
    )
    sac = SAC(problem, net, config, (0,))
    for _ in sac.train():
        pass
    played = stocked(len(SEEDS), autoreset=False)
    returns, _ = episode_returns(played, sac.policy().seed(0), 4.2, SEEDS)
    assert cvar(returns, ALPHA) == pytest.approx(-4.0, abs=0.08)


def test_utilities_of_an_episode_sum_to_that_of_its_return() -> None:
    problem = stocked(64, autoreset=False)
    rng = np.random.default_rng(0)
    stock = rng.uniform(0.0, 7.0, (64, 1)).astype(np.float32)
    obs = problem.reset(np.arange(64), stock)
    paid = np.zeros(64)
    while obs.alive.any():
        step = problem.step(Action(discrete=rng.integers(0, 2, (64, 1, 1))))
        paid += step.reward[:, 0, 0]
        obs = step.obs
    final = stock[:, 0] + step.metrics[RETURN]
    assert paid == pytest.approx(np.minimum(final, 0.0) - np.minimum(stock[:, 0], 0.0), abs=1e-5)
    assert obs.obs[:, 0, -1] * 7.0 == pytest.approx(final, abs=1e-5)
    assert step.terminated.all()


def test_snapshots_hold_the_stock() -> None:
    problem, rows = stocked(8), np.arange(8)
    problem.reset(np.arange(8))
    kept = problem.snapshot(rows)
    action = Action(discrete=np.ones((8, 1, 1), np.int64))
    first = [problem.step(action) for _ in range(3)][-1]
    problem.restore(kept, rows)
    again = [problem.step(action) for _ in range(3)][-1]
    assert np.array_equal(first.obs.obs, again.obs.obs)
    assert np.array_equal(first.reward, again.reward)


def test_several_agents_and_empty_ranges_are_refused() -> None:
    with pytest.raises(ContractError, match="is for one agent"):
        StockProblem(SimpleSpread(2), 0.0, 1.0)
    with pytest.raises(ContractError, match=r"high \(1.0\) must exceed low \(1.0\)"):
        StockProblem(gamble(2), 1.0, 1.0)


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=50),
    st.floats(0.02, 1.0),
)
def test_cvar_is_the_maximum_of_its_variational_form(x: list[float], alpha: float) -> None:
    returns = np.array(x)
    best = max(b - np.maximum(b - returns, 0.0).mean() / alpha for b in x)
    assert cvar(returns, alpha) == pytest.approx(best, abs=1e-6)


def test_what_is_paid_beside_the_utility_is_added_and_counted_apart() -> None:
    plain, mixed = stocked(64), stocked(64, risk=3.0, beside=(0.5,))
    seeds = np.arange(64)
    context = np.repeat(plain.spec.default_context[None], 64, axis=0)
    context[:, -1] = 1.0
    plain.reset(seeds, context)
    mixed.reset(seeds, context)
    paid = np.zeros(64)
    for _ in range(2):
        action = Action(discrete=np.ones((64, 1, 1), np.int64))
        a, b = plain.step(action), mixed.step(action)
        gained = b.reward[:, 0, 0] - 3.0 * a.reward[:, 0, 0]
        paid += gained
    assert paid == pytest.approx(0.5 * a.metrics[RETURN])
    assert b.metrics[BESIDE] == pytest.approx(paid)
    assert not a.metrics[BESIDE].any()


def test_a_stock_is_chosen_by_risk_and_by_what_is_paid_beside(averse: Policy) -> None:
    """The mean alone counts where the risk counts for nothing: then it is the best stock's."""
    problem = stocked(len(SEEDS), autoreset=False, risk=1e-9, beside=(1.0,))
    choice = choose_stock(problem, averse, ALPHA, SEEDS, np.linspace(0.0, 7.0, 15))
    assert choice.beside == max(row[4] for row in choice.table)
    _, bound, _, _, paid = next(row for row in choice.table if row[0] == choice.stock)
    objective = paid + problem.risk * ALPHA * (bound + choice.stock)
    assert -choice.costs.mean() == pytest.approx(objective)
