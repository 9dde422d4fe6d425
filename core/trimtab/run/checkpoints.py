"""Checkpoints of jobs: one safetensors file each, put in place whole, listed in the store.

Write to a temporary name, fsync, rename, fsync the folder, then one full transaction with the
fence, the metrics up to that step, the checkpoint's row and the progress. The file's name carries
the attempt, so a worker that lost its lease overwrites nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.errors import CheckpointError
from trimtab.run.claims import Claim, Update, fenced, insert_rows
from trimtab.run.schema import writing

KEEP = 2
CHECKPOINTS = "checkpoints"
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a job needs to go on.

    Attributes:
        arrays: of any shape and dtype.
        plain: JSON data.
    """

    step: int
    arrays: Arrays
    plain: Mapping[str, Any]


def write_file(path: Path, arrays: Arrays, plain: Mapping[str, Any]) -> str:
    """Put a checkpoint file in place, durably; return its SHA-256.

    Raises:
        OSError: it cannot be written (disk full); nothing is left under its name.
    """
    from safetensors.numpy import save

    tensors = {
        name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in arrays.items()
    }
    payload = save(tensors, metadata={"plain": json.dumps(plain)})
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return hashlib.sha256(payload).hexdigest()


def read_file(path: Path, step: int) -> Checkpoint:
    """Read what `write_file` wrote.

    Raises:
        CheckpointError: missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            plain = json.loads((file.metadata() or {})["plain"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        msg = f"{path}: not a whole checkpoint ({error}): remove it, and the job begins again"
        raise CheckpointError(msg) from None
    return Checkpoint(step, arrays, plain)


def file_of(claims: Sequence[Claim], step: int) -> str:
    """Path below the workspace of the checkpoint that these jobs share."""
    first = claims[0]
    name = f"step_{step}-{first.attempt}.safetensors"
    return f"runs/{first.run}/{CHECKPOINTS}/{first.job[:16]}/{name}"


def keep_checkpoint(
    db: sqlite3.Connection,
    workspace: Path,
    updates: Sequence[Update],
    path: str,
    sha256: str,
    *,
    best: bool = False,
) -> None:
    """Record a file as the checkpoint of held jobs, with their figures up to its step.

    The last two and the best are kept, older files removed.

    Raises:
        LeaseLostError: the jobs are held no longer; nothing was written.
    """
    dropped: set[str] = set()
    with writing(db):
        for update in updates:
            claim = update.claim
            fenced(db, claim, "step=?, progress=?", (update.step, update.progress))
            insert_rows(db, claim.job, update.rows)
            if best:
                db.execute("update checkpoint set best=0 where job=?", (claim.job,))
            db.execute(
                "insert or replace into checkpoint values(?, ?, ?, ?, ?, ?)",
                (claim.job, update.step, path, sha256, claim.attempt, best),
            )
            dropped |= _drop_old(db, claim.job)
        gone = [p for p in dropped if not _is_listed(db, p)]
    for old in gone:
        (workspace / old).unlink(missing_ok=True)


def _drop_old(db: sqlite3.Connection, job: str) -> set[str]:
    rows = db.execute(
        "delete from checkpoint where job=:job and best=0 and step not in "
        "(select step from checkpoint where job=:job order by step desc limit :keep) "
        "returning path",
        {"job": job, "keep": KEEP},
    ).fetchall()
    return {row[0] for row in rows}


def _is_listed(db: sqlite3.Connection, path: str) -> bool:
    row = db.execute("select 1 from checkpoint where path=? limit 1", (path,)).fetchone()
    return row is not None


def remove_strays(db: sqlite3.Connection, workspace: Path, claims: Sequence[Claim]) -> None:
    """Remove files in these jobs' checkpoint folders that no row lists."""
    for claim in claims:
        folder = (workspace / file_of([claim], 0)).parent
        for file in folder.glob("*") if folder.is_dir() else ():
            if not _is_listed(db, file.relative_to(workspace).as_posix()):
                file.unlink(missing_ok=True)


def part(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays below a prefix, without it."""
    return {k.removeprefix(prefix): x for k, x in arrays.items() if k.startswith(prefix)}
