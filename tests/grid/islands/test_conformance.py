from trimtab.testing.conformance import DomainConformance, fixture_of

ISLANDS = (
    {"name": "ridge", "plant": "isle-ridge", "data": {"load": {"mean_kw": 45}}},
    {"name": "bay", "plant": "isle-bay", "data": {"load": {"mean_kw": 65}}},
)
TIES = ({"name": "east-tie", "between": ("ridge", "bay"), "capacity_kw": 60},)


class TestIslands(DomainConformance):
    subject = fixture_of("grid.islands", islands=ISLANDS, ties=TIES, step_min=15, horizon_h=6)
