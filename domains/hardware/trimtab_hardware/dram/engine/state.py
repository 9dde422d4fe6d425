"""Layout of the engine's memory: one record of parameters, one of state, arrays per request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numba.extending import overload

from trimtab_hardware.dram.result import COMMANDS

NEVER = np.int64(1) << 60
"""A time that does not come."""
LONG_AGO = -NEVER
"""A time before every trace."""
NEAR = (1 << 31) - 1
"""The longest wait that the comparison of commands tells apart, cycles."""
NO_REQUEST = 1 << 31
"""Place in the order of commands after every request; its bank is added."""
BANKS = 64
"""Most banks of a channel, over its ranks."""
GROUPS = 16
RANKS = 2

# pages, schedulers, buffers, arbiters: positions in the tuples of `configuration`
OPEN, OPEN_ADAPTIVE, CLOSED, CLOSED_ADAPTIVE = range(4)
FIFO, FR_FCFS_GRP, FR_FCFS, GRP_FR_FCFS, GRP_FR_FCFS_WM = range(5)
BANKWISE, READ_WRITE, SHARED = range(3)
NO_REFRESH, ALL_BANK, PER_BANK, SAME_BANK = range(4)
SIMPLE, ARBITER_FIFO, ARBITER_REORDER = range(3)
NO_POWER_DOWN, STAGGERED, TIMEOUT = range(3)


def _codes(first: int, count: int) -> tuple[int, ...]:
    """Numbers that are no literals to Numba, which compiles a callee anew for each of those."""
    return cast("tuple[int, ...]", tuple(np.arange(first, first + count, dtype=np.int64)))


# slots of the event kernel; the first four run the controller
WAKE, DATA, HANDOVER, END, FRONT, SOURCE = _codes(0, 6)
CONTROL_PROCESS, FRONT_PROCESS, SOURCE_PROCESS = 1, 2, 3
IDLE, NEXT_ROUND = -1, -2
"""States of a slot without a timed entry; else its entry of the heap."""

BEGIN, QUEUE, ACCEPTED, RESP, RETURN, DONE = _codes(1, 6)
"""Messages to the front end; three bits each in a packed queue, oldest lowest."""
ACCEPT, RESPONSE = _codes(1, 2)
"""Messages to the source."""

NONE = _codes(-1, 1)[0]
"""No bank, no request."""
NEXT_CYCLE = _codes(1, 1)[0]
"""A delay."""
ACTS, READS, WRITES, FREE = (GROUPS * lane for lane in _codes(0, 4))
"""Lanes of earliest times that banks of a group share; the last one never delays."""

FOR_REFRESH, FOR_MANAGEMENT = 1, 2
"""What a bank is blocked for; 0 if it is not."""
RUNNING, PAUSED, LOG_FULL, HEAP_FULL, STUCK = range(5)
"""Why the loop returned."""


def _scalars(names: str) -> list[tuple[str, type]]:
    return [(name, np.int64) for name in names.split()]


_PARAMETERS: list[Any] = [
    *_scalars(
        "rl wl rcd rp rp_ab ras rc rrd_s rrd_l ccd_s ccd_l ccd_l_wr faw rtp wrpre rdwr "
        "wtr_s wtr_l "
        "rfc refi rfc_pb refi_pb rrefd rtrs burst rpre wpre cke xp actpden prpden refpden "
        "act_ck cas_ck pre_ck requests banks groups ranks banks_per_group banks_per_rank "
        "groups_per_rank "
        "page scheduler buffer size reorder_responses refresh postponed pulled_in arbiter "
        "max_active strict high low power_down power_down_timeout page_timeout row_hit_cap "
        "starvation_cap capped gated timed units managed raaimt raammt raadec"
    ),
    ("rank_of", np.int64, BANKS),
    ("group_of", np.int64, BANKS),
    ("lane_of", np.int64, len(COMMANDS)),
]
PARAMETERS = np.dtype([*_PARAMETERS, ("basic", np.int64)], align=True)
"""Part and configuration, all int64; times in cycles, choices as the codes above.

