from trimtab.testing.conformance import DomainConformance, fixture_of

TOWN = {"columns": 2, "rows": 1, "block_m": 100, "lanes": 1, "vehicles_per_h": 400, "demand_h": 0.1}


class TestSignals(DomainConformance):
    subject = fixture_of("traffic.signals", network={"generated": TOWN}, horizon_s=60)
