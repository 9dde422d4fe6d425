"""Traffic of an episode: a window of recorded traces, or walks and uniform lines in turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import InputFileError

from trimtab_hardware.dram.adapt.scenario import AdaptScenario
from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.traces import LINE_BYTES, Trace, merge

STREAM = 0x6472616D
"""Separates these draws from others of the same seed."""


def recorded_traffic(scenario: AdaptScenario, part: Part) -> Trace | None:
    """The user's traces as one, in cycles of the part; None if traffic is generated.

    Raises:
        InputFileError: a trace is wrong, beyond the capacity, or shorter than an episode.
    """
    if not scenario.traces:
        return None
    from trimtab_hardware.dram.trace_files import read_trace

    names = "+".join(path.name for path in scenario.traces)
    recorded = merge([read_trace(path, part.clock_mhz) for path in scenario.traces])
    if scenario.wrap:
        recorded = recorded.wrapped(part.capacity_bytes)
    recorded.check_capacity(part.capacity_bytes, names)
    if len(recorded) < scenario.requests:
        msg = (
            f"{names}: {len(recorded)} requests, but {scenario.epochs} epochs of "
            f"{scenario.epoch_requests} need {scenario.requests}: lower one of them"
        )
        raise InputFileError(msg)
    return recorded


def episode_traffic(
    scenario: AdaptScenario, part: Part, recorded: Trace | None, load: float, seed: int,
    episode: int,
) -> Trace:  # fmt: skip
    """The requests of one episode, in bursts; policies have no part in them.

    Of recorded traces seed and episode choose where the window begins; a load other than the
    scenario's stretches or squeezes their time.
    """
    if recorded is None:
        return phased_traffic(scenario, part, load, seed, episode)
    rng = np.random.default_rng([STREAM, seed, episode])
    first = int(rng.integers(0, len(recorded) - scenario.requests + 1))
    window = slice(first, first + scenario.requests)
    since = recorded.arrival[window] - recorded.arrival[first]
    arrival = np.floor(since * (scenario.load / load)).astype(np.int64)
    cut = Trace.of(arrival, recorded.address[window], recorded.is_write[window])
    return cut.in_bursts(part.burst_bytes)


def phased_traffic(
    scenario: AdaptScenario, part: Part, load: float, seed: int, episode: int
) -> Trace:
    """The requests of one episode; policies have no part in them.

    Gaps are geometric. In a phase of walks `streams` sequential walks take turns at random, in
    the other phases every line is uniform over the memory; a phase has between half and one and
    a half times its mean length.

    Args:
        scenario: traffic and lengths.
        part: the memory; a request takes `burst_ck` cycles of its bus.
        load: share of the data bus that the requests need.
        seed: of everything drawn, with `episode`.
        episode: counter of the copy's episodes.
    """
    rng = np.random.default_rng([STREAM, seed, episode])
    n, burst = scenario.requests, max(1, LINE_BYTES // part.burst_bytes)
    lines = part.capacity_bytes // LINE_BYTES
    gaps = rng.geometric(min(1.0, load / (part.burst_ck * burst)), n)
    walking = phases(scenario, rng)
    starts = rng.integers(0, lines, scenario.streams)
    turns = rng.integers(0, scenario.streams, n)
    steps = np.zeros(n, np.int64)
    for walk in range(scenario.streams):
        mine = walking & (turns == walk)
        steps[mine] = np.arange(int(mine.sum()))
    walked = (starts[turns] + steps) % lines
    address = np.where(walking, walked, rng.integers(0, lines, n)) * LINE_BYTES
    writes = rng.random(n) < scenario.write_share
    return Trace.of(np.cumsum(gaps) - gaps[0], address, writes).in_bursts(part.burst_bytes)


def phases(scenario: AdaptScenario, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Whether each request belongs to a phase of walks, shape [requests]."""
    n, mean = scenario.requests, scenario.phase_requests
    lengths = rng.integers(mean // 2, mean + mean // 2 + 1, 2 * n // mean + 2)
    kinds = np.arange(len(lengths)) % 2 == int(rng.integers(0, 2))
    return np.repeat(kinds, lengths)[:n]
