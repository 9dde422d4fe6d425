from pydantic import Field
from trimtab.contracts.domain import Imported
from trimtab.contracts.scenario import StrictModel
from trimtab.run.template import scenario_template
from trimtab.testing.toys.tank import DOMAIN as TANK


class Motor(StrictModel):
    power_kw: float = Field(2.0, alias="power", gt=0)


class Ranged(StrictModel):
    needed_m: float = Field(ge=1, lt=2, description="how long")
    share: float = Field(0.5, gt=0, le=1)
    plain: bool = False
    names: tuple[str, ...] = ("plain", "two words")
    motor: Motor = Motor()


class RangedDomain(type(TANK)):  # type: ignore[misc]
    problem_model = Ranged


def lines(problem: dict[str, object], *notes: str) -> list[str]:
    imported = Imported(problem, tuple(notes))
    return scenario_template(RangedDomain(), "My  Tank, 2nd!", imported).splitlines()


def test_every_kind_of_limit_stands_beside_its_key() -> None:
    found = lines({})
    at = found.index("problem:")
    assert found[at + 1 : at + 8] == [
        "  # how long; ≥ 1, < 2",
        "  # needed_m: required",
        "  # > 0, ≤ 1",
        "  # share: 0.5",
        "  # plain: false",
        '  # names: [plain, "two words"]',
        '  # motor: {"power": 2.0}',
    ]


def test_what_was_imported_is_set_and_its_notes_stand_on_top_in_one_line_each() -> None:
    found = lines({"needed_m": 1.5}, "made of\n two files")
    assert found[1] == "# note: made of two files"
    assert "  needed_m: 1.5" in found
    assert "name: my-tank-2nd" in found


def test_what_is_set_inside_a_part_stands_below_it() -> None:
    found = lines({"motor": {"power": 3}})
    at = found.index("  motor:")
    assert found[at + 1 : at + 3] == ["    # > 0", "    power: 3"]


def test_a_control_domain_offers_controllers_and_seeds() -> None:
    found = lines({})
    assert found[-2:] == [
        "# controllers: [a, b]   # all of the domain if absent",
        "seeds: [1, 2, 3, 4, 5]",
    ]
    assert found[0].startswith(f"# {TANK.title}. Check it with `trimtab validate`")
