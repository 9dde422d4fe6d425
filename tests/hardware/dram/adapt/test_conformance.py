"""The plug-in contract's checks on the adaptation problem, small."""

from trimtab.testing.conformance import DomainConformance, fixture_of


class TestAdaptation(DomainConformance):
    subject = fixture_of("hardware.dramadapt", epochs=8, epoch_requests=64, phase_requests=128)
