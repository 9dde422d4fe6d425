from trimtab.testing.conformance import DomainConformance, fixture_of

HELD = {"arbiter": "Simple", "response_queue": "Fifo", "refresh_max_postponed": 4}


class TestDram(DomainConformance):
    subject = fixture_of(
        "hardware.dram",
        workloads=[{"seed": "stream", "requests": 300}],
        fixed=HELD,
        enumerate_space=True,
    )
