from trimtab.testing.conformance import DomainConformance, fixture_of


class TestCache(DomainConformance):
    subject = fixture_of("hardware.cache", kernel="gemm", references=2000)
