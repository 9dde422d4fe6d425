"""Looks at the code of plug-ins from processes of their own, so that a broken one harms nobody.

Code that raises, hangs, ends the interpreter or is no `Domain` makes its own plug-in broken, with
the reason; the others are looked at meanwhile. What was found is kept in the user's cache until the
plug-in's version or one of its files changes. So is what its conformance checks found.

``python -m trimtab.run.probe MODULE:ATTRIBUTE…`` is the process: it prints one JSON line.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.registry import GROUP, Plugin
from trimtab.run.child import SINGLE_THREAD

LIMIT_S = 10.0
"""Wall time for importing a plug-in's code; the contract allows 0.1 s of processor time."""
HANG_KEPT_S = 600.0
"""A plug-in that hung may have met a busy machine: it is looked at again after this time."""
NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Checked:
    """What the conformance checks found of one domain.

    Attributes:
        tier: the highest whose rules hold, or `none`.
        passed, skipped: numbers of rules; skipped ones do not apply.
        failed: rule and reason each.
    """

    tier: str
    passed: int = 0
    skipped: int = 0
    failed: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Checked:
        """From what was kept."""
        failed = tuple((str(rule), str(why)) for rule, why in plain["failed"])
        return cls(plain["tier"], plain["passed"], plain["skipped"], failed)

    @property
    def said(self) -> str:
        """The tier and what it rests on, in words."""
        return (
            f"{self.tier}: {self.passed} checks passed, {len(self.failed)} failed, "
            f"{self.skipped} do not apply"
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """A plug-in whose manifest can be read, and what its code did.

    Attributes:
        broken: why its code cannot be used; empty where it can.
        checked: domain → what its checks found, as far as they ran on this version.
    """

    plugin: Plugin
    broken: str
    checked: dict[str, Checked]

    def tier(self, domain: str) -> str:
        """Tier of a domain in a word or two."""
        return self.checked[domain].tier if domain in self.checked else NOT_CHECKED


def cache_file() -> Path:
    """Where findings are kept."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "trimtab" / "plugins.json"


def look_at(found: Sequence[Plugin], limit_s: float = LIMIT_S) -> list[Seen]:
    """Probe plug-ins side by side, those that changed since the last time only."""
    known, versions = _kept(), _versions()
    stamps = [stamp(plugin, versions) for plugin in found]
    fresh = [
        (plugin, mark)
        for plugin, mark in zip(found, stamps, strict=True)
        if plugin.manifest is not None and not _holds(known.get(plugin.name), mark)
    ]
    if fresh:
        with ThreadPoolExecutor(len(fresh)) as pool:
            reasons = pool.map(lambda one: _probe(one[0], limit_s), fresh)
        for (plugin, mark), reason in zip(fresh, reasons, strict=True):
            entry = {"stamp": mark, "broken": reason, "checked": {}, "at": time.time()}
            known[plugin.name] = entry
        _keep({plugin.name: known[plugin.name] for plugin, _ in fresh})
    return [
        Seen(
            plugin,
            plugin.broken or str(known[plugin.name]["broken"]),
            {
                domain: Checked.of(plain)
                for domain, plain in known.get(plugin.name, {}).get("checked", {}).items()
            },
        )
        for plugin in found
    ]


def keep_checks(plugin: Plugin, domain: str, checked: Checked) -> None:
    """Remember what a domain's checks found."""
    mark, old = stamp(plugin, _versions()), _kept().get(plugin.name)
    others = old.get("checked", {}) if old is not None and _holds(old, mark) else {}
    every = {**others, domain: asdict(checked)}
    _keep({plugin.name: {"stamp": mark, "broken": "", "checked": every, "at": time.time()}})


def _versions() -> dict[str, str]:
    """Version of the distribution that each plug-in comes from."""
    points = entry_points(group=GROUP)
    return {point.name: point.dist.version for point in points if point.dist is not None}


def stamp(plugin: Plugin, versions: Mapping[str, str]) -> str:
    """Changes with the plug-in's version, any of its files, and the interpreter."""
    version = versions.get(plugin.name, "")
    files = sorted(plugin.folder.rglob("*.py")) if plugin.folder is not None else []
    newest = max((path.stat().st_mtime_ns for path in files), default=0)
    return f"{sys.version_info[:3]} {version} {plugin.folder} {len(files)} {newest}"


def _holds(entry: dict[str, Any] | None, mark: str) -> bool:
    if entry is None or entry.get("stamp") != mark:
        return False
    hung = "did not import within" in str(entry.get("broken"))
    return not hung or time.time() - float(entry.get("at", 0)) < HANG_KEPT_S


def _probe(plugin: Plugin, limit_s: float) -> str:
    """Why a plug-in's code cannot be used; empty where it can."""
    codes = [] if plugin.manifest is None else [d.code for d in plugin.manifest.domains]
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-P", "-m", "trimtab.run.probe", *codes],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **SINGLE_THREAD, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    ) as process:
        try:
            out, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            return f"its code did not import within {limit_s:g} s"
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    return _reason(out, process.returncode)


def _reason(out: bytes, code: int) -> str:
    for line in reversed(out.decode("utf-8", "replace").splitlines()):
        with contextlib.suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict) and "broken" in said:
                return str(said["broken"])
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"its code ended the interpreter ({how})"


def _kept() -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep(entries: dict[str, dict[str, Any]]) -> None:
    """Write findings down where there is a place for them; without one they are found anew."""
    file = cache_file()
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps({**_kept(), **entries}), encoding="utf-8")
        draft.replace(file)


def why_broken(code: str) -> str:
    """Import ``module:attribute`` here; why it is no domain, or an empty text."""
    module, _, attribute = code.partition(":")
    try:
        domain = getattr(import_module(module), attribute)
    except TrimtabError as error:
        return str(error)
    except BaseException as error:  # noqa: BLE001 - SystemExit of a plug-in is its fault, too
        return f"{type(error).__name__}: {error}"
    return "" if isinstance(domain, Domain) else f"{code} is not a Domain"


def main() -> None:
    """Import what was asked for; plug-ins may print, the last JSON line is ours."""
    broken = next((reason for code in sys.argv[1:] if (reason := why_broken(code))), "")
    sys.stdout.write("\n" + json.dumps({"broken": broken}) + "\n")
    sys.stdout.flush()
    os._exit(0)  # whatever threads it started


if __name__ == "__main__":
    main()
