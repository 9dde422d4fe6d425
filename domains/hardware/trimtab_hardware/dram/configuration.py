"""Parameters of the memory controller: what a design chooses."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.contracts.errors import InputFileError, UnknownNameError

PAGE_POLICIES = ("Open", "OpenAdaptive", "Closed", "ClosedAdaptive")
SCHEDULERS = ("Fifo", "FrFcfsGrp", "FrFcfs", "GrpFrFcfs", "GrpFrFcfsWm")
BUFFERS = ("Bankwise", "ReadWrite", "Shared")
RESPONSE_QUEUES = ("Fifo", "Reorder")
REFRESH_POLICIES = ("NoRefresh", "AllBank", "PerBank", "SameBank")
ARBITERS = ("Simple", "Fifo", "Reorder")
COMMAND_MUXES = ("Oldest", "Strict")
POWER_DOWN_POLICIES = ("NoPowerDown", "Staggered", "Timeout")

CHOICES = {
    "page_policy": PAGE_POLICIES,
    "scheduler": SCHEDULERS,
    "scheduler_buffer": BUFFERS,
    "response_queue": RESPONSE_QUEUES,
    "refresh_policy": REFRESH_POLICIES,
    "arbiter": ARBITERS,
    "command_mux": COMMAND_MUXES,
    "power_down": POWER_DOWN_POLICIES,
}
"""The named parameters and their values, spelled as DRAMSys does where it has them."""
RANGES = {
    "request_buffer_size": (1, 4096),
    "refresh_max_postponed": (0, 8),
    "refresh_max_pulled_in": (0, 8),
    "max_active_transactions": (1, 4096),
    "high_watermark": (1, 4096),
    "low_watermark": (1, 4096),
    "power_down_timeout_ck": (1, 1 << 30),
    "page_timeout_ck": (0, 1 << 30),
    "row_hit_cap": (0, 1 << 30),
    "starvation_cap_ck": (0, 1 << 30),
    "channels": (1, 4),
    "ranks": (1, 2),
}
"""The numeric parameters and the least and greatest value of each."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A memory controller; the defaults are the reference that engineers use today.

    Attributes:
        page_policy: When a row is closed after a column command.
        scheduler: Which request of a bank comes next.
        scheduler_buffer: How the request buffer is divided.
        request_buffer_size: Entries per bank (Bankwise), per direction, or in all (Shared).
        response_queue: Responses in order of the column commands, or of acceptance.
        refresh_policy: Which banks a refresh takes.
        refresh_max_postponed: Refreshes that may be late, JEDEC allows 8.
        refresh_max_pulled_in: Refreshes that may be early, JEDEC allows 8.
        arbiter: Front end: one at a time, or queued with in-order or reordered responses.
        max_active_transactions: Requests in flight in a queued front end.
        command_mux: Oldest ready command first, or column commands strictly in order of acceptance
            (Strict; banks then serve their oldest request, whatever the scheduler).
        high_watermark: Writes above which GrpFrFcfsWm turns to writing.
        low_watermark: Writes at which it turns back to reading.
        power_down: Whether an idle rank powers down at once (Staggered) or after a timeout.
        power_down_timeout_ck: Idle cycles before power-down.
        page_timeout_ck: Idle cycles after which an open row is closed; 0 = never.
        row_hit_cap: Column commands of one activation that may pass an older request; 0 = any.
        starvation_cap_ck: Waiting cycles after which a request is served first; 0 = never.
        refresh_management: Whether banks that were activated often are refreshed apart (RFM).
        channels: Independent channels.
        ranks: Ranks per channel.
    """

    page_policy: str = "Open"
    scheduler: str = "FrFcfs"
    scheduler_buffer: str = "Bankwise"
    request_buffer_size: int = 8
    response_queue: str = "Fifo"
    refresh_policy: str = "AllBank"
    refresh_max_postponed: int = 0
    refresh_max_pulled_in: int = 0
    arbiter: str = "Simple"
    max_active_transactions: int = 128
    command_mux: str = "Oldest"
    high_watermark: int = 20
    low_watermark: int = 10
    power_down: str = "NoPowerDown"
    power_down_timeout_ck: int = 64
    page_timeout_ck: int = 0
    row_hit_cap: int = 0
    starvation_cap_ck: int = 0
    refresh_management: bool = False
    channels: int = 1
    ranks: int = 1

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise UnknownNameError(str(getattr(self, name)), name, known)
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                msg = f"configuration: {name} = {value!r}: give an int from {low} to {high}"
                raise InputFileError(msg)
        if type(self.refresh_management) is not bool:
            msg = f"configuration: refresh_management = {self.refresh_management!r}: true or false"
            raise InputFileError(msg)
        if self.channels == 3:
            msg = "configuration: channels = 3: give 1, 2 or 4"
            raise InputFileError(msg)
        if self.scheduler == "GrpFrFcfsWm" and self.low_watermark >= self.high_watermark:
            msg = (
                f"configuration: low_watermark = {self.low_watermark} is not below "
                f"high_watermark = {self.high_watermark}"
            )
            raise InputFileError(msg)
