from threading import Thread

import numpy as np
import pytest
from trimtab.contracts.errors import BoundError
from trimtab.contracts.problem import Bound
from trimtab_hardware.dram.certificates import dram_bound, verify_dram_bound
from trimtab_hardware.dram.domain import DOMAIN
from trimtab_hardware.dram.enumerate import (
    DesignTable,
    TabledProblem,
    cache_folder,
    check_table,
    enumerate_space,
    equal_but_for_limits,
    feasible,
    load_table,
    table_path,
    true_front,
)
from trimtab_hardware.dram.problem import DramProblem
from trimtab_hardware.dram.scenario import DramScenario, Mixed, Workload

HELD = {
    "scheduler": "FrFcfs",
    "scheduler_buffer": "Bankwise",
    "response_queue": "Fifo",
    "refresh_max_postponed": 4,
    "refresh_max_pulled_in": 1,
    "arbiter": "Simple",
}


def scenario(**changes):
    given = {
        "workloads": (Workload(seed="cloud-2", requests=300),),
        "fixed": HELD,
        "space": "seed10-ideal",
        **changes,
    }
    return DramScenario(**given)


@pytest.fixture(scope="module")
def enumerated(tmp_path_factory):
    problem = DramProblem(scenario())
    folder = tmp_path_factory.mktemp("cache")
    return problem, enumerate_space(problem, folder, processes=1), folder


def test_every_design_is_in_the_table_once(enumerated):
    problem, table, _ = enumerated
    # 4 page policies x 8 sizes, with refresh and without.
    assert len(table.designs) == 64
    check_table(problem, table)


def test_values_are_those_of_the_simulator(enumerated):
    problem, table, _ = enumerated
    result = problem.evaluate(table.designs, "full", 0)
    assert (table.values[:, 0] == result.objectives[:, 0]).all()


def test_the_table_is_stored_and_loaded_by_the_identity_of_the_problem(enumerated):
    problem, table, folder = enumerated
    stored = load_table(problem, folder)
    assert stored is not None
    assert stored.checksum == table.checksum
    assert load_table(DramProblem(scenario(workloads=(Workload(seed="stream"),))), folder) is None


def test_a_damaged_table_is_not_used(enumerated, tmp_path):
    problem, table, folder = enumerated
    values = table.values.copy()
    values[3, 0] *= 0.9
    path = table_path(problem, tmp_path)
    np.savez(path, designs=table.designs, values=values, checksum=table.checksum)
    assert load_table(problem, tmp_path) is None
    path.write_bytes(b"nonsense")
    assert load_table(problem, tmp_path) is None


def test_a_missing_design_breaks_the_proof(enumerated):
    problem, table, _ = enumerated
    with pytest.raises(BoundError, match="table of 63 designs: the space has 64"):
        check_table(problem, DesignTable(table.identity, table.designs[1:], table.values[1:]))


def test_a_design_that_occurs_twice_breaks_the_proof(enumerated):
    problem, table, _ = enumerated
    designs = table.designs.copy()
    designs[0] = designs[1]
    with pytest.raises(BoundError, match="the space has 64"):
        check_table(problem, DesignTable(table.identity, designs, table.values))


def test_a_wrong_best_value_is_found_by_simulating_it_again(enumerated):
    problem, table, _ = enumerated
    values = table.values.copy()
    best = np.flatnonzero(feasible(problem, table))[0]
    values[best, 0] = 1e-3
    with pytest.raises(BoundError, match=f"table row {best}: simulating it again"):
        check_table(problem, DesignTable(table.identity, table.designs, values))


def test_an_interrupted_enumeration_goes_on_where_it_was(enumerated, tmp_path):
    problem, table, folder = enumerated
    blocks = tmp_path / f"{table_path(problem, tmp_path).stem}.blocks"
    blocks.mkdir()
    first = equal_but_for_limits(problem, table.designs)[0]
    marked = table.values[first]
    marked[:, -2] = 123.0
    np.save(blocks / "0.npy", marked)
    again = enumerate_space(problem, tmp_path, processes=1)
    assert (again.column("cost_s")[first] == 123.0).all()
    assert again.checksum == table.checksum
    assert not blocks.exists()


def test_a_search_that_begins_while_the_table_is_made_waits_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_WORKSPACE", str(tmp_path))
    built = []
    search = Thread(target=lambda: built.append(DOMAIN.build(scenario())))

    def begin(done, groups):
        if not search.is_alive():
            search.start()

    enumerate_space(DramProblem(scenario()), cache_folder(), processes=1, progress=begin)
    search.join()
    assert isinstance(built[0], TabledProblem)


