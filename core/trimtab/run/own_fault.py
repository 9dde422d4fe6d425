"""What the engineer's own controller raises, said in one line with its place in her file."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trimtab.contracts.errors import RunFailedError, TrimtabError
from trimtab.run.controllers import Choice

TRACE_FILE = "traceback.txt"


@contextmanager
def own_faults(choice: Choice, folder: Path) -> Iterator[None]:
    """Say what an own controller raises in one line; its whole trace is kept in `folder`.

    Raises:
        RunFailedError: it raised; names its file and line.
    """
    try:
        yield
    except TrimtabError:
        raise
    except Exception as error:
        own = {path.resolve() for path in choice.files}
        frames = traceback.extract_tb(error.__traceback__)
        places = [frame for frame in frames if Path(frame.filename).resolve() in own]
        if not places:
            raise
        folder.mkdir(parents=True, exist_ok=True)
        trace = folder / TRACE_FILE
        trace.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        at = places[-1]
        msg = (
            f"{choice.name}: {type(error).__name__}: {error} ({at.filename}:{at.lineno}, in "
            f"{at.name}); the whole trace: {trace}"
        )
        raise RunFailedError(msg) from error
