"""What a workspace keeps: runs are deleted with their files, by name or to stay within a quota."""

from __future__ import annotations

import shutil
import sqlite3
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.contracts.errors import TrimtabError
from trimtab.run.schema import writing
from trimtab.run.store import Store

_OF_A_JOB = ("metric", "envelope", "checkpoint", "result")
_OF_A_RUN = ("outcome", "run_job", "tally", "event", "artefact")


def delete_run(store: Store, run: str) -> int:
    """Delete a run: its rows, the jobs that no other run has, and its folder.

    Returns:
        Bytes of the files removed.

    Raises:
        TrimtabError: jobs of it are running: cancel it first.
        UnknownNameError: there is no such run.
    """
    row = store.run(run)
    if row.states.get("running"):
        msg = f"run {row.id} is running: cancel it first (trimtab cancel {row.id})"
        raise TrimtabError(msg)
    with writing(store.db):
        _delete_rows(store.db, row.id)
    folder = store.run_dir(row.id)
    size = folder_bytes(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return size


def _delete_rows(db: sqlite3.Connection, run: str) -> None:
    own = (
        "select job from run_job where run=? and job not in "
        "(select job from run_job as other where other.run<>run_job.run and other.job=run_job.job)"
    )
    jobs = db.execute(own, (run,)).fetchall()
    for table in _OF_A_RUN:
        db.execute(f"delete from {table} where run=?", (run,))  # noqa: S608 - our own names
    db.execute("delete from run where id=?", (run,))
    for table in _OF_A_JOB:
        db.executemany(f"delete from {table} where job=?", jobs)  # noqa: S608 - our own names
    db.executemany("delete from job where id=?", jobs)
    db.execute(  # jobs that other runs have write their log and checkpoints there from now on
        "update job set run=(select min(run) from run_job where job=job.id) "
        "where run=? and id in (select job from run_job)",
        (run,),
    )
    db.execute("delete from task where hash not in (select task from job)")
    db.execute("delete from scenario where hash not in (select scenario from run)")


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder."""
    return sum(path.stat().st_size for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


@dataclass(frozen=True, slots=True)
class Collected:
    """What `collect_garbage` removed.

    Attributes:
        bytes: of files.
        left: bytes that the workspace still takes, the store included.
    """

    runs: tuple[str, ...]
    strays: tuple[str, ...]
    bytes: int
    left: int


def collect_garbage(
    store: Store, quota_bytes: int | None = None, *, dry_run: bool = False
) -> Collected:
    """Remove folders that no run owns and, above a quota, the oldest settled runs.

    Runs with open jobs are never removed. The store file is compacted afterwards.

    Args:
        store: of the workspace.
        quota_bytes: what the workspace may take; None removes no run.
        dry_run: only say what would be removed.
    """
    known = {row[0] for row in store.db.execute("select id from run")}
    runs = store.workspace / "runs"
    strays = [p for p in sorted(runs.iterdir()) if p.is_dir() and p.name not in known]
    freed = sum(folder_bytes(path) for path in strays)
    chosen: list[str] = []
    left = folder_bytes(store.workspace) - freed
    for run in _oldest_settled(store) if quota_bytes is not None else ():
        if quota_bytes is None or left <= quota_bytes:
            break
        size = folder_bytes(store.run_dir(run))
        chosen.append(run)
        freed, left = freed + size, left - size
    if not dry_run:
        for path in strays:
            shutil.rmtree(path, ignore_errors=True)
        for run in chosen:
            delete_run(store, run)
        _compact(store.db)
        left = folder_bytes(store.workspace)
    return Collected(tuple(chosen), tuple(path.name for path in strays), freed, left)


def _oldest_settled(store: Store) -> list[str]:
    rows = store.db.execute(
        "select id from run where not exists (select 1 from tally where run=run.id and n>0 "
        "and state in ('queued', 'running', 'paused')) order by created, id"
    )
    return [row[0] for row in rows]


def _compact(db: sqlite3.Connection) -> None:
    db.execute("vacuum")
    db.execute("pragma wal_checkpoint(truncate)")


def archive_runs(store: Store, runs: Sequence[str], target: Path) -> Path:
    """Put runs into one .tar.gz: their folders, and a store file with nothing but them.

    The archive is a workspace: unpack it and name it with --workspace. The runs stay here.

    Raises:
        TrimtabError: a run is not settled, or the file is there or cannot be written.
        UnknownNameError: there is no such run.
    """
    rows = [store.run(run) for run in runs]
    busy = [row.id for row in rows if not row.settled]
    if busy:
        msg = f"run {busy[0]} is not settled: wait for it or cancel it, then archive it"
        raise TrimtabError(msg)
    if target.exists():
        msg = f"{target}: cannot be written: it is there already, give another name"
        raise TrimtabError(msg)
    draft = target.with_name(f".{target.name}.part")
    part = target.with_name(f".{target.name}.workspace")
    try:
        with Store(part) as copy:
            _copy_rows(store, copy, [row.id for row in rows])
            copy.db.execute("pragma wal_checkpoint(truncate)")
        with tarfile.open(draft, "w:gz") as archive:
            archive.add(part / "store.db", "store.db")
            for row in rows:
                if store.run_dir(row.id).is_dir():
                    archive.add(store.run_dir(row.id), f"runs/{row.id}")
        draft.replace(target)
    except OSError as error:
        msg = f"{target}: the archive cannot be written: {error.strerror}"
        raise TrimtabError(msg) from None
    finally:
        draft.unlink(missing_ok=True)
        shutil.rmtree(part, ignore_errors=True)
    return target


def _copy_rows(store: Store, copy: Store, runs: Sequence[str]) -> None:
    db = copy.db
    db.execute("attach database ? as source", (str(store.path),))
    with writing(db):
        db.execute("create temp table wanted(run text primary key)")
        db.executemany("insert into wanted values(?)", [(run,) for run in runs])
        jobs = "select job from source.run_job where run in (select run from wanted)"
        db.execute(
            "insert into scenario select * from source.scenario where hash in "
            "(select scenario from source.run where id in (select run from wanted))"
        )
        db.execute("insert into run select * from source.run where id in (select run from wanted)")
        db.execute(f"insert into job select * from source.job where id in ({jobs})")  # noqa: S608
        db.execute(
            "insert into task select * from source.task where hash in (select task from job)"
        )
        for table in ("metric", "envelope", "result"):
            db.execute(  # checkpoints of settled jobs serve nothing
                f"insert into {table} select * from source.{table} where job in ({jobs})"  # noqa: S608
            )
        for table in ("run_job", "event", "artefact", "outcome"):  # the tally follows from run_job
            db.execute(
                f"insert into {table} select * from source.{table} "  # noqa: S608
                "where run in (select run from wanted)"
            )
    db.execute("detach database source")


def older_than(store: Store, days: float) -> list[str]:
    """Ids of settled runs that were begun so long ago, oldest first."""
    before = time.time() - days * 86_400
    rows = store.db.execute("select id from run where created<? order by created", (before,))
    old = [row[0] for row in rows]
    settled = set(_oldest_settled(store))
    return [run for run in old if run in settled]
