from trimtab.testing.conformance import DomainConformance, fixture_of


class TestGrid(DomainConformance):
    subject = fixture_of("grid.microgrid", plant="plant-a", step_min=5, horizon_h=2)
