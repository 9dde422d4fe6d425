"""The command tree. Commands import what they need when they run, so that help stays fast."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from trimtab.cli import (
    door,
    improve,
    inspecting,
    jobs,
    playing,
    plugin_kit,
    running,
    scenarios,
    stored,
    sweeping,
    templates,
)

app = typer.Typer(
    name="trimtab",
    help="Compare, shield, bound and deploy controllers of big systems.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    templates.init,
    scenarios.validate,
    scenarios.schema,
    scenarios.migrate,
    scenarios.scenarios,
    running.run,
    improve.train,
    improve.tune,
    playing.simulate,
    jobs.status,
    jobs.cancel,
    jobs.resume,
    stored.compare,
    stored.reproduce,
    sweeping.sweep,
    running.report,
    playing.export,
    door.app,
    jobs.worker,
    inspecting.plugins,
    plugin_kit.new_plugin,
    plugin_kit.check_plugin,
    inspecting.doctor,
):
    app.command()(command)
app.add_typer(stored.runs)


def _version(wanted: bool) -> None:
    if wanted:
        from trimtab import __version__

        typer.echo(f"trimtab {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
    disable_plugin: Annotated[
        list[str] | None,
        typer.Option("--disable-plugin", metavar="NAME", help="leave a plug-in out; repeatable"),
    ] = None,
) -> None:
    """Compare, shield, bound and deploy controllers of big systems."""
    if disable_plugin:
        from trimtab.contracts.registry import DISABLED

        os.environ[DISABLED] = ",".join(disable_plugin)
