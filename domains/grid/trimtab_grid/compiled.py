"""The decorators of compiled code: without the interpreter's lock, without fast math.

Compiled code makes no arrays, so that it needs no reference counting (two atomic additions for
every look at a field of a record). Divisions by zero give infinity, as in numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_F = TypeVar("_F", bound=Callable[..., Any])
_OPTIONS: dict[str, Any] = {"_nrt": False, "nogil": True, "error_model": "numpy"}


def compiled(function: _F) -> _F:
    """A function that Python calls; it is compiled on its first call and kept on disk."""
    return cast("_F", njit(cache=True, **_OPTIONS)(function))


def inner(function: _F) -> _F:
    """A part of compiled functions; it is compiled with them and not callable from Python."""
    options = {
        **_OPTIONS,
        "no_cpython_wrapper": True,
        "no_cfunc_wrapper": True,
    }
    return cast("_F", njit(**options)(function))
