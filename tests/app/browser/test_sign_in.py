"""Sign-in with a provider that speaks OpenID Connect, in a real browser."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from trimtab.run.workspace import Workspace

pytest.importorskip("authlib", reason="sign-in needs Authlib")
pytest.importorskip("joserfc", reason="the provider signs with joserfc")

SETTINGS = """[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "a long random text of the test"
client_id = "trimtab"
client_secret = "secret-of-the-test"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""


@pytest.fixture
def provider() -> Iterator[str]:
    """Address of a provider that knows ada and grace."""
    script = Path(__file__).with_name("provider.py")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_nobody_sees_a_page_before_signing_in_and_runs_belong_to_who_started_them(
    browser, serve, visit, provider: str, tmp_path: Path
) -> None:
    port, auth = _free_port(), tmp_path / "auth.toml"
    auth.write_text(SETTINGS.format(port=port, provider=provider), encoding="utf-8")
    server = serve(port=port, words=("--auth", str(auth)))

    nobody = visit(server)
    nobody.open("runs")
    nobody.button("Sign in").wait_for()
    assert "Every run" not in nobody.page.inner_text("body")
    assert nobody.page.get_by_role("link", name="Runs").count() == 0

    people = {}
    for number, name in enumerate(("ada", "grace"), start=1):
        me = people[name] = visit(server, also=(provider,))
        me.open("run?scenario=shipped%3A%20toy%2Ftank-day")
        me.click("Sign in")
        me.page.get_by_role("link", name=name).click()
        me.says(f"{name}@example.org")
        assert "/run?scenario=shipped" in me.page.url
        me.fill("Seeds", str(number))
        me.says("3 controllers × 1 seeds")
        me.click("Start")
        me.page.wait_for_url("**run=tank-day*")
    owners = {run.owner for run in Workspace(server.workspace).runs()}
    assert owners == {"ada@example.org", "grace@example.org"}

    ada = people["ada"]
    ada.open("runs")
    ada.says("2 runs")
    assert "grace@example.org" in ada.page.locator("table.runs").inner_text()
    ada.open("runs?owner=ada%40example.org")
    ada.says("1 run")
    assert "grace@example.org" not in ada.page.locator("table.runs").inner_text()

    ada.click("Sign out")
    ada.button("Sign in").wait_for()
    assert "Every run" not in ada.page.inner_text("body")
