"""Scenario models: what a scenario file says, validated by pydantic; parsing lives in run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializationInfo,
    ValidationInfo,
    field_validator,
)

from trimtab.contracts.errors import suggestion

MAX_SEED = 2**31 - 1  # what simulators written in C take


class StrictModel(BaseModel):
    """Frozen, no unknown keys, no NaN: the base of every scenario model.

    Field names carry units (`horizon_s`); ranges and help in `Field` feed the form, the JSON
    Schema and the errors.
    """

    # built when first used: parts of a scenario are then compiled once, within the whole
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


def _existing_file(path: Path, info: ValidationInfo) -> Path:
    context = info.context or {}
    folder, inside = context.get("folder"), context.get("inside")
    found = path if folder is None else (Path(folder) / path).resolve()
    if inside is not None and not found.is_relative_to(inside):
        msg = "lies outside the workspace: upload the file and name the copy"
        raise ValueError(msg)
    if folder is not None and not found.is_file():
        msg = f"no such file: {found}"
        raise ValueError(msg)
    return found


def _file_text(path: Path, info: SerializationInfo) -> str:
    return path.name if (info.context or {}).get("file_names_only") else str(path)


DataFile = Annotated[
    Path, AfterValidator(_existing_file), PlainSerializer(_file_text, return_type=str)
]
"""A user's input file. Written relative to the scenario file, resolved and checked when a file
is loaded (`folder` of the validation context; `inside` confines it to a folder);
`Domain.data_files` must list it, so that its content enters the identity of jobs."""


def one_of(known: Iterable[str]) -> AfterValidator:
    """Check that a name is known, else suggest one.

    For keys of dictionaries: ``dict[Annotated[str, one_of(NAMES)], float]``.
    """
    names = sorted(known)

    def check(name: str) -> str:
        if name not in names:
            msg = f"unknown name; known: {', '.join(names)}.{suggestion(name, names)}"
            raise ValueError(msg)
        return name

    return AfterValidator(check)


class Sweep(StrictModel):
    """Points of a sweep over dotted keys of the scenario."""

    mode: Literal["grid", "list", "random"] = Field("grid", description="how points are formed")
    over: dict[str, list[Any]] = Field(description="dotted key → values")
    n: int = Field(10, ge=1, le=10_000, description="points of a random sweep")
    seed: int = Field(0, ge=0, description="seed of a random sweep")


P = TypeVar("P", bound=StrictModel)


class Scenario(StrictModel, Generic[P]):
    """The part of a scenario file that is the same for all domains.

    `Scenario[Model]` is the whole model of a domain whose `problem_model` is `Model`.
    """

    schema_id: Literal["trimtab/scenario/1"] = Field("trimtab/scenario/1", alias="schema")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)
    domain: str = Field(description="name of the domain, e.g. traffic.signals")
    description: str = Field("", max_length=400)
    problem: P = Field(description="the domain's own settings")
    controllers: tuple[str, ...] = Field((), description="controller ids; empty means all")
    seeds: tuple[int, ...] = Field((1, 2, 3, 4, 5), min_length=1)
    sweep: Sweep | None = None

    @field_validator("seeds")
    @classmethod
    def _distinct_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds) or min(seeds) < 0 or max(seeds) > MAX_SEED:
            msg = f"seeds must be distinct, not negative and at most {MAX_SEED}"
            raise ValueError(msg)
        return seeds


class SearchBudget(StrictModel):
    """What every search of a design scenario may spend."""

    evaluations: int = Field(
        default=200, ge=1, le=1_000_000, description="unique simulator calls of one search"
    )
    batch: int = Field(
        default=1, ge=1, le=4096, description="designs an optimizer proposes at once"
    )


class DesignScenario(Scenario[P], Generic[P]):
    """A scenario of a design domain; its controllers are optimizers."""

    budget: SearchBudget = SearchBudget()


def scenario_model(kind: Literal["control", "design"], problem: type[P]) -> type[Scenario[P]]:
    """The whole scenario model of a domain of that kind with that problem model."""
    return DesignScenario[problem] if kind == "design" else Scenario[problem]  # type: ignore[valid-type]


def canonical_json(value: BaseModel | dict[str, Any]) -> str:
    """JSON with sorted keys and defaults filled in; the text that ids hash.

    Data files count by name here: their folder is no part of an identity, their content is
    hashed beside this text.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True, context={"file_names_only": True})
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_id(value: BaseModel | dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
