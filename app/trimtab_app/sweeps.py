"""A sweep set up in the browser: which settings vary, and their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, get_args

import streamlit as st
from trimtab.contracts.errors import ScenarioError
from trimtab.contracts.scenario import Sweep
from trimtab.run.scenario_file import LoadedScenario
from trimtab.run.sweep import points_of
from trimtab.run.yaml_document import parse

from trimtab_app import markup
from trimtab_app.fields import Field, fields_of

VARIES = frozenset({"flag", "choice", "whole", "number", "text"})
MODES = get_args(Sweep.model_fields["mode"].annotation)
HELP = {
    "grid": "every combination",
    "list": "the first values together, then the second ones, and so on",
    "random": "combinations drawn from the grid",
}


def settings_of(fields: Sequence[Field], path: str = "problem") -> Iterator[str]:
    """Dotted keys of everything in a form that has one plain value."""
    for field in fields:
        key = f"{path}.{field.key}"
        if field.kind in VARIES:
            yield key
        elif field.kind == "group":
            yield from settings_of(field.fields, key)


def values_of(text: str) -> list[Any]:
    """Values as a person writes them: ``0.8, 1, 1.2``.

    Raises:
        ScenarioError: that is no list of YAML values.
    """
    found = parse(f"[{text}]", "values").data
    return list(found) if isinstance(found, list) else []


def pick(loaded: LoadedScenario) -> Sweep | None:
    """The part of the Run page that makes one run of a scenario many."""
    own = loaded.scenario.sweep
    known = list(dict.fromkeys([*(own.over if own else ()), *settings_of(_fields(loaded))]))
    with st.expander("Sweep: run it at several settings", expanded=own is not None):
        keys = st.multiselect(
            "Settings that vary",
            known,
            default=list(own.over) if own else [],
            placeholder="none: one run",
            key=f"sweep-keys-{loaded.source}",
        )
        if not keys:
            return None
        mode = st.selectbox(
            "Points",
            MODES,
            index=MODES.index(own.mode) if own else 0,
            format_func=lambda name: f"{name}: {HELP[name]}",
            key=f"sweep-mode-{loaded.source}",
        )
        over = {key: _values(loaded, key, own.over.get(key) if own else None) for key in keys}
        drawn = {} if mode != "random" else {"n": _number(loaded, own)}
    return _checked({"mode": mode, "over": over, **drawn})


def _fields(loaded: LoadedScenario) -> tuple[Field, ...]:
    return fields_of(type(loaded.scenario.problem))


def _number(loaded: LoadedScenario, own: Sweep | None) -> int:
    start = own.n if own else 10
    return int(st.number_input("How many points", 1, 10_000, start, key=f"sweep-n-{loaded.source}"))


def _values(loaded: LoadedScenario, key: str, known: list[Any] | None) -> list[Any]:
    text = st.text_input(
        f"Values of {key}",
        value=", ".join(map(str, known or [_present(loaded, key)])),
        help="separated by commas: 0.8, 1.0, 1.2",
        key=f"sweep-{key}-{loaded.source}",
    )
    try:
        return values_of(text)
    except ScenarioError as error:
        _problem(f"{key}: {error.faults[0].message}")
        return []


def _present(loaded: LoadedScenario, key: str) -> Any:
    """The value of a setting in the scenario as it stands."""
    found: Any = loaded.scenario.model_dump(mode="json", by_alias=True)
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return "" if found is None else found


def _checked(given: dict[str, Any]) -> Sweep | None:
    sweep = Sweep(**given)
    try:
        points = points_of(sweep)
    except ValueError as error:
        _problem(f"The sweep {error}")
        return None
    markup.lead(f"{len(points)} points, each a run of its own with all controllers and seeds.")
    return sweep


def _problem(text: str) -> None:
    markup.show(f'<p class="problem" role="alert">{escape(text)}</p>')
