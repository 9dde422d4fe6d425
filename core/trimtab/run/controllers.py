"""Controllers of a run: those the domain offers, and the engineer's own.

The engineer's own come as `package.module:Class`, as the name of an entry point in group
`trimtab.controllers`, or as a CSV file of logged decisions (`run.replay`).
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from trimtab.contracts.controller import Controller, Entry, NativeController
from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import InputFileError, TrimtabError, UnknownNameError
from trimtab.run.replay import Replay

GROUP = "trimtab.controllers"
Kind = Literal["episode", "bound", "search", "design", "report"]
"""What a job does: play a controller, compute a bound, search with an optimizer, score a design."""
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Choice:
    """One controller, optimizer or given design of a run.

    Attributes:
        name: row name.
        own: what the user gave for an own controller; empty for the domain's.
        parameters: overrides of the entry's defaults; the values of a given design.
        files: files that identify an own controller (its source, its CSV).
    """

    name: str
    entry: Entry
    own: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    kind: Kind = "episode"


def choose(
    domain: Domain,
    problem: Any,
    names: Sequence[str] = (),
    own: Sequence[str] = (),
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Choice]:
    """Resolve the controllers of a run.

    Args:
        domain: of the scenario.
        problem: the scenario's validated problem.
        names: ids to select; if empty all of the domain's, but of those that nothing was learned
            for only what `parameters` name.
        own: the user's own controllers.
        parameters: controller id → parameters in place of the shipped ones.

    Raises:
        UnknownNameError: a name, or a key of `parameters`, is no controller of this run.
        TrimtabError: an own controller cannot be loaded, or a name comes twice.
    """
    offered = domain.controllers(problem)
    for name in names:
        if name not in offered:
            raise UnknownNameError(name, "controller", offered)
    given = parameters or {}
    wanted = names or [name for name, e in offered.items() if name in given or not e.untrained]
    chosen = [Choice(name, offered[name], parameters=given.get(name, {})) for name in wanted]
    chosen += [own_controller(text, given) for text in own]
    check_names(chosen, given)
    return chosen


def choose_one(
    offered: Mapping[str, Entry],
    text: str,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
) -> Choice:
    """One controller: an id of `offered`, or the user's own as in `own_controller`.

    Raises:
        UnknownNameError: it is neither, or `parameters` name another controller.
        TrimtabError: the user's own controller cannot be loaded.
    """
    given = parameters or {}
    if text in offered:
        chosen = Choice(text, offered[text], parameters=given.get(text, {}))
    elif ":" in text or text.endswith(".csv") or text in _installed():
        chosen = own_controller(text, given)
    else:
        raise UnknownNameError(text, "controller", {*offered, *_installed()})
    check_names([chosen], given)
    return chosen


def check_names(chosen: Sequence[Choice], given: Iterable[str]) -> None:
    """Raise unless every name is there once, and every one that was given parameters.

    Raises:
        UnknownNameError: parameters are given for a controller that is not of this run.
        TrimtabError: a name comes twice.
    """
    found = [choice.name for choice in chosen]
    for name in given:
        if name not in found:
            raise UnknownNameError(name, "controller of this run", found)
    repeated = sorted({name for name in found if found.count(name) > 1})
    if repeated:
        msg = f"controller {repeated[0]!r} is named twice in this run: name each once"
        raise TrimtabError(msg)


def own_controller(text: str, parameters: Mapping[str, Mapping[str, Any]] | None = None) -> Choice:
    """Load the engineer's own controller.

    Raises:
        TrimtabError: it does not import, is not there, or is no controller.
        InputFileError: the CSV file is missing.
    """
    given = parameters or {}
    if text.endswith(".csv"):
        path = Path(text).resolve()
        if not path.is_file():
            msg = f"{text}: no such file"
            raise InputFileError(msg)
        entry = Entry("user", functools.partial(Replay, path=path), f"replay of {path.name}")
        return Choice(path.stem, entry, str(path), given.get(path.stem, {}), (path,))
    kind = class_of(text)
    if not issubclass(kind, Controller | NativeController):
        msg = (
            f"controller {text!r} is no controller: derive it from "
            "trimtab.contracts.controller.Controller"
        )
        raise TrimtabError(msg)
    name = getattr(kind, "name", None) or kind.__name__
    entry = Entry(
        role="user",
        factory=kind,
        help=(inspect.getdoc(kind) or text).partition("\n")[0],
        needs=frozenset(getattr(kind, "needs", ())),
        interface=getattr(kind, "interface", "default"),
        parameters=getattr(kind, "parameters", None),
        defaults=_defaults(kind),
    )
    return Choice(name, entry, text, given.get(name, {}), (Path(inspect.getfile(kind)),))


def _defaults(kind: type) -> dict[str, Any]:
    """Default arguments of the parameters that tuning searches, where each has one."""
    space = getattr(kind, "parameters", None)
    if space is None:
        return {}
    arguments = inspect.signature(kind).parameters
    found = {p.name: arguments[p.name].default for p in space.parameters if p.name in arguments}
    return {} if inspect.Parameter.empty in found.values() else found


def _installed() -> dict[str, str]:
    """Classes of installed entry points of group `GROUP`, by name."""
    return {point.name: point.value for point in entry_points(group=GROUP)}


def class_of(text: str) -> type:
    """The class of `package.module:Class`, or of an entry point of group `GROUP`.

    Raises:
        TrimtabError: it does not import, or is no class.
    """
    points = _installed()
    reference = points.get(text, text)
    if not _REFERENCE.fullmatch(reference):
        msg = (
            f"controller {text!r}: give package.module:Class, a .csv of logged decisions, or an "
            f"installed {GROUP} entry point ({', '.join(sorted(points)) or 'none is installed'})"
        )
        raise TrimtabError(msg)
    module, _, attribute = reference.partition(":")
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        msg = f"controller {text!r} cannot be loaded: {type(error).__name__}: {error}"
        raise TrimtabError(msg) from error
    if not isinstance(kind, type):
        msg = (
            f"controller {text!r} is no controller: derive it from "
            f"trimtab.contracts.controller.Controller, got {type(kind).__name__}"
        )
        raise TrimtabError(msg)
    return kind


def find_choice(
    domain: Domain, problem: Any, name: str, own: str, parameters: Mapping[str, Any]
) -> Choice:
    """The controller `name` again, in another process; arguments as in `Choice`."""
    if own:
        return own_controller(own, {name: parameters})
    return Choice(name, domain.controllers(problem)[name], parameters=parameters)


def importable_from(folder: Path) -> None:
    """Let `package.module:Class` name modules of `folder`, as `python -m` would."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
