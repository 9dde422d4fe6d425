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
from types import ModuleType
from typing import Any, TypeVar, cast

from llvmlite import binding, ir
from numba import njit, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.typing.templates import builtin_registry, infer_global

_F = TypeVar("_F", bound=Callable[..., Any])
_ENVIRONMENT = "_ZN08NumbaEnv"


class _PartLibrary(JITCodeLibrary):
    """Code of a part as it was lowered, with all it calls: its entries optimise it, once."""

    def finalize(self) -> None:
        """Link what is called; neither optimise nor make machine code."""
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            called = library._get_module_for_linking()
            self._final_module.link_in(called, preserve=True)
        self._finalize_dynamic_globals()
        self._define_environments()
        self._finalized = True

    def _define_environments(self) -> None:
        """Numba writes to these, though no part reads them."""
        module = self._codegen._create_empty_module(f"{self.name}.environments")
        for variable in self._final_module.global_variables:
            if variable.name.startswith(_ENVIRONMENT):
                place = ir.GlobalVariable(module, ir.IntType(64), variable.name)
                place.linkage, place.initializer = "common", ir.Constant(place.value_type, 0)
        self._codegen._add_module(binding.parse_assembly(str(module)))

    def get_pointer_to_function(self, name: str) -> int:  # noqa: ARG002 - Numba's call
        """Null: nothing outside compiled code calls a part."""
        self._ensure_finalized()
        return 0


class _PartCompiler(Compiler):
    """Numba's own, into a `_PartLibrary`."""

    def __init__(self, typing_context: Any, context: Any, library: Any, *rest: Any) -> None:
        made = _PartLibrary(context.codegen(), "part") if library is None else library
        super().__init__(typing_context, context, made, *rest)


class _EntryCompiler(Compiler):
    """Numba's own, told that arrays and records handed to an entry do not overlap."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.state.flags.noalias = True


_OPTIONS: dict[str, Any] = {"_nrt": False, "nogil": True, "error_model": "numpy"}
WITHIN: dict[str, Any] = {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "pipeline_class": _PartCompiler,
}
_PART: dict[str, Any] = {**_OPTIONS, **WITHIN}


def compiled(function: _F) -> _F:
    """An entry that Python calls; it is compiled on its first call and kept on disk."""
    return cast("_F", njit(cache=True, pipeline_class=_EntryCompiler, **_OPTIONS)(function))


def inner(function: _F) -> _F:
    """A part that is written out where it is called, and not callable from Python."""
    return cast("_F", njit(forceinline=True, **_PART)(function))


def shared(function: _F) -> _F:
    """A part of compiled code that stays a plain Python function for Python's own calls."""
    part = njit(**_PART)(function)
    infer_global(function, types.Dispatcher(part))
    vars(function)["part"] = part  # Numba's own reference is a weak one
    return function


def parts(module: ModuleType) -> None:
    """Make parts of the functions that a module registers with Numba and keeps as they stand."""
    for function, kind in builtin_registry.globals:
        if getattr(function, "__module__", "") == module.__name__:
            for template in kind.templates:
                template._jit_options.update(WITHIN)