def test_no_design_of_the_front_is_dominated_and_every_other_one_is(enumerated):
    problem, table, _ = enumerated
    front = true_front(problem, table)
    names = ("mean_latency_ns", "energy_pj_per_bit", "total_time_ns")
    points = np.stack([table.column(n) for n in names], axis=1)[feasible(problem, table)]
    for point in points:
        assert (front <= point).all(axis=1).any()
    for point in front:
        assert not ((points <= point).all(axis=1) & (points < point).any(axis=1)).any()


def test_looked_up_evaluations_equal_simulated_ones(enumerated):
    problem, table, _ = enumerated
    rows = problem.spec.space.sample(20, np.random.default_rng(0))
    known, simulated = (
        p.evaluate(rows, "full", 0) for p in (TabledProblem(problem, table), problem)
    )
    assert (known.objectives == simulated.objectives).all()
    assert (known.constraints == simulated.constraints).all()
    assert known.cached.all()
    assert (known.cost_s > 0).all()


def test_neither_no_refresh_nor_one_entry_wins(enumerated):
    problem, table, _ = enumerated
    scores = np.where(feasible(problem, table), table.values[:, 0], np.inf)
    best = np.flatnonzero(scores == scores.min())
    for design in problem.spec.space.designs(table.designs[best]):
        assert design["refresh_policy"] == "AllBank"
        assert design["request_buffer_size"] > 1


def test_the_enumerated_bound_verifies_and_lies_above_the_closed_form(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_WORKSPACE", str(tmp_path))
    chosen = scenario(space="seed10")
    bound = DOMAIN.bound(chosen, 0)
    DOMAIN.verify(chosen, 0, bound)
    assert bound.certificate["designs"] == 32
    closed = dram_bound(scenario(space="seed10", enumerate_space=False))
    verify_dram_bound(scenario(space="seed10", enumerate_space=False), closed)
    assert closed.value <= bound.value
    assert isinstance(DOMAIN.build(chosen), TabledProblem)


def test_a_forged_enumerated_value_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_WORKSPACE", str(tmp_path))
    bound = dram_bound(scenario())
    forged = Bound(bound.value * 0.99, "proven", bound.how, bound.certificate)
    with pytest.raises(BoundError, match="the least value of the table"):
        verify_dram_bound(scenario(), forged)
    absent = Bound(bound.value, "proven", bound.how, {**bound.certificate, "checksum": "0"})
    with pytest.raises(BoundError, match="holds no table"):
        verify_dram_bound(scenario(), absent)


@pytest.mark.parametrize("space", ["controller+", "address-map"])
def test_closed_form_bounds_of_wide_spaces_verify_and_hold(space):
    chosen = DramScenario(
        workloads=(Workload(seed="cloud-1", requests=400), Workload(kernel="gups", requests=300)),
        space=space,
    )
    bound = dram_bound(chosen)
    verify_dram_bound(chosen, bound)
    problem = DramProblem(chosen)
    rows = problem.spec.space.sample(10, np.random.default_rng(0))
    rows = rows[problem.spec.space.legal(rows)]
    assert bound.value <= problem.evaluate(rows, "full", 0).objectives[:, 0].min()


def test_a_bound_of_another_trace_is_refused():
    closed = dram_bound(scenario(enumerate_space=False))
    other = scenario(enumerate_space=False, workloads=(Workload(seed="stream", requests=300),))
    with pytest.raises(BoundError, match="another engine, part, map, limit or trace"):
        verify_dram_bound(other, closed)


@pytest.mark.parametrize("write_share", [0.0, 1.0, 0.4])
def test_designs_without_a_simulation_of_their_own_are_equal_to_the_bit(tmp_path, write_share):
    mixed = Mixed(load=0.7, refresh_intervals=4, write_share=write_share)
    chosen = scenario(
        space="seed10",
        workloads=(Workload(mixed=mixed, requests=120),),
        fixed={
            "page_policy": "OpenAdaptive",
            "response_queue": "Reorder",
            "refresh_max_postponed": 1,
            "arbiter": "Reorder",
        },
    )
    problem = DramProblem(chosen)
    table = enumerate_space(problem, tmp_path, processes=1)
    simulated = table.column("simulated") > 0
    assert 0 < simulated.sum() < 0.6 * len(table.designs)
    drawn = np.random.default_rng(0).choice(np.flatnonzero(~simulated), 150, replace=False)
    result = problem.evaluate(table.designs[drawn], "full", 0)
    known = table.metrics(drawn)
    assert all((known[name] == result.metrics[name]).all() for name in known)


def test_long_traces_are_bounded_in_closed_form_unless_enumeration_is_asked_for():
    long = DramScenario(workloads=(Workload(seed="stream", requests=20_001),))
    assert "floors" in dram_bound(long).certificate
