"""The transfer policy that ships designs for a user's traces without a simulation."""

from pathlib import Path

import numpy as np
import pytest
from trimtab.contracts.errors import TrimtabError
from trimtab.run.named_design import find_design
from trimtab.run.scenario_file import load_scenario
from trimtab_hardware.dram.problem import DramProblem
from trimtab_hardware.dram.proposal import proposed_design
from trimtab_hardware.dram.scenario import DramScenario, Workload

SCENARIO = """schema: trimtab/scenario/1
name: mine
domain: hardware.dram
problem:
  part: ddr3-1600-1gb-x8
  workloads: [{traces: [mine.stl]}]
"""


def scenario(**changed: object) -> DramScenario:
    workload = Workload(seed="cloud-1", requests=1500, random_seed=11)
    return DramScenario.model_validate({"workloads": (workload,), **changed})


def energy_delay(of: DramScenario, design: object) -> float:
    return DramProblem(of).measured(design)["energy_delay_uj_us"]  # type: ignore[arg-type]


def test_the_proposal_beats_the_reference_on_traffic_that_it_never_met() -> None:
    unseen = scenario()
    proposal = proposed_design(unseen)
    assert energy_delay(unseen, proposal) < 0.9 * energy_delay(unseen, {})


def test_a_users_trace_gets_a_design_through_the_command_lines_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{4 * k}: {'read' if k % 3 else 'write'} 0x{64 * line:x}\n"
             for k, line in enumerate(rng.integers(0, 1 << 20, 400))]  # fmt: skip
    (tmp_path / "mine.stl").write_text("".join(lines))
    (tmp_path / "mine.yaml").write_text(SCENARIO)
    loaded = load_scenario(tmp_path / "mine.yaml")
    named = find_design(loaded, "proposed", tmp_path)
    assert named.name == "proposed"
    assert DramProblem(loaded.scenario.problem).setup(named.values).configuration.scheduler


def test_what_a_scenario_holds_is_held() -> None:
    held = {"request_buffer_size": 2, "arbiter": "Reorder"}
    proposal = proposed_design(scenario(fixed=held))
    assert held.items() <= proposal.items()


def test_a_proposal_refreshes_in_time_even_on_long_traffic() -> None:
    for workload in ("random", "cloud-2", "stream"):
        long = scenario(
            workloads=(Workload.model_validate({"seed": workload, "requests": 30_000}),)
        )
        problem = DramProblem(long)
        found = problem.evaluate_design(proposed_design(long), "full", 0)
        assert (found.constraints <= 0).all(), workload


def test_a_limit_of_buffer_entries_is_kept() -> None:
    limited = scenario(limits={"buffer_entries": 64})
    found = DramProblem(limited).evaluate_design(proposed_design(limited), "full", 0)
    assert (found.constraints <= 0).all()


def test_other_spaces_say_that_nothing_is_proposed() -> None:
    with pytest.raises(TrimtabError, match="no design is proposed in space address-map"):
        proposed_design(scenario(space="address-map"))
