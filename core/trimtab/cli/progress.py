"""The progress bar on standard error; nothing without a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trimtab.run.execute import OnProgress, RunProgress

MAX_SHOWN = 3


@contextmanager
def progress_bar() -> Iterator[OnProgress | None]:
    """Yield what shows progress, or None where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def show(state: RunProgress) -> None:
            if state.note:
                bar.console.print(state.note, markup=False, highlight=False)
            bar.update(task, total=state.total, completed=state.done, description=_doing(state))

        yield show


def _doing(state: RunProgress) -> str:
    shown = "; ".join(state.running[:MAX_SHOWN])
    more = len(state.running) - MAX_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
