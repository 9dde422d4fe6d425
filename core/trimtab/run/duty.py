"""What a worker process is told when it is started."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from trimtab.run.claims import LEASE_S
from trimtab.run.lease import MIN_FREE_BYTES
from trimtab.run.scope import Scope

CHECKPOINT_EVERY_S = 10.0
LOG_FILE = "log.txt"
"""Of a run's folder: what its workers print while they do its jobs."""


@dataclass(frozen=True, slots=True)
class Duty:
    """What a worker is told when it is started.

    Attributes:
        workspace: absolute path.
        run, sweep: do only jobs of this run or sweep; both empty does those of every run.
        share: workers that share the queue.
        checkpoint_every_s: 0 keeps a checkpoint whenever figures are stored.
        min_free_bytes: with less room on the disk, jobs pause.
    """

    workspace: str
    run: str = ""
    sweep: str = ""
    share: int = 1
    lease_s: float = LEASE_S
    checkpoint_every_s: float = CHECKPOINT_EVERY_S
    min_free_bytes: int = MIN_FREE_BYTES

    @property
    def scope(self) -> Scope:
        """The jobs that it may take."""
        return Scope(self.run, self.sweep)

    def plain(self) -> dict[str, Any]:
        """JSON data."""
        return asdict(self)
