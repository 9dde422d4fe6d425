"""A real browser (Debian's chromium) on a real server; skipped where there is no chromium."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright
from trimtab.run.supervisor import supervisor_pid

REQUIRED = "TRIMTAB_REQUIRE_BROWSER"
SCREENSHOTS = "TRIMTAB_SCREENSHOTS"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 120_000


@dataclass
class Server:
    """The app on a workspace; it can be killed and started again at the same address."""

    workspace: Path
    port: int = 0
    words: tuple[str, ...] = ()
    process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = ["app", "--workspace", str(self.workspace), "--port", str(self.port)]
        words += ["--no-browser", "--all", "--slots", "1", "--json", *self.words]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "trimtab.cli", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            line = self.process.stdout.readline()
            assert line, "the server ended before it said where it is"
            text += line
        self.port = int(json.loads(text)["address"].rpartition(":")[2])

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    chromium = shutil.which("chromium")
    if chromium is None:
        message = "no chromium on this machine: apt install chromium fonts-dejavu-core"
        if os.environ.get(REQUIRED):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts the app; afterwards it and its workers are ended."""
    started: list[Server] = []

    def start(workspace: Path | None = None, port: int = 0, words: tuple[str, ...] = ()) -> Server:
        server = Server(workspace or tmp_path / "work", port, words)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.kill()
        _end_workers(server.workspace)


@pytest.fixture(scope="session")
def shared(finished_runs: tuple[Path, list[str]]) -> Iterator[Server]:
    """One server on the workspace of finished runs, for tests that change nothing there."""
    server = Server(finished_runs[0])
    server.start()
    yield server
    server.kill()
    _end_workers(server.workspace)


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server on a workspace of its own, for tests that leave runs and files there."""
    server = Server(tmp_path_factory.mktemp("own"))
    server.start()
    yield server
    server.kill()
    _end_workers(server.workspace)


def _end_workers(workspace: Path) -> None:
    pid = supervisor_pid(workspace)
    if not pid:
        return
    gone = threading.Event()
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    while supervisor_pid(workspace) is not None:
        gone.wait(0.05)


@dataclass
class Visitor:
    """A person at a browser, and everything that went wrong for them."""

    page: Page
    address: str
    also: tuple[str, ...] = ()
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        local = (self.address, self.address.replace("http", "ws"), "data:", "blob:", "about:")
        if not url.startswith((*local, *self.also)):
            self.strangers.append(url)

    def open(self, path: str = "") -> None:
        self.page.goto(f"{self.address}/{path}")
        self.settle()

    def settle(self) -> None:
        """Wait until the page is drawn."""
        self.page.wait_for_selector(".page-title")
        self.page.wait_for_function(
            "!document.querySelector('[data-testid=stSkeleton],[data-testid=stStatusWidget]')"
        )

    def says(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def button(self, name: str) -> Locator:
        """The button whose name begins so."""
        return self.page.get_by_role("button", name=re.compile(f"^{name}")).first

    def click(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def fill(self, label: str, text: str) -> None:
        box = self.page.locator(f'input[aria-label^="{label}"]').first
        box.fill(text)
        box.press("Enter")

    def faults(self, only: tuple[str, ...] = ()) -> list[str]:
        """Serious and critical findings of axe, of all its rules or of some."""
        rules = {"runOnly": list(only)} if only else {}
        options = {"resultTypes": ["violations"], **rules}
        found = Axe().run(self.page, options=options).response["violations"]
        return [
            f"{one['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:200]}"
            for one in found
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]

    def picture(self, name: str) -> None:
        """Keep a picture for the documentation, where one is asked for."""
        folder = os.environ.get(SCREENSHOTS)
        if folder:
            self.page.wait_for_timeout(800)
            self.page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Opens a browser window on a server; afterwards nothing may have gone wrong in it."""
    opened: list[tuple[BrowserContext, Visitor]] = []

    def open_window(server: Server, scheme: str = "light", also: tuple[str, ...] = ()) -> Visitor:
        context = browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": 1280, "height": 860},
            accept_downloads=True,
        )
        visitor = Visitor(context.new_page(), server.address, also)
        opened.append((context, visitor))
        return visitor

    yield open_window
    for context, visitor in opened:
        context.close()
        assert not visitor.errors
        assert not visitor.strangers
