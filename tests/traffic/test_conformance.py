from trimtab.testing.conformance import DomainConformance, fixture_of, installed_subject


class TestSignals(DomainConformance):
    subject = fixture_of("traffic.signals")


def test_checks_play_the_small_town_of_the_manifest() -> None:
    problem = installed_subject("traffic.signals").problem
    assert problem.network.generated.block_m == 100
    assert problem.horizon_s == 60
