"""Checks that look at the process: imports, other interpreters, leaks, global state."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trimtab.testing.checks import Check, check, expect
from trimtab.testing.failures import NotApplicableError
from trimtab.testing.subject import Subject, play

HEAVY = ("torch", "libsumo", "traci", "sumolib", "numba", "pandas", "matplotlib", "scipy.optimize")
IMPORT_S = 0.1
LOOP_S = 0.006
"""What `_IMPORT`'s loop takes where `IMPORT_S` holds: slower machines, and busy ones, get more."""
GROWTH_MB = 64
_LIMIT_S = 120

_IMPORT = """
import json, sys, time
import trimtab.contracts.domain
start = time.process_time()
sum(k * k for k in range(200_000))
begun = time.process_time()
__import__(sys.argv[1])
print(json.dumps([time.process_time() - begun, begun - start, sorted(sys.modules)]))
"""
_EPISODE = """
import importlib, sys
from trimtab.testing.process_checks import digest
from trimtab.testing.subject import Subject
module, _, name = sys.argv[1].partition(":")
domain = getattr(importlib.import_module(module), name)
print(digest(Subject(domain, None, domain.problem_model.model_validate_json(sys.argv[2]))))
"""


def digest(s: Subject) -> str:
    """What one short episode, or one evaluation, comes to; the same in every process."""
    if s.kind == "design":
        problem = s.design()
        sample = problem.spec.space.sample(3, np.random.default_rng(5))
        scored = problem.evaluate(sample, problem.spec.fidelities[-1], 0)
        problem.close()
        return scored.objectives.tobytes().hex()
    with s.control() as control:
        return play(control, s.seeds[:1], 12).digest() + control.spec.fingerprint()


def _code(s: Subject) -> str:
    if s.manifest is None:
        msg = "no manifest says where the code is"
        raise NotApplicableError(msg)
    return s.manifest.code


def _python(arguments: list[str], **environment: str) -> str:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    done = subprocess.run(  # noqa: S603 - this interpreter, our own program
        [sys.executable, "-c", *arguments],
        capture_output=True,
        text=True,
        env=env,
        timeout=_LIMIT_S,
        check=False,
    )
    last = done.stderr.strip().splitlines()[-1:]
    expect(done.returncode == 0, f"a fresh interpreter failed: {last}")
    return done.stdout.strip()


@check(process=True)
def import_is_quick_and_light(s: Subject) -> None:
    """Importing the domain takes under 0.1 CPU seconds, loads no heavy library, is silent."""
    module = _code(s).partition(":")[0]
    with tempfile.TemporaryDirectory() as cache:
        env = {"PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
        lines = [_python([_IMPORT, module], **env) for _ in range(3)]
    expect("\n" not in lines[-1], f"importing {module} prints something")
    seconds, loop_s, modules = min(map(json.loads, lines), key=lambda found: found[0] / found[1])
    heavy = [name for name in HEAVY if name in modules]
    expect(not heavy, f"importing {module} loads {', '.join(heavy)}")
    limit_s = IMPORT_S * max(1.0, loop_s / LOOP_S)
    told = f"importing {module} takes {seconds:.2f} CPU seconds, the limit here is {limit_s:.2f}"
    expect(seconds < limit_s, told)


@check(process=True)
def processes_agree(s: Subject) -> None:
    """Interpreters with other hash seeds give the same bits as this one."""
    code, text, own = _code(s), s.problem.model_dump_json(), digest(s)
    for hash_seed in ("1", "2"):
        other = _python([_EPISODE, code, text], PYTHONHASHSEED=hash_seed)
        expect(other == own, f"an interpreter with PYTHONHASHSEED={hash_seed} differs")


@contextlib.contextmanager
def _used(s: Subject) -> Iterator[None]:
    """Use a problem once beforehand, so that what loads lazily is there; use it in the body."""
    _use(s)
    yield
    _use(s)


def _use(s: Subject) -> None:
    if s.kind == "control":
        with s.control() as control:
            play(control, s.seeds[:1], 4)
    else:
        digest(s)


def _files() -> set[str]:
    listed = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a Path may not outlive the entry
        with contextlib.suppress(OSError):
            listed.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")  # noqa: PTH115
    return {line for line in listed if "/proc/" not in line}


def _children() -> set[str]:
    found: set[str] = set()
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found.update(path.read_text().split())
    return found


@check("silver")
def nothing_leaks(s: Subject) -> None:
    """A closed problem leaves no open file, process, thread or temporary file."""
    if not Path("/proc/self/fd").exists():
        msg = "this system has no /proc"
        raise NotApplicableError(msg)
    with _own_temporary_folder():
        with _used(s):
            before = _files(), _children(), threading.active_count(), _temporary()
        after = _files(), _children(), threading.active_count(), _temporary()
    expect(after[0] <= before[0], f"open files: {sorted(after[0] - before[0])}")
    expect(after[1] <= before[1], f"processes: {sorted(after[1] - before[1])}")
    expect(after[2] <= before[2], f"{after[2] - before[2]} threads")
    expect(after[3] <= before[3], f"temporary files: {sorted(after[3] - before[3])}")


@contextlib.contextmanager
def _own_temporary_folder() -> Iterator[None]:
    """Temporary files go to a folder of their own: those of other processes do not count."""
    usual = tempfile.tempdir
    with tempfile.TemporaryDirectory() as own:
        tempfile.tempdir = own
        try:
            yield
        finally:
            tempfile.tempdir = usual


def _temporary() -> set[str]:
    return {entry.name for entry in Path(tempfile.gettempdir()).iterdir()}


@check("silver")
def memory_does_not_grow(s: Subject) -> None:
    """Using a problem once more does not raise the peak memory by 64 MB."""
    with _used(s):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    expect(grown < GROWTH_MB, f"peak memory grew by {grown:.0f} MB")


@check()
def global_state_is_left_alone(s: Subject) -> None:
    """Global generators, the working folder and the environment stay as they were."""

    def state() -> list[str]:
        legacy = np.random.get_state()  # noqa: NPY002 - watched, not used
        return [repr(legacy), repr(random.getstate()), str(Path.cwd()), repr(dict(os.environ))]

    with _used(s):
        random.random()  # noqa: S311 - moves off a state that the first use may have set
        np.random.random()  # noqa: NPY002 - likewise
        before = state()
    names = ("numpy's global generator", "random's generator", "working folder", "environment")
    for name, old, new in zip(names, before, state(), strict=True):
        expect(old == new, f"the {name} changed")


@check()
def problems_close_twice(s: Subject) -> None:
    """Closing a problem twice is harmless, used or not."""
    problem = s.control() if s.kind == "control" else s.design()
    problem.close()
    problem.close()


CHECKS = tuple(value for value in list(globals().values()) if isinstance(value, Check))
