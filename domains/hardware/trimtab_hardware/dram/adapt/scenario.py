"""What the user sets of a run-time adaptation: the memory, the traffic, and how often to decide."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator
from trimtab.contracts.errors import UnknownNameError
from trimtab.contracts.scenario import DataFile, StrictModel

from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.part import part_ids

PAGES = ("Open", "OpenAdaptive", "Closed", "ClosedAdaptive")
SCHEDULERS = ("Fifo", "FrFcfsGrp", "FrFcfs")
"""The policies that a decision chooses from, in the order of the action's components."""


class AdaptScenario(StrictModel):
    """A memory controller whose page policy and scheduler may change while it runs.

    Traffic is a window of the user's own traces, or comes in phases of sequential walks and of
    uniform lines in turn, at one mean load.
    """

    part: str = Field("ddr3-1600-1gb-x8", description="id of a shipped part")
    epochs: int = Field(40, ge=2, le=10_000, description="decisions of an episode")
    epoch_requests: int = Field(500, ge=16, le=100_000, description="requests between decisions")
    phase_requests: int = Field(4_000, ge=16, description="mean length of a phase, requests")
    load: float = Field(
        0.3, ge=0.02, le=0.95, description="mean load of the data bus (traces keep their own pace)"
    )
    write_share: float = Field(0.33, ge=0, le=1, description="share of requests that write")
    streams: int = Field(4, ge=1, le=64, description="walks that take turns in a phase of walks")
    traces: tuple[DataFile, ...] = Field(
        (), description="files instead of generated traffic, merged by time stamp"
    )
    wrap: bool = Field(False, description="take addresses of traces modulo the capacity")
    scheduler_buffer: Literal["Bankwise", "ReadWrite", "Shared"] = Field(
        "Bankwise", description="how the request buffer is divided"
    )
    request_buffer_size: int = Field(8, ge=1, le=4096, description="its entries")

    @field_validator("part")
    @classmethod
    def _known_part(cls, part: str) -> str:
        if part not in part_ids():
            raise ValueError(str(UnknownNameError(part, "part", part_ids())))
        return part

    @property
    def requests(self) -> int:
        """Requests of an episode."""
        return self.epochs * self.epoch_requests

    def configuration(self, page: str = "Open", scheduler: str = "FrFcfs") -> Configuration:
        """The controller with one page policy and one scheduler."""
        return Configuration(
            page_policy=page,
            scheduler=scheduler,
            scheduler_buffer=self.scheduler_buffer,
            request_buffer_size=self.request_buffer_size,
        )
