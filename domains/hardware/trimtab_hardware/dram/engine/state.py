"""Layout of the engine's memory: one record of parameters, one of state, arrays per request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

NEVER = np.int64(1) << 60
"""A time that does not come."""
BANKS = 64
"""Most banks of a channel, over its ranks."""
GROUPS = 16
RANKS = 2
MAIL = 64
"""Places of a mailbox's ring; at most about ten are ever used."""
TIMED = 8

# pages, schedulers, buffers, arbiters: positions in the tuples of `configuration`
OPEN, OPEN_ADAPTIVE, CLOSED, CLOSED_ADAPTIVE = range(4)
FIFO, FR_FCFS_GRP, FR_FCFS, GRP_FR_FCFS, GRP_FR_FCFS_WM = range(5)
BANKWISE, READ_WRITE, SHARED = range(3)
NO_REFRESH, ALL_BANK, PER_BANK, SAME_BANK = range(4)
SIMPLE, ARBITER_FIFO, ARBITER_REORDER = range(3)
NO_POWER_DOWN, STAGGERED, TIMEOUT = range(3)

# slots of the event kernel; the first four run the controller
WAKE, DATA, HANDOVER, END, FRONT, SOURCE = range(6)
CONTROL_PROCESS, FRONT_PROCESS, SOURCE_PROCESS = range(3)
IDLE, NEXT_ROUND = -1, -2
"""States of a slot without a timed entry; else the serial number of its entry."""

BEGIN, QUEUE, ACCEPTED, RESP, RETURN, DONE, ACCEPT, RESPONSE = range(8)
"""Messages to the front end and (the last two) to the source."""

RUNNING, FINISHED, LOG_FULL, HEAP_FULL, STUCK = range(5)
"""Why the loop returned."""


def _scalars(names: str) -> list[tuple[str, type]]:
    return [(name, np.int64) for name in names.split()]


PARAMETERS = np.dtype(
    [
        *_scalars(
            "rl wl rcd rp rp_ab ras rc rrd_s rrd_l ccd_s ccd_l ccd_l_wr faw rtp wrpre rdwr "
            "wtr_s wtr_l "
            "rfc refi rfc_pb refi_pb rrefd rtrs burst rpre wpre cke xp actpden prpden refpden "
            "act_ck cas_ck pre_ck requests banks groups ranks banks_per_group banks_per_rank "
            "page scheduler buffer size reorder_responses refresh postponed pulled_in arbiter "
            "max_active strict high low power_down power_down_timeout page_timeout row_hit_cap "
            "starvation_cap capped units"
        ),
        ("rank_of", np.int64, BANKS),
        ("group_of", np.int64, BANKS),
    ],
    align=True,
)
"""Part and configuration, all int64; times in cycles, choices as the codes above.

`rank_of` and `group_of` give each bank's rank and group, both counted over the channel.
"""

STATE = np.dtype(
    [
        *_scalars(
            # event kernel
            "now round serial heap_size round_size run_size run_mask "
            # source
            "issued completed "
            # front end
            "active stalled queue_head queue_tail channel_busy source_busy accepted_at done_at "
            "returned_head returned_tail next_return "
            # controller
            "register visible outstanding end_time responses_head responses_tail next_response "
            "reads writes last_stored last_write write_mode next_strict "
            # selection
            "stale all_dirty issued_bank best_time best_id best_bank bus log_size "
            # whether a comparison with a limit of the configuration ever held
            "size_met postponed_met pulled_in_met active_met"
        ),
        # event kernel
        ("slot", np.int64, 6),
        ("slot_time", np.int64, 6),
        ("round_list", np.int64, 8),
        ("run_list", np.int64, 4),
        # mailboxes of the front end (0) and the source (1)
        ("mail_head", np.int64, 2),
        ("mail_tail", np.int64, 2),
        ("mail_round", np.int64, (2, MAIL)),
        ("mail_kind", np.int64, (2, MAIL)),
        ("mail_request", np.int64, (2, MAIL)),
        ("timed_size", np.int64, 2),
        ("timed_time", np.int64, (2, TIMED)),
        ("timed_kind", np.int64, (2, TIMED)),
        ("timed_request", np.int64, (2, TIMED)),
        # banks
        ("row", np.int64, BANKS),
        ("current", np.int64, BANKS),
        ("keep", np.int64, BANKS),
        ("next", np.int64, BANKS),
        ("own", np.int64, BANKS),
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
        # by group and by rank
        ("act_group", np.int64, GROUPS),
        ("rd_group", np.int64, GROUPS),
        ("wr_group", np.int64, GROUPS),
        ("act_rank", np.int64, RANKS),
        ("rd_rank", np.int64, RANKS),
        ("wr_rank", np.int64, RANKS),
        ("shared", np.int64, 3 * GROUPS),
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
        ("busy_banks", np.int64, RANKS),
        ("open_banks", np.int64, RANKS),
        # power-down by rank
        ("stored", np.int64, RANKS),
        ("asleep", np.int64, RANKS),
        ("power_cmd", np.int64, RANKS),
        ("pde_rank", np.int64, RANKS),
        ("pdx_rank", np.int64, RANKS),
        ("idle_since", np.int64, RANKS),
    ],
    align=True,
)
"""Everything that changes but is not per request, heap or log entry."""

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
"""One request, a cache line of 64 bytes: times in cycles, links as indices or -1."""
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


def compiled(**options: Any) -> Callable[[_F], _F]:
    """Numba's decorator without reference counting, which costs two atomic additions a call."""
    decorate: Callable[[_F], _F] = cast(Any, njit)(_nrt=False, error_model="numpy", **options)
    return decorate


inner = compiled(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)
"""Compiles a part of the loop into its caller."""
rare = compiled(no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""The same for a part that few passes need: it stays a call."""
