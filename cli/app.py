"""The `attune` command: every topic module adds its commands here."""

from __future__ import annotations

import typer

from cli import demo, stack

app = typer.Typer(
    help="Attune (同频): performance reviews that run by themselves, on time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

stack.register(app)
demo.register(app)