`rank_of` and `group_of` give each bank's rank and group, both counted over the channel; `lane_of`
is the first of the lanes of a command.
"""

WIDER = np.dtype([*_PARAMETERS, ("wider", np.int64)], align=True)
"""The same bytes for controllers beyond the ten parameters of the reference: the engine is compiled
for either type, and what only these need is compiled for this one alone (`for_wider`)."""

STATE = np.dtype(
    [
        *_scalars(
            # event kernel: packed lists of slots and processes, messages posted and to be read
            "now serial heap_size switched round_list "
            "front_posted front_mail source_posted source_mail "
            "begin_at resp_at resp_first response_at "
            # source
            "issued completed pause_at "
            # front end
            "active stalled queue_head queue_tail channel_busy source_busy accepted_at done_at "
            "returned_head returned_tail responding returning given "
            # controller
            "register visible outstanding end_time responses_head responses_tail next_response "
            "reads writes last_stored last_write write_mode next_strict "
            # selection
            "stale all_dirty issued_bank best_time best_bank bus log_size "
            # refresh of any rank: under way, or earliest due
            "refreshing next_due "
            # banks that want refresh management
            "worn "
            # whether a comparison with a limit of the configuration ever held
            "size_met postponed_met pulled_in_met active_met"
        ),
        # event kernel
        ("slot", np.int64, 6),
        ("slot_time", np.int64, 6),
        # banks
        ("row", np.int64, BANKS),
        ("current", np.int64, BANKS),
        ("keep", np.int64, BANKS),
        ("next", np.int64, BANKS),
        ("own", np.int64, BANKS),
        ("lane", np.int64, BANKS),
        ("order", np.int64, BANKS),
        ("head", np.int64, BANKS),
        ("tail", np.int64, BANKS),
        ("length", np.int64, BANKS),
        ("hits", np.int64, BANKS),
        ("first_hit", np.int64, BANKS),
        ("last_hit", np.int64, BANKS),
        # earliest times by bank
        ("passes", np.int64, BANKS),
        ("used", np.int64, BANKS),
        ("act_bank", np.int64, BANKS),
        ("cas_bank", np.int64, BANKS),
        ("rda_bank", np.int64, BANKS),
        ("pre_bank", np.int64, BANKS),
        # by group, in lanes, and by rank
        ("shared", np.int64, 4 * GROUPS),
        ("act_at", np.int64, RANKS),
        ("pre_at", np.int64, RANKS),
        ("read_at", np.int64, RANKS),
        ("rda_at", np.int64, RANKS),
        ("write_at", np.int64, RANKS),
        ("wra_at", np.int64, RANKS),
        ("preab_rank", np.int64, RANKS),
        ("ref_rank", np.int64, RANKS),
        ("bank_refresh_rank", np.int64, RANKS),
        ("acts", np.int64, (RANKS, 4)),
        ("act_count", np.int64, RANKS),
        # refresh by rank
        ("due", np.int64, RANKS),
        ("pulled", np.int64, RANKS),
        ("flex", np.int64, RANKS),
        ("refresh_cmd", np.int64, RANKS),
        ("blocked", np.int64, RANKS),
        ("refresh_bank", np.int64, RANKS),
        ("refreshed", np.int64, (RANKS, BANKS)),
        ("blocked_bank", np.int64, BANKS),
        ("activations", np.int64, BANKS),
        # power-down by rank
        ("asleep", np.int64, RANKS),
        ("power_cmd", np.int64, RANKS),
        ("pde_rank", np.int64, RANKS),
        ("pdx_rank", np.int64, RANKS),
        ("idle_since", np.int64, RANKS),
    ],
    align=True,
)
"""Everything that changes but is not per request, heap or log entry.

A bank's next command may issue at the latest of `own`, `shared[lane]` and the command bus; of
commands that may issue at one time the least `order` goes first.
"""

HEAP = np.dtype([("time", np.int64), ("entry", np.int64)], align=True)
"""One entry of the event kernel's heap: its time, and its serial number · 8 + its slot."""

REQUEST = np.dtype(
    [
        ("arrival", np.int64),
        ("line", np.int64),
        ("row", np.int32),
        ("bank", np.int16),
        ("write", np.int8),
        ("phase", np.int8),
        ("older", np.int32),
        ("younger", np.int32),
        ("older_hit", np.int32),
        ("younger_hit", np.int32),
        ("stamp", np.int64),
        ("ready", np.int64),
        ("end", np.int64),
    ],
    align=True,
)
"""One request, a cache line of 64 bytes: times in cycles, links as indices or -1.

What a run writes it writes before it reads, so that records may serve one run after another.
"""
WAITING, ISSUED, RETURNED = range(3)
"""Phases: until its column command, until its response is with the front end, after."""

COMMAND = np.dtype(
    [
        ("time", np.int64),
        ("request", np.int32),
        ("bank", np.int16),
        ("rank", np.int8),
        ("code", np.int8),
    ],
    align=True,
)
"""One command of the log; `bank` counts over the ranks, -1 for a whole rank."""

_F = TypeVar("_F", bound=Callable[..., Any])

index: Callable[[Any], int] = cast(Any, np.uintp)
"""A number that is not negative as an index that needs no test for it."""


def compiled(**options: Any) -> Callable[[_F], _F]:
    """Numba's decorator without reference counting, which costs two atomic additions a call."""
    decorate: Callable[[_F], _F] = cast(Any, njit)(_nrt=False, error_model="numpy", **options)
    return decorate


_CALLED: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
inner = compiled(**_CALLED, forceinline=True)
"""Compiles a part of the loop into its caller."""
spliced = compiled(inline="always")
"""The same before types are inferred, for a long part with one caller: less to compile twice."""
rare = compiled(**_CALLED)
"""The same for a part that few passes need: it stays a call."""


def for_wider(otherwise: Any) -> Callable[[_F], _F]:
    """Compiles a part into the wider engine alone; the other one has `otherwise` in its place.

    The part's second argument must be the parameters.
    """
    options: Any = {**_CALLED, "_nrt": False, "error_model": "numpy"}

    def decorate(part: _F) -> _F:
        @overload(part, strict=False, jit_options=options)
        def chosen(*arguments: Any) -> Any:
            if "wider" in arguments[1].fields:
                return part
            return _in_place_of(len(arguments), otherwise)

        return part

    return decorate


def _in_place_of(arity: int, otherwise: Any) -> Callable[..., Any]:
    of_arity: dict[int, Callable[..., Any]] = {
        2: lambda s, c: otherwise,
        3: lambda s, c, x: otherwise,
        4: lambda s, c, x, y: otherwise,
        5: lambda s, c, x, y, z: otherwise,
    }
    return of_arity[arity]
