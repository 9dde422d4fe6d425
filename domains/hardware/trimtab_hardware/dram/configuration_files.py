"""Controller configurations in the formats of other simulators."""

from __future__ import annotations

import configparser
import io
import json
from pathlib import Path
from typing import Any

import yaml
from trimtab.contracts.errors import InputFileError

from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.user_files import read_document

KEYS = {
    "PagePolicy": "page_policy",
    "Scheduler": "scheduler",
    "SchedulerBuffer": "scheduler_buffer",
    "RequestBufferSize": "request_buffer_size",
    "CmdMux": "command_mux",
    "RespQueue": "response_queue",
    "RefreshPolicy": "refresh_policy",
    "RefreshMaxPostponed": "refresh_max_postponed",
    "RefreshMaxPulledin": "refresh_max_pulled_in",
    "PowerDownPolicy": "power_down",
    "Arbiter": "arbiter",
    "MaxActiveTransactions": "max_active_transactions",
    "HighWatermark": "high_watermark",
    "LowWatermark": "low_watermark",
    "RefreshManagement": "refresh_management",
}
"""DRAMSys' keys of an mcconfig file and ours."""
IGNORED = {
    "ArbitrationDelayFw", "ArbitrationDelayBw", "ThinkDelayFw", "ThinkDelayBw", "PhyDelayFw",
    "PhyDelayBw", "BlockingReadDelay", "BlockingWriteDelay",
}  # fmt: skip
"""Keys that must be absent, false or zero: the engine has no such delays."""
OURS_ONLY = ("page_timeout_ck", "row_hit_cap", "starvation_cap_ck", "channels", "ranks")


def read_configuration(path: Path | str, part: Part | None = None) -> Configuration:
    """Read a controller from a DRAMSys mcconfig JSON file.

    Args:
        path: of the file.
        part: the memory that it is to run on, if that is to be checked.

    Raises:
        InputFileError: The file is unreadable, a key is unknown or has a wrong value, or the part
            lacks what it asks for.
    """

    def parsed(document: Any) -> Configuration:
        design = configuration_from(document)
        if part is not None:
            part.check_refresh(design.refresh_policy, managed=design.refresh_management)
        return design

    return read_document(Path(path), parsed)


def configuration_from(document: Any) -> Configuration:
    """The controller in a parsed mcconfig document; missing keys keep the reference's values.

    Raises:
        InputFileError: A key is unknown, or asks for what the engine does not have.
    """
    body = document.get("mcconfig", document) if isinstance(document, dict) else None
    if not isinstance(body, dict):
        msg = "no object 'mcconfig': give DRAMSys' controller format"
        raise InputFileError(msg)
    for key, value in body.items():
        if key in IGNORED and value:
            msg = f"{key} = {value!r}: the engine has no such delay or function; set it to 0"
            raise InputFileError(msg)
        if key not in KEYS and key not in IGNORED:
            msg = f"unknown key {key!r}; known: {', '.join(sorted(KEYS))}"
            raise InputFileError(msg)
    return Configuration(**{name: body[key] for key, name in KEYS.items() if key in body})


def to_mcconfig(design: Configuration) -> str:
    """The controller as DRAMSys mcconfig JSON.

    Raises:
        InputFileError: It uses what the format cannot say.
    """
    plain = Configuration()
    for name in OURS_ONLY:
        if getattr(design, name) != getattr(plain, name):
            msg = f"{name} = {getattr(design, name)} cannot be said in an mcconfig file"
            raise InputFileError(msg)
    if design.power_down == "Timeout":
        msg = "power_down = Timeout cannot be said in an mcconfig file: DRAMSys powers down at once"
        raise InputFileError(msg)
    body = {key: getattr(design, name) for key, name in KEYS.items()}
    if design.scheduler != "GrpFrFcfsWm":
        del body["HighWatermark"], body["LowWatermark"]
    return json.dumps({"mcconfig": body}, indent=2) + "\n"


def to_ramulator(design: Configuration) -> str:
    """The nearest controller that Ramulator 2 has, as YAML for its `Controller` key.

    Ramulator knows FR-FCFS, open and closed rows and refresh of all banks; its queues, write
    draining and latencies differ, so only row hits and bandwidth are comparable.
    """
    closed = design.page_policy.startswith("Closed")
    refresh = "AllBank" if design.refresh_policy == "AllBank" else "No"
    body = {
        "Controller": {
            "impl": "Generic",
            "Scheduler": {"impl": "FRFCFS"},
            "RefreshManager": {"impl": refresh},
            "RowPolicy": {"impl": "ClosedRowPolicy" if closed else "OpenRowPolicy"},
        }
    }
    return yaml.safe_dump(body, sort_keys=False)


def to_dramsim3(design: Configuration) -> str:
    """The nearest controller that DRAMsim3 has, as its ini section `system`."""
    parser = configparser.ConfigParser()
    parser["system"] = {
        "channels": str(design.channels),
        "queue_structure": "PER_BANK" if design.scheduler_buffer == "Bankwise" else "PER_RANK",
        "row_buf_policy": "CLOSE_PAGE" if design.page_policy == "Closed" else "OPEN_PAGE",
        "refresh_policy": "BANK_LEVEL_STAGGERED"
        if design.refresh_policy == "PerBank"
        else "RANK_LEVEL_STAGGERED",
        "cmd_queue_size": str(design.request_buffer_size),
        "trans_queue_size": str(max(32, design.request_buffer_size)),
    }
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()
