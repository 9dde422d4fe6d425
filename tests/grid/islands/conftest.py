"""A small cluster of the three shipped islands."""

from collections.abc import Callable
from typing import Any

import pytest
from trimtab_grid.islands.scenario import IslandsScenario

ISLANDS = [
    {"name": "harbour", "plant": "isle-harbour", "data": {"load": {"mean_kw": 150}}},
    {
        "name": "ridge",
        "plant": "isle-ridge",
        "data": {
            "load": {"mean_kw": 45},
            "climate": {"weibull_scale_m_s": 8.5, "drop_per_min": None},
        },
    },
    {"name": "bay", "plant": "isle-bay", "data": {"load": {"mean_kw": 65}}},
]
TIES = [
    {"name": "west-tie", "between": ["harbour", "ridge"], "capacity_kw": 120},
    {"name": "east-tie", "between": ["ridge", "bay"], "capacity_kw": 60},
]


@pytest.fixture(scope="session")
def cluster() -> Callable[..., IslandsScenario]:
    def made(**more: Any) -> IslandsScenario:
        plain = {"islands": ISLANDS, "ties": TIES, "step_min": 15, "horizon_h": 6}
        return IslandsScenario.model_validate({**plain, **more})

    return made
