import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from trimtab.contracts.errors import ContractError, SpecMismatchError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Box, Composite, Obs, RewardChannel, Spec
from trimtab.deploy.arrays import NEGATIVE, NumpyOps
from trimtab.deploy.network import NetSpec, actor, critic
from trimtab.deploy.policy import (
    Interface,
    Normaliser,
    Policy,
    PolicyController,
    gumbel,
    pick,
)
from trimtab.learn.nets import TorchOps, init_params
from trimtab.learn.normalise import RunningNormaliser


def policy_of(case: Any, seeds: int = 1, n: int = 32) -> tuple[Policy, Interface]:
    """A policy with random weights of every layer and a fitted normaliser."""
    rng = np.random.default_rng(3)
    params = init_params(case.net, [np.random.default_rng(s) for s in range(seeds)])
    params = {
        name: (x + 0.3 * rng.standard_normal(x.shape)).astype(np.float32)
        for name, x in params.items()
    }
    interface = Interface(case.net, case.spec)
    running = RunningNormaliser(case.net, seeds)
    obs = case.obs(rng, seeds * n)
    running.add(interface.inputs(obs, seeds), obs.alive.reshape(seeds, n, -1))
    return Policy(case.net, params, running.frozen()), interface


def as_torch(arrays: Any) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in arrays.items()}


@pytest.mark.parametrize("seeds", [1, 3])
def test_numpy_and_torch_agree_for_every_kind_of_network(case: Any, seeds: int) -> None:
    policy, interface = policy_of(case, seeds)
    obs = case.obs(np.random.default_rng(8), seeds * 40)
    inputs = policy.normaliser.apply(interface.inputs(obs, seeds), interface)
    ours = actor(case.net, policy.params, inputs, NumpyOps())
    theirs = actor(case.net, as_torch(policy.params), as_torch(inputs), TorchOps())
    for a, b in zip(ours, theirs, strict=True):
        if a is not None:
            live = a > NEGATIVE / 2
            assert np.abs(np.where(live, a - b.numpy(), 0.0)).max() < 2e-6
            assert np.array_equal(live, b.numpy() > NEGATIVE / 2)
    a = critic(case.net, policy.params, inputs, NumpyOps())
    b = critic(case.net, as_torch(policy.params), as_torch(inputs), TorchOps())
    assert a == pytest.approx(b.numpy(), rel=2e-6, abs=2e-6)


def test_network_description_survives_json(case: Any) -> None:
    assert NetSpec.from_dict(json.loads(json.dumps(case.net.to_dict()))) == case.net


def test_padding_entities_never_matters(cases: Callable[[str], Any]) -> None:
    case = cases("set")
    policy, interface = policy_of(case)
    obs = case.obs(np.random.default_rng(8), 5)
    before = policy.forward(interface.inputs(obs), interface)
    for name, x in obs.entities.items():
        x[~obs.entity_mask[name]] = 1e3
    after = policy.forward(interface.inputs(obs), interface)
    legal = obs.action_mask & obs.entity_mask["stages"]
    assert np.array_equal(before.logits[0][legal], after.logits[0][legal])


def test_a_graph_policy_plays_graphs_of_other_sizes(cases: Callable[[str], Any]) -> None:
    """Agents, edges, entities and actions are free: only features are fixed."""
    case = cases("graph")
    policy, _ = policy_of(case)
    bigger = replace(
        case.spec,
        agent_type=(0,) * 7,
        edges=20,
        actions=(Composite(discrete=(8,)),),
        entity_blocks=tuple(replace(b, capacity=8) for b in case.spec.entity_blocks),
    )
    interface = Interface(case.net, bigger)
    obs = type(case)(bigger, case.net).obs(np.random.default_rng(0), 3)
    assert policy.forward(interface.inputs(obs), interface).logits.shape == (1, 3, 7, 8)


