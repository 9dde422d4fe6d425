"""What every command keeps: data alone on standard output, one line per error, exit codes.

Exit codes: 0 ok, 1 run failed, 2 usage or invalid scenario, 3 missing dependency, 4 constraint
violated (with --strict), 130 interrupted.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from types import TracebackType
from typing import Any, TextIO

import typer

INTERRUPTED = 130
FILE_COLUMNS = 140


class Session:
    """Runs one command: ``with Session(as_json=...) as session``.

    While it is open, descriptor 1 points at standard error, so that nothing domain code or its
    libraries print ever mixes with data; the command writes data through the session.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._data: TextIO = sys.stdout

    def __enter__(self) -> Session:
        sys.stdout.flush()
        self._data = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self.terminal = self._data.isatty()
        os.dup2(2, 1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        code = self._failed(error) if error is not None else None
        sys.stdout.flush()
        self._flush()
        os.dup2(self._data.fileno(), 1)
        self._data.close()
        if code is not None:
            raise typer.Exit(code) from None

    def _flush(self) -> None:
        try:
            self._data.flush()
        except BrokenPipeError:  # the reader went away (| head)
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._data.fileno())

    def _failed(self, error: BaseException) -> int | None:
        """Say what went wrong in one line; None for a bug, which keeps its traceback."""
        from trimtab.contracts.errors import ScenarioError, TrimtabError
        from trimtab.run.machine_faults import machine_fault  # here, so that help stays fast

        if isinstance(error, BrokenPipeError):  # the reader went away (| head): it has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._data.fileno())
            return 0
        if isinstance(error, KeyboardInterrupt):
            self.note("interrupted; finished jobs are kept, run the same command to go on")
            return INTERRUPTED
        error = machine_fault(error) or error
        if not isinstance(error, TrimtabError):
            return None
        prefix = "" if isinstance(error, ScenarioError) else "trimtab: "
        self.note(f"{prefix}{error}")
        if self.as_json:
            self.document("trimtab/error/1", error=str(error), exit_code=error.exit_code)
        return error.exit_code

    def text(self, text: str) -> None:
        """Write data for a reader, unless --json was given."""
        if not self.as_json:
            self._data.write(f"{text}\n")

    def document(self, schema: str, **content: Any) -> None:
        """Write the one JSON document of a command, where --json was given."""
        if self.as_json:
            self._data.write(json.dumps({"schema": schema, **content}, indent=2) + "\n")

    def raw(self, text: str) -> None:
        """Write data as it is, with or without --json."""
        self._data.write(text)

    def note(self, text: str) -> None:
        """Write a line for the reader to standard error."""
        sys.stderr.write(f"{text}\n")

    def table(self, columns: list[str], rows: list[list[str]]) -> None:
        """Write an aligned table, unless --json was given."""
        widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
        for row in [columns, *rows]:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            self.text("  ".join(cells).rstrip())

    @property
    def columns(self) -> int:
        """Width to lay tables out for: the terminal's, or a fixed one for files."""
        if not self.terminal:
            return FILE_COLUMNS
        try:
            return os.get_terminal_size(self._data.fileno()).columns
        except OSError:
            return FILE_COLUMNS

    @property
    def stream(self) -> TextIO:
        """Where data goes, for writers of their own."""
        return self._data


def command_line() -> str:
    """The command that is running, quoted for a shell."""
    return shlex.join(["trimtab", *sys.argv[1:]])
