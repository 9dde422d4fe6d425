import numpy as np
import pytest
from trimtab.contracts.errors import CheckpointError
from trimtab_hardware.dram.features import FEATURES
from trimtab_hardware.dram.part import load_part
from trimtab_hardware.dram.spaces import seed10
from trimtab_hardware.dram.transfer import (
    TransferPolicy,
    load_policy,
    observed,
    scorer,
    train,
    training_traces,
)

DDR3 = load_part("ddr3-1600-1gb-x8")


@pytest.fixture(scope="module")
def policy():
    return train(training_traces(4, DDR3, 1, 150), DDR3, 16, 0)


def test_training_workloads_span_loads_and_directions():
    traces = training_traces(40, DDR3, 3, 300)
    seen = np.array([observed(trace, DDR3) for trace in traces])
    load, reads = seen[:, FEATURES.index("load")], seen[:, FEATURES.index("read_share")]
    assert load.min() < 0.2
    assert load.max() == 1.0
    assert reads.min() < 0.5
    assert reads.max() == 1.0


def test_the_reference_scores_zero():
    trace = training_traces(1, DDR3, 2, 100)[0]
    reference = {
        "page_policy": "Open",
        "scheduler": "FrFcfs",
        "scheduler_buffer": "Bankwise",
        "request_buffer_size": 8,
        "response_queue": "Fifo",
        "refresh_policy": "AllBank",
        "refresh_max_postponed": 1,
        "refresh_max_pulled_in": 1,
        "arbiter": "Simple",
        "max_active_transactions": 1,
    }
    # Shorter than a refresh interval, so that postponing does not matter.
    short = trace.prefix(20)
    assert scorer(short, DDR3)(seed10().code([reference]))[0] == 0.0


def test_a_workload_of_training_gets_nearly_its_best_arm(policy):
    for context, outcome in zip(policy.seen, policy.outcome, strict=True):
        chosen = policy.ranked(context)[0]
        assert outcome[chosen] - outcome.min() <= 0.5 * (outcome.max() - outcome.min())
    assert np.abs(policy.predict(policy.seen[0]) - policy.outcome[0]).max() < 0.1


def test_a_proposal_needs_no_simulator_and_is_a_design_of_space_a(policy):
    trace = training_traces(1, DDR3, 9, 200)[0]
    design = policy.propose(trace, DDR3)
    row = seed10().code([design])
    assert (seed10().canonical(row) == row).all()


def test_improving_starts_with_the_proposal_and_never_repeats_a_design(policy):
    trace = training_traces(1, DDR3, 9, 150)[0]
    rows, scores = policy.improve(trace, DDR3, 14, scorer(trace, DDR3))
    assert len(np.unique(rows, axis=0)) == len(rows) == len(scores) == 14
    assert seed10().designs(rows[:1])[0] == policy.propose(trace, DDR3)


def test_a_stored_policy_proposes_the_same(policy, tmp_path):
    policy.save(tmp_path / "p.safetensors")
    again = load_policy(tmp_path / "p.safetensors")
    assert (again.predict(policy.seen[0]) == policy.predict(policy.seen[0])).all()


def test_a_policy_of_another_space_or_damaged_is_refused(policy, tmp_path):
    path = tmp_path / "p.safetensors"
    TransferPolicy(policy.arms[:, :3], policy.seen, policy.outcome).save(path)
    with pytest.raises(CheckpointError, match="other features: train it again"):
        load_policy(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="truncated or altered"):
        load_policy(path)
