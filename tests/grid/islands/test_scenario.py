import pytest
from pydantic import ValidationError


def test_an_island_alone_is_a_scenario_of_one_microgrid_with_the_common_settings(cluster):
    alone = cluster(horizon_h=3).island_scenario(1)
    assert alone.resolved_plant().name == "isle-ridge"
    assert (alone.step_min, alone.horizon_h, alone.horizon) == (15.0, 3.0, 12)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ties": [{"name": "t", "between": ["bay", "cape"], "capacity_kw": 1}]}, "name two of"),
        ({"ties": [{"name": "t", "between": ["bay", "bay"], "capacity_kw": 1}]}, "name two of"),
        ({"tie_faults": [{"tie": "north-tie", "at_min": 5}]}, "north-tie"),
        ({"horizon_h": 0.3}, "whole number"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(cluster, change, told):
    with pytest.raises(ValidationError, match=told):
        cluster(**change)


def test_islands_and_ties_need_names_of_their_own(cluster):
    twice = [{"name": "bay", "plant": "isle-bay"}, {"name": "bay", "plant": "isle-bay"}]
    with pytest.raises(ValidationError, match="bay stands twice"):
        cluster(islands=twice, ties=[])
