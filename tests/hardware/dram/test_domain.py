import json

import numpy as np
import pytest
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.records import DesignRecord
from trimtab.contracts.registry import shipped_scenarios
from trimtab.run.scenario_file import load_scenario
from trimtab_hardware.dram.domain import DOMAIN, REFERENCE
from trimtab_hardware.dram.part import load_part
from trimtab_hardware.dram.problem import DramProblem
from trimtab_hardware.dram.scenario import DramScenario, Workload

SHIPPED = sorted(name for name in shipped_scenarios() if name.startswith("hardware/"))
SMALL = DramScenario(workloads=(Workload(seed="cloud-2", requests=600),))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_scenario_loads_and_scores_its_reference(name):
    loaded = load_scenario(name)
    domain, problem = loaded.domain, loaded.scenario.problem
    built = domain.build(problem)
    for design in domain.reference_designs(problem).values():
        result = built.evaluate_design(design, built.spec.fidelities[0], 0)
        assert result.status == ("ok",)
        assert set(result.metrics) == {metric.name for metric in domain.metrics}


@pytest.mark.parametrize("name", ["dram-stream", "dram-random", "dram-cloud-1", "dram-cloud-2"])
def test_the_four_seed_workloads_are_shipped_with_twenty_seeds(name):
    loaded = load_scenario(f"hardware/{name}")
    assert len(loaded.scenario.seeds) == 20
    assert loaded.scenario.problem.workloads[0].label == name.removeprefix("dram-")


def test_the_reference_postpones_no_refresh():
    design = DOMAIN.reference_designs(SMALL)[REFERENCE]
    assert design["refresh_max_postponed"] == design["refresh_max_pulled_in"] == 0
    assert (design["scheduler"], design["request_buffer_size"]) == ("FrFcfs", 8)


def _record(name, design, given=False):
    metrics = DramProblem(SMALL).measured(design)
    return DesignRecord(name=name, seed=1, design=design, metrics=metrics, given=given)


def test_figures_show_waiting_and_commands_of_reference_and_best():
    better = {"page_policy": "ClosedAdaptive", "request_buffer_size": 128}
    records = [_record(REFERENCE, {}, given=True), _record("tpe", better)]
    histogram, latency, timeline = DOMAIN.design_views(SMALL, records)
    for series in histogram.series:
        assert sum(series.y) == pytest.approx(100.0)
        assert series.x[-1] < max(record.metrics["max_latency_ns"] for record in records)
    assert [series.name for series in latency.series] == [REFERENCE, "best (tpe)"]
    for series in latency.series:
        assert list(series.y) == sorted(series.y)
    assert latency.series[0].y[-1] == records[0].metrics["max_latency_ns"]
    names = {series.name for series in timeline.series}
    assert names & {"RD", "RDA"}
    assert timeline.kind == "scatter"


def test_no_figures_without_a_feasible_design():
    record = DesignRecord("tpe", 1, {}, {"energy_delay_uj_us": 1.0}, {"refresh_gap_trefi": 2.0})
    assert DOMAIN.design_views(SMALL, [record]) == ()


def test_checking_says_what_is_in_each_workload(tmp_path):
    (tmp_path / "t.stl").write_text("0: read 0x40\n9: write 0x40\n")
    found = DOMAIN.check(DramScenario(workloads=(Workload(traces=(tmp_path / "t.stl",)),)))
    assert found == ("t.stl: 2 requests, 50% writes, 9 cycles",)


def test_the_reader_is_told_what_cloud_workloads_are():
    assert any("no data-centre trace" in note for note in DOMAIN.notes(SMALL))


def test_the_reader_is_told_where_a_workload_is_too_short_for_its_refreshes():
    long = DramScenario(workloads=(Workload(seed="stream", requests=20_000),))
    assert any("refresh intervals only" in note for note in DOMAIN.notes(SMALL))
    assert not any("refresh intervals only" in note for note in DOMAIN.notes(long))


