from typing import Annotated, Literal

import pytest
from pydantic import Field as Declared
from trimtab.contracts.registry import load_domain
from trimtab.contracts.scenario import DataFile, StrictModel
from trimtab_app.fields import MISSING, fields_of, words


class Solar(StrictModel):
    kind: Literal["solar"] = "solar"
    area_m2: float = Declared(10.0, gt=0, description="panels")


class Wind(StrictModel):
    kind: Literal["wind"] = "wind"
    rotor_m: float = 3.0


class Model(StrictModel):
    horizon_s: int = Declared(60, ge=60, le=3600, description="evaluated time, s")
    share: float | None = Declared(None, gt=0, le=1)
    mode: Literal["a", "b"] = "a"
    on: bool = False
    trace: DataFile
    tags: tuple[str, ...] = ()
    source: Annotated[Solar | Wind, Declared(discriminator="kind")] = Solar()
    parts: tuple[Wind, ...] = ()
    limits: dict[str, float] = {}


@pytest.fixture
def fields():
    return {field.key: field for field in fields_of(Model)}


def test_kinds_follow_the_declared_types(fields) -> None:
    kinds = {key: field.kind for key, field in fields.items()}
    assert kinds == {
        "horizon_s": "whole",
        "share": "number",
        "mode": "choice",
        "on": "flag",
        "trace": "file",
        "tags": "values",
        "source": "variant",
        "parts": "groups",
        "limits": "yaml",
    }


def test_unit_range_help_and_default_come_from_the_model(fields) -> None:
    field = fields["horizon_s"]
    assert (field.label, field.unit, field.limits) == ("Horizon", "s", "60 to 3600")
    assert (field.help, field.default) == ("evaluated time, s", 60)


def test_limits_that_exclude_their_end_say_so(fields) -> None:
    assert fields["share"].limits == "more than 0, at most 1"
    assert fields["share"].nullable


def test_a_field_without_a_default_must_be_given(fields) -> None:
    assert fields["trace"].default is MISSING


def test_alternatives_are_named_by_their_tag(fields) -> None:
    source = fields["source"]
    assert source.tag == "kind"
    assert source.variants is not None
    assert [field.key for field in source.variants["solar"]] == ["area_m2"]


def test_items_of_a_list_bring_their_fields(fields) -> None:
    assert [field.key for field in fields["parts"].fields] == ["kind", "rotor_m"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("horizon_s", ("Horizon", "s")),
        ("capacity_kwh", ("Capacity", "kWh")),
        ("vehicles_per_h", ("Vehicles per h", "")),
        ("s", ("S", "")),
        ("network_seed", ("Network seed", "")),
    ],
)
def test_a_key_is_put_in_words_with_its_unit(key: str, said: tuple[str, str]) -> None:
    assert words(key) == said


@pytest.mark.parametrize("domain", ["toy.tank", "toy.queue", "toy.beam", "traffic.signals"])
def test_every_domain_of_the_tree_gives_a_form(domain: str) -> None:
    fields = fields_of(load_domain(domain).problem_model)
    assert {field.key for field in fields} == set(load_domain(domain).problem_model.model_fields)
