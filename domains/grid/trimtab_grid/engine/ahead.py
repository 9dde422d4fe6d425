"""Brings the memory of the next copies into the cache while one copy is computed.

A step of one copy touches about thirty cache lines of its state and moment; with thousands of
copies each would be waited for.
"""

# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from trimtab_grid.compiled import inner
from trimtab_grid.engine.memory import MOMENT, STATE
from trimtab_grid.engine.rows import Rows

LINE = 64
"""Bytes of a cache line."""
COPIES_AHEAD = 2
"""Enough for memory to arrive, few enough to stay in the first-level cache."""


def _offset(record: np.dtype[Any], name: str) -> int:
    """Where a field of a record begins, bytes."""
    fields = cast("Mapping[str, Any] | None", record.fields)
    return 0 if fields is None else int(fields[name][1])


_BINS_BEGIN, _BINS_END = _offset(STATE, "overload_bin_min"), _offset(STATE, "soc")
_FLOW = _offset(STATE, "flow") + 2 * LINE
"""With the first turning points; more than a dozen are rarely open."""
_MOMENT = _offset(MOMENT, "scratch")


def _line_at(typing_context: Any, memory: Any, offset: Any) -> Any:  # noqa: ARG001 - Numba's call
    """Ask for the cache line of a record or array at an offset; nothing waits for it."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, word = ir.IntType(8), ir.IntType(32)
        start = arguments[0]
        if isinstance(memory, types.Array):
            start = make_array(signature.args[0])(context, builder, start).data
        address = builder.gep(builder.bitcast(start, byte.as_pointer()), [arguments[1]])
        kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), word, word, word])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(prefetch, [address, word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(memory, types.intp), code


_fetch: Any = intrinsic(_line_at)


@inner
def fetch(rows: Rows, row: int) -> None:
    """Ask for what a later copy will touch: all but overload bins and old turning points.

    It is most likely at the step at which this copy is.
    """
    states, moments, bank = rows.states, rows.moments, rows.bank
    later = min(row + COPIES_AHEAD, len(states) - 1)
    state, moment = states[later], moments[later]
    for at in range(0, _BINS_BEGIN, LINE):
        _fetch(state, at)
    for at in range(_BINS_END, _FLOW, LINE):
        _fetch(state, at)
    for at in range(0, _MOMENT, LINE):
        _fetch(moment, at)
    column = min(states[row].step + 1, bank.shape[1] - 1)
    _fetch(bank[later, column], 0)
    _fetch(bank[later, column], 16)
