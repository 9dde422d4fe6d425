"""Each island stays in its own safe set whatever wishes, loads, wind, trips and ties do."""

import numpy as np
import pytest
from trimtab.contracts.spec import Action
from trimtab_grid.islands import problem as problem_module
from trimtab_grid.islands.domain import DOMAIN
from trimtab_grid.islands.kernel import settle

COPIES = 48
FLAPPING = [
    {
        "name": name,
        "between": ends,
        "capacity_kw": 150,
        "outages_per_year": 9000,
        "outage_h": 0.3,
    }
    for name, ends in (
        ("west", ["harbour", "ridge"]),
        ("east", ["ridge", "bay"]),
        ("south", ["bay", "harbour"]),
    )
]


def hostile(problem, rng):
    """Loads jump between their limits, wind between nothing and all."""
    for sub, state in zip(problem.islands, problem.resource("state"), strict=True):
        bank, plant = state.bank, sub.arrays
        bank[:, 1:, 0] = rng.choice([plant.load_min_kw, plant.load_max_kw], bank.shape[:2])[:, 1:]
        bank[:, 1:, 1] = rng.choice([0.0, plant.wind_kw], bank.shape[:2])[:, 1:]


def proposal(problem, rng, kind):
    spec, shape = problem.spec, (COPIES, problem.spec.n_agents)
    discrete = rng.integers(0, 3, (*shape, len(spec.discrete)))
    box = rng.uniform(-400.0, 400.0, (*shape, spec.n_box))
    if kind == "drain":  # stop everything and send all to the neighbours
        discrete[:] = 0
        box = np.abs(box)
        box[:, ::2, 1:] *= -1.0
    if kind == "fill":  # start everything, charge, and take in all that comes
        discrete[:] = 2
        box[:, :, 0] = -400.0
        box[:, 1::2, 1:] = -np.abs(box[:, 1::2, 1:])
        box[:, ::2, 1:] = np.abs(box[:, ::2, 1:])
    return Action(discrete.astype(np.int64), box.astype(np.float32))


def played(scenario, kind, seed=0):
    rng, found = np.random.default_rng(seed), {}
    with DOMAIN.build(scenario, COPIES) as problem:
        problem.reset(np.arange(COPIES))
        hostile(problem, rng)
        for _ in range(problem.spec.horizon):
            problem.step(proposal(problem, rng, kind))
        monitor, sent = DOMAIN.monitor(scenario), 0.0
        for row in range(COPIES):
            log = problem.episode_log(row)
            sent += float(np.abs(log["flow_kw"]).sum())
            for name, counted in monitor.check(log).items():
                found[name] = found.get(name, 0) + counted.count
    return found, sent


@pytest.mark.parametrize("kind", ["random", "drain", "fill"])
def test_no_island_breaks_a_rule_while_ties_flap_and_every_island_loses_a_unit(cluster, kind):
    scenario = cluster(ties=FLAPPING, horizon_h=12)
    first = [i.resolved_plant().gensets[0].name for i in map(scenario.island_scenario, range(3))]
    islands = [
        island.model_dump() | {"faults": [{"kind": "trip", "unit": unit, "at_min": 120.0}]}
        for island, unit in zip(scenario.islands, first, strict=True)
    ]
    found, sent = played(cluster(islands=islands, ties=FLAPPING, horizon_h=12), kind)
    assert sent > 1000.0
    assert {name: count for name, count in found.items() if count} == {}


def test_a_settlement_that_ignores_the_rooms_is_caught_by_the_monitor(cluster, monkeypatch):
    def careless(lines, flows):
        settle(lines, flows._replace(rooms=np.full_like(flows.rooms, 1e9)))

    monkeypatch.setattr(problem_module, "settle", careless)
    found, _ = played(cluster(ties=FLAPPING, horizon_h=6), "drain")
    assert sum(found.values()) > 0


def test_ties_never_move_an_island_out_of_its_safe_set(cluster):
    from trimtab_grid.shield_kernel import is_safe

    scenario, rng = cluster(ties=FLAPPING, horizon_h=6), np.random.default_rng(3)
    with DOMAIN.build(scenario, COPIES) as problem:
        problem.reset(np.arange(COPIES))
        hostile(problem, rng)
        for _ in range(problem.spec.horizon):
            problem.step(proposal(problem, rng, "random"))
            for sub, state in zip(problem.islands, problem.resource("state"), strict=True):
                for s, m in zip(state.states, state.moments, strict=True):
                    tables = sub.guard.tables
                    safe = is_safe(
                        sub.arrays, tables, s.mode, s.timer, s.soc_lo, s.soc_hi, m.load_kw
                    )
                    assert safe
