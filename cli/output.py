"""How commands speak: results on standard output, progress and complaints on standard error, exit codes."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

results = Console(highlight=False, soft_wrap=True)
progress = Console(stderr=True, highlight=False, soft_wrap=True)


class Exit(IntEnum):
    """What a command's exit code says."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3


def print_json(value: Any) -> None:
    """Print a result for programs: JSON, in one piece, with Chinese text as it is."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def fail(message: str, code: Exit = Exit.FAILED) -> NoReturn:
    """Say what went wrong and end the command."""
    progress.print("[bold red]✗[/]", end=" ")
    progress.print(message, markup=False)
    raise typer.Exit(code)
