"""Designs drawn from the enumerated tables of the seed workloads still simulate to the same bits.

`enumerated.json` holds, for each table of `benchmarks/dram_enumerate.py 10000`, its optimum, the
checksum of its results, and the best design with six drawn at random.
"""

import json
from pathlib import Path

import pytest
from trimtab_hardware.dram.problem import DramProblem
from trimtab_hardware.dram.scenario import DramScenario, Workload
from trimtab_hardware.dram.spaces import seed10

TABLES = json.loads((Path(__file__).parent / "enumerated.json").read_text())


@pytest.mark.parametrize("workload", TABLES)
def test_designs_of_a_table_simulate_to_what_it_says(workload: str) -> None:
    scenario = DramScenario.model_validate({"workloads": [{"seed": workload, "requests": 10_000}]})
    problem = DramProblem(scenario)
    for sample in TABLES[workload]["samples"]:
        found = problem.measured(sample["design"])
        assert {name: found[name] for name in sample if name != "design"} == {
            name: value for name, value in sample.items() if name != "design"
        }, sample["design"]


@pytest.mark.parametrize("workload", TABLES)
def test_the_optimum_of_a_table_is_that_of_its_best_design(workload: str) -> None:
    scenario = DramScenario(workloads=(Workload.model_validate({"seed": workload}),))
    table = TABLES[workload]
    best = table["samples"][0]["design"]
    assert DramProblem(scenario).measured(best)["energy_delay_uj_us"] == table["optimum_uj_us"]
    assert seed10().legal(seed10().code([best])).all()
