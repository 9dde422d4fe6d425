from itertools import product

import pytest
from trimtab_traffic.maxband import BandSignal, widest_bands

CYCLE_S = 60


def band_s(greens, travel_s, offsets_s):
    """Seconds of the cycle in which a platoon meets green at every signal, by trying each."""
    width = 0
    for start in range(CYCLE_S):
        at, passed = start, True
        for k, (begin, green) in enumerate(greens):
            at += travel_s[k - 1] if k else 0
            passed &= (at - offsets_s[k] - begin) % CYCLE_S < green
        width += passed
    return width


def bands_s(signals, out_travel_s, in_travel_s, offsets_s):
    out = band_s([(s.out_start_s, s.out_green_s) for s in signals], out_travel_s, offsets_s)
    back = [(s.in_start_s, s.in_green_s) for s in reversed(signals)]
    return out, band_s(back, in_travel_s[::-1], offsets_s[::-1])


ROADS = {
    "alike": ([BandSignal(0, 30, 0, 30)] * 3, [15, 15], [15, 15]),
    "half cycle": ([BandSignal(0, 30, 0, 30)] * 3, [30, 30], [30, 30]),
    "unlike": (
        [BandSignal(0, 25, 5, 30), BandSignal(10, 35, 0, 20), BandSignal(0, 20, 12, 28)],
        [13, 22],
        [17, 20],
    ),
}


@pytest.mark.parametrize("name", ROADS)
def test_bands_are_as_wide_as_the_best_of_all_whole_second_offsets(name):
    signals, out_travel_s, in_travel_s = ROADS[name]
    found = widest_bands(signals, out_travel_s, in_travel_s, CYCLE_S)
    best = max(
        sum(bands_s(signals, out_travel_s, in_travel_s, (0, *offsets)))
        for offsets in product(range(CYCLE_S), repeat=2)
    )
    assert found.out_s + found.in_s == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("name", ROADS)
def test_offsets_give_the_bands_they_promise(name):
    signals, out_travel_s, in_travel_s = ROADS[name]
    found = widest_bands(signals, out_travel_s, in_travel_s, CYCLE_S)
    offsets = tuple(round(offset) for offset in found.offsets_s)
    promised = (found.out_s, found.in_s)
    assert bands_s(signals, out_travel_s, in_travel_s, offsets) == pytest.approx(promised, abs=2)


def test_a_worthless_inbound_direction_leaves_the_outbound_green_whole():
    signals, out_travel_s, in_travel_s = ROADS["alike"]
    assert widest_bands(signals, out_travel_s, in_travel_s, CYCLE_S, 0.0).out_s == pytest.approx(30)
