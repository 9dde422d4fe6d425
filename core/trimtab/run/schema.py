"""The store's tables, how a connection to them is opened, and how older stores are brought up.

`user_version` numbers the tables; they are made and migrated when a store is opened, never later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from trimtab.contracts.errors import TrimtabError

SCHEMA_VERSION = 3
STORE_FILE = "store.db"
BUSY_TIMEOUT_S = 10.0
Durability = Literal["full", "normal"]
"""`full` survives a power cut, `normal` the death of any process."""

# A search in a table without row numbers reads the whole of every row that it passes: what may be
# long (`outcome`, `result`) is kept out of them.
_TABLES = """
create table scenario(
  hash text primary key, domain text not null, schema text not null, text text not null,
  created real not null) without rowid;
create table run(
  id text primary key, scenario text not null, domain text not null default '',
  name text not null default '', controller text not null, seeds text not null,
  budget text not null default '{}', owner_user text not null default '',
  config text not null default '{}', sweep text not null default '', headline real,
  metric text, unit text, recommended text, cancelled integer not null default 0,
  created real not null) without rowid;
create table outcome(run text primary key, summary text, manifest text);
create table task(hash text primary key, text text not null) without rowid;
create table job(
  id text primary key, run text not null, kind text not null, controller text not null,
  seed integer not null, task text not null default '', state text not null,
  ready integer not null default 1, rank integer not null default 0,
  reason text not null default '', exit_code integer not null default 0,
  attempt integer not null default 0, lease real, boot_id text, worker text,
  cancel integer not null default 0, progress real not null default 0,
  step integer not null default 0, deaths integer not null default 0,
  death_step integer not null default -1, created real not null, started real,
  ended real) without rowid;
create table result(job text primary key, text text not null);
create table run_job(
  run text not null, job text not null, primary key(run, job)) without rowid;
create table tally(
  run text not null, state text not null, n integer not null, primary key(run, state))
  without rowid;
create table metric(
  job text not null, name text not null, step integer not null, value real,
  primary key(job, name, step)) without rowid;
create table envelope(
  job text not null, name text not null, step integer not null, low real, high real,
  primary key(job, name, step)) without rowid;
create table checkpoint(
  job text not null, step integer not null, path text not null, sha256 text not null,
  attempt integer not null, best integer not null default 0, primary key(job, step))
  without rowid;
create table artefact(
  run text not null, path text not null, sha256 text not null, kind text not null,
  bytes integer not null, primary key(run, path)) without rowid;
create table event(run text not null, t real not null, level text not null, text text not null);
"""

_INDEXES = """
create index job_open on job(state, ready, rank);
create index job_task on job(task, state);
create index run_created on run(created);
create index run_headline on run(domain, headline);
create index run_sweep on run(sweep) where sweep<>'';
create index run_job_job on run_job(job);
create index tally_state on tally(state, run) where n>0;
create index event_run on event(run, t);
create index checkpoint_path on checkpoint(path);
"""

_TRIGGERS = (
    """
create trigger job_moves after update of state on job when old.state<>new.state begin
  update tally set n=n-1 where state=old.state
    and run in (select run from run_job where job=new.id);
  insert into tally select run, new.state, 1 from run_job where job=new.id
    on conflict(run, state) do update set n=n+1;
end""",
    """
create trigger job_joins after insert on run_job begin
  insert into tally select new.run, state, 1 from job where id=new.job
    on conflict(run, state) do update set n=n+1;
end""",
    """
create trigger job_leaves after delete on run_job begin
  update tally set n=n-1 where run=old.run
    and state=(select state from job where id=old.job);
