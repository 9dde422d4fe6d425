import numpy as np
import pytest
from pydantic import ValidationError
from trimtab.contracts.errors import ContractError, InputFileError, UnknownNameError
from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.metrics import METRICS, buffer_entries, measure
from trimtab_hardware.dram.part import load_part
from trimtab_hardware.dram.problem import DramProblem
from trimtab_hardware.dram.scenario import DramScenario, Limits, Mixed, Workload
from trimtab_hardware.dram.simulation import Engine
from trimtab_hardware.dram.traces import Trace
from trimtab_hardware.dram.workloads import seed_workload


def scenario(**changes):
    given = {"workloads": (Workload(seed="cloud-1", requests=1000),), **changes}
    return DramScenario(**given)


def test_the_reference_on_a_stream_takes_40680_cycles_and_86634_nanojoules():
    problem = DramProblem(scenario(workloads=(Workload(seed="stream"),)))
    found = problem.measured({})
    assert found["total_cycles"] == 40_680
    assert found["energy_uj"] == pytest.approx(86.634, rel=1e-9)
    assert found["energy_delay_uj_us"] == pytest.approx(86.634 * 40.680 * 1.25, rel=1e-9)


def test_metrics_are_those_of_the_engine_in_physical_units():
    part, trace = load_part("ddr3-1600-1gb-x8"), seed_workload("random", requests=500)
    result = Engine(trace, part).run(Configuration())
    found = measure(result, trace, part, Configuration())
    waits = np.sort(result.arrival_latency_ck)
    assert found["p99_latency_ns"] == waits[int(np.ceil(0.99 * 500)) - 1] * 1.25
    assert found["bandwidth_gb_s"] == pytest.approx(500 * 64 / (result.total_ck * 1.25))
    assert found["energy_pj_per_bit"] == pytest.approx(result.energy_pj / (500 * 512))
    assert set(found) == {metric.name for metric in METRICS}


def test_waiting_before_acceptance_counts():
    problem = DramProblem(scenario(workloads=(Workload(seed="random", requests=1000),)))
    small = problem.measured({"request_buffer_size": 1, "scheduler_buffer": "Shared"})
    assert small["controller_latency_ns"] < 0.01 * small["mean_latency_ns"]


@pytest.mark.parametrize(
    ("change", "entries"),
    [
        ({}, 64.0),
        ({"scheduler_buffer": "ReadWrite"}, 16.0),
        ({"scheduler_buffer": "Shared", "arbiter": "Fifo", "max_active_transactions": 4}, 12.0),
        ({"scheduler_buffer": "Shared", "max_active_transactions": 4}, 8.0),
    ],
)
def test_entries_count_buffers_of_all_banks_and_the_queued_front_end(change, entries):
    assert buffer_entries(Configuration(**change), load_part("ddr3-1600-1gb-x8")) == entries


def test_a_design_that_never_refreshes_is_infeasible_on_any_length():
    problem = DramProblem(scenario(space="seed10-ideal"))
    result = problem.evaluate_design({"refresh_policy": "NoRefresh"}, "full", 0)
    assert result.metrics["refresh_gap_trefi"][0] == 8192
    assert result.constraints[0, 0] > 0
    assert (problem.evaluate_design({}, "full", 0).constraints <= 0).all()


def test_limits_become_constraints():
    limits = Limits(bandwidth_gb_s=5.0, p99_latency_ns=1000.0, buffer_entries=32.0)
    result = DramProblem(scenario(limits=limits)).evaluate_design({}, "full", 0)
    found = {name: float(values[0]) for name, values in result.metrics.items()}
    expected = [
        found["refresh_gap_trefi"] - 9,
        5.0 - found["bandwidth_gb_s"],
        found["p99_latency_ns"] - 1000,
        64 - 32,
    ]
    assert result.constraints[0].tolist() == pytest.approx(expected)


def test_evaluation_is_deterministic_and_the_same_one_by_one():
    problem = DramProblem(scenario())
    rows = problem.spec.space.sample(6, np.random.default_rng(0))
    together = problem.evaluate(rows, "full", 0)
    alone = [problem.evaluate(rows[k : k + 1], "full", 7).objectives[0] for k in range(6)]
    assert (together.objectives == np.array(alone)).all()


def test_equal_canonical_designs_have_equal_results():
    problem = DramProblem(scenario())
    rows = problem.spec.space.sample(12, np.random.default_rng(1))
    canonical = problem.canonical(rows)
    assert (rows != canonical).any()
    first, second = (problem.evaluate(r, "full", 0).metrics for r in (rows, canonical))
    # Void transactions do not count as buffer entries either.
    assert all((first[name] == second[name]).all() for name in first)


def test_a_prefix_simulates_the_start_of_the_trace():
    problem = DramProblem(scenario())
    short = problem.measured({}, "prefix-500")
    start = Engine(problem.traces[0].prefix(500), problem.part).run(Configuration())
    assert short["total_cycles"] == start.total_ck


