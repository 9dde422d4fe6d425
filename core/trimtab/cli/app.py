"""The command tree. Commands import what they need when they run, so that help stays fast."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

if TYPE_CHECKING:
    from typer._click import Command, Context

COMMANDS = {
    "init": "templates",
    "validate": "scenarios",
    "schema": "scenarios",
    "migrate": "scenarios",
    "scenarios": "scenarios",
    "run": "running",
    "train": "improve",
    "tune": "improve",
    "simulate": "playing",
    "status": "jobs",
    "cancel": "jobs",
    "resume": "jobs",
    "compare": "stored",
    "reproduce": "stored",
    "sweep": "sweeping",
    "report": "running",
    "export": "playing",
    "app": "door",
    "worker": "jobs",
    "plugins": "inspecting",
    "new-plugin": "plugin_kit",
    "check-plugin": "plugin_kit",
    "doctor": "inspecting",
    "runs": "stored",
}
"""Command → the module of this package whose function, or command family, has its name."""
PLAIN: Any = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}


class Tree(TyperGroup):
    """Makes a command when it is asked for: one that runs need not read all the others."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]  # for suggestions

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"trimtab.cli.{COMMANDS[cmd_name]}")
        found = getattr(module, cmd_name.replace("-", "_"))
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(**PLAIN)
            found.command(cmd_name)(function)
        return get_command(found)


app = typer.Typer(
    name="trimtab",
    cls=Tree,
    help="Compare, shield, bound and deploy controllers of big systems.",
    no_args_is_help=True,
    **PLAIN,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
