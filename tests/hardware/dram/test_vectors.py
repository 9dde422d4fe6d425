"""The acceptance vectors: agreement with DRAMSys 5.0 in every printed figure."""

import pytest
from trimtab_hardware.dram import Configuration, Part, Trace
from trimtab_hardware.dram.simulation import Engine


def design(
    page: str, scheduler: str, buffer: str, response: str, refresh: str, arbiter: str
) -> Configuration:
    """A configuration from the words of a row: buffer and arbiter with their sizes."""
    kind, size = buffer.split()
    front, _, active = arbiter.partition(" ")
    postponed, _, pulled_in = refresh.partition("/")
    return Configuration(
        page_policy=page,
        scheduler=scheduler,
        scheduler_buffer=kind,
        request_buffer_size=int(size),
        response_queue=response,
        refresh_policy="NoRefresh" if refresh == "none" else "AllBank",
        refresh_max_postponed=0 if refresh == "none" else int(postponed),
        refresh_max_pulled_in=0 if refresh == "none" else int(pulled_in),
        arbiter=front,
        max_active_transactions=int(active or 128),
    )


REFERENCE = ("Open", "FrFcfs", "Bankwise 8", "Fifo", "0/0", "Simple")
OA, CA, GRP = "OpenAdaptive", "ClosedAdaptive", "FrFcfsGrp"
VECTORS = [
    # cycles, ACT, RDA + WRA, PRE, PREAB, REF, sum of in-controller latencies, energy in pJ
    ("DDR3", "stream", REFERENCE, (40680, 85, 0, 30, 6, 6, 502375, 86634000.0)),
    ("DDR3", "mixed", REFERENCE, (37220, 1093, 0, 1045, 5, 5, 136582, 53130975.0)),
    ("DDR3", "mixed", (OA, GRP, "Bankwise 4", "Reorder", "1/8", "Simple"),
     (37180, 1104, 390, 674, 4, 4, 159790, 53095725.0)),
    ("DDR3", "mixed", (CA, "Fifo", "ReadWrite 2", "Fifo", "8/1", "Fifo 4"),
     (37355, 1409, 1409, 0, 0, 1, 87041, 57101850.0)),
    ("DDR3", "mixed", ("Closed", "FrFcfs", "Shared 16", "Fifo", "2/2", "Reorder 8"),
     (37667, 2005, 2000, 0, 3, 4, 168915, 66300450.0)),
    ("DDR3", "mixed", (OA, "Fifo", "ReadWrite 8", "Reorder", "4/4", "Reorder 2"),
     (37793, 1123, 74, 1019, 3, 2, 64688, 53457750.0)),
    ("DDR3", "mixed", (CA, GRP, "Shared 1", "Fifo", "none", "Simple"),
     (49376, 2000, 2000, 0, 0, 0, 122444, 73472775.0)),
    ("DDR3", "mixed", (CA, "FrFcfs", "Shared 64", "Fifo", "1/4", "Simple"),
     (37187, 1197, 1197, 0, 0, 5, 133673, 54627450.0)),
    ("DDR3", "mixed", (CA, GRP, "Shared 128", "Fifo", "1/4", "Simple"),
     (37166, 1207, 1207, 0, 0, 5, 121441, 54755775.0)),
    ("DDR4", "stream", REFERENCE, (43229, 120, 0, 0, 9, 9, 1515811, 63234108.0)),
    ("DDR4", "mixed", REFERENCE, (37215, 1587, 0, 1467, 7, 7, 249509, 41690967.5)),
    ("DDR4", "mixed", (OA, GRP, "ReadWrite 16", "Fifo", "1/1", "Fifo 64"),
     (37206, 1590, 575, 914, 6, 6, 242247, 41539431.0)),
    ("DDR4", "mixed", (CA, "FrFcfs", "Shared 4", "Reorder", "8/8", "Reorder 16"),
     (37282, 1879, 1879, 0, 0, 2, 250331, 43809273.5)),
    ("DDR4", "mixed", (CA, "FrFcfs", "Bankwise 8", "Reorder", "4/4", "Simple"),
     (37184, 1731, 1731, 0, 0, 3, 295645, 42104307.5)),
    ("DDR4", "mixed", ("Closed", "Fifo", "Bankwise 1", "Fifo", "4/1", "Simple"),
     (46663, 2005, 2000, 0, 5, 5, 130403, 49563150.5)),
]  # fmt: skip


def test_the_mixed_trace_is_the_published_one(mixed: Trace) -> None:
    assert mixed.arrival[:3].tolist() == [0, 4, 10]
    assert mixed.address[:3].tolist() == [64, 2880, 965312256]
    assert mixed.is_write[:3].tolist() == [False, True, True]
    assert int(mixed.is_write.sum()) == 766


@pytest.mark.parametrize(("part", "trace", "words", "wanted"), VECTORS)
def test_every_figure_of_a_vector_is_met(
    part: str,
    trace: str,
    words: tuple[str, str, str, str, str, str],
    wanted: tuple[float, ...],
    parts: dict[str, Part],
    request: pytest.FixtureRequest,
) -> None:
    result = Engine(request.getfixturevalue(trace), parts[part]).run(design(*words))
    counts = result.counts
    assert (
        result.total_ck,
        counts["ACT"],
        counts["RDA"] + counts["WRA"],
        counts["PRE"],
        counts["PREAB"],
        counts["REF"],
        int(result.latency_ck.sum()),
    ) == wanted[:7]
    assert result.energy_pj == pytest.approx(wanted[7], rel=1e-9)
