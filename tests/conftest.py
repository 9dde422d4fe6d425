"""The order in which test files are handed to workers: long ones first, so that none ends late."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
FIRST = (
    # compile the kernels of a domain, which all later files then find on disk
    "grid/islands/test_conformance.py",
    "hardware/dram/test_conformance.py",
    # take long without those kernels
    "core/run/test_ray_crew.py",
    "core/learn/test_sac.py",
    "app/browser/test_journeys.py",
    "app/browser/test_sign_in.py",
    "core/testing/test_seeded_defects.py",
    "core/run/test_kill_storm.py",
    "traffic/test_retrain.py",
    # and with them
    "grid/test_conformance.py",
    "grid/islands/test_controllers.py",
    "grid/test_first_units.py",
    "grid/test_bound_episode.py",
    "grid/test_controllers.py",
    "grid/test_averse.py",
    "hardware/dram/test_enumerate.py",
    "hardware/dram/adapt/test_conformance.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files of `FIRST` first; all else stays as it was collected."""
    rank = {ROOT / name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))
