"""The progress bar on standard error; without a terminal what a reader should know, no more."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trimtab.run.execute import OnProgress, RunProgress

MAX_SHOWN = 3


@contextmanager
def progress_bar() -> Iterator[OnProgress]:
    """Yield what shows progress; notes alone where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield _note_alone
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


def _note_alone(state: RunProgress) -> None:
    if state.note:
        sys.stderr.write(f"{state.note}\n")


def _doing(state: RunProgress) -> str:
    shown = "; ".join(state.running[:MAX_SHOWN])
    more = len(state.running) - MAX_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