def test_traces_become_a_scenario_by_content(tmp_path):
    (tmp_path / "a.stl").write_text("0: read 0x40\n9: write 0x40\n")
    (tmp_path / "b.trace").write_text("0x80 READ 4\n")
    made = DOMAIN.from_files([tmp_path / "a.stl", tmp_path / "b.trace"], tmp_path, "mine")
    scenario = DramScenario.model_validate(made.problem, context={"folder": tmp_path})
    assert made.problem["workloads"][0]["traces"] == ["a.stl", "b.trace"]
    problem = DramProblem(scenario)
    assert problem.traces[0].arrival.tolist() == [0, 4, 9]
    assert problem.traces[0].thread.tolist() == [0, 1, 0]


def test_addresses_beyond_the_part_wrap_with_a_note(tmp_path):
    (tmp_path / "a.stl").write_text("0: read 0x1000000000\n")
    made = DOMAIN.from_files([tmp_path / "a.stl"], tmp_path, "mine")
    assert made.problem["workloads"][0]["wrap"] is True
    assert any("wrap" in note for note in made.notes)


def test_an_address_map_chooses_a_part_that_it_fits(tmp_path):
    (tmp_path / "a.stl").write_text("0: read 0x40\n")
    chosen = load_part("ddr4-2400-4gb-x8").address_map("bank-row-column")
    (tmp_path / "map.json").write_text(chosen.to_json())
    made = DOMAIN.from_files([tmp_path / "a.stl", tmp_path / "map.json"], tmp_path, "mine")
    scenario = DramScenario.model_validate(made.problem, context={"folder": tmp_path})
    assert DramProblem(scenario).fixed_map == chosen


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"m.json": {"addressmapping": {}}}, "no trace among the files"),
        ({"m.json": {"mapping": {}}}, "m.json: has none of memspec, addressmapping, mcconfig"),
        ({"m.json": {"mcconfig": {}}, "n.json": {"mcconfig": {}}}, "n.json: a second controller"),
        ({"a.stl": "0: read 0x40\n", "x.json": "{"}, "x.json:1:2: not JSON"),
        ({"a.stl": "hello\n"}, r"a\.stl:1: 'hello' is of no known trace format"),
    ],
)
def test_wrong_files_are_refused_with_their_name(files, reason, tmp_path):
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name).write_text(text)
    with pytest.raises(InputFileError, match=reason):
        DOMAIN.from_files([tmp_path / name for name in files], tmp_path, "mine")


def test_a_map_that_fits_no_part_is_refused(tmp_path):
    (tmp_path / "a.stl").write_text("0: read 0x40\n")
    body = {"BYTE_BIT": [0], "COLUMN_BIT": [1, 2, 3], "BANK_BIT": [4], "ROW_BIT": [5]}
    (tmp_path / "m.json").write_text(json.dumps({"addressmapping": body}))
    with pytest.raises(InputFileError, match="fits none of the shipped parts"):
        DOMAIN.from_files([tmp_path / "a.stl", tmp_path / "m.json"], tmp_path, "mine")


def test_a_controller_file_becomes_the_reference(tmp_path):
    (tmp_path / "a.stl").write_text("0: read 0x40\n")
    (tmp_path / "c.json").write_text('{"mcconfig": {"PagePolicy": "Closed", "CmdMux": "Strict"}}')
    made = DOMAIN.from_files([tmp_path / "a.stl", tmp_path / "c.json"], tmp_path, "mine")
    scenario = DramScenario.model_validate(made.problem, context={"folder": tmp_path})
    reference = DOMAIN.reference_designs(scenario)[REFERENCE]
    assert reference["page_policy"] == "Closed"
    assert reference["command_mux"] == "Strict"
    assert len(DOMAIN.data_files(scenario)) == 2


def test_designs_on_long_traces_are_simulated_once_for_all_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_WORKSPACE", str(tmp_path))
    long = DramScenario(workloads=(Workload(seed="stream", requests=100_000),))
    first, second = DOMAIN.build(long), DOMAIN.build(long)
    row = first.spec.space.sample(1, np.random.default_rng(0))
    simulated, known = (built.evaluate(row, "prefix-500", 0) for built in (first, second))
    assert not simulated.cached.any()
    assert known.cached.all()
    assert (known.objectives == simulated.objectives).all()
    reference = DOMAIN.reference_designs(long)[REFERENCE]
    assert second.evaluate_design(reference, "prefix-500", 0).status == ("ok",)
