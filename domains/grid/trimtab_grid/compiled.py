"""The decorators of compiled code: without the interpreter's lock, without fast math.

Compiled code makes no arrays, so that it needs no reference counting (two atomic additions for
every look at a field of a record). Divisions by zero give infinity, as in numpy.

Only what Python calls in bulk is an entry, with a wrapper of its own and a place on disk. All else
is a part: it is typed once per signature, whoever calls it, and becomes machine code only within
its entries.
"""

# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit, types
from numba.core.typing.templates import infer_global

_F = TypeVar("_F", bound=Callable[..., Any])
_OPTIONS: dict[str, Any] = {"_nrt": False, "nogil": True, "error_model": "numpy"}
_PART: dict[str, Any] = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled(function: _F) -> _F:
    """An entry that Python calls; it is compiled on its first call and kept on disk."""
    return cast("_F", njit(cache=True, **_OPTIONS)(function))


def inner(function: _F) -> _F:
    """A part that is written out where it is called, and not callable from Python."""
    return cast("_F", njit(forceinline=True, **_PART)(function))


def shared(function: _F) -> _F:
    """A part of compiled code that stays a plain Python function for Python's own calls."""
    part = njit(**_PART)(function)
    infer_global(function, types.Dispatcher(part))
    vars(function)["part"] = part  # Numba's own reference is a weak one
    return function
