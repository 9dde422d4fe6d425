"""How fast the app answers: 5 sessions on a workspace of 10,000 runs.

    python benchmarks/app_latency.py [--runs 10000] [--sessions 5] [--rounds 6] [--think-s 2]
                                     [--in-step]

Prints first paint of a session that is alone, the time from click to updated page of one session
and of all at once (median and 95th percentile) with the processor time that server and browsers
spent meanwhile: people who stay in the app and change pages, filter, tick and change views. Between
clicks, and before the first, each pauses for a time of its own, uniform between 0 and twice
`--think-s`; with `--in-step` all pause alike, so that five clicks come at once. Then what the Runs
page and the time series of a comparison of 20 runs of 10,000 steps cost the server. Needs chromium.
Sessions, server and browser share the processors of this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from playwright.async_api import Browser, Page, async_playwright
from trimtab.run.claims import LONG_SERIES, insert_rows
from trimtab.run.comparison import compare_run
from trimtab.run.plan import RunOptions
from trimtab.run.schema import writing
from trimtab.run.series import write_envelope
from trimtab.run.store import Store

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
WAIT_MS = 60_000
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
COMPARED = 20
POINTS = 10_000
SERIES = "reward/long"


def filled(folder: Path, runs: int) -> str:
    """A workspace with one computed run, and copies of its rows up to `runs`; returns its id."""
    options = RunOptions(workspace=folder, seeds=(1, 2, 3), workers=1)
    done = compare_run("toy/tank-day", options, overrides=["problem.horizon_h=500"])
    first = done.result.run_id
    with Store(folder) as store, writing(store.db):
        columns = [row[1] for row in store.db.execute("pragma table_info(run)")]
        kept = ", ".join(name for name in columns if name not in {"id", "created", "headline"})
        for number in range(runs - 1):
            store.db.execute(
                f"insert into run(id, created, headline, {kept}) "  # noqa: S608 - our own names
                f"select ?, created - ?, headline + ?, {kept} from run where id=?",
                (f"copy-{number:06d}", number + 1.0, number % 97, first),
            )
            store.db.execute(
                "insert into outcome select ?, summary, manifest from outcome where run=?",
                (f"copy-{number:06d}", first),
            )
            store.db.execute(
                "insert into tally select ?, state, n from tally where run=?",
                (f"copy-{number:06d}", first),
            )
        for number in range(COMPARED - 1):
            copy = f"copy-{number:06d}"
            shutil.copytree(store.run_dir(first), store.run_dir(copy))
            store.db.execute(
                "insert into run_job select ?, job from run_job where run=?", (copy, first)
            )
    return first


def lengthened(folder: Path, runs: Sequence[str]) -> None:
    """Give these runs jobs of their own, with a series of `POINTS` steps in those of seed 1."""
    with Store(folder) as store, writing(store.db):
        columns = [row[1] for row in store.db.execute("pragma table_info(job)")]
        kept = ", ".join(name for name in columns if name != "id")
        for run in runs:
            for job, seed in store.db.execute(
                "select id, seed from job where id in (select job from run_job where run=?)", (run,)
            ).fetchall():
                own = f"{run}-{job}"
                store.db.execute("delete from run_job where run=? and job=?", (run, job))
                store.db.execute(
                    f"insert into job(id, {kept}) select ?, {kept} from job where id=?",  # noqa: S608
                    (own, job),
                )
                store.db.execute("insert into run_job values(?, ?)", (run, own))
                if seed == 1:
                    drawn = random.Random(own)  # noqa: S311 - no secret
                    rows = [(SERIES, step, drawn.random()) for step in range(1, POINTS + 1)]
                    insert_rows(store.db, own, rows)
                    write_envelope(store.db, own, LONG_SERIES)


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The app on a workspace, and its process."""
    words = ["app", "--workspace", str(folder), "--port", "0", "--no-browser", "--all", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "trimtab.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        text = ""
        while not text.endswith("}\n"):
            text += process.stdout.readline() if process.stdout else ""
        try:
            yield json.loads(text)["address"], process
        finally:
            process.kill()


async def drawn(page: Page) -> None:
    """Wait until nothing of the page is still to come."""
    await page.wait_for_selector(".page-title", timeout=WAIT_MS)
    await page.wait_for_function(
        "!document.querySelector('[data-testid=stSkeleton],[data-testid=stStatusWidget]')",
        timeout=WAIT_MS,
    )


async def first_paint(browser: Browser, address: str) -> float:
    """Seconds from a new session's request until its heading stands."""
    context = await browser.new_context()
    page = await context.new_page()
    begun = time.perf_counter()
    await page.goto(f"{address}/runs")
    await page.wait_for_selector(".page-title", timeout=WAIT_MS)
    taken = time.perf_counter() - begun
    await context.close()
    return taken


async def session(page: Page, rounds: int, pauses: Iterator[float]) -> dict[str, list[float]]:
    """One person who stays in the app and only clicks; seconds of each kind of click."""
    found: dict[str, list[float]] = {}
    await asyncio.sleep(next(pauses))

    async def timed_click(what: str, click: Awaitable[object], said: str) -> None:
        begun = time.perf_counter()
        await click
        await page.get_by_text(re.compile(said)).first.wait_for(timeout=WAIT_MS)
        found.setdefault(what, []).append(time.perf_counter() - begun)
        await asyncio.sleep(next(pauses))

    for number in range(rounds):
        to_runs = page.get_by_role("link", name="Runs", exact=True).click()
        await timed_click("page Runs", to_runs, r"^[\d,]+ runs$")
        wanted = f"copy-00{number + 10}"
        await page.locator('input[aria-label^="Name or id"]').fill(wanted)
        await timed_click("filter", page.keyboard.press("Enter"), f"{wanted}00")
        tick = page.get_by_role("checkbox").first.check(force=True)
        await timed_click("tick", tick, "1 selected")
        to_compare = page.get_by_role("link", name="Compare", exact=True).click()
        await timed_click("page Compare", to_compare, "Share of the gap closed")
        for view, said in (("Paired", "difference from"), ("Rules", "Rules kept and broken")):
            shown = page.get_by_role("radio", name=view).click()
            await timed_click(f"view {view}", shown, said)
    return found


@dataclass(frozen=True)
class Sessions:
    """Seconds of each click of some sessions, and processor seconds spent meanwhile."""

    found: list[dict[str, list[float]]]
    server_s: float
    browsers_s: float
    wall_s: float

    def said(self, who: str) -> str:
        """Lines for the reader: all clicks, what they cost, and each kind of click."""
        clicks = [taken for one in self.found for kind in one.values() for taken in kind]
        n = len(clicks)
        cpu = self.server_s, self.browsers_s
        shares = ", ".join(
            f"{w} {c / n:.2f}" for w, c in zip(("server", "browsers"), cpu, strict=True)
        )
        lines = [
            f"click to updated, {who:12} median {median(clicks):6.2f} s   "
            f"p95 {p95(clicks):6.2f} s  ({n} clicks)",
            f"    CPU s per click: {shares}; {sum(cpu) / self.wall_s:.2f} cores busy",
        ]
        for kind in self.found[0]:
            every = [taken for one in self.found for taken in one[kind]]
            lines.append(f"    {kind:14} median {median(every):.2f}  max {max(every):.2f}")
        return "\n".join(lines)


async def at_once(
    browser: Browser, address: str, given: argparse.Namespace, count: int, server: int
) -> Sessions:
    """`count` sessions at the same time."""
    contexts = [
        await browser.new_context(viewport={"width": 1280, "height": 900}) for _ in range(count)
    ]
    pages = [await context.new_page() for context in contexts]
    for page in pages:
        await page.goto(address)
        await drawn(page)
    before, began = spent(server), time.perf_counter()
    people = [
        session(page, given.rounds, pauses(given, number)) for number, page in enumerate(pages)
    ]
    found = await asyncio.gather(*people)
    after, wall_s = spent(server), time.perf_counter() - began
    for context in contexts:
        await context.close()
    return Sessions(found, after[0] - before[0], after[1] - before[1], wall_s)


def pauses(given: argparse.Namespace, person: int) -> Iterator[float]:
    """How long a person looks at each page; all the same long where clicks are to coincide."""
    drawn = random.Random(person)  # noqa: S311 - no secret
    while True:
        yield given.think_s if given.in_step else drawn.uniform(0, 2 * given.think_s)


def spent(server: int) -> tuple[float, float]:
    """Processor seconds so far of the server, and of every other process below this one."""
    parents, seconds = {}, {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit():
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                parents[int(folder.name)] = int(fields[1])
                seconds[int(folder.name)] = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    below = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    others = below - {os.getpid(), server}
    return seconds[server], sum(seconds[pid] for pid in others)


def server_ms(folder: Path, rounds: int, name: str, **query: str) -> list[float]:
    """Milliseconds of processor time that views of a page cost the server, the first one first."""
    from streamlit.testing.v1 import AppTest

    os.environ["TRIMTAB_WORKSPACE"] = str(folder)

    def page(name: str) -> None:
        import importlib

        import streamlit as st
        from trimtab_app import navigation

        st.navigation([navigation.page(each) for each in navigation.PAGES], position="hidden")
        importlib.import_module(f"trimtab_app.rooms.{name}").show()

    app = AppTest.from_function(page, default_timeout=120, args=(name,))
    for key, value in query.items():
        app.query_params[key] = value
    return [timed(lambda: app.run()) * 1000 for _ in range(rounds + 1)]


def timed(work: Callable[[], object]) -> float:
    """Processor seconds of `work`."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def p95(values: list[float]) -> float:
    """95th percentile."""
    return quantiles(values, n=20)[-1]


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--think-s", type=float, default=2.0, help="mean pause after each click")
    parser.add_argument("--in-step", action="store_true", help="all pause alike: clicks coincide")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = filled(folder, given.runs)
        others = [f"copy-{number:06d}" for number in range(COMPARED - 1)]
        lengthened(folder, [run, *others])
        listed = server_ms(folder, given.rounds, "runs")
        query = {"base": run, "with": ",".join(others), "view": "Time series", "series": SERIES}
        compared = server_ms(folder, given.rounds, "compare", **query)
        with served(folder) as (address, process):
            async with async_playwright() as playwright:
                path = shutil.which("chromium")
                browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
                paints = [await first_paint(browser, address) for _ in range(given.rounds)]
                alone = await at_once(browser, address, given, 1, process.pid)
                together = await at_once(browser, address, given, given.sessions, process.pid)
                await browser.close()
    print(f"{given.runs} runs, {given.sessions} sessions")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for what, cost in (("Runs page", listed), ("Compare of 20", compared)):
        print(
            f"{what:13} server  first {cost[0]:6.0f} ms, then median {median(cost[1:]):6.0f}, "
            f"max {max(cost[1:]):6.0f} ms CPU"
        )
    print(f"first paint alone     median {median(paints):6.2f} s   max {max(paints):6.2f} s")
    print(alone.said("one session"))
    print(together.said(f"{given.sessions} at once"))


if __name__ == "__main__":
    asyncio.run(main())
