"""A content-addressed store of evaluations on disk: no design is simulated twice.

One SQLite file serves any number of problems, processes and restarts. A result is filed under
the hash of (problem identity, fidelity, seed, canonical design) and carries the hash of its own
content, so a damaged entry is noticed and simulated again. A design that another living process
is simulating is claimed by it and waited for.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trimtab.contracts.problem import DesignProblem, Evaluation, Status
from trimtab.contracts.spec import FloatArray

_SCHEMA = """
CREATE TABLE IF NOT EXISTS results
  (key BLOB PRIMARY KEY, content TEXT NOT NULL, digest BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS claims
  (key BLOB PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, since REAL NOT NULL);
"""
_LOOK_UP = "SELECT content, digest FROM results WHERE key = ?"
_BUSY_S = 60.0


@dataclass(slots=True)
class CacheCounts:
    """What a cached problem did.

    Attributes:
        simulated: designs it simulated itself.
        served: designs found in the store, or awaited from another process.
        damaged: entries that failed their hash and were simulated again.
    """

    simulated: int = 0
    served: int = 0
    damaged: int = 0


class CachedProblem(DesignProblem):
    """A design problem whose evaluations are stored and shared.

    Args:
        problem: what is simulated; its `identity` must name everything results depend on.
        path: SQLite file, made if need be; a file that is no database is set aside.
        wait_s: pause between looks at designs that another process simulates.
        lease_s: age after which a claim from another machine counts as abandoned.
    """

    def __init__(
        self, problem: DesignProblem, path: Path, *, wait_s: float = 0.05, lease_s: float = 600.0
    ) -> None:
        self._problem, self._path = problem, path
        self._wait_s, self._lease_s = wait_s, lease_s
        self.spec = problem.spec
        self.counts = CacheCounts()
        path.parent.mkdir(parents=True, exist_ok=True)
        _prepare(path)

    @property
    def identity(self) -> str:
        """See `DesignProblem.identity`."""
        return self._problem.identity

    def canonical(self, designs: FloatArray) -> FloatArray:
        """See `DesignProblem.canonical`."""
        return self._problem.canonical(designs)

    def evaluate(self, designs: FloatArray, fidelity: str, seed: int) -> Evaluation:
        """See `DesignProblem.evaluate`; `cached` marks rows that were not simulated here."""
        rows = np.ascontiguousarray(self.canonical(designs))
        keys = [_key(self.identity, fidelity, seed, row) for row in rows]
        first = {key: i for i, key in reversed(list(enumerate(keys)))}
        found: dict[bytes, dict[str, Any]] = {}
        own: set[bytes] = set()
        while len(found) < len(first):
            found |= self._stored([key for key in first if key not in found])
            mine = self._claim([key for key in first if key not in found])
            if mine:
                try:
                    result = self._problem.evaluate(rows[[first[k] for k in mine]], fidelity, seed)
                    found |= self._store(mine, result)
                finally:
                    self._release(mine)
                own |= set(mine)
            elif len(found) < len(first):
                time.sleep(self._wait_s)
        self.counts.simulated += len(own)
        self.counts.served += len(first) - len(own)
        simulated = [key in own and first[key] == i for i, key in enumerate(keys)]
        return self._evaluation([found[key] for key in keys], simulated)

    def evaluate_design(self, design: Mapping[str, Any], fidelity: str, seed: int) -> Evaluation:
        """See `DesignProblem.evaluate_design`; always simulated, it may lie outside the space."""
        return self._problem.evaluate_design(design, fidelity, seed)

    def _evaluation(self, rows: Sequence[dict[str, Any]], simulated: Sequence[bool]) -> Evaluation:
        status: tuple[Status, ...] = tuple(row["status"] for row in rows)
        names = rows[0]["metrics"] if rows else {}
        n = len(rows)
        return Evaluation(
            objectives=_matrix([row["objectives"] for row in rows], n),
            constraints=_matrix([row["constraints"] for row in rows], n),
            cost_s=np.array([r["cost_s"] * s for r, s in zip(rows, simulated, strict=True)]),
            status=status,
            cached=~np.array(simulated, dtype=bool),
            metrics={name: np.array([row["metrics"][name] for row in rows]) for name in names},
        )

    def _stored(self, keys: Sequence[bytes]) -> dict[bytes, dict[str, Any]]:
        found: dict[bytes, dict[str, Any]] = {}
        with _open(self._path) as db:
            for key in keys:
                row = db.execute(_LOOK_UP, (key,)).fetchone()
                if row is None:
                    continue
                if row[1] == _digest(key, row[0]):
                    found[key] = json.loads(row[0])
                else:
                    self.counts.damaged += 1
                    db.execute("DELETE FROM results WHERE key = ?", (key,))
        return found

    def _claim(self, keys: Sequence[bytes]) -> list[bytes]:
        """Those keys that nobody has stored or is simulating, now claimed by this process."""
        mine = []
        with _open(self._path) as db:
            for key in keys:
                if db.execute("SELECT 1 FROM results WHERE key = ?", (key,)).fetchone():
                    continue
                claim = db.execute(
                    "SELECT host, pid, since FROM claims WHERE key = ?", (key,)
                ).fetchone()
                if claim is not None and self._held(*claim):
                    continue
                db.execute(
                    "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)",
                    (key, socket.gethostname(), os.getpid(), time.time()),
                )
                mine.append(key)
        return mine

    def _held(self, host: str, pid: int, since: float) -> bool:
        if host != socket.gethostname():
            return time.time() - since < self._lease_s
        return pid != os.getpid() and _alive(pid)

    def _store(self, keys: Sequence[bytes], result: Evaluation) -> dict[bytes, dict[str, Any]]:
        rows = {key: _row(result, i) for i, key in enumerate(keys)}
        with _open(self._path) as db:
            for key, row in rows.items():
                content = json.dumps(row)
                db.execute(
                    "INSERT OR REPLACE INTO results VALUES (?, ?, ?)",
                    (key, content, _digest(key, content)),
                )
        return rows

    def _release(self, keys: Sequence[bytes]) -> None:
        with _open(self._path) as db:
            db.executemany("DELETE FROM claims WHERE key = ?", [(key,) for key in keys])

    def close(self) -> None:
        """See `DesignProblem.close`."""
        self._problem.close()


def _key(identity: str, fidelity: str, seed: int, row: FloatArray) -> bytes:
    words = json.dumps([identity, fidelity, seed, len(row)]).encode()
    plain = row + 0.0  # -0.0 and 0.0 are one design
    return hashlib.sha256(words + plain.astype("<f8").tobytes()).digest()


def _digest(key: bytes, content: str) -> bytes:
    return hashlib.sha256(key + content.encode()).digest()


def _row(result: Evaluation, i: int) -> dict[str, Any]:
    """One design's results as plain data; JSON keeps every bit of a float64."""
    return {
        "objectives": [float(x) for x in result.objectives[i]],
        "constraints": [float(x) for x in result.constraints[i]],
        "cost_s": float(result.cost_s[i]),
        "status": result.status[i],
        "metrics": {name: float(values[i]) for name, values in result.metrics.items()},
    }


def _matrix(rows: Sequence[Sequence[float]], n: int) -> FloatArray:
    return np.array(rows, dtype=np.float64).reshape(n, -1)


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction, alone at writing; committed at the end, undone by an exception."""
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    try:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
    finally:
        db.close()


def _prepare(path: Path) -> None:
    """Make the tables; a file that SQLite cannot read is set aside as `*.damaged`."""
    for _ in range(2):
        db = sqlite3.connect(path, timeout=_BUSY_S)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            path.replace(path.with_name(f"{path.name}.damaged"))
        else:
            return
        finally:
            db.close()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