def test_agents_without_edges_do_not_hear_of_each_other(cases: Callable[[str], Any]) -> None:
    case = cases("graph")
    policy, interface = policy_of(case)
    obs = case.obs(np.random.default_rng(1), 1)
    obs.edges[:] = [[0, 1]]
    obs.edge_mask[:] = True
    before = policy.forward(interface.inputs(obs), interface).logits
    obs.obs[0, 0] += 1.0
    after = policy.forward(interface.inputs(obs), interface).logits
    changed = np.abs(before - after).max(axis=-1)[0, 0] > 0
    assert changed.tolist() == [True, True, False, False]


def test_permuting_agents_permutes_a_graph_policys_outputs(cases: Callable[[str], Any]) -> None:
    case = cases("graph")
    policy, interface = policy_of(case)
    obs = case.obs(np.random.default_rng(2), 2)
    order = np.array([2, 0, 3, 1])
    place = np.argsort(order)
    moved = Obs(
        obs=obs.obs[:, order],
        alive=obs.alive[:, order],
        entities={k: x[:, order] for k, x in obs.entities.items()},
        entity_mask={k: x[:, order] for k, x in obs.entity_mask.items()},
        edges=place[obs.edges].astype(np.int32),
        edge_mask=obs.edge_mask,
        action_mask=obs.action_mask[:, order],
    )
    a = policy.forward(interface.inputs(obs), interface).logits
    b = policy.forward(interface.inputs(moved), interface).logits
    assert b == pytest.approx(a[:, :, order], rel=1e-4, abs=1e-5)


def test_actions_stay_in_the_box_and_round_trip(cases: Callable[[str], Any]) -> None:
    for name in ("box", "composite_types"):
        case = cases(name)
        interface = Interface(case.net, case.spec)
        obs = case.obs(np.random.default_rng(0), 50)
        raw = np.random.default_rng(1).uniform(-0.9, 0.9, (50, case.spec.n_agents, 2))
        raw = raw.astype(np.float32)
        action = interface.to_action(None, raw, obs)
        used = interface.box_used > 0
        low = np.array([-2.0, 0.0])
        high = np.array([6.0, 1.0])
        assert ((action.box >= low) & (action.box <= high))[:, used.all(axis=1)].all()
        back = interface.to_raw(action, obs)
        assert np.abs((back - raw) * interface.box_used).max() < 1e-5


def test_the_legal_interval_may_depend_on_the_command(cases: Callable[[str], Any]) -> None:
    case = cases("composite_types")
    interface = Interface(case.net, case.spec)
    obs = case.obs(np.random.default_rng(0), 2)
    obs.box_low = np.zeros((2, 3, 4, 2), np.float32)
    obs.box_high = np.tile(np.arange(4, dtype=np.float32)[None, None, :, None], (2, 3, 1, 2))
    discrete = np.zeros((2, 3, 2), np.int64)
    discrete[..., 0] = [0, 1, 3]
    action = interface.to_action(discrete, np.ones((2, 3, 2), np.float32), obs)
    assert action.box[0, :, 0].tolist() == [0.0, 1.0, 3.0]


def test_agents_choose_only_actions_of_their_type(cases: Callable[[str], Any]) -> None:
    case = cases("composite_types")
    policy, interface = policy_of(case)
    obs = case.obs(np.random.default_rng(0), 200)
    obs.action_mask = None
    logits = policy.forward(interface.inputs(obs), interface).logits
    noise = gumbel(np.random.default_rng(0).random(logits.shape))
    chosen = pick(logits + noise, interface.discrete)[0]
    assert chosen[:, 1, 0].max() == 1
    assert chosen[:, 1, 1].max() == 2
    assert chosen[:, 0, 0].max() == 3
    assert (chosen[:, 0, 1] == 0).all()


def test_numbers_of_dead_agents_are_not_read(cases: Callable[[str], Any]) -> None:
    case = cases("multi_discrete")
    policy, interface = policy_of(case)
    obs = case.obs(np.random.default_rng(0), 3)
    obs.alive[1, 0] = False
    obs.obs[1, 0] = np.nan
    out = policy.forward(interface.inputs(obs), interface)
    assert np.isfinite(out.logits).all()


