"""Unit transitions with timers, order rules and the two fallbacks: plain integer functions.

One source for the simulator, the shield, its tables and its proof: called from Python they run as
they stand, called from compiled code Numba compiles them (`register_jitable`).

A step: *observed* state -> command (`commanded`) -> state *held* during the step, which sets cap
and floor -> `ticked` at the end of the step -> next observed state. So an observed WARM, COOL or
TRIPPED timer counts the steps still to go, the coming one included; a unit stopped in this step
holds (COOL, cool_steps) and is observed as (COOL, cool_steps - 1) afterwards. A unit that has just
cooled down is observed as OFF and may start at once, straight to warm-up, where the plant names no
min-down time.

(TRIPPED, 0) is repaired and waits to be returned to service (`returned`): the shield decides when,
because from then on another unit may trip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numba.extending import register_jitable
from numpy.typing import NDArray

from trimtab_grid.arrays import COOL, HOLD, OFF, RUN, START, STOP, TRIPPED, WARM

IntVector = Sequence[int] | NDArray[Any]
"""Modes or timers, shape [units]."""
CommandVector = list[int] | NDArray[Any]
"""Commands to write into, shape [units]."""


@register_jitable
def commanded(
    mode: int, timer: int, command: int, warm_steps: int, cool_steps: int, min_down_steps: int
) -> tuple[int, int]:
    """State held during the coming step by a unit that gets a legal command."""
    if command == START:
        return (WARM, warm_steps) if warm_steps > 0 else (RUN, 0)
    if command == STOP:
        return (COOL, cool_steps) if cool_steps > 0 else (OFF, min_down_steps)
    return mode, timer


@register_jitable
def ticked(mode: int, timer: int, min_run_steps: int, min_down_steps: int) -> tuple[int, int]:
    """State observed at the end of a step in which a unit held (mode, timer)."""
    if mode == RUN:
        return RUN, min(timer + 1, min_run_steps)
    if mode == WARM:
        return (WARM, timer - 1) if timer > 1 else (RUN, 0)
    if mode == COOL:
        return (COOL, timer - 1) if timer > 1 else (OFF, min_down_steps)
    return mode, max(timer - 1, 0)


@register_jitable
def tripped(repair_steps: int) -> tuple[int, int]:
    """State held from the step of a trip or a failed start on."""
    return TRIPPED, repair_steps


@register_jitable
def returned() -> tuple[int, int]:
    """State observed by a repaired unit once it is returned to service."""
    return OFF, 0


@register_jitable
def startable(mode: int, timer: int) -> bool:
    """Whether the unit itself may start: off, its min-down time over."""
    return mode == OFF and timer == 0


@register_jitable
def stoppable(mode: int, timer: int, min_run_steps: int) -> bool:
    """Whether the unit itself may stop: running, its min-run time over."""
    return mode == RUN and timer >= min_run_steps


@register_jitable
def count_in(mode: IntVector, n: int, wanted: int) -> int:
    """How many of the first n units are in a mode."""
    count = 0
    for i in range(n):
        if mode[i] == wanted:
            count += 1
    return count


@register_jitable
def next_to_start(mode: IntVector, timer: IntVector, n: int) -> int:
    """Order rule: the unit that start_next means, or -1.

    The first startable unit; none while a unit cools down.
    """
    if count_in(mode, n, COOL) > 0:
        return -1
    for i in range(n):
        if startable(mode[i], timer[i]):
            return i
    return -1


@register_jitable
def last_to_stop(mode: IntVector, timer: IntVector, n: int, min_run_steps: IntVector) -> int:
    """Order rule: the unit that stop_last means, or -1.

    The last running unit once its min-run time is over; none while a unit warms up.
    """
    if count_in(mode, n, WARM) > 0:
        return -1
    for i in range(n - 1, -1, -1):
        if mode[i] == RUN:
            return i if timer[i] >= min_run_steps[i] else -1
    return -1


@register_jitable
def order_commands(
    choice: int, mode: IntVector, timer: IntVector, n: int, min_run_steps: IntVector, out: Any
) -> bool:
    """Write the unit commands of -1 stop_last, 0 none or +1 start_next; False if not legal.

    Where the choice is not legal all units hold.
    """
    for i in range(n):
        out[i] = HOLD
    if choice == HOLD:
        return True
    unit = (
        next_to_start(mode, timer, n)
        if choice == START
        else last_to_stop(mode, timer, n, min_run_steps)
    )
    if unit >= 0:
        out[unit] = choice
    return unit >= 0


@register_jitable
def unit_legal(command: int, mode: int, timer: int, min_run_steps: int) -> bool:
    """Whether one unit may get a command, apart from order rules."""
    if command == START:
        return startable(mode, timer)
    if command == STOP:
        return stoppable(mode, timer, min_run_steps)
    return command == HOLD


@register_jitable
def commands_legal(
    order: int,
    command: IntVector,
    mode: IntVector,
    timer: IntVector,
    n: int,
    min_run_steps: IntVector,
) -> bool:
    """Whether a plant accepts a vector of unit commands; `order`: the plant has order rules."""
    changes, changed = 0, -1
    for i in range(n):
        if not unit_legal(command[i], mode[i], timer[i], min_run_steps[i]):
            return False
        if command[i] != HOLD:
            changes += 1
            changed = i
    if not order or changes == 0:
        return True
    if changes > 1:
        return False
    if command[changed] == START:
        return next_to_start(mode, timer, n) == changed
    return last_to_stop(mode, timer, n, min_run_steps) == changed


@register_jitable
def fallback_up(
    order: int, mode: IntVector, timer: IntVector, n: int, min_run_steps: IntVector, out: Any
) -> None:
    """F+: start every unit the plant's own rule lets start, stop none."""
    if order:
        order_commands(START, mode, timer, n, min_run_steps, out)
        return
    for i in range(n):
        out[i] = START if startable(mode[i], timer[i]) else HOLD


@register_jitable
def fallback_down(
    order: int,
    mode: IntVector,
    timer: IntVector,
    n: int,
    min_run_steps: IntVector,
    keep: int,
    out: Any,
) -> None:
    """F-: stop every unit whose min-run time is over, start none, keep `keep` units running."""
    running = count_in(mode, n, RUN)
    if order:
        order_commands(STOP if running > keep else HOLD, mode, timer, n, min_run_steps, out)
        return
    for i in range(n - 1, -1, -1):
        out[i] = HOLD
        if running > keep and stoppable(mode[i], timer[i], min_run_steps[i]):
            out[i] = STOP
            running -= 1


@register_jitable
def cap_kw(mode: int, prime_kw: Any, warm_kw: Any, cool_kw: Any) -> Any:
    """Most power of a unit that holds a mode; overload is reserve and never counted."""
    if mode == RUN:
        return prime_kw
    if mode == WARM:
        return warm_kw
    return cool_kw if mode == COOL else 0


@register_jitable
def floor_kw(mode: int, min_kw: Any, warm_kw: Any, cool_kw: Any) -> Any:
    """Least power of a unit that holds a mode."""
    return cap_kw(mode, min_kw, warm_kw, cool_kw)
