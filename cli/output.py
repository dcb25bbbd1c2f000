"""How commands speak: results on standard output, progress and complaints on standard error, exit codes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any, NoReturn

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON, problems as JSON on stderr.")]

SHORT_CELL = 20  # columns of a terminal: an instant, a key, a code with a name

results = Console(highlight=False, soft_wrap=True)
progress = Console(stderr=True, highlight=False, soft_wrap=True)


class Exit(IntEnum):
    """What a command's exit code says."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3


class Failure(Exception):
    """Ends a command: what went wrong in words and as a problem, where it stands in a file, and the exit code."""

    def __init__(
        self,
        message: str,
        code: Exit = Exit.FAILED,
        *,
        problem: Mapping[str, Any] | None = None,
        places: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.places = message, code, tuple(places)
        self.problem = dict(problem or {"title": code.name.title(), "detail": message, "code": code.name, "errors": []})


@dataclass(frozen=True)
class Grid:
    """Rows under a header, said to be empty where there are none."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    empty: str = "Nothing to show."


Block = str | Grid


@dataclass(frozen=True)
class Shown:
    """What a command answers: the value for programs, blocks for people, and the exit code."""

    value: Any
    blocks: Sequence[Block] = ()
    code: Exit = Exit.OK


def print_json(value: Any) -> None:
    """Print a result for programs: JSON, in one piece, with Chinese text as it is."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_block(block: Block) -> None:
    """Print text, or a table: drawn on a terminal, in aligned columns of full length elsewhere."""
    if isinstance(block, str):
        results.print(block, markup=False)
    elif not block.rows:
        results.print(block.empty, markup=False)
    elif results.is_terminal:
        results.print(drawn(block))
    else:
        for line in aligned(block):
            typer.echo(line)


def drawn(grid: Grid) -> Table:
    """Return a table for a terminal; where it is too wide, long cells are folded and short ones are not."""
    table = Table(title=grid.title or None, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(grid.columns):
        widest = max((cell_len(row[number]) for row in grid.rows), default=0)
        stays_whole = number == 0 or widest <= SHORT_CELL
        table.add_column(column, header_style="bold", no_wrap=stays_whole, overflow="fold")
    for row in grid.rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def aligned(grid: Grid) -> list[str]:
    """Return header and rows as lines; a Chinese character is two columns wide."""
    lines = [grid.columns, *grid.rows]
    widths = [max(cell_len(line[number]) for line in lines) for number in range(len(grid.columns))]
    padded = ("  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True))
              for line in lines)  # fmt: skip
    return [*([grid.title] if grid.title else []), *(line.rstrip() for line in padded)]


def fail(message: str, code: Exit = Exit.FAILED) -> NoReturn:
    """Say what went wrong and end the command."""
    raise Failure(message, code)


def tell(failure: Failure, *, as_json: bool) -> None:
    """Say on standard error why a command ended."""
    if as_json:
        typer.echo(json.dumps(failure.problem, ensure_ascii=False, indent=2), err=True)
        return
    progress.print("[bold red]✗[/]", end=" ")
    progress.print(failure.message, markup=False)
    for place in failure.places:
        progress.print(f"  {place}", markup=False)
