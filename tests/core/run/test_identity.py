import math
from pathlib import Path

import numpy as np
import pytest
from trimtab.contracts.controller import Entry
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.problem import Bound, Budget
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.shield import Violations
from trimtab.run.identity import (
    ProblemIdentity,
    controller_identity,
    file_sha256,
    package_name,
    versions,
)
from trimtab.run.manifest import manifest
from trimtab.run.records_json import (
    bound_from_json,
    bound_to_json,
    record_from_json,
    record_to_json,
)
from trimtab.testing.toys.tank import DOMAIN, TankModel, TariffBand


def test_identity_depends_on_what_changes_results_only() -> None:
    one = ProblemIdentity.of(DOMAIN, TankModel())
    same = ProblemIdentity.of(DOMAIN, TankModel(horizon_h=24))
    other = ProblemIdentity.of(DOMAIN, TankModel(horizon_h=25))
    assert one.sha256(seed=1) == same.sha256(seed=1)
    assert len({one.sha256(seed=1), one.sha256(seed=2), other.sha256(seed=1)}) == 3


def test_versions_name_product_python_and_source() -> None:
    assert versions("toy.tank").keys() == {"trimtab", "python", "source", "numpy"}


def test_versions_name_what_the_extra_of_a_domain_brings() -> None:
    found = versions("grid.microgrid")
    assert {"numba", "pandapower", "pyomo", "highspy", "pvlib", "openpyxl"} <= found.keys()
    assert "torch" not in found
    assert found["numpy"] == np.__version__


def test_the_source_of_a_design_domain_counts_what_searches_run_on() -> None:
    control, design = versions("toy.tank"), versions("toy.beam")
    assert len(control["source"]) == len(design["source"]) == 64
    assert control["source"] != design["source"]


@pytest.mark.parametrize(
    "requirement", ["numba", "numba>=0.61", "numba==1 ; extra == 'x'", "numba[a]~=2", "numba!=3"]
)
def test_a_distribution_is_named_without_its_version_and_conditions(requirement: str) -> None:
    assert package_name(requirement) == "numba"


def test_a_controllers_files_and_parameters_are_part_of_it(tmp_path: Path) -> None:
    weights = tmp_path / "w"
    weights.write_text("1")
    entry = Entry("learned", TariffBand, "", defaults={"day": 0.8}, files=(weights,))
    first = controller_identity("x", entry, {})
    assert controller_identity("x", entry, {"day": 0.7}) != first
    weights.write_text("2")
    assert controller_identity("x", entry, {}) != first


def test_an_unreadable_data_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="none: cannot be read"):
        file_sha256(tmp_path / "none")


def test_records_survive_the_round_trip_through_json() -> None:
    record = EpisodeRecord(
        "fixed",
        3,
        {"delay_s": 1.25},
        {"conflict": Violations(0, 10)},
        shielded=True,
        flags=("gridlock",),
        budget=Budget(1, 20, 0.5),
        details={"edge_delay_s": {"e1": 2.0}},
        notes=("keeps the plan",),
        dt_s=10.0,
        series_units={"reward/time": "s"},
    )
    assert record_from_json(record_to_json(record)) == record


def test_numbers_that_are_not_finite_become_null_and_nan_again() -> None:
    data = record_to_json(EpisodeRecord("x", 1, {"delay_s": math.inf}))
    assert data["metrics"] == {"delay_s": None}
    assert math.isnan(record_from_json(data).metrics["delay_s"])


def test_bounds_survive_the_round_trip_and_so_does_their_absence() -> None:
    bound = Bound(1.5, "proven", "by hand", {"x": [1, 2]}, 0.1)
    assert bound_from_json(bound_to_json(bound)) == bound
    assert bound_from_json(bound_to_json(None)) is None


def test_the_manifest_names_environment_and_what_is_given() -> None:
    document = manifest({"command": "x"})
    assert document["schema"] == "trimtab/manifest/1"
    assert document["packages"]["numpy"]
    assert document["plugins"].keys() >= {"grid", "hardware", "traffic"}
    assert document["command"] == "x"
    assert document["cpu"]["count"] >= 1
