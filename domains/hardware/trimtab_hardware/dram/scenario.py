"""What the user sets of a DRAM scenario, and the traces and parts it names."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from trimtab.contracts.scenario import DataFile, StrictModel

from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.part import Part, load_part
from trimtab_hardware.dram.traces import Trace, merge
from trimtab_hardware.dram.user_files import naming

SeedWorkload = Literal["stream", "random", "cloud-1", "cloud-2"]
Kernel = Literal[
    "triad", "gemm", "spmv", "pointer-chase", "gups", "attention", "histogram", "transpose",
    "stencil", "stencil-3d", "fft",
]  # fmt: skip
SpaceName = Literal["seed10", "seed10-ideal", "controller+", "address-map"]
PublishedMap = Literal["row-bank-column", "RoBaRaCoCh", "MOP4CLXOR", "bank-row-column"]

MOST_REFRESH_GAP = 9.0
"""tREFI: eight postponed refreshes and the one that is due (JEDEC)."""


class Mixed(StrictModel):
    """Open-loop traffic of one load, see `workloads.mixed_load`."""

    load: float = Field(gt=0, lt=1, description="share of the data bus")
    refresh_intervals: int = Field(64, ge=1, le=10_000, description="length in units of tREFI")
    sequential_share: float = Field(0.5, ge=0, le=1, description="share of sequential runs")
    write_share: float = Field(0.33, ge=0, le=1, description="share of runs that write")
    run_length: float = Field(16.0, ge=1, description="mean requests of a run")


class Workload(StrictModel):
    """One source of requests: exactly one of seed, kernel, mixed and traces is given."""

    seed: SeedWorkload | None = Field(None, description="one of the four seed workloads")
    kernel: Kernel | None = Field(None, description="a program kernel behind a cache")
    mixed: Mixed | None = Field(None, description="generated traffic of one load")
    traces: tuple[DataFile, ...] = Field((), description="files, merged by time stamp")
    weight: float = Field(1.0, gt=0, description="share in the mean over workloads")
    requests: int = Field(10_000, ge=1, le=100_000_000, description="length at most")
    load: float = Field(0.5, gt=0, le=2, description="mean load of a kernel, of the data bus")
    random_seed: int = Field(1, ge=0, description="of what is drawn")
    format: str | None = Field(None, description="trace format, if not told by content")
    clock_mhz: float | None = Field(None, gt=0, description="clock of time stamps in the files")
    cycles_per_request: float = Field(1.0, ge=0, description="of formats without time stamps")
    cycles_per_instruction: float = Field(1.0, gt=0, description="of formats with instructions")
    wrap: bool = Field(False, description="take addresses modulo the capacity")

    @model_validator(mode="after")
    def _one_source(self) -> Workload:
        given = [self.seed, self.kernel, self.mixed, self.traces or None]
        if sum(source is not None for source in given) != 1:
            msg = "give exactly one of seed, kernel, mixed and traces"
            raise ValueError(msg)
        return self

    @property
    def label(self) -> str:
        """Name in notes and tables."""
        if self.mixed is not None:
            return f"mixed load {self.mixed.load:g}"
        return self.seed or self.kernel or "+".join(path.name for path in self.traces)


class Controller(StrictModel):
    """The controller that a design starts from; DRAMSys' defaults."""

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

    def configuration(self) -> Configuration:
        """As the engine takes it.

        Raises:
            TrimtabError: a value is unknown or out of range.
        """
        return Configuration(**self.model_dump())


class Limits(StrictModel):
    """Constraints that a design must keep; None for no limit."""

    bandwidth_gb_s: float | None = Field(default=None, gt=0, description="least bandwidth, GB/s")
    p99_latency_ns: float | None = Field(
        default=None, gt=0, description="greatest 99th percentile, ns"
    )
    buffer_entries: float | None = Field(default=None, gt=0, description="most buffer entries")


class DramScenario(StrictModel):
    """Part, workloads, space, limits."""

    part: str = Field("ddr3-1600-1gb-x8", description="id of a shipped part")
    part_file: DataFile | None = Field(None, description="DRAMSys memspec or DRAMsim3 .ini")
    address_map: PublishedMap = Field("row-bank-column", description="shipped address map")
    address_map_file: DataFile | None = Field(None, description="DRAMSys address mapping")
    space: SpaceName = Field("seed10", description="what is searched")
    grades: tuple[str, ...] = Field((), description="parts to choose from in controller+")
    controller: Controller = Field(Controller(), description="where a design says nothing")
    fixed: dict[str, str | int] = Field({}, description="parameters held at one value")
    controller_file: DataFile | None = Field(None, description="DRAMSys mcconfig, for controller")
    workloads: tuple[Workload, ...] = Field(min_length=1, description="sources of requests")
    limits: Limits = Field(Limits(), description="constraints that a design must keep")
    enumerate_space: bool | None = Field(
        None, description="bound of seed10 by enumeration (null: up to 20,000 requests)"
    )


def load_scenario_part(scenario: DramScenario) -> Part:
    """The part of a scenario.

    Raises:
        TrimtabError: no such part, or its file is wrong.
    """
    if scenario.part_file is None:
        return load_part(scenario.part)
    from trimtab_hardware.dram.part_files import read_part

    return read_part(scenario.part_file)


def base_configuration(scenario: DramScenario) -> Configuration:
    """The controller that designs start from.

    Raises:
        TrimtabError: a value or the file is wrong.
    """
    part = load_scenario_part(scenario)
    if scenario.controller_file is None:
        design = scenario.controller.configuration()
        with naming(scenario.part_file) if scenario.part_file else nullcontext():
            part.check_refresh(design.refresh_policy, managed=design.refresh_management)
        return design
    from trimtab_hardware.dram.configuration_files import read_configuration

    return read_configuration(scenario.controller_file, part)


def load_workload(workload: Workload, part: Part) -> Trace:
    """The requests of a workload in cycles of a part's clock.

    Raises:
        TrimtabError: a trace is wrong, or beyond the part's capacity (say `wrap: true`).
    """
    trace = _requests(workload, part).in_bursts(part.burst_bytes)
    if workload.wrap:
        return trace.wrapped(part.capacity_bytes)
    trace.check_capacity(part.capacity_bytes, workload.label)
    return trace


def _requests(workload: Workload, part: Part) -> Trace:
    from trimtab_hardware.dram.programs import kernel_trace
    from trimtab_hardware.dram.workloads import mixed_load, seed_workload

    count, drawn = workload.requests, workload.random_seed
    if workload.seed is not None:
        return seed_workload(workload.seed, drawn, count)
    if workload.kernel is not None:
        return kernel_trace(workload.kernel, count, workload.load, part.burst_ck, seed=drawn)
    if workload.mixed is not None:
        mixed = workload.mixed
        return mixed_load(
            mixed.load,
            mixed.refresh_intervals * part.timing.refi,
            part.burst_ck,
            sequential_share=mixed.sequential_share,
            write_share=mixed.write_share,
            run_length=mixed.run_length,
            capacity_bytes=part.capacity_bytes,
            seed=drawn,
        )
    return merge([_read(path, workload, part) for path in workload.traces]).prefix(count)


def _read(path: Path, workload: Workload, part: Part) -> Trace:
    from trimtab_hardware.dram.trace_files import read_trace
    from trimtab_hardware.dram.trace_lines import Pace

    pace = Pace(workload.clock_mhz, workload.cycles_per_request, workload.cycles_per_instruction)
    return read_trace(path, part.clock_mhz, form=workload.format, pace=pace)
