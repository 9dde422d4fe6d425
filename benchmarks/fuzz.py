"""Coverage-guided fuzzing (atheris, libFuzzer) of every reader of user files.

A reader may refuse a file with an error of our own tree and nothing else, within 2 s of processor
time and 512 MB. An input that breaks one is kept under `fuzzing/found` and replayed from then on.

    python benchmarks/fuzz.py --seconds 60 --jobs 2     # every target, two at a time, and a table
    python benchmarks/fuzz.py traffic-net               # one target
    python benchmarks/fuzz.py --replay                  # seeds and found inputs only, no atheris
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import traceback
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # also where this file is run by its path

from fuzzing import core, grid, hardware, traffic
from fuzzing.reader import MAX_MB, Reader, Target

TARGETS: tuple[Target, ...] = (
    *core.TARGETS,
    *traffic.TARGETS,
    *hardware.TARGETS,
    *grid.TARGETS,
)
SIZED_ELSEWHERE = ("traffic-foreign", "uploads")
"""Read by netconvert under the limits of the app, or bytes that its server has bounded already."""
REPLAY_BYTES = 16 << 30
MAX_BYTES = 16_384
HANG_S = 60
_STATUS = re.compile(r"cov: (\d+) .*?corp: (\d+)/")
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
BROKEN = "BROKEN: "


def target_of(name: str) -> Target:
    """A target by its name."""
    return next(target for target in TARGETS if target.name == name)


def replay(target: Target) -> list[str]:
    """Read all known inputs of a target; what went wrong, one line each."""
    faults = []
    readers = target.readers()
    with tempfile.TemporaryDirectory(dir=_scratch()) as folder:
        places = _warm(readers, Path(folder))
        for index, content in target.inputs():
            known = content in readers[index].seeds
            try:
                readers[index].feed(content, places[index])
            except Exception as error:  # noqa: BLE001 - told to whoever asked
                where = "seed" if known else "found input"
                faults.append(f"{target.name}/{readers[index].name}, {where}: {error!r}")
        return faults + endless(target, readers, places)


def endless(target: Target, readers: tuple[Reader, ...], places: list[Path]) -> list[str]:
    """Readers that do not refuse a file of a terabyte."""
    faults = []
    for reader, place in zip(readers, places, strict=True):
        try:
            known = target.name in SIZED_ELSEWHERE or reader.refuses_without_end(place)
            said = "" if known else "accepted"
        except Exception as error:  # noqa: BLE001 - told to whoever asked
            said = repr(error)
        if said:
            faults.append(f"{target.name}/{reader.name}, file without end: {said}")
    return faults


def _warm(readers: tuple[Reader, ...], folder: Path) -> list[Path]:
    """Folders of the readers, after each has read its seeds: compilers and imports are done."""
    places = [reader.settle(folder) for reader in readers]
    for reader, place in zip(readers, places, strict=True):
        for seed in reader.seeds:
            with contextlib.suppress(Exception):
                reader.feed(seed, place)
    return places


def _scratch() -> str | None:
    """A folder in memory, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - own folder inside


