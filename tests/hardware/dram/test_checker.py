from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from trimtab_hardware.dram import COMMANDS, CommandTrace, Configuration, Part, Result, Trace
from trimtab_hardware.dram.checker import Report, check
from trimtab_hardware.dram.simulation import Engine

OPEN_GROUPED = Configuration(scheduler="FrFcfsGrp", request_buffer_size=32)
CLOSED = Configuration(page_policy="Closed", scheduler="Fifo")
COMMON = ["rcd", "rp", "ras", "rrd_s", "ccd_s", "faw", "rtp", "wr", "wtr_s", "rfc", "rdwr"]
MUTANTS = [
    *(("DDR3", name) for name in COMMON),
    *(("DDR4", name) for name in (*COMMON, "rrd_l", "ccd_l", "wtr_l")),
]
MIXED = Configuration(page_policy="OpenAdaptive", request_buffer_size=16)


@pytest.fixture(scope="module")
def pressing() -> Trace:
    """One request a cycle: random lines, runs and hot lines, a third of them writes."""
    rng = np.random.default_rng(7)
    n = 6000
    far, near = rng.integers(0, 1 << 24, n), rng.integers(0, 1 << 9, n)
    run = np.cumsum(rng.random(n) < 0.7)
    address = 64 * np.choose(rng.integers(0, 3, n), [far, near, run])
    return Trace.of(np.arange(n), address, rng.random(n) < 1 / 3)


def violations(trace: Trace, mutant: Part, part: Part, *designs: Configuration) -> int:
    """Violations against `part` of what the engine does on `mutant`."""
    found = 0
    for design in designs:
        commands = Engine(trace, mutant).run(design, commands=True).commands
        assert commands is not None
        found += check(commands, part).violations
    return found


def log_of(result: Result) -> CommandTrace:
    assert result.commands is not None
    return result.commands


def kept(log: CommandTrace, keep: np.ndarray) -> CommandTrace:
    """The trace with only some of its commands."""
    names = ("time", "code", "channel", "rank", "bank", "row", "request")
    return CommandTrace(**{name: getattr(log, name)[keep] for name in names})


def without_first(log: CommandTrace, command: str, after: int = 100) -> CommandTrace:
    index = np.flatnonzero(log.code == COMMANDS.index(command))
    keep = np.ones(len(log), dtype=bool)
    keep[index[index > after][0]] = False
    return kept(log, keep)


def rules(report: Report) -> set[str]:
    return {violation.rule for violation in report.first}


def test_traces_of_random_configurations_break_no_rule(
    parts: dict[str, Part], random_trace: Callable[[int], Trace]
) -> None:
    designs = (Configuration(), OPEN_GROUPED, CLOSED, MIXED)
    for seed in range(40):
        part = parts["DDR3" if seed % 2 else "DDR4"]
        commands = log_of(Engine(random_trace(seed), part).run(designs[seed % 4], commands=True))
        report = check(commands, part)
        assert (report.commands, report.violations) == (len(commands), 0), report.first


@pytest.mark.parametrize(("standard", "name"), MUTANTS)
def test_a_controller_with_one_cycle_too_little_is_caught(
    standard: str, name: str, parts: dict[str, Part], pressing: Trace
) -> None:
    part = parts[standard]
    short = {name: getattr(part.timing, name) - 1}
    if part.groups == 1 and name.endswith("_s"):
        short[f"{name[:-2]}_l"] = short[name]
    if name in ("ras", "rp"):
        short["rc"] = part.timing.rc - 1
    mutant = replace(part, timing=replace(part.timing, **short))
    sparse = Trace.of(pressing.arrival * 40, pressing.address, pressing.is_write).prefix(2000)
    found = violations(pressing, mutant, part, OPEN_GROUPED, CLOSED, MIXED)
    assert found + violations(sparse, mutant, part, MIXED, Configuration())


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        ("ACT", "a bank that must be open is closed"),
        ("PRE", "a bank that must be closed is open"),
        ("PREAB", "a bank that must be closed is open"),
    ],
)
def test_a_missing_command_breaks_the_state_of_a_bank(
    command: str, rule: str, parts: dict[str, Part], pressing: Trace
) -> None:
    log = log_of(Engine(pressing, parts["DDR3"]).run(Configuration(), commands=True))
    assert any(rule in found for found in rules(check(without_first(log, command), parts["DDR3"])))


def test_a_wrong_row_is_named(parts: dict[str, Part], pressing: Trace) -> None:
    log = log_of(Engine(pressing, parts["DDR4"]).run(Configuration(), commands=True))
    row = log.row.copy()
    row[np.flatnonzero(log.code == COMMANDS.index("RD"))[5]] += 1
    assert "RD: the row is not the open one" in rules(check(replace(log, row=row), parts["DDR4"]))


def test_missing_refreshes_are_late(parts: dict[str, Part], mixed: Trace) -> None:
    part = replace(parts["DDR3"], timing=replace(parts["DDR3"].timing, refi=400))
    log = log_of(Engine(mixed, part).run(Configuration(), commands=True))
    times = log.time[log.code == COMMANDS.index("REF")]
    lost = (log.code == COMMANDS.index("REF")) & (log.time > times[5]) & (log.time < times[30])
    assert any("a refresh later than" in rule for rule in rules(check(kept(log, ~lost), part)))
    assert not check(kept(log, ~lost), part, refreshes=False).violations


def test_two_commands_in_one_cycle_are_caught(parts: dict[str, Part], pressing: Trace) -> None:
    log = log_of(Engine(pressing, parts["DDR3"]).run(Configuration(), commands=True))
    k = int(np.flatnonzero(np.diff(log.time) == 1)[0])
    time = log.time.copy()
    time[k + 1] = time[k]
    assert any("(bus)" in rule for rule in rules(check(replace(log, time=time), parts["DDR3"])))


def test_each_column_command_belongs_to_its_request(parts: dict[str, Part], mixed: Trace) -> None:
    log = log_of(Engine(mixed, parts["DDR3"]).run(MIXED, commands=True))
    columns = np.isin(log.code, [COMMANDS.index(name) for name in ("RD", "WR", "RDA", "WRA")])
    assert sorted(log.request[columns].tolist()) == list(range(len(mixed)))
    writes = np.isin(log.code[columns], [COMMANDS.index("WR"), COMMANDS.index("WRA")])
    assert np.array_equal(mixed.is_write[log.request[columns]], writes)
