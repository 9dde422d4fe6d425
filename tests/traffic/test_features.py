import numpy as np
import pytest
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers.stage_score import StageScore
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.features import STAGE_FEATURES
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import NetworkSource, SignalsProblem

MODEL = SignalsProblem.model_validate(
    {
        "network": {"generated": {"kind": "town", "vehicles_per_h": 900, "network_seed": 3}},
        "rules": {"profile": "resco"},
        "horizon_s": 300,
    }
)


@pytest.fixture
def graph():
    with SignalControl(MODEL, "graph") as problem:
        yield problem


def test_stage_features_carry_what_the_wave_rule_reads(graph: SignalControl) -> None:
    features = evaluate(graph, StageScore(graph), [4])[0]
    graph.close()
    entry = DOMAIN.controllers(MODEL)["wave_50"]
    with SignalControl(MODEL) as plain:
        rule = evaluate(plain, make_controller(plain, entry), [4])[0]
    assert features.metrics["true_delay_s"] == pytest.approx(rule.metrics["true_delay_s"], abs=1e-9)


def test_stage_features_carry_what_the_rollout_of_mpc_finds(graph: SignalControl) -> None:
    rollout_only = {"n_50": 0.0, "rollout": -1.0}
    features = evaluate(graph, StageScore(graph, **rollout_only), [4])[0]
    graph.close()
    entry = DOMAIN.controllers(MODEL)["mpc"]
    with SignalControl(MODEL) as plain:
        mpc = make_controller(plain, entry, {**entry.defaults, "hold_s": 0.0})
        rule = evaluate(plain, mpc, [4])[0]
    assert features.metrics["true_delay_s"] == pytest.approx(rule.metrics["true_delay_s"], abs=1e-9)


def test_a_stage_counts_who_would_be_left_in_its_way_inside_the_junction() -> None:
    generated = {"columns": 1, "rows": 1, "vehicles_per_h": 2800}
    busy = MODEL.model_copy(update={"network": NetworkSource(generated=generated)})
    boxed = STAGE_FEATURES.index("boxed")
    with SignalControl(busy, "graph") as problem:
        obs = problem.reset(np.array([1]))
        (signal,) = problem.network.controllable
        green = signal.stage_green
        seen = 0.0
        while obs.alive.any():
            standing = problem.state.box_slow_veh(2.0)
            for stage, row in enumerate(obs.entities["stages"][0, 0]):
                in_the_way = [
                    standing[link]
                    for link in range(signal.n_links)
                    if not green[stage, link] and (signal.foes[link] & green[stage]).any()
                ]
                assert row[boxed] == sum(in_the_way) / 2.0
                seen += row[boxed]
            obs = problem.step(StageScore(problem).act(obs)).obs
        assert seen > 0


def test_padding_is_masked_and_the_end_of_an_episode_needs_no_simulation(
    graph: SignalControl,
) -> None:
    obs = graph.reset(np.array([1]))
    sizes = [len(s.stage_states) for s in graph.network.controllable]
    assert obs.entity_mask["stages"].sum(axis=2)[0].tolist() == sizes
    rewards = []
    while obs.alive.any():
        step = graph.step(StageScore(graph).act(obs))
        rewards.append(step.reward)
        obs = step.obs
    assert step.truncated.all()
    assert not graph.session.running
    local = np.concatenate(rewards)
    assert local.shape == (30, len(sizes), 3)
    assert (local >= 0).all()
    assert local[..., 0].sum() > 0


def test_a_restarted_episode_keeps_the_last_observation_of_the_old_one() -> None:
    with SignalControl(MODEL, "graph", autoreset=True) as problem:
        obs = problem.reset(np.array([1]))
        for _ in range(30):
            step = problem.step(StageScore(problem).act(obs))
            obs = step.obs
        assert step.final_obs is not None
        assert step.final_obs.entities["stages"].sum() > step.obs.entities["stages"].sum()
        assert step.obs.alive.all()
