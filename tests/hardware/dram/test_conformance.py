from trimtab.testing.conformance import DomainConformance, fixture_of


class TestDram(DomainConformance):
    subject = fixture_of(
        "hardware.dram", workloads=[{"seed": "stream", "requests": 300}], enumerate_space=True
    )
