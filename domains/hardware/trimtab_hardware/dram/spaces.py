"""The design spaces: A the ten seed parameters, B the wider controller, C the address map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
from trimtab.contracts.errors import ContractError, UnknownNameError
from trimtab.contracts.parameters import Categorical, Condition, Ordinal, Parameter, Permutation
from trimtab.contracts.relations import LinearLimit
from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray

from trimtab_hardware.dram.address_map import AddressMap
from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.part import Part

SEED10_DESIGNS = 156_672
"""Distinct designs of space A with refresh: 4·3·3·8·2·16·17."""
SEED10_DESIGNS_WITH_IDEAL = 166_464
"""The same with NoRefresh as a flagged ideal: 4·3·3·8·2·17·17."""
POWERS = (1, 2, 4, 8, 16, 32, 64, 128)
FLEXIBILITY = (1, 2, 4, 8)
XOR_TAPS = 2
NO_XOR = "none"
QUEUED = Condition("arbiter", ("Fifo", "Reorder"))


def seed10(*, ideal: bool = False) -> Space:
    """Space A; with `ideal`, NoRefresh is offered too (it loses data: never a product)."""
    return Space(_seed_parameters(("AllBank",), ideal=ideal))


def _seed_parameters(refresh: tuple[str, ...], *, ideal: bool) -> tuple[Parameter, ...]:
    flexible = Condition("refresh_policy", refresh) if ideal else None
    policies = ("NoRefresh", *refresh) if ideal else refresh
    return (
        Categorical("page_policy", ("Open", "OpenAdaptive", "Closed", "ClosedAdaptive")),
        Categorical("scheduler", ("Fifo", "FrFcfsGrp", "FrFcfs")),
        Categorical("scheduler_buffer", ("Bankwise", "ReadWrite", "Shared")),
        Ordinal("request_buffer_size", POWERS),
        Categorical("response_queue", ("Fifo", "Reorder")),
        Categorical("refresh_policy", policies),
        Ordinal("refresh_max_postponed", FLEXIBILITY, active_if=flexible),
        Ordinal("refresh_max_pulled_in", FLEXIBILITY, active_if=flexible),
        Categorical("arbiter", ("Simple", "Fifo", "Reorder")),
        Ordinal("max_active_transactions", POWERS, active_if=QUEUED),
    )


def controller_plus(part: Part, grades: tuple[str, ...]) -> Space:
    """Space B: space A and what else a controller and its module may be.

    Args:
        part: decides which refresh policies exist.
        grades: ids of parts to choose from (speed grades of one kind); itself if empty.
    """
    refresh = {"LPDDR4": ("AllBank", "PerBank"), "HBM2": ("AllBank", "PerBank")}.get(
        part.standard, ("AllBank", "SameBank") if part.standard == "DDR5" else ("AllBank",)
    )
    seed = _seed_parameters(refresh, ideal=False)
    schedulers = ("Fifo", "FrFcfsGrp", "FrFcfs", "GrpFrFcfs", "GrpFrFcfsWm")
    watermarks = Condition("scheduler", ("GrpFrFcfsWm",))
    wider = [Categorical(p.name, schedulers) if p.name == "scheduler" else p for p in seed]
    return Space(
        (
            *wider,
            Categorical("command_mux", ("Oldest", "Strict")),
            Ordinal("high_watermark", (8, 16, 32, 64), active_if=watermarks),
            Ordinal("low_watermark", (4, 8, 16, 32), active_if=watermarks),
            Categorical("power_down", ("NoPowerDown", "Staggered", "Timeout")),
            Ordinal(
                "power_down_timeout_ck",
                (16, 64, 256, 1024),
                active_if=Condition("power_down", ("Timeout",)),
            ),
            Ordinal("page_timeout_ck", (0, 64, 256, 1024)),
            Ordinal("row_hit_cap", (0, 4, 16, 64)),
            Ordinal("starvation_cap_ck", (0, 256, 1024, 4096)),
            Categorical("part", grades or (part.id,)),
            Ordinal("channels", (1, 2, 4)),
            Ordinal("ranks", (1, 2)),
        ),
        (LinearLimit((("low_watermark", 1.0), ("high_watermark", -1.0)), -1.0),),
    )


def restricted(space: Space, fixed: Mapping[str, Any]) -> Space:
    """The space with some parameters held at one value, in the space's range or not.

    Raises:
        UnknownNameError: a name is no parameter of the space.
        ContractError: a permutation cannot be held.
    """
    names = [p.name for p in space.parameters]
    for name in fixed:
        if name not in names:
            raise UnknownNameError(name, "design parameter", names)
    return Space(tuple(_held(p, fixed) for p in space.parameters), space.relations)


def _held(parameter: Parameter, fixed: Mapping[str, Any]) -> Parameter:
    condition, held = parameter.active_if, parameter.name in fixed
    settled = condition is not None and condition.parent in fixed
    if not held and not settled:
        return parameter
    if not isinstance(parameter, Ordinal | Categorical):
        msg = f"{parameter.name} cannot be held at a value: leave it out of `fixed`"
        raise ContractError(msg)
    values = (fixed[parameter.name],) if held else parameter.values
    if condition is not None and settled:
        if fixed[condition.parent] not in condition.values:
            values = values[:1]
        condition = None
    return replace(parameter, values=values, active_if=condition)


def map_bits(part: Part) -> tuple[int, ...]:
    """Address bits that space C may place: all above the bytes of one burst."""
    return tuple(range(part.burst_bytes.bit_length() - 1, part.map.bits))


def address_maps(part: Part) -> Space:
    """Space C: which free bits count columns, groups, banks and rows; XOR taps of bank bits.

    `order` lists the free bits, those of the column first, then group, bank and row. Each group
    or bank bit has two taps: the number of a row bit that is XORed into it, or none.
    """
    banks = len(part.map.group) + len(part.map.bank)
    taps = (NO_XOR, *range(len(part.map.row)))
    return Space(
        (
            Permutation("order", len(map_bits(part))),
            *(
                Categorical(f"xor_{bank}_{tap}", taps)
                for bank in range(banks)
                for tap in range(XOR_TAPS)
            ),
        )
    )


def segments(part: Part) -> dict[str, slice]:
    """Columns of `order` by field."""
    low = part.burst_length.bit_length() - 1
    sizes = {
        "column": len(part.map.column) - low,
        "group": len(part.map.group),
        "bank": len(part.map.bank),
        "row": len(part.map.row),
    }
    ends = np.cumsum(list(sizes.values())).tolist()
    return {
        name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)
    }


def canonical_maps(part: Part, coded: FloatArray) -> FloatArray:
    """Sort the bits of every field, and the two taps of every bank bit; equal taps cancel."""
    out = coded.copy()
    for field in segments(part).values():
        out[:, field] = np.sort(out[:, field], axis=1)
    first = len(map_bits(part))
    for at in range(first, out.shape[1], XOR_TAPS):
        pair = np.sort(out[:, at : at + XOR_TAPS], axis=1)
        pair[pair[:, 0] == pair[:, 1]] = 0.0
        out[:, at : at + XOR_TAPS] = pair
    return out


def address_map_of(part: Part, design: Mapping[str, Any]) -> AddressMap:
    """The map that a design of space C describes.

    Raises:
        ContractError: `order` is no order of the free bits.
    """
    free = map_bits(part)
    order = tuple(design["order"])
    if sorted(order) != list(range(len(free))):
        msg = f"order {order} is not a permutation of 0..{len(free) - 1}"
        raise ContractError(msg)
    low = part.burst_length.bit_length() - 1
    placed = {
        name: tuple(sorted(free[k] for k in order[field])) for name, field in segments(part).items()
    }
    banks = (*placed["group"], *placed["bank"])
    xor = tuple(
        (bit, placed["row"][int(design[f"xor_{k}_{tap}"])])
        for k, bit in enumerate(banks)
        for tap in range(XOR_TAPS)
        if design[f"xor_{k}_{tap}"] != NO_XOR
    )
    near = tuple(range(len(part.map.byte), len(part.map.byte) + low))
    return replace(
        part.map,
        column=(*near, *placed["column"]),
        group=placed["group"],
        bank=placed["bank"],
        row=placed["row"],
        xor=xor,
    )


def design_of_map(part: Part, chosen: AddressMap) -> dict[str, Any]:
    """The design of space C that describes a map of one channel and rank.

    Raises:
        ContractError: the map XORs something else than row bits into bank bits, or too much.
    """
    free = map_bits(part)
    low = part.burst_length.bit_length() - 1
    bits = (*chosen.column[low:], *chosen.group, *chosen.bank, *chosen.row)
    design: dict[str, Any] = {"order": tuple(free.index(bit) for bit in bits)}
    rows = sorted(chosen.row)
    banks = (*sorted(chosen.group), *sorted(chosen.bank))
    taps: list[list[int]] = [[] for _ in banks]
    for i, j in chosen.xor:
        if i not in banks or j not in rows or len(taps[banks.index(i)]) == XOR_TAPS:
            msg = f"XOR ({i}, {j}): only {XOR_TAPS} row bits into each bank bit are in this space"
            raise ContractError(msg)
        taps[banks.index(i)].append(rows.index(j))
    for k, own in enumerate(taps):
        for tap in range(XOR_TAPS):
            design[f"xor_{k}_{tap}"] = own[tap] if tap < len(own) else NO_XOR
    return design


def configuration_of(design: Mapping[str, Any], base: Configuration) -> Configuration:
    """The controller of a design; what it does not name is as in `base`."""
    known = {field.name for field in fields(Configuration)}
    return replace(base, **{name: value for name, value in design.items() if name in known})
