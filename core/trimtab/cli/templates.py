"""`init`: a commented scenario file to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.options import AsJson
from trimtab.cli.session import Session


def _name(file: Path | None, imported: list[Path]) -> str:
    """Name of the scenario: that of its file, or of the first file it is made of."""
    first = file or next(iter(imported), Path("scenario"))
    return first.name.partition(".")[0] or "scenario"


def init(
    domain: Annotated[
        str, typer.Option("--domain", metavar="DOMAIN", help="a domain, e.g. traffic.signals")
    ],
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="write here; standard output if absent")
    ] = None,
    from_: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="PATH", help="make it of this file of yours; repeatable"),
    ] = None,
    json_: AsJson = False,
) -> None:
    """Write a commented scenario file of a domain, empty or made of your own files."""
    with Session(as_json=json_) as session:
        from trimtab.contracts.errors import InputFileError
        from trimtab.contracts.registry import load_domain
        from trimtab.run.template import scenario_template

        if file is not None and file.exists():
            msg = f"{file}: cannot be written: it is there already"
            raise InputFileError(msg)
        name = _name(file, from_ or [])
        found = load_domain(domain)
        folder = Path.cwd() if file is None else file.parent
        imported = found.from_files(from_, folder, name) if from_ else None
        text = scenario_template(found, name, imported)
        if file is None:
            session.document("trimtab/template/1", domain=domain, text=text)
            session.text(text.rstrip())
            return
        try:
            with file.open("x", encoding="utf-8") as out:
                out.write(text)
        except OSError as error:
            msg = f"{file}: cannot be written: {error.strerror}"
            raise InputFileError(msg) from None
        session.text(f"{file}: written; next: trimtab validate {file}")
        session.document("trimtab/template/1", domain=domain, file=str(file))
