"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

MAX_SEEDS = 100_000

Scenario = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="a path, or a shipped id such as traffic/cologne8")
]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON document on standard output")]
Workspace = Annotated[
    Path,
    typer.Option(
        "--workspace", metavar="DIR", envvar="TRIMTAB_WORKSPACE", help="job store and runs"
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="override a dotted key of the scenario; repeatable"
    ),
]
Parameters = Annotated[
    list[Path] | None,
    typer.Option(
        "--parameters", metavar="FILE", help="parameters that tune or train wrote; repeatable"
    ),
]
Controllers = Annotated[
    str | None, typer.Option("--controllers", metavar="A,B", help="select controllers by id")
]
Seeds = Annotated[str | None, typer.Option("--seeds", metavar="LIST", help="1,2,3 or 1..5")]
SeedCount = Annotated[int | None, typer.Option("--n-seeds", metavar="N", min=1, help="seeds 1..N")]
Workers = Annotated[
    int | None, typer.Option("--workers", metavar="N", min=1, help="processes (default: CPUs)")
]
Detach = Annotated[
    bool, typer.Option("--detach", help="only queue it; `trimtab worker` does the work")
]
RunId = Annotated[
    str, typer.Argument(metavar="RUN", help="a run id, a unique prefix of one, or `latest`")
]
DEFAULT_WORKSPACE = Path("trimtab-work")


class EngineName(StrEnum):
    """Where worker processes live."""

    local = "local"
    ray = "ray"


Engine = Annotated[
    EngineName, typer.Option("--engine", help="where workers live: this machine, or Ray [ray]")
]


def seeds_of(text: str, option: str = "--seeds") -> tuple[int, ...]:
    """``1,2,3`` or ``1..5``, or both mixed.

    Raises:
        typer.BadParameter: it is neither, a seed comes twice, or there are too many.
    """
    from trimtab.contracts.scenario import MAX_SEED  # pydantic is slow to import

    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,18})(?:\.\.(\d{1,18}))?\s*", part)
        if match is None:
            msg = f"{part!r} is no seed: write {option} 1,2,3 or {option} 1..5"
            raise typer.BadParameter(msg)
        first = int(match[1])
        last = int(match[2] or first)
        if not 0 <= last - first < MAX_SEEDS:
            msg = f"{part!r} is no range: write the smaller seed first, at most {MAX_SEEDS} seeds"
            raise typer.BadParameter(msg)
        seeds += range(first, last + 1)
    if max(seeds) > MAX_SEED:
        msg = f"{max(seeds)} is no seed: the largest is {MAX_SEED}"
        raise typer.BadParameter(msg)
    if len(set(seeds)) != len(seeds):
        msg = f"{text!r} names a seed twice: name each once"
        raise typer.BadParameter(msg)
    return tuple(seeds)


def chosen_seeds(seeds: str | None, n_seeds: int | None) -> tuple[int, ...]:
    """Seeds of `--seeds` or `--n-seeds` (1..n); empty where neither is given.

    Raises:
        typer.BadParameter: both are given, or `--seeds` cannot be read.
    """
    if seeds is not None and n_seeds is not None:
        msg = "give --seeds or --n-seeds, not both"
        raise typer.BadParameter(msg)
    if n_seeds is not None:
        return tuple(range(1, n_seeds + 1))
    return () if seeds is None else seeds_of(seeds)


def names_of(text: str | None) -> tuple[str, ...]:
    """Comma-separated names; none where the option is absent.

    Raises:
        typer.BadParameter: it is there and empty, as an unset variable of a shell leaves it.
    """
    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    if text is not None and not names:
        msg = "--controllers names none: write --controllers a,b, or leave it out for all"
        raise typer.BadParameter(msg)
    return names


def parameters_of(files: list[Path] | None) -> dict[str, dict[str, Any]]:
    """Controller → parameters, from the files that `tune` and `train` write.

    Raises:
        InputFileError: a file cannot be read or is of another kind.
    """
    from trimtab.run.parameter_file import read_parameters

    return dict(read_parameters(path) for path in files or [])
