import numpy as np
import pytest
from trimtab_hardware.dram import Configuration, Part, Trace
from trimtab_hardware.dram.fairness import fairness
from trimtab_hardware.dram.traces import merge


def walk(start: int, n: int, gap: int) -> Trace:
    k = np.arange(n)
    return Trace.of(gap * k, start + 64 * k, np.zeros(n, dtype=bool))


def test_a_lone_thread_is_not_slowed_down(parts: dict[str, Part]) -> None:
    found = fairness(walk(0, 400, 6), parts["DDR3"])
    assert found.slowdown.tolist() == [1.0]
    assert found.unfairness == 1.0


def test_row_hits_first_starve_the_thread_without_hits_and_a_cap_mends_it(
    parts: dict[str, Part],
) -> None:
    rng = np.random.default_rng(2)
    n = 1500
    scattered = Trace.of(
        16 * np.arange(n), 64 * rng.integers(0, 1 << 24, n), np.zeros(n, dtype=bool)
    )
    mix = merge([walk(0, 4 * n, 4), scattered])
    design = Configuration(request_buffer_size=64, scheduler_buffer="Shared")
    free = fairness(mix, parts["DDR3"], design)
    capped = fairness(
        mix,
        parts["DDR3"],
        Configuration(request_buffer_size=64, scheduler_buffer="Shared", scheduler="Fifo"),
    )
    assert free.threads.tolist() == [0, 1]
    assert np.all(free.slowdown > 1.0)
    assert free.slowdown != pytest.approx(capped.slowdown)
