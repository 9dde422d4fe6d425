"""The learned adaptation policy: what it learns, stores, and does where it knows nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trimtab.contracts.errors import CheckpointError, TrimtabError
from trimtab.contracts.spec import Obs
from trimtab_hardware.dram.adapt.controllers import LocalityThreshold
from trimtab_hardware.dram.adapt.domain import DOMAIN
from trimtab_hardware.dram.adapt.learned import (
    SCHEDULER,
    STATES,
    EpochTable,
    empty_table,
    states_of,
)
from trimtab_hardware.dram.adapt.problem import AdaptProblem
from trimtab_hardware.dram.adapt.scenario import AdaptScenario
from trimtab_hardware.dram.adapt.training import learn

SMALL = AdaptScenario(epochs=10, epoch_requests=60, phase_requests=150, load=0.5)


def observed(copies: int) -> Obs:
    problem = AdaptProblem(SMALL, copies, autoreset=False)
    rng = np.random.default_rng(0)
    obs = rng.random((copies, 1, problem.spec.obs_dim)).astype(np.float32)
    return Obs(obs=obs, alive=np.ones((copies, 1), bool))


def test_states_are_numbered_within_the_table() -> None:
    states = states_of(observed(500))
    assert states.min() >= 0
    assert states.max() < STATES
    assert len(np.unique(states)) > 10


def test_a_table_that_knows_nothing_plays_the_threshold_rule() -> None:
    problem, obs = AdaptProblem(SMALL, 50, autoreset=False), observed(50)
    table, rule = EpochTable(problem).act(obs), LocalityThreshold(problem).act(obs)
    assert np.array_equal(table.discrete, rule.discrete)


def test_a_page_policy_replaces_the_rule_only_where_it_was_better_beyond_chance(
    tmp_path: Path,
) -> None:
    table = empty_table()
    table.trials[:] = 100
    for page, mean in enumerate((50.0, 49.0, 40.0, 60.0)):
        table.total_ns[:, page] = 100 * mean
        table.squares_ns2[:, page] = 100 * (mean**2 + 10.0**2)
    assert (table.choices() == 2).all()  # 49 is within two standard errors of the rule's 50
    table.trials[:, 2] = 3
    assert (table.choices() == -1).all()
    table.trials[:, 2] = 100
    table.save(tmp_path / "t.safetensors", {})
    action = EpochTable(
        AdaptProblem(SMALL, 9, autoreset=False), str(tmp_path / "t.safetensors")
    ).act(observed(9))
    assert action.discrete is not None
    assert (action.discrete[:, 0] == [2, SCHEDULER]).all()


def test_learning_tries_every_page_policy(tmp_path: Path) -> None:
    table, played = learn(SMALL, 0, 0.5)
    assert 0 < table.trials.sum() < played  # the last epoch of an episode has no next one
    assert (table.trials.sum(axis=0) > 0).all()
    assert (table.total_ns[table.trials > 0] > 0).all()
    with pytest.raises(TrimtabError, match="epoch_table is"):
        DOMAIN.train(SMALL, "locality_threshold", 0, tmp_path)


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    small = replace(empty_table(), trials=np.zeros((3, 3), np.int64))
    small.save(tmp_path / "t.safetensors", {})
    with pytest.raises(CheckpointError, match="train it again"):
        EpochTable(AdaptProblem(SMALL, 1, autoreset=False), str(tmp_path / "t.safetensors"))