def test_a_problem_that_does_not_fit_is_refused_with_every_difference(
    cases: Callable[[str], Any],
) -> None:
    net = cases("mlp").net
    other = replace(cases("mlp").spec, obs_dim=9, actions=(Composite(discrete=(2,)),))
    with pytest.raises(SpecMismatchError, match=r"obs_dim is 9.*expects 6; discrete sizes is"):
        Interface(net, other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"discrete": (2,), "hidden": ()}, "at least one layer"),
        ({}, "at least one discrete or box"),
        ({"action_block": "x"}, "not among blocks"),
        ({"action_block": "x", "blocks": (("x", 2),), "discrete": (2,)}, "not both"),
        ({"focus": "x", "discrete": (2,)}, "must be a block of its own"),
        ({"focus": "x", "action_block": "x", "blocks": (("x", 2),)}, "must be a block of its own"),
    ],
)
def test_descriptions_that_make_no_sense_are_refused(changes: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        NetSpec(obs_dim=3, **changes)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"central": True}, "central critic needs"),
        ({"rounds": 1}, "message passing needs"),
    ],
)
def test_networks_that_the_problem_cannot_feed_are_refused(
    cases: Callable[[str], Any], asked: Any, message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        NetSpec.for_problem(cases("mlp").spec, **asked)


class Still(ControlProblem):
    """Only a spec and a number of copies."""

    autoreset = False

    def __init__(self, spec: Any, copies: int) -> None:
        self.spec, self.copies = spec, copies

    def reset(self, seed, context=None, rows=None):
        raise NotImplementedError

    def step(self, action):
        raise NotImplementedError


def rows_of(obs: Obs, n: int) -> Obs:
    return Obs(
        obs=obs.obs[:n],
        alive=obs.alive[:n],
        entities={k: x[:n] for k, x in obs.entities.items()},
        entity_mask={k: x[:n] for k, x in obs.entity_mask.items()},
        edges=None if obs.edges is None else obs.edges[:n],
        edge_mask=None if obs.edge_mask is None else obs.edge_mask[:n],
        action_mask=None if obs.action_mask is None else obs.action_mask[:n],
        state=None if obs.state is None else obs.state[:n],
    )


@pytest.mark.parametrize("greedy", [True, False])
def test_a_copys_actions_do_not_depend_on_the_number_of_copies(case: Any, greedy: bool) -> None:
    policy, _ = policy_of(case)
    obs = case.obs(np.random.default_rng(4), 100)
    seeds = np.arange(100) + 50

    def play(n: int) -> list[Action]:
        controller = PolicyController(Still(case.spec, n), policy, greedy=greedy)
        controller.reset(seeds[:n])
        return [controller.act(rows_of(obs, n)) for _ in range(3)]

    whole = play(100)
    for n in (1, 7, 64):
        for a, b in zip(play(n), whole, strict=True):
            if a.discrete is not None:
                assert np.array_equal(a.discrete, b.discrete[:n])
            if a.box is not None:
                assert np.array_equal(a.box, b.box[:n])


def test_draws_follow_the_policys_distribution(cases: Callable[[str], Any]) -> None:
    case = cases("mlp")
    policy, interface = policy_of(case)
    obs = case.obs(np.random.default_rng(4), 1)
    many = Obs(
        obs=np.repeat(obs.obs, 4000, axis=0),
        alive=np.ones((4000, 1), bool),
        action_mask=np.repeat(obs.action_mask, 4000, axis=0),
    )
    controller = PolicyController(Still(case.spec, 4000), policy, greedy=False)
    controller.reset(np.arange(4000))
    chosen = controller.act(many).discrete[:, 0, 0]
    logits = policy.forward(interface.inputs(obs), interface).logits[0, 0, 0]
    expected = np.exp(logits - logits.max())
    expected /= expected.sum()
    assert np.bincount(chosen, minlength=5) / 4000 == pytest.approx(expected, abs=0.03)
    assert (np.bincount(chosen, minlength=5)[~obs.action_mask[0, 0]] == 0).all()


def test_infinite_boxes_pass_through() -> None:
    spec = Spec(
        name="free-1",
        agent_type=(0,),
        actions=(Composite(box=(Box("x", "1", -np.inf, np.inf),)),),
        obs_dim=1,
        rewards=(RewardChannel("r", "1"),),
        horizon=1,
        dt_s=1.0,
    )
    interface = Interface(NetSpec.for_problem(spec), spec)
    obs = Obs(obs=np.zeros((1, 1, 1), np.float32), alive=np.ones((1, 1), bool))
    raw = np.full((1, 1, 1), 7.5, np.float32)
    action = interface.to_action(None, raw, obs)
    assert action.box[0, 0, 0] == 7.5
    assert interface.to_raw(action, obs)[0, 0, 0] == 7.5


def test_playing_a_policy_imports_no_torch() -> None:
    code = "import sys, trimtab.deploy.weights; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_empty_normaliser_is_the_identity(cases: Callable[[str], Any]) -> None:
    case = cases("mlp")
    interface = Interface(case.net, case.spec)
    inputs = interface.inputs(case.obs(np.random.default_rng(0), 2))
    assert np.array_equal(Normaliser({}, {}).apply(inputs, interface)["obs"], inputs["obs"])


def test_a_legal_interval_that_is_a_point_has_the_label_zero(cases: Callable[[str], Any]) -> None:
    case = cases("box")
    interface = Interface(case.net, case.spec)
    obs = case.obs(np.random.default_rng(0), 2)
    obs.box_low = np.float32([[[228.0, 0.0]], [[1.0, -1.0]]])
    obs.box_high = np.float32([[[228.00002, 1.0]], [[3.0, 1.0]]])
    raw = interface.to_raw(Action(box=np.float32([[[228.00002, 0.5]], [[2.0, 2.0]]])), obs)
    assert raw[0, 0].tolist() == [0.0, 0.0]
    assert raw[1, 0, 0] == pytest.approx(0.0)
    assert raw[1, 0, 1] == pytest.approx(np.arctanh(0.999), rel=1e-3)


def test_a_focus_reads_the_entity_that_it_points_at_and_never_a_masked_one(
    cases: Callable[[str], Any],
) -> None:
    case, rng = cases("focus"), np.random.default_rng(4)
    params = init_params(case.net, [rng])
    params["actor.point.w"][:] = 0.0
    params["actor.point.b"][:] = [0.0, 0.0, 90.0, 60.0]
    policy, interface = Policy(case.net, params, Normaliser({}, {})), Interface(case.net, case.spec)

    def changed(entity: int, *, masked: bool) -> bool:
        obs = case.obs(np.random.default_rng(5), 3)
        obs.entity_mask["lanes"][:] = True
        obs.entity_mask["lanes"][:, :, 2] = not masked
        before = policy.forward(interface.inputs(obs), interface).logits.copy()
        obs.entities["lanes"][:, :, entity] += 1.0
        return not np.array_equal(before, policy.forward(interface.inputs(obs), interface).logits)

    assert [changed(e, masked=False) for e in range(4)] == [False, False, True, False]
    assert [changed(e, masked=True) for e in range(4)] == [False, False, False, True]


def test_a_focus_refuses_blocks_of_another_capacity(cases: Callable[[str], Any]) -> None:
    case = cases("focus")
    lanes, stages = case.spec.entity_blocks
    wider = replace(case.spec, entity_blocks=(replace(lanes, capacity=9), stages))
    with pytest.raises(SpecMismatchError, match="capacity of block 'lanes' is 9"):
        Interface(case.net, wider)
