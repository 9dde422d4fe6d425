import pytest
from trimtab.contracts.errors import EvidenceError
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.certificate import (
    MUTATED,
    Certificate,
    MutantScore,
    code_sha256,
    facts,
    read_certificate,
    shipped_path,
    standing,
    standing_of,
)
from trimtab_grid.domain import DOMAIN
from trimtab_grid.mutation import small_plant
from trimtab_grid.plant import load_plant
from trimtab_grid.proof import ProofResult
from trimtab_grid.proofs import PLANTS, certify
from trimtab_grid.scenario import GridScenario
from trimtab_grid.shield_tables import build_tables

CELLS = 3


@pytest.fixture(scope="module")
def record():
    return plant_arrays(small_plant(), 1.0)


@pytest.fixture(scope="module")
def built(record):
    return build_tables(record, CELLS)


@pytest.fixture
def certificate(record, built):
    result = ProofResult(25, 43, 25, 68, (), 1.5)
    return certify("small", 1.0, record, built, result, None, None)


def test_a_certificate_states_limits_conditions_and_queries(certificate):
    assert certificate.proven
    assert certificate.disturbances["load"] == "30 to 450 kW"
    assert certificate.disturbances["rise"] == "150 kW per step"
    assert [c.name[0] for c in certificate.conditions] == ["A", "A", "A", "P", "P", "W"]
    assert certificate.solver.startswith("z3 ")


def test_a_certificate_stands_for_its_own_plant(record, built, certificate):
    proven, line = standing(certificate, record, built)
    assert proven
    assert line == "proven: 68 queries over 25 unit states, all unsat"


def test_a_certificate_does_not_stand_for_another_plant(record, built, certificate):
    other = record.copy()
    other.load_max_kw = 440.0
    assert standing(certificate, other, built) == (
        False,
        "not proven: the certificate's plant_sha256 is not this plant's",
    )


def test_a_certificate_does_not_stand_for_other_tables(record, built, certificate):
    kwh = built.tables.low_kwh.copy()
    kwh[0, 0] -= 1e-9
    tables = built.tables._replace(low_kwh=kwh)
    changed = type(built)(tables, built.plant, built.exact, built.grids, built.up, built.down)
    proven, line = standing(certificate, record, changed)
    assert not proven
    assert "tables_sha256" in line


def test_an_unsatisfied_query_or_no_certificate_shows_as_not_proven(record, built, certificate):
    doubtful = certificate.model_copy(update={"unsat": 67})
    assert standing(doubtful, record, built)[0] is False
    assert standing(None, record, built) == (
        False,
        "not proven: no certificate for this plant and step length",
    )


def test_the_score_of_mutants_is_told_and_holds_only_for_the_sources_it_is_of(
    record, built, certificate
):
    score = MutantScore(generated=200, killed=199, sources_sha256=code_sha256(MUTATED))
    scored = certificate.model_copy(update={"mutants": score})
    proven, line = standing(scored, record, built)
    assert proven
    assert line.endswith("199 of 200 faults put into the shield found")
    old = score.model_copy(update={"sources_sha256": "0" * 64})
    proven, line = standing(certificate.model_copy(update={"mutants": old}), record, built)
    assert (proven, line) == (
        False,
        "not proven: the certificate's mutants are of other sources",
    )


def test_fuel_and_its_price_do_not_touch_the_certificate(record, built, certificate):
    thirsty = record.copy()
    thirsty.slope_l_kwh[:] = 0.5
    assert standing(certificate, thirsty, built)[0]


def test_a_file_that_is_no_certificate_is_refused(tmp_path):
    path = tmp_path / "c.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(EvidenceError, match="not a safety certificate"):
        read_certificate(path)


def test_a_scenario_that_names_no_certificate_as_one_is_refused_when_it_is_checked(tmp_path):
    path = tmp_path / "c.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(EvidenceError, match="not a safety certificate"):
        DOMAIN.check(GridScenario(certificate=path))


def test_certificates_survive_their_file(certificate):
    assert Certificate.model_validate_json(certificate.model_dump_json()) == certificate


@pytest.mark.parametrize(("name", "step_min"), PLANTS)
def test_the_certificates_in_the_package_stand_for_the_shipped_plants(name, step_min):
    from trimtab_grid.safety import safe_tables

    record = plant_arrays(load_plant(name), step_min)
    proven, line = standing_of(name, record, safe_tables(record))
    assert proven, line
    shipped = read_certificate(shipped_path(name, step_min))
    assert facts(record, safe_tables(record))["conditions"] == shipped.conditions