end""",
)


class writing:  # noqa: N801 - used as a verb
    """One transaction that holds the write lock from its start; undone if anything is raised.

    A class, because a generator would cost a tenth of a single-row commit.
    """

    __slots__ = ("_db",)

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("begin immediate")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._db.execute("commit")
        elif self._db.in_transaction:
            self._db.execute("rollback")


def connect(path: Path, durability: Durability = "full") -> sqlite3.Connection:
    """Open the store file, making or migrating its tables where that is needed.

    Raises:
        TrimtabError: the file is no store, is damaged, newer than this version or read-only.
    """
    try:
        db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            _prepare(db, path, durability)
        except BaseException:
            db.close()
            raise
    except sqlite3.OperationalError as error:
        raise TrimtabError(_unusable(path, error)) from None
    except sqlite3.DatabaseError as error:
        msg = (
            f"{path}: cannot be opened as a job store ({error}): restore it from a copy, "
            "or move it away and run again"
        )
        raise TrimtabError(msg) from None
    return db


def _unusable(path: Path, error: sqlite3.OperationalError) -> str:
    if "readonly" in str(error) or "unable to open" in str(error):
        return (
            f"{path}: cannot be written ({error}): give yourself write permission on the file and "
            "its folder, or choose another --workspace"
        )
    if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
        return f"{path}: the disk is full: free some space and run again"
    return f"{path}: cannot be used as a job store ({error})"


def _prepare(db: sqlite3.Connection, path: Path, durability: Durability) -> None:
    (mode,) = db.execute("pragma journal_mode=wal").fetchone()
    if mode != "wal":
        msg = f"{path}: cannot be opened as a job store: its file system has no write-ahead log"
        raise TrimtabError(msg)
    db.execute(f"pragma synchronous={durability}")
    (version,) = db.execute("pragma user_version").fetchone()
    if version != SCHEMA_VERSION:
        _upgrade(db, path)


def _upgrade(db: sqlite3.Connection, path: Path) -> None:
    with writing(db):
        (version,) = db.execute("pragma user_version").fetchone()  # another may have been faster
        if version > SCHEMA_VERSION:
            msg = f"{path}: is of a newer trimtab (store version {version}): upgrade"
            raise TrimtabError(msg)
        if version == 0:
            _create(db)
        elif version < SCHEMA_VERSION:
            _MIGRATIONS[version](db)
        db.execute(f"pragma user_version={SCHEMA_VERSION}")


def _create(db: sqlite3.Connection) -> None:
    for statement in (*_TABLES.split(";"), *_INDEXES.split(";"), *_TRIGGERS):
        db.execute(statement)


def _from_1(db: sqlite3.Connection) -> None:
    """Version 1 kept results in `job`, and nothing that workers could claim."""
    names = ("scenario", "run", "job", "run_job", "metric", "checkpoint", "artefact", "event")
    _rebuild(db, names, ("job_state", "run_created", "event_run"), _FROM_1, _create)


def _from_2(db: sqlite3.Connection) -> None:
    """Version 2 kept result documents in `run`, where every search passed them."""

    def create(db: sqlite3.Connection) -> None:
        for statement in (*_TABLES.split(";"), *_INDEXES.split(";")):
            if any(f"table {name}(" in statement for name in ("run", "outcome", "result")) or (
                " on run(" in statement
            ):
                db.execute(statement)

    _rebuild(db, ("run", "result"), ("run_created", "run_headline", "run_sweep"), _FROM_2, create)


def _rebuild(
    db: sqlite3.Connection,
    names: Sequence[str],
    indexes: Sequence[str],
    fill: Sequence[str],
    create: Callable[[sqlite3.Connection], None],
) -> None:
    """Make tables anew and fill them from the old ones, which stand beside them meanwhile."""
    for name in names:
        db.execute(f"alter table {name} rename to old_{name}")
    for index in indexes:
        db.execute(f"drop index if exists {index}")
    create(db)
    for statement in fill:
        db.execute(statement)
    for name in names:
        db.execute(f"drop table old_{name}")


_OUTCOMES = (
    "insert into outcome select id, summary, manifest from old_run where summary is not null",
    "update run set metric=(select json_extract(summary, '$.headline') from outcome "
    "where outcome.run=run.id), recommended=(select "
    "json_extract(summary, '$.recommendation.name') from outcome where outcome.run=run.id)",
    "update run set unit=(select json_extract(summary, '$.rows[0].metrics.' || run.metric || "
    "'.unit') from outcome where outcome.run=run.id) where metric is not null",
)
_FROM_1 = (
    "insert into scenario select * from old_scenario",
    "insert into run(id, scenario, domain, name, controller, seeds, budget, owner_user, created) "
    "select r.id, scenario, coalesce(s.domain, ''), coalesce(json_extract(s.text, '$.name'), ''), "
    "controller, seeds, budget, owner_user, r.created "
    "from old_run r left join old_scenario s on s.hash=r.scenario",
    *_OUTCOMES,
    "insert into job(id, run, kind, controller, seed, state, reason, attempt, progress, step, "
    "created, started, ended) select id, run, kind, controller, seed, "
    "case state when 'done' then 'done' when 'failed' then 'failed' else 'cancelled' end, "
    "reason, attempt, progress, step, created, started, ended from old_job",
    "insert into result select id, result from old_job where result is not null",
    "insert into run_job select run, job from old_run_job",
    "insert into metric select * from old_metric",
    "insert into artefact select * from old_artefact",
    "insert into event select * from old_event",
)
_KEPT = (
    "id, scenario, domain, name, controller, seeds, budget, owner_user, config, sweep, headline, "
    "cancelled, created"
)
_FROM_2 = (
    f"insert into run({_KEPT}) select {_KEPT} from old_run",  # noqa: S608 - our own names
    *_OUTCOMES,
    "insert into result select * from old_result",
)
_MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _from_1, 2: _from_2}
"""What brings a store of that version up to the present one."""
