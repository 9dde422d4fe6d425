import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test
from trimtab.adapters.pettingzoo import ProblemParallelEnv
from trimtab.contracts.errors import ActionError, ContractError
from trimtab.contracts.spec import Action
from trimtab_grid.domain import DOMAIN as MICROGRID
from trimtab_grid.islands.controllers import OneIsland
from trimtab_grid.islands.domain import DOMAIN
from trimtab_grid.islands.problem import SITES
from trimtab_grid.islands.specification import REWARDS, TIE_COLUMNS


def holding(problem):
    spec = problem.spec
    shape = (problem.copies, spec.n_agents)
    discrete = np.ones((*shape, len(spec.discrete)), np.int64)
    return Action(discrete, np.zeros((*shape, spec.n_box), np.float32))


def test_the_cluster_passes_the_official_parallel_api_test(cluster):
    env = ProblemParallelEnv(DOMAIN.build(cluster(horizon_h=3)))
    parallel_api_test(env, num_cycles=40)
    assert env.possible_agents == ["agent_0", "agent_1", "agent_2"]


def test_the_cluster_passes_the_official_seed_test(cluster):
    def made():
        return ProblemParallelEnv(DOMAIN.build(cluster(horizon_h=3)))

    parallel_seed_test(made, num_cycles=15)
    assert made().reset(seed=1)[1].keys() == made().reset(seed=2)[1].keys()


def test_each_agent_gets_a_vector_of_rewards(cluster):
    env = ProblemParallelEnv(DOMAIN.build(cluster(horizon_h=3)))
    env.reset(seed=1)
    infos = env.step({agent: env.action_space(agent).sample() for agent in env.agents})[4]
    assert all(info["reward_vector"].shape == (len(REWARDS),) for info in infos.values())


def test_islands_without_ties_are_single_microgrids_bit_for_bit(cluster):
    scenario = cluster(ties=[])
    with DOMAIN.build(scenario, 2) as problem:
        obs = problem.reset(np.array([3, 4]))
        for k, sub in enumerate(problem.islands):
            with MICROGRID.build(scenario.island_scenario(k), 2) as alone:
                seen = alone.reset(np.array([3, 4]) * SITES + k)
                assert np.array_equal(seen.obs[:, 0], obs.obs[:, k, : sub.spec.obs_dim])
        rewards = [problem.step(holding(problem)).reward for _ in range(5)]
        with MICROGRID.build(scenario.island_scenario(1), 2) as alone:
            alone.reset(np.array([3, 4]) * SITES + 1)
            width = len(alone.spec.discrete)
            for reward in rewards:
                own = Action(np.ones((2, 1, width), np.int64), np.zeros((2, 1, 1), np.float32))
                assert np.array_equal(alone.step(own).reward[:, 0], reward[:, 1])


def test_a_flow_moves_energy_from_one_island_to_the_other_less_its_loss(cluster):
    with DOMAIN.build(cluster(), 1) as problem:
        problem.reset(np.array([1]))
        state = problem.resource("state")
        state[1].bank[:, :, 1] = 250.0
        action = holding(problem)
        action.box[0, 1, 1], action.box[0, 0, 1] = 50.0, -48.0
        step = problem.step(action)
        net = [float(s.moments["exchange_kw"][0]) for s in state]
        assert net == pytest.approx([48.0, -50.0, 0.0])
        losses = step.reward[0, :, [c.name for c in REWARDS].index("tie_loss")]
        assert losses == pytest.approx([0.25, 0.25, 0.0])


def test_agents_see_their_own_ties_and_what_lies_behind_them(cluster):
    with DOMAIN.build(cluster(), 1) as problem:
        obs = problem.reset(np.array([1]))
        first = problem.islands[0].spec.obs_dim
        seen = dict(zip(TIE_COLUMNS, obs.obs[0, 0, first:], strict=False))
        bank = problem.resource("state")[1].bank[0, 0]
        assert seen["there"] == 1.0
        assert seen["their_net"] == pytest.approx((bank[0] - bank[1] - bank[2]) / 120.0, rel=1e-6)


def test_actions_of_a_wrong_shape_or_not_finite_are_refused(cluster):
    with DOMAIN.build(cluster(), 1) as problem:
        problem.reset(np.array([1]))
        action = holding(problem)
        with pytest.raises(ActionError, match="expected"):
            problem.step(Action(action.discrete[:, :2], action.box[:, :2]))
        with pytest.raises(ActionError, match="needs discrete"):
            problem.step(None)
        action.box[0, 0, 1] = np.nan
        with pytest.raises(ActionError, match="finite"):
            problem.step(action)


def test_an_island_does_not_move_without_its_cluster(cluster):
    with DOMAIN.build(cluster(), 1) as problem:
        alone = OneIsland(problem, 0)
        with pytest.raises(ContractError, match="together|alone"):
            alone.reset(np.array([1]))
        with pytest.raises(ContractError, match="alone"):
            alone.step(None)