def test_the_headline_of_several_workloads_is_their_weighted_geometric_mean():
    one, other = (
        Workload(seed=s, requests=400, weight=w) for s, w in (("stream", 3), ("random", 1))
    )
    both = DramProblem(scenario(workloads=(one, other))).measured({})
    single = [DramProblem(scenario(workloads=(w,))).measured({}) for w in (one, other)]
    name = "energy_delay_uj_us"
    assert both[name] == pytest.approx(single[0][name] ** 0.75 * single[1][name] ** 0.25)
    assert both["p99_latency_ns"] == max(s["p99_latency_ns"] for s in single)


def test_held_parameters_leave_the_others_free():
    problem = DramProblem(scenario(fixed={"arbiter": "Simple", "page_policy": "Open"}))
    designs = problem.spec.space.designs(problem.spec.space.sample(30, np.random.default_rng(2)))
    assert {d["arbiter"] for d in designs} == {"Simple"}
    assert {d["max_active_transactions"] for d in designs} == {1}
    assert len({d["scheduler"] for d in designs}) == 3


def test_holding_an_unknown_parameter_is_refused():
    with pytest.raises(UnknownNameError, match="unknown design parameter 'page'"):
        DramProblem(scenario(fixed={"page": "Open"}))


def test_an_address_order_cannot_be_held():
    with pytest.raises(ContractError, match="order cannot be held"):
        DramProblem(scenario(space="address-map", fixed={"order": 1}))


def test_a_published_map_and_its_design_give_the_same_result():
    from trimtab_hardware.dram.domain import DOMAIN

    chosen = scenario(space="address-map", part="ddr4-2400-4gb-x8")
    problem = DramProblem(chosen)
    plain = DramProblem(scenario(part="ddr4-2400-4gb-x8")).measured({})
    design = DOMAIN.reference_designs(chosen)["row-bank-column"]
    assert problem.measured(design)["total_cycles"] == plain["total_cycles"]


def test_grades_play_the_same_times_in_cycles_of_their_own_clock():
    chosen = scenario(
        space="controller+",
        grades=("ddr3-1600-1gb-x8", "ddr4-2400-4gb-x8"),
        workloads=(Workload(mixed=Mixed(load=0.2, refresh_intervals=2)),),
    )
    problem = DramProblem(chosen)
    fast = problem.setup({"part": "ddr4-2400-4gb-x8"})
    last = [problem.trace(p, 0).arrival[-1] for p in (problem.part, fast.part)]
    assert last[1] == -(-last[0] * 3 // 2)


def test_the_identity_names_everything_that_results_depend_on():
    changes = [
        {},
        {"part": "ddr4-2400-4gb-x8"},
        {"address_map": "bank-row-column"},
        {"workloads": (Workload(seed="cloud-1", requests=999),)},
        {"limits": Limits(buffer_entries=10)},
        {"fixed": {"arbiter": "Simple"}},
        {"space": "seed10-ideal"},
    ]
    assert len({DramProblem(scenario(**change)).identity for change in changes}) == len(changes)


def test_an_unknown_parameter_of_a_design_is_refused():
    with pytest.raises(UnknownNameError, match="design parameter 'page'"):
        DramProblem(scenario()).measured({"page": "Open"})


def test_addresses_beyond_the_part_are_refused_unless_they_wrap(tmp_path):
    path = tmp_path / "t.stl"
    path.write_text(f"0: read 0x{1 << 30:x}\n")
    with pytest.raises(InputFileError, match=r"t\.stl: request 1: address 0x40000000 is beyond"):
        DramProblem(scenario(workloads=(Workload(traces=(path,)),)))
    wrapped = DramProblem(scenario(workloads=(Workload(traces=(path,), wrap=True),)))
    assert wrapped.traces[0].address.tolist() == [0]


def test_a_workload_has_exactly_one_source():
    with pytest.raises(ValidationError, match="exactly one of seed, kernel, mixed and traces"):
        Workload(seed="stream", kernel="gups")


def test_several_traces_merge_and_keep_their_threads(tmp_path):
    (tmp_path / "a.stl").write_text("0: read 0x40\n4: read 0x40\n")
    (tmp_path / "b.stl").write_text("2: read 0x10040\n")
    files = (tmp_path / "a.stl", tmp_path / "b.stl")
    problem = DramProblem(scenario(workloads=(Workload(traces=files),)))
    assert problem.traces[0].thread.tolist() == [0, 1, 0]
    assert problem.measured({})["thread_latency_ratio"] > 1


def test_bursts_of_32_bytes_split_every_line():
    trace = Trace.of(np.array([3]), np.array([70]), np.array([True])).in_bursts(32)
    assert trace.address.tolist() == [64, 96]
    assert trace.is_write.all()
