from trimtab.testing.conformance import DomainConformance, fixture_of


class TestSignals(DomainConformance):
    subject = fixture_of("traffic.signals")
