from typing import Any

from trimtab.evidence.sweep_table import PROFILE_HEADER, SweepPoint, sweep_profiles


def point(shares: dict[str, list[float | None]] | None) -> SweepPoint:
    rows: list[dict[str, Any]] = [
        {"name": name, "gap_closed": {"per_seed": values}}
        for name, values in (shares or {}).items()
    ]
    return SweepPoint("run", "done", {"k": 1}, None if shares is None else {"rows": rows})


def test_a_profile_pools_the_shares_of_all_points_and_leaves_out_what_is_unknown() -> None:
    points = [
        point({"reference": [0.0, 0.0], "good": [0.6, 1.4], "wild": [-1.0, 0.9]}),
        point({"reference": [0.0, None], "good": [None, 0.2], "never": [None]}),
        point(None),
    ]
    assert sweep_profiles(points) == [
        ["good", "3", "100%", "67%", "67%", "33%", "0.400"],
        ["reference", "3", "0%", "0%", "0%", "0%", "1.000"],
        ["wild", "2", "50%", "50%", "50%", "50%", "1.050"],
    ]
    assert len(PROFILE_HEADER) == 7


def test_a_sweep_without_bounds_has_no_profile() -> None:
    assert sweep_profiles([point({"a": [None, None]}), point(None)]) == []
