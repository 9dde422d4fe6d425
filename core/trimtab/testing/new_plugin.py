"""Writes a new plug-in from the template that the package carries."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from trimtab.contracts.errors import TrimtabError

_NAME = re.compile(r"[a-z]{2,30}")


def new_plugin(folder: Path) -> tuple[Path, ...]:
    """Write a plug-in that installs and conforms, named after its folder; return its files.

    Args:
        folder: must not exist, or be empty; its name is the domain's.

    Raises:
        TrimtabError: the name is no domain name, or the folder holds something.
    """
    name = folder.resolve().name
    if not _NAME.fullmatch(name):
        msg = f"{name!r} is no name of a domain: name the folder with 2 to 30 letters a-z"
        raise TrimtabError(msg)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"{folder}: is there already and not an empty folder; name a new one"
        raise TrimtabError(msg)
    package = folder / f"trimtab_{name}"
    texts = {
        folder / "pyproject.toml": "pyproject.toml.txt",
        package / "domain.toml": "domain.toml.txt",
        package / "domain.py": "domain.py.txt",
        package / "scenarios" / "first.yaml": "first.yaml.txt",
        folder / "tests" / "test_domain.py": "test_domain.py.txt",
    }
    try:
        return tuple(_write(path, _text(source, name)) for path, source in texts.items()) + (
            _write(package / "__init__.py", f'"""The domain {name}."""\n'),
        )
    except OSError as error:
        msg = f"{folder}: cannot be written: {error.strerror}"
        raise TrimtabError(msg) from None


def _text(source: str, name: str) -> str:
    path = files("trimtab.testing") / "template" / source
    return path.read_text(encoding="utf-8").replace("@NAME@", name)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
