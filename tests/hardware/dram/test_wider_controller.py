"""Rules beyond the reference's ten parameters: schedulers, caps, refresh by bank, power-down."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trimtab.contracts.errors import InputFileError
from trimtab_hardware.dram import COMMANDS, Configuration, Part, Result, Trace, load_part, simulate
from trimtab_hardware.dram.checker import check
from trimtab_hardware.dram.configuration import (
    ARBITERS,
    BUFFERS,
    COMMAND_MUXES,
    PAGE_POLICIES,
    POWER_DOWN_POLICIES,
    SCHEDULERS,
)

DDR3, LPDDR4, DDR5, HBM2 = (
    "ddr3-1600-1gb-x8", "lpddr4-3200-8gb-x16", "ddr5-4800-16gb-x8", "hbm2-2000-4gb-x128",
)  # fmt: skip


def columns(result: Result) -> Any:
    """Request and direction of every column command, in order, shape [columns]."""
    assert result.commands is not None
    log = result.commands
    codes = [COMMANDS.index(name) for name in ("RD", "WR", "RDA", "WRA")]
    return log.request[np.isin(log.code, codes)]


def saturated(n: int, seed: int, *, far: bool, write_share: float) -> Trace:
    rng = np.random.default_rng(seed)
    address = 64 * rng.integers(0, 1 << (20 if far else 8), n)
    return Trace.of(np.arange(n), address, rng.random(n) < write_share)


def turns(trace: Trace, result: Result) -> int:
    """Changes of direction on the data bus."""
    return int(np.count_nonzero(np.diff(trace.is_write[columns(result)].astype(int))))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_configuration_serves_every_request_and_breaks_no_rule(data: st.DataObject) -> None:
    choose = lambda values: data.draw(st.sampled_from(values))  # noqa: E731
    part = load_part(choose([DDR3, "ddr4-2400-4gb-x8", LPDDR4, DDR5, HBM2]))
    refresh = ["AllBank", "NoRefresh"] + (
        ["PerBank"] if part.standard in ("LPDDR4", "HBM2") else []
    )
    refresh += ["SameBank"] if part.standard == "DDR5" else []
    design = Configuration(
        page_policy=choose(PAGE_POLICIES), scheduler=choose(SCHEDULERS),
        scheduler_buffer=choose(BUFFERS), request_buffer_size=choose([1, 4, 16, 64]),
        response_queue=choose(["Fifo", "Reorder"]), refresh_policy=choose(refresh),
        refresh_max_postponed=choose([0, 1, 8]), refresh_max_pulled_in=choose([0, 1, 8]),
        arbiter=choose(ARBITERS), max_active_transactions=choose([1, 8, 64]),
        command_mux=choose(COMMAND_MUXES), high_watermark=choose([2, 12]), low_watermark=1,
        power_down=choose(POWER_DOWN_POLICIES), power_down_timeout_ck=choose([1, 50]),
        page_timeout_ck=choose([0, 30]), row_hit_cap=choose([0, 1, 4]),
        starvation_cap_ck=choose([0, 200]), ranks=choose([1, 2]),
    )  # fmt: skip
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    n = 120
    gaps = np.where(rng.random(n) < 0.1, rng.integers(0, 9000, n), rng.integers(0, 6, n))
    address = 64 * rng.integers(0, 1 << int(rng.integers(3, 24)), n)
    trace = Trace.of(np.cumsum(gaps), address, rng.random(n) < 0.4)
    result = simulate(trace, part, design, commands=True, wrap=True)
    assert sorted(columns(result).tolist()) == list(range(n))
    assert result.commands is not None
    refreshed = design.refresh_policy != "NoRefresh"
    intervals = 1 + design.refresh_max_postponed + design.refresh_max_pulled_in
    report = check(
        result.commands, part, ranks=design.ranks, refreshes=refreshed, intervals=intervals
    )
    assert not report.violations, report.first


def test_the_strict_mux_keeps_the_order_of_acceptance() -> None:
    trace = saturated(800, 1, far=True, write_share=0.3)
    result = simulate(trace, DDR3, Configuration(command_mux="Strict"), commands=True)
    assert columns(result).tolist() == list(range(800))


def test_grouping_by_direction_turns_the_bus_less_often() -> None:
    trace = saturated(3000, 2, far=True, write_share=0.5)
    size = {"scheduler_buffer": "Shared", "request_buffer_size": 64}
    plain = simulate(trace, DDR3, Configuration(**size), commands=True)
    grouped = simulate(trace, DDR3, Configuration(scheduler="GrpFrFcfs", **size), commands=True)
    drained = simulate(
        trace,
        DDR3,
        Configuration(scheduler="GrpFrFcfsWm", high_watermark=40, low_watermark=4, **size),
        commands=True,
    )
    assert turns(trace, drained) < turns(trace, grouped) < turns(trace, plain)


def test_a_row_hit_cap_bounds_how_many_hits_pass_an_older_request() -> None:
    row = 1 << 16
    address = np.array([0, row] + [64 * k for k in range(1, 60)])
    trace = Trace.of(np.zeros(61, dtype=int), address, np.zeros(61, dtype=bool))
    places = {}
    for cap in (0, 4):
        design = Configuration(row_hit_cap=cap, request_buffer_size=64)
        places[cap] = columns(simulate(trace, DDR3, design, commands=True)).tolist().index(1)
    assert places[0] > 20
    assert places[4] <= 5


def test_a_starvation_cap_bounds_the_wait_of_a_request() -> None:
    row = 1 << 16
    address = np.array([0, row] + [64 * (k % 100) for k in range(1, 600)])
    trace = Trace.of(np.arange(601), address, np.zeros(601, dtype=bool))
    wait = {}
    for cap in (0, 100):
        design = Configuration(starvation_cap_ck=cap, request_buffer_size=16)
        wait[cap] = int(simulate(trace, DDR3, design).latency_ck[1])
    assert wait[100] < 200 < wait[0]


def test_a_page_timeout_closes_idle_rows() -> None:
    far_apart = Trace.of(np.arange(20) * 500, 64 * np.arange(20), np.zeros(20, dtype=bool))
    closed = simulate(far_apart, DDR3, Configuration(page_timeout_ck=100))
    kept = simulate(far_apart, DDR3, Configuration())
    assert closed.counts["PRE"] >= 18
    assert kept.counts["ACT"] < 4 < closed.counts["ACT"]


@pytest.mark.parametrize(
    ("part", "policy", "command", "units"),
    [(LPDDR4, "PerBank", "REFPB", 8), (DDR5, "SameBank", "REFSB", 4)],
)
def test_refreshes_by_bank_take_every_bank_once_a_round(
    part: str, policy: str, command: str, units: int
) -> None:
    trace = saturated(6000, 3, far=True, write_share=0.3)
    result = simulate(trace, part, Configuration(refresh_policy=policy), commands=True)
    log = result.commands
    assert log is not None
    banks = log.bank[log.code == COMMANDS.index(command)].tolist()
    assert len(banks) > 2 * units
    rounds = [banks[k : k + units] for k in range(0, len(banks) - units + 1, units)]
    assert all(sorted(each) == list(range(units)) for each in rounds)
    assert result.counts["REF"] == 0
    interval = load_part(part).timing.refi
    assert interval / 2 < result.refresh_gap_ck < 2 * interval


def test_a_part_without_bank_refresh_says_so(mixed: Trace) -> None:
    with pytest.raises(InputFileError, match="has no PerBank refresh"):
        simulate(mixed, DDR3, Configuration(refresh_policy="PerBank"))


def test_power_down_saves_energy_of_an_idle_memory_and_costs_time(
    parts: dict[str, Part], mixed: Trace
) -> None:
    sparse = Trace.of(mixed.arrival * 20, mixed.address, mixed.is_write)
    for part in parts.values():
        awake = simulate(sparse, part)
        asleep = simulate(sparse, part, Configuration(power_down="Staggered"))
        timed = simulate(
            sparse, part, Configuration(power_down="Timeout", power_down_timeout_ck=100)
        )
        assert asleep.energy_pj < timed.energy_pj < awake.energy_pj
        assert asleep.latency_ck.mean() > timed.latency_ck.mean() > awake.latency_ck.mean()
        assert asleep.counts["PDE"] >= asleep.counts["PDX"] > 100


def test_random_traces_obey_the_rules_with_everything_on(
    random_trace: Callable[[int], Trace],
) -> None:
    design = Configuration(
        page_policy="OpenAdaptive", scheduler="GrpFrFcfs", power_down="Timeout",
        power_down_timeout_ck=30, page_timeout_ck=50, row_hit_cap=4, starvation_cap_ck=300,
        ranks=2, channels=2,
    )  # fmt: skip
    for seed in range(20):
        part = load_part((DDR3, "ddr4-3200-8gb-x8")[seed % 2])
        result = simulate(random_trace(seed), part, design, commands=True)
        assert result.commands is not None
        assert not check(result.commands, part, ranks=2).first


@pytest.mark.parametrize("part", [DDR5, LPDDR4, "lpddr4-4266-8gb-x16", HBM2])
def test_a_stream_fills_the_bus_while_banks_refresh_one_by_one(part: str) -> None:
    n = 20_000
    stream = Trace.of(np.zeros(n, dtype=int), 64 * np.arange(n), np.zeros(n, dtype=bool))
    refresh = "SameBank" if part == DDR5 else "PerBank"
    design = Configuration(refresh_policy=refresh, request_buffer_size=32)
    assert simulate(stream, part, design).bus_utilisation >= 0.97
