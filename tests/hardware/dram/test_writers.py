import configparser
import csv
import json

import pytest
import yaml
from trimtab_hardware.dram.address_map import read_address_map
from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.domain import DOMAIN
from trimtab_hardware.dram.problem import DramProblem
from trimtab_hardware.dram.scenario import DramScenario, Workload
from trimtab_hardware.dram.writers import MCCONFIG

SCENARIO = DramScenario(
    part="ddr4-2400-4gb-x8", workloads=(Workload(seed="cloud-1", requests=300),)
)
DESIGN = {"page_policy": "ClosedAdaptive", "request_buffer_size": 16, "refresh_max_postponed": 4}


@pytest.fixture
def exported(tmp_path):
    return {path.name: path for path in DOMAIN.export(SCENARIO, "tpe", DESIGN, tmp_path)}


def test_dramsys_gets_the_controller_back_unchanged(exported):
    body = json.loads(exported["mcconfig.json"].read_text())["mcconfig"]
    again = Configuration(**{name: body[key] for key, name in MCCONFIG.items()})
    assert again == DramProblem(SCENARIO).setup(DESIGN).configuration


def test_dramsys_gets_the_address_map_back_unchanged(exported):
    chosen = read_address_map(exported["addressmapping.json"])
    assert chosen == DramProblem(SCENARIO).setup(DESIGN).address_map


def test_ramulator_gets_the_timing_of_the_part(exported):
    system = yaml.safe_load(exported["ramulator2.yaml"].read_text())["MemorySystem"]
    part = DramProblem(SCENARIO).part
    assert system["DRAM"]["timing"]["nRFC"] == part.timing.rfc
    assert system["DRAM"]["org"]["bankgroup"] == 4
    assert system["Controller"]["RowPolicy"]["impl"] == "ClosedRowPolicy"


def test_files_say_what_they_cannot_express(exported):
    assert "no such scheduler_buffer (Bankwise)" in exported["ramulator2.yaml"].read_text()
    assert "no such arbiter (Simple)" in exported["dramsim3.ini"].read_text()


def test_dramsim3_gets_organisation_queue_and_map(exported):
    parser = configparser.ConfigParser(comment_prefixes=(";",))
    parser.read(exported["dramsim3.ini"])
    assert parser["dram_structure"]["rows"] == "32768"
    assert parser["system"]["queue_structure"] == "PER_BANK"
    assert parser["system"]["cmd_queue_size"] == "16"
    assert parser["system"]["address_mapping"].startswith("robaco")
    assert parser["system"]["channel_size"] == "4096"


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
