"""Refresh management of DDR5: banks that are activated often are managed before their limit."""

from dataclasses import replace

import numpy as np
import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_hardware.dram import COMMANDS, Configuration, Result, Trace, load_part, simulate
from trimtab_hardware.dram.checker import check
from trimtab_hardware.dram.configuration_files import configuration_from, to_mcconfig

PART = load_part("ddr5-4800-16gb-x8")
MANAGED = Configuration(refresh_management=True)


def hammered(n: int, banks: int = 1) -> Trace:
    """Two rows of a bank in turn, or of several banks."""
    places = PART.map
    turn = np.arange(n)
    bank = turn // 2 % banks << places.bank[0]
    address = bank + (turn % 2 << places.row[0])
    return Trace.of(turn * 4, address, np.zeros(n, dtype=bool))


def hammer(design: Configuration, n: int = 1500, banks: int = 1) -> Result:
    return simulate(hammered(n, banks), PART, replace(design, scheduler="Fifo"), commands=True)


def test_hammered_rows_break_the_limit_of_activations_unless_they_are_managed() -> None:
    plain, managed = hammer(Configuration()), hammer(MANAGED)
    assert plain.commands is not None
    assert managed.commands is not None
    found = check(plain.commands, PART, management=True)
    assert "without refresh management" in found.first[0].rule
    assert not check(managed.commands, PART, management=True).violations
    assert plain.counts["RFMSB"] == 0


def test_each_management_takes_its_share_off_the_count() -> None:
    result = hammer(MANAGED)
    spared = result.counts["REF"] * PART.timing.raadec
    needed = (result.counts["ACT"] - spared - PART.timing.raammt) / PART.timing.raaimt
    assert needed <= result.counts["RFMSB"] <= result.counts["ACT"] / PART.timing.raaimt
    assert result.counts["RFMSB"] > 10


def test_a_trace_that_opens_few_rows_runs_as_without_management() -> None:
    stream = Trace.of(np.arange(4000), 64 * np.arange(4000), np.zeros(4000, dtype=bool))
    plain = simulate(stream, PART, Configuration())
    managed = simulate(stream, PART, MANAGED)
    assert managed.counts["RFMSB"] == 0
    assert managed.latency_ck.tolist() == plain.latency_ck.tolist()


@pytest.mark.parametrize("refresh", ["AllBank", "SameBank", "NoRefresh"])
@pytest.mark.parametrize("page", ["Open", "ClosedAdaptive"])
@pytest.mark.parametrize("power_down", ["NoPowerDown", "Staggered"])
def test_managed_controllers_serve_every_request_and_break_no_rule(
    refresh: str, page: str, power_down: str
) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        n = 2000
        gaps = np.where(rng.random(n) < 0.02, rng.integers(0, 3000, n), rng.integers(0, 12, n))
        bank = rng.integers(0, 1 + seed, n) << PART.map.bank[0]
        address = bank + (rng.integers(0, 6, n) << PART.map.row[0]) + 64 * rng.integers(0, 2, n)
        trace = Trace.of(np.cumsum(gaps), address, rng.random(n) < 0.3)
        design = replace(
            MANAGED, refresh_policy=refresh, page_policy=page, power_down=power_down,
            refresh_max_postponed=seed, refresh_max_pulled_in=seed, ranks=1 + seed % 2,
        )  # fmt: skip
        result = simulate(trace, PART, design, commands=True, wrap=True)
        assert result.commands is not None
        columns = np.isin(result.commands.code, [COMMANDS.index(c) for c in COMMANDS[1:5]])
        assert sorted(result.commands.request[columns].tolist()) == list(range(n))
        report = check(
            result.commands, PART, ranks=design.ranks, refreshes=refresh != "NoRefresh",
            intervals=1 + 2 * seed, management=True,
        )  # fmt: skip
        assert not report.violations, report.first
        assert result.counts["RFMSB"] > 0


def test_a_part_without_figures_of_management_says_so() -> None:
    trace = hammered(10)
    with pytest.raises(InputFileError, match="has no refresh management: raaimt"):
        simulate(trace, "ddr4-2400-4gb-x8", MANAGED)


def test_the_controller_file_of_dramsys_says_whether_to_manage() -> None:
    assert configuration_from({"mcconfig": {"RefreshManagement": True}}).refresh_management
    assert '"RefreshManagement": true' in to_mcconfig(MANAGED)


def test_a_limit_below_the_threshold_is_refused() -> None:
    with pytest.raises(InputFileError, match="raammt = 8 is below raaimt = 32"):
        replace(PART.timing, raammt=8)
