"""The folder of files that an importer made: it appears whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trimtab.contracts.errors import InputFileError

ENDING = "-files"


def import_folder(folder: Path, name: str) -> Path:
    """Where the converted files of scenario `name` go, beside its file in `folder`."""
    return folder.resolve() / f"{name}{ENDING}"


@contextmanager
def filling(target: Path) -> Iterator[Path]:
    """A folder to fill, which is put in the place of `target` in one step at the end.

    Raises:
        InputFileError: there is one already.
    """
    if target.exists():
        name = target.name.removesuffix(ENDING)
        msg = (
            f"{target}: is there already; move it away or end the command init with a file "
            f"of another name, such as {name}-2.yaml"
        )
        raise InputFileError(msg)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".importing-") as staging:
        whole = Path(staging) / "files"
        whole.mkdir()
        yield whole
        whole.rename(target)
