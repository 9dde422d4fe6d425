import platform
import subprocess
import sys
from pathlib import Path

import pytest
from trimtab.cli import system_libraries

MANIFEST = """
api = 1
[[domains]]
name = "x"
system_libraries = [{libraries}]
debian_packages = ["libgl1", "libx11-6"]
"""


def run(tmp_path: Path, libraries: str) -> subprocess.CompletedProcess[str]:
    manifest = tmp_path / "domain.toml"
    manifest.write_text(MANIFEST.format(libraries=libraries))
    return subprocess.run(
        [sys.executable, "-S", system_libraries.__file__, str(manifest)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_missing_library_is_named_in_one_line_with_the_packages_to_install(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, '"libc.so.6", "libGL-absent.so.1"')
    assert done.returncode == 3
    assert done.stderr == (
        "x needs libGL-absent.so.1 from the system; "
        "Debian and Ubuntu: apt install libgl1 libx11-6\n"
    )


def test_nothing_is_said_when_all_libraries_are_there(tmp_path: Path) -> None:
    done = run(tmp_path, '"libc.so.6"')
    assert (done.returncode, done.stderr) == (0, "")


def test_macos_on_intel_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert system_libraries.main([]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "macOS on Intel" in line
    assert "no wheels" in line
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert system_libraries.main([]) == 0
