"""The order in which test files are handed to workers: long ones first, so that none ends late."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
FIRST = (
    # compile most kernels of a domain, which all later files then find on disk
    (
        "grid/islands/test_conformance.py",
        "grid/test_conformance.py",
        "grid/test_first_units.py",
        "grid/test_controllers.py",
        "grid/test_averse.py",
    ),
    (
        "hardware/dram/test_conformance.py",
        "hardware/dram/test_enumerate.py",
        "hardware/dram/adapt/test_conformance.py",
    ),
    # take long without those kernels
    ("core/run/test_ray_crew.py",),
    ("core/learn/test_ppo.py",),
    ("core/learn/test_sac.py",),
    ("app/browser/test_journeys.py",),
    ("app/browser/test_sign_in.py",),
    ("core/testing/test_seeded_defects.py",),
    ("core/run/test_kill_storm.py",),
    ("traffic/test_retrain.py",),
    # and with them
    ("grid/islands/test_controllers.py",),
    ("grid/islands/test_pooled.py",),
    ("grid/test_bound_episode.py",),
)
"""Groups of files: one worker plays a whole group, so that no kernel is compiled twice."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files of `FIRST` first; all else stays as it was collected, file by file."""
    group = {ROOT / name: names[0] for names in FIRST for name in names}
    rank = {path: place for place, path in enumerate(group)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group.get(item.path, str(item.path))))