def fuzz(target: Target, corpus: Path, seconds: int, seed: int) -> None:
    """Fuzz one target in this process; libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=list(target.packages), exclude=_compiled(target)):
        inputs = target.inputs()
        readers = target.readers()
        folder = Path(tempfile.mkdtemp(dir=_scratch(), prefix="fuzz-"))
        places = _warm(readers, folder)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, (index, content) in enumerate(inputs):
        (corpus / f"seed-{number}").write_bytes(bytes([index]) + content)
    known: set[str] = set()

    def one(data: bytes) -> None:
        """Errors do not end it: one input is kept of each place in the code that raised."""
        if data:
            index = data[0] % len(readers)
            try:
                readers[index].feed(data[1:], places[index])
            except Exception as error:  # noqa: BLE001 - that is what it is after
                last = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{type(error).__name__} at {last.filename}:{last.lineno}"
                if where not in known:
                    known.add(where)
                    print(f"{BROKEN}{where}, kept as {target.keep(data)}", file=sys.stderr)
                    traceback.print_exc()

    words = [f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", f"-timeout={HANG_S}"]
    words += [f"-rss_limit_mb={MAX_MB}", "-print_final_stats=1", f"-seed={seed}"]
    words.append(f"-artifact_prefix={tempfile.mkdtemp(prefix='fuzz-broken-')}/")
    gc.collect()
    atheris.Setup([sys.argv[0], *words, str(corpus)], one)
    atheris.Fuzz()


def _compiled(target: Target) -> list[str]:
    """Modules whose functions numba compiles from their bytecode."""
    found = []
    for package in target.packages:
        spec = find_spec(package)
        root = Path(spec.origin).parent if spec and spec.origin else Path()
        for path in root.rglob("*.py"):
            if "numba" in path.read_text(encoding="utf-8"):
                parts = path.relative_to(root).with_suffix("").parts
                found.append(".".join((package, *parts)))
    return found


def campaign(names: list[str], corpus: Path, seconds: int, seed: int, jobs: int) -> int:
    """Fuzz targets in processes of their own; print a table; the number of broken ones."""
    print("target             executions     per s  coverage  corpus  outcome", flush=True)
    with ThreadPoolExecutor(jobs) as pool:
        outcomes = pool.map(lambda name: _apart(name, corpus, seconds, seed), names)
        return sum(outcomes)


def _apart(name: str, corpus: Path, seconds: int, seed: int) -> bool:
    words = [sys.executable, __file__, "--alone", name, "--seconds", str(seconds)]
    words += ["--seed", str(seed)]
    ended = subprocess.run(
        [*words, "--corpus", str(corpus)], capture_output=True, text=True, errors="replace"
    )
    status = _STATUS.findall(ended.stderr) or [("0", "0")]
    executed = int((_EXECUTED.findall(ended.stderr) or ["0"])[-1])
    faults = [line for line in ended.stderr.splitlines() if line.startswith(BROKEN)]
    broken = bool(faults) or ended.returncode != 0
    what = f"{len(faults)} faults, exit {ended.returncode}" if broken else "clean"
    print(
        f"{name:<18} {executed:>10} {executed / seconds:>9.0f} {status[-1][0]:>9} "
        f"{status[-1][1]:>7}  {what}",
        flush=True,
    )
    if broken:
        print("\n".join(faults or ended.stderr.splitlines()[-40:]), file=sys.stderr, flush=True)
    return broken


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [target.name for target in TARGETS]
    parser.add_argument("names", nargs="*", metavar="TARGET", help=", ".join(names))
    parser.add_argument("--seconds", type=int, default=int(os.environ.get("TRIMTAB_FUZZ_S", "60")))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1, help="another one looks elsewhere")
    parser.add_argument("--corpus", type=Path, help="kept there and used again")
    parser.add_argument("--replay", action="store_true")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    args = parser.parse_args()
    chosen = args.names or names
    if args.replay:
        resource.setrlimit(resource.RLIMIT_AS, (REPLAY_BYTES, resource.RLIM_INFINITY))
        faults = [fault for name in chosen for fault in replay(target_of(name))]
        print(json.dumps({"targets": len(chosen), "faults": faults}, indent=1))
        raise SystemExit(1 if faults else 0)
    if find_spec("atheris") is None:
        print("fuzzing skipped: atheris is not installed (it has wheels for Python 3.11 to 3.13)")
        raise SystemExit(1 if os.environ.get("TRIMTAB_REQUIRE_FUZZ") else 0)
    corpus = args.corpus or Path(tempfile.mkdtemp(prefix="fuzz-corpus-"))
    if args.alone:
        fuzz(target_of(args.alone), corpus / args.alone, args.seconds, args.seed)
    raise SystemExit(1 if campaign(chosen, corpus, args.seconds, args.seed, args.jobs) else 0)


if __name__ == "__main__":
    main()
