"""`init`: a commented scenario file to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.options import AsJson
from trimtab.cli.session import Session


def init(
    domain: Annotated[
        str, typer.Option("--domain", metavar="DOMAIN", help="a domain, e.g. traffic.signals")
    ],
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="write here; standard output if absent")
    ] = None,
    json_: AsJson = False,
) -> None:
    """Write a commented scenario file of a domain."""
    with Session(as_json=json_) as session:
        from trimtab.contracts.errors import InputFileError
        from trimtab.contracts.registry import load_domain
        from trimtab.run.template import scenario_template

        text = scenario_template(load_domain(domain), "scenario" if file is None else file.stem)
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
