import subprocess
import sys
from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError, SimulatorError, TrimtabError
from trimtab_traffic import toolchain
from trimtab_traffic.toolchain import (
    agreed_version,
    binary,
    run_binary,
    run_script,
    sumo_environment,
    sumo_version,
)


def test_sumo_home_comes_from_the_wheel_whatever_the_shell_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SUMO_HOME", "/opt/an-old-sumo")
    home = Path(sumo_environment()["SUMO_HOME"])
    assert home.name == "sumo"
    assert binary("netconvert").parent == home / "bin"


def test_installed_sumo_packages_agree() -> None:
    assert sumo_version().count(".") == 2


def test_mixed_sumo_versions_give_one_line_with_the_cure() -> None:
    mixed = {"eclipse-sumo": "1.28.0", "libsumo": "1.27.1"}
    with pytest.raises(TrimtabError, match=r"libsumo 1\.27\.1.*pip install.*libsumo==1\.28\.0"):
        agreed_version(mixed)


def test_refusal_of_a_tool_names_the_users_file_and_the_reason(tmp_path: Path) -> None:
    source = tmp_path / "town.osm.xml"
    source.write_text("<osm>")
    with pytest.raises(InputFileError, match=r"town\.osm\.xml: netconvert refused it: ") as error:
        run_binary("netconvert", ["--osm-files", str(source), "-o", "x.net.xml"], source=source)
    assert "\n" not in str(error.value)


def test_tool_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match=r"did not finish in 0\.01 s"):
        run_script("randomTrips.py", ["--help"], source=tmp_path, work=tmp_path, timeout_s=0.01)


def test_tool_may_not_eat_all_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "MEMORY_BYTES", 10 * 1024**2)
    with pytest.raises((SimulatorError, InputFileError)):
        run_binary("netconvert", ["--help"], source=tmp_path)


def test_a_tool_stays_below_the_limit_of_whoever_confines_us() -> None:
    code = (
        "import resource; from trimtab_traffic import toolchain; megabyte = 1 << 20;"
        "resource.setrlimit(resource.RLIMIT_AS, (512 * megabyte, 1200 * megabyte));"
        "toolchain._limit_memory();"
        "print([x >> 20 for x in resource.getrlimit(resource.RLIMIT_AS)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[1200, 1200]"
