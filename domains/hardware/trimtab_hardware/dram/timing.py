"""Timing and current figures of a DRAM part: what its data sheet says, in cycles and mA."""

from __future__ import annotations

from dataclasses import dataclass, fields

from trimtab.contracts.errors import InputFileError

MOST_CYCLES = 1 << 30
"""Distances that the engine's integers hold, whatever is added up."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Distances between commands in clock cycles (tCK), named as JEDEC does without the `t`.

    `_s` and `_l` are the short and long variants (other bank group, same bank group).
    Zero means that the part does not have the parameter.

    Attributes:
        rl: Read latency.
        wl: Write latency.
        rcd: ACT to a column command.
        rp: PRE to ACT.
        ras: ACT to PRE.
        rc: ACT to ACT of one bank.
        rrd_s: ACT to ACT of other banks; other group.
        rrd_l: The same within a group.
        ccd_s: Column to column command of one direction; other group.
        ccd_l: The same within a group.
        faw: Window that holds at most four ACT.
        rtp: Read to PRE.
        wr: Write recovery.
        wtr_s: End of write data to a read; other group.
        wtr_l: The same within a group.
        rfc: Length of an all-bank refresh.
        refi: Average interval of all-bank refreshes.
        rdwr: Read to write command.
        ccd_l_wr: Write to write within a group where it differs from `ccd_l`.
        rfc_pb: Length of a per-bank or same-bank refresh.
        refi_pb: Average interval of per-bank or same-bank refreshes.
        rrefd: Per-bank refresh to an ACT or refresh of another bank.
        rp_ab: PREAB to ACT where it differs from `rp`.
        rtrs: Bus turn-around between ranks.
        dqsck: Strobe access time, counted in the last command's tail only.
        rpre: Read preamble.
        wpre: Write preamble.
        cke: Least time in or out of power-down.
        ckesr: Least time in self-refresh.
        xp: Power-down exit to a command.
        xpdll: Power-down exit with slow exit.
        xs: Self-refresh exit to a command.
        xsdll: Self-refresh exit to a read.
        actpden: ACT to power-down entry.
        prpden: PRE to power-down entry.
        refpden: REF to power-down entry.
        act_ck: Command-bus cycles of an ACT.
        cas_ck: Command-bus cycles of a column command.
        pre_ck: Command-bus cycles of a precharge or refresh.
        raaimt: Activations of a bank from which it wants refresh management (JESD79-5, MR58).
        raammt: Activations at which it takes no further one before that (MR58).
        raadec: Activations that a refresh takes off the count (MR59).
    """

    rl: int
    wl: int
    rcd: int
    rp: int
    ras: int
    rc: int
    rrd_s: int
    rrd_l: int
    ccd_s: int
    ccd_l: int
    faw: int
    rtp: int
    wr: int
    wtr_s: int
    wtr_l: int
    rfc: int
    refi: int
    rdwr: int
    ccd_l_wr: int = 0
    rfc_pb: int = 0
    refi_pb: int = 0
    rrefd: int = 0
    rp_ab: int = 0
    rtrs: int = 1
    dqsck: int = 0
    rpre: int = 0
    wpre: int = 0
    cke: int = 1
    ckesr: int = 1
    xp: int = 1
    xpdll: int = 1
    xs: int = 1
    xsdll: int = 1
    actpden: int = 1
    prpden: int = 1
    refpden: int = 1
    act_ck: int = 1
    cas_ck: int = 1
    pre_ck: int = 1
    raaimt: int = 0
    raammt: int = 0
    raadec: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or not 0 <= value < MOST_CYCLES:
                msg = (
                    f"timing {field.name} = {value!r} is not a count of cycles: "
                    f"give an int from 0 to {MOST_CYCLES - 1}"
                )
                raise InputFileError(msg)
        if self.raaimt and self.raammt < self.raaimt:
            msg = f"timing raammt = {self.raammt} is below raaimt = {self.raaimt}: see MR58"
            raise InputFileError(msg)
        if self.refi and self.rfc >= self.refi:
            msg = (
                f"timing rfc = {self.rfc} is not below refi = {self.refi}: "
                "the part would do nothing but refresh; check the units of both"
            )
            raise InputFileError(msg)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is legal but unusual in this table, one sentence each."""
        if self.rc < self.ras + self.rp:
            return (f"rc = {self.rc} is below ras + rp = {self.ras + self.rp}",)
        return ()


@dataclass(frozen=True, slots=True)
class Rail:
    """Currents that one supply of one device draws, in mA, at `volt`; JEDEC names.

    `idd5pb` is the burst current of a per-bank refresh. A supply whose background is not
    published (DDR4's VPP) has zeros there.
    """

    volt: float
    idd0: float = 0.0
    idd2n: float = 0.0
    idd2p0: float = 0.0
    idd2p1: float = 0.0
    idd3n: float = 0.0
    idd3p0: float = 0.0
    idd3p1: float = 0.0
    idd4r: float = 0.0
    idd4w: float = 0.0
    idd5: float = 0.0
    idd5pb: float = 0.0
    idd6: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int | float) or not 0 <= value < float("inf"):
                msg = f"current {field.name} = {value!r} is not a number >= 0: give mA (volt: V)"
                raise InputFileError(msg)
