"""The fuzzer's own readers on their seeds and on every input that ever broke one."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def reader_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import fuzzing.reader

    return fuzzing.reader


def test_no_reader_breaks_on_seeds_on_what_broke_one_before_or_on_a_file_without_end() -> None:
    replay = [sys.executable, str(ROOT / "benchmarks" / "fuzz.py"), "--replay"]
    done = subprocess.run(replay, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    assert json.loads(done.stdout)["faults"] == []


def test_an_error_of_our_tree_is_a_refusal_and_any_other_a_fault(
    reader_module: ModuleType, tmp_path: Path
) -> None:
    from trimtab.contracts.errors import InputFileError

    def read(path: Path) -> None:
        if path.read_bytes() == b"a":
            raise InputFileError(str(path))
        if path.read_bytes() == b"b":
            raise KeyError(path)

    reader = reader_module.Reader("r", ("f",), read, ())
    assert reader.feed(b"", tmp_path) is True
    assert reader.feed(b"a", tmp_path) is False
    with pytest.raises(KeyError):
        reader.feed(b"b", tmp_path)


def test_a_reader_that_takes_too_long_is_a_fault(
    reader_module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "MAX_CPU_S", 0.01)

    def read(_: Path) -> None:
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass

    with pytest.raises(reader_module.TooSlowError):
        reader_module.Reader("r", ("f",), read, ()).feed(b"", tmp_path)


def test_an_input_of_several_files_is_taken_apart(
    reader_module: ModuleType, tmp_path: Path
) -> None:
    seen: list[bytes] = []
    reader = reader_module.Reader(
        "r", ("f", "g"), lambda f, g: seen.extend((f.read_bytes(), g.read_bytes())), ()
    )
    reader.feed(b"one" + reader_module.SEPARATOR + b"two", tmp_path)
    reader.feed(b"alone", tmp_path)
    assert seen == [b"one", b"two", b"alone", b""]
