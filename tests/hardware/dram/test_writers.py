import csv

import pytest
import yaml
from trimtab.contracts.errors import InputFileError
from trimtab_hardware.dram.address_map import read_address_map
from trimtab_hardware.dram.configuration_files import read_configuration
from trimtab_hardware.dram.domain import DOMAIN
from trimtab_hardware.dram.problem import DramProblem
from trimtab_hardware.dram.scenario import DramScenario, Workload
from trimtab_hardware.dram.writers import check_design

SCENARIO = DramScenario(
    part="ddr4-2400-4gb-x8", workloads=(Workload(seed="cloud-1", requests=300),)
)
DESIGN = {"page_policy": "ClosedAdaptive", "request_buffer_size": 16, "refresh_max_postponed": 4}


@pytest.fixture
def exported(tmp_path):
    out = tmp_path / "not" / "there" / "yet"
    return {path.name: path for path in DOMAIN.export(SCENARIO, "tpe", DESIGN, out)}


def test_dramsys_gets_the_controller_back_unchanged(exported):
    again = read_configuration(exported["mcconfig.json"])
    assert again == DramProblem(SCENARIO).setup(DESIGN).configuration


def test_dramsys_gets_the_address_map_back_unchanged(exported):
    chosen = read_address_map(exported["addressmapping.json"])
    assert chosen == DramProblem(SCENARIO).setup(DESIGN).address_map


def test_other_simulators_get_the_nearest_controller(exported):
    system = yaml.safe_load(exported["ramulator2.yaml"].read_text())["Controller"]
    assert system["RowPolicy"]["impl"] == "ClosedRowPolicy"
    assert "cmd_queue_size = 16" in exported["dramsim3.ini"].read_text()


def test_a_design_that_a_format_cannot_say_is_refused(tmp_path):
    with pytest.raises(InputFileError, match="row_hit_cap = 4 cannot be said"):
        DOMAIN.export(SCENARIO, "tpe", {**DESIGN, "row_hit_cap": 4}, tmp_path)


def test_every_command_of_a_design_is_checked(tmp_path):
    found = DramProblem(SCENARIO)
    counts = found.simulate(found.setup(DESIGN), 0).counts
    assert check_design(found, DESIGN) == sum(counts.values())


def test_the_log_holds_every_request_and_every_command(tmp_path):
    requests, commands = DOMAIN.log_design(SCENARIO, DESIGN, tmp_path)
    with requests.open() as file:
        rows = list(csv.DictReader(file))
    found = DramProblem(SCENARIO).measured(DESIGN)
    waits = [int(row["latency_from_arrival_ck"]) for row in rows]
    assert len(rows) == 300
    assert sum(waits) / 300 / 1.2 == pytest.approx(found["mean_latency_ns"])
    with commands.open() as file:
        served = [int(row["request"]) for row in csv.DictReader(file) if row["command"][0] in "RW"]
    assert sorted(r for r in served if r >= 0) == list(range(300))
