"""The monitor of an adapting controller: the protocol checker on what it did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.contracts.shield import Monitor, Violations

from trimtab_hardware.dram.checker import check
from trimtab_hardware.dram.part import load_part


class ProtocolMonitor(Monitor):
    """Counts commands that break a rule of the memory's standard."""

    def __init__(self, part: str) -> None:
        self._part = part

    def check(self, log: Mapping[str, Any]) -> dict[str, Violations]:
        """See `Monitor.check`."""
        commands = log["commands"]
        found = check(commands, load_part(self._part))
        return {"protocol": Violations(found.violations, len(commands))}
