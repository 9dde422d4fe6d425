"""Plug-ins that hang, crash or raise, installed beside one that works."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from trimtab.contracts import registry
from trimtab.contracts.registry import plugins
from trimtab.run import probe
from trimtab.run.probe import Checked, Seen, keep_checks, look_at

MANIFEST = """api = 1
title = "{name}"
[[domains]]
name = "{name}"
title = "{name}"
kind = "control"
area = "{name}"
code = "trimtab_{name}.domain:DOMAIN"
"""
LIMIT_S = 20.0
"""Much more than an import takes on a busy machine; only the hanging one is given less."""
Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a plug-in on the path, with the metadata that an installer would write."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(registry.DISABLED, "")

    def write(name: str, code: str) -> None:
        site = tmp_path / name
        package = site / f"trimtab_{name}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "domain.toml").write_text(MANIFEST.format(name=name))
        (package / "domain.py").write_text(code)
        info = site / f"trimtab_{name}-0.1.0.dist-info"
        info.mkdir()
        text = f"Metadata-Version: 2.1\nName: trimtab-{name}\nVersion: 0.1.0\n"
        (info / "METADATA").write_text(text)
        entry = f"[trimtab.domains]\n{name} = trimtab_{name}:domain.toml\n"
        (info / "entry_points.txt").write_text(entry)
        monkeypatch.syspath_prepend(str(site))

    return write


def seen(name: str, limit_s: float = LIMIT_S) -> Seen:
    (found,) = look_at([plugin for plugin in plugins() if plugin.name == name], limit_s)
    return found


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("import os; os._exit(3)", r"ended the interpreter \(exit code 3\)"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"\(signal 11\)"),
        ("DOMAIN = 'mine'", "is not a Domain"),
        ("print('{\"x\": 1}'); raise KeyError('y')", "KeyError: 'y'"),
    ],
)
def test_code_that_cannot_be_used_says_why(install: Install, code: str, reason: str) -> None:
    install("bad", code)
    assert re.search(reason, seen("bad").broken)


def test_broken_plugins_harm_no_other(install: Install) -> None:
    install("raising", "raise RuntimeError")
    install("ending", "import os; os._exit(3)")
    found = {one.plugin.name: one.broken for one in look_at(plugins(), LIMIT_S)}
    assert found.pop("raising")
    assert found.pop("ending")
    assert "toy" in found
    assert set(found.values()) == {""}


def test_code_that_hangs_is_given_up(install: Install) -> None:
    install("slow", "import threading; threading.Event().wait()")
    assert seen("slow", 0.5).broken == "its code did not import within 0.5 s"


def test_what_was_found_is_kept_until_a_file_changes(install: Install, tmp_path: Path) -> None:
    install("bad", "raise RuntimeError('first')")
    assert "first" in seen("bad").broken
    cache = probe.cache_file()
    cache.write_text(cache.read_text().replace("first", "kept"))
    assert "kept" in seen("bad").broken
    (tmp_path / "bad/trimtab_bad/more.py").write_text("")
    assert "first" in seen("bad").broken


def test_checks_are_kept_for_the_version_that_was_checked(install: Install, tmp_path: Path) -> None:
    install("fine", "from trimtab.testing.toys.tank import DOMAIN")
    found = Checked("bronze", 40, 3, (("balances", "a litre is lost"),))
    keep_checks(seen("fine").plugin, "fine", found)
    assert seen("fine").checked == {"fine": found}
    assert seen("fine").tier("fine") == "bronze"
    (tmp_path / "fine/trimtab_fine/more.py").write_text("")
    assert seen("fine").checked == {}
    assert seen("fine").tier("fine") == "not checked"


def test_a_disabled_plugin_is_not_there(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("bad", "raise RuntimeError")
    monkeypatch.setenv(registry.DISABLED, "bad,other")
    assert "bad" not in {plugin.name for plugin in plugins()}


def test_a_plugin_without_a_manifest_is_broken_as_it_was(install: Install) -> None:
    install("bad", "")
    (plugin,) = [p for p in plugins() if p.name == "bad"]
    (found,) = look_at([replace(plugin, manifest=None, broken="unreadable")])
    assert found.broken == "unreadable"


def test_the_command_line_lists_a_broken_plugin_and_goes_on(
    install: Install, capfd: pytest.CaptureFixture[str]
) -> None:
    from trimtab.cli.app import app

    install("bad", "import os; os._exit(3)")
    with pytest.raises(SystemExit):
        app(["plugins", "--all"], prog_name="trimtab")
    out = capfd.readouterr().out
    assert "broken: its code ended the interpreter (exit code 3)" in out
    assert "toy.tank" in out
    with pytest.raises(SystemExit):
        app(["--disable-plugin", "bad", "plugins", "--all"], prog_name="trimtab")
    assert "bad" not in capfd.readouterr().out


def test_checking_a_broken_plugin_says_why_and_reaches_no_tier(
    install: Install, capfd: pytest.CaptureFixture[str]
) -> None:
    from trimtab.cli.app import app

    install("bad", "import os; os._exit(3)")
    with pytest.raises(SystemExit) as ended:
        app(["check-plugin", "bad"], prog_name="trimtab")
    assert ended.value.code == 1
    assert "bad: none (its code ended the interpreter (exit code 3))" in capfd.readouterr().out
