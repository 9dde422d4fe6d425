"""Each law of the ties is broken once in a log that is otherwise right."""

import numpy as np
import pytest
from trimtab.contracts.errors import EvidenceError
from trimtab_grid.islands.domain import DOMAIN
from trimtab_grid.islands.monitor import TIE_CONSTRAINTS


@pytest.fixture(scope="module")
def log(cluster):
    """Two hours of holding, then a flow of 40 kW from the ridge to the harbour in one step."""
    from trimtab.contracts.spec import Action

    with DOMAIN.build(cluster(horizon_h=2), 1) as problem:
        problem.reset(np.array([1]))
        spec = problem.spec
        hold = np.ones((1, spec.n_agents, len(spec.discrete)), np.int64)
        problem.resource("state")[1].bank[:, :, 1] = 250.0
        for _ in range(spec.horizon):
            box = np.zeros((1, spec.n_agents, spec.n_box), np.float32)
            box[0, 1, 1], box[0, 0, 1] = 40.0, -60.0
            problem.step(Action(hold, box))
        return problem.episode_log(0)


def broken(cluster, log, **changes):
    changed = {name: np.array(log[name]) for name in changes}
    for name, (at, value) in changes.items():
        changed[name][at] = value
    found = DOMAIN.monitor(cluster(horizon_h=2)).check({**log, **changed})
    return {name for name, counted in found.items() if counted.count}


def test_a_right_log_breaks_nothing_and_everything_is_looked_at(cluster, log):
    assert np.abs(log["flow_kw"]).max() == pytest.approx(40.0)
    found = DOMAIN.monitor(cluster(horizon_h=2)).check(log)
    assert not any(counted.count for counted in found.values())
    assert all(found[name].exposure > 0 for name in TIE_CONSTRAINTS)


@pytest.mark.parametrize(
    ("name", "at", "value", "law"),
    [
        ("flow_kw", (3, 0), -130.0, "tie_capacity"),
        ("agreed_kw", (3, 0), 5.0, "tie_agreement"),
        ("there", (3, 0), 0.0, "tie_outage"),
        ("harbour/exchange_kw", (3,), 39.0, "tie_conservation"),
    ],
)
def test_each_law_is_told_when_it_is_broken(cluster, log, name, at, value, law):
    assert law in broken(cluster, log, **{name: (at, value)})


def test_the_laws_of_each_island_are_still_watched(cluster, log):
    assert "deficit" in broken(cluster, log, **{"bay/deficit_kw": ((2,), 1.0)})


def test_a_log_without_ties_is_refused(cluster, log):
    bare = {name: values for name, values in log.items() if name != "flow_kw"}
    with pytest.raises(EvidenceError, match="lacks flow_kw"):
        DOMAIN.monitor(cluster(horizon_h=2)).check(bare)
