import numpy as np
import pytest
from trimtab.contracts.errors import BoundError, ContractError, UnknownNameError
from trimtab.contracts.problem import Bound
from trimtab_hardware.cache.bounds import cache_bound, verify_cache_bound
from trimtab_hardware.cache.domain import DOMAIN
from trimtab_hardware.cache.model import Technology, access_pj, hit_cycles
from trimtab_hardware.cache.problem import (
    CacheProblem,
    CacheScenario,
    load_references,
    simulate_hierarchy,
)
from trimtab_hardware.dram.programs import KERNELS

SCENARIO = CacheScenario(kernel="spmv", references=3000)


def metrics_of(problem, **changes):
    design = {**DOMAIN.reference_designs(SCENARIO)["server_core"], **changes}
    result = problem.evaluate_design(design, "full", 0)
    return {name: float(column[0]) for name, column in result.metrics.items()}


def test_array_costs_follow_the_published_figures():
    technology = Technology()
    sizes = np.array([8.0, 32.0, 1024.0])
    assert access_pj(technology, sizes, np.ones(3)) == pytest.approx([10, 20, 100], rel=0.14)
    assert hit_cycles(technology, np.array([32.0, 1024.0])).tolist() == [4, 13]


def test_every_reference_is_a_hit_or_a_miss():
    problem = CacheProblem(SCENARIO)
    counts = simulate_hierarchy(
        DOMAIN.reference_designs(SCENARIO)["server_core"], problem.address, problem.is_write
    )
    assert counts[0] + counts[1] + counts[2] == 3000


def test_the_time_of_a_reference_adds_up_by_hand():
    problem = CacheProblem(SCENARIO)
    found = metrics_of(problem)
    misses = 1 - found["l1_hit_share"]
    expected = 4 + 13 * misses + 200 * found["memory_reads"] / 3000
    assert found["access_time_cycles"] == pytest.approx(expected)
    product = found["access_time_cycles"] * found["access_energy_pj"]
    assert found["energy_delay_pj_cycles"] == pytest.approx(product)


def test_a_prefix_plays_a_tenth_of_the_stream():
    problem = CacheProblem(SCENARIO)
    row = problem.spec.space.code([DOMAIN.reference_designs(SCENARIO)["server_core"]])
    short = problem.evaluate(row, "prefix-10", 0).metrics["memory_reads"][0]
    assert short < problem.evaluate(row, "full", 0).metrics["memory_reads"][0]


def test_capacity_beyond_the_limit_is_infeasible():
    result = CacheProblem(SCENARIO).evaluate_design(
        {**DOMAIN.reference_designs(SCENARIO)["server_core"], "l2_kib": 2048}, "full", 0
    )
    assert result.constraints[0, 0] == 2048 + 32 - 1088


def test_a_size_that_makes_no_sets_is_refused():
    with pytest.raises(ContractError, match="l1: 24 KiB in 8 ways of 64 bytes"):
        metrics_of(CacheProblem(SCENARIO), l1_kib=24)


def test_the_space_has_11520_hierarchies():
    space = CacheProblem(SCENARIO).spec.space
    assert np.prod([p.count for p in space.parameters]) == 11_520


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_bound_is_below_random_hierarchies(kernel):
    scenario = CacheScenario(kernel=kernel, references=2000)
    problem = CacheProblem(scenario)
    rows = problem.spec.space.sample(40, np.random.default_rng(0))
    result = problem.evaluate(rows, "full", 0)
    feasible = (result.constraints <= 0).all(axis=1)
    assert feasible.any()
    assert cache_bound(scenario).value <= result.objectives[feasible, 0].min()


def test_the_bound_verifies():
    bound = cache_bound(SCENARIO)
    verify_cache_bound(SCENARIO, bound)  # raises unless it is computed again to the same value
    assert bound.kind == "proven"


@pytest.mark.parametrize("change", ["value", "lines"])
def test_a_forged_bound_is_refused(change):
    bound = cache_bound(SCENARIO)
    value = bound.value * 1.01 if change == "value" else bound.value
    lines = dict(bound.certificate["distinct_lines"])
    if change == "lines":
        lines["64"] += 1
    forged = Bound(value, "proven", bound.how, {**bound.certificate, "distinct_lines": lines})
    with pytest.raises(BoundError, match="certificate"):
        verify_cache_bound(SCENARIO, forged)


def test_references_may_come_from_a_trace_file(tmp_path):
    (tmp_path / "t.stl").write_text("0: read 0x40\n5: write 0x80\n")
    address, is_write = load_references(CacheScenario(trace=tmp_path / "t.stl"))
    assert address.tolist() == [64, 128]
    assert is_write.tolist() == [False, True]


def test_a_scenario_needs_exactly_one_source():
    with pytest.raises(ValueError, match="give either kernel or trace"):
        CacheScenario()


def test_an_unknown_kernel_is_refused():
    with pytest.raises(UnknownNameError, match="unknown kernel 'gem'"):
        CacheProblem(CacheScenario(kernel="gem"))


def test_the_identity_changes_with_the_stream_and_the_technology():
    other = SCENARIO.model_copy(update={"seed": 2})
    slow = SCENARIO.model_copy(update={"technology": Technology(memory_cycles=300)})
    identities = {CacheProblem(s).identity for s in (SCENARIO, other, slow)}
    assert len(identities) == 3
