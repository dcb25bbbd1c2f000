"""Arguments and options that several commands share, and small readers of what was typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import Exit, fail

CycleArgument = Annotated[str, typer.Argument(metavar="CYCLE", show_default=False, help="Cycle: id or name.")]
CycleFilter = Annotated[str, typer.Option("--cycle", metavar="CYCLE", help="Of one cycle only: id or name.")]
CycleOption = Annotated[str, typer.Option("--cycle", metavar="CYCLE", show_default=False, help="Cycle: id or name.")]
Reason = Annotated[str, typer.Option(show_default=False, help="Why; kept in the audit trail.")]
Until = Annotated[
    str, typer.Option(metavar="TIME", show_default=False, help="New deadline; without an offset in the company's zone.")
]
Limit = Annotated[
    int | None, typer.Option(min=0, show_default=False, help="At most this many; 0: all. Default 50, with --json all.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check the file and change nothing.")]
EvidenceOption = Annotated[
    list[str],
    typer.Option("--evidence", metavar="NAME=URL#SHA256", help="Proof: name, address, digest; several times."),
]


def pairs(given: list[str], option: str) -> dict[str, str]:
    """Return NAME=VALUE arguments by name; ends the command where one has no =."""
    found = [text.partition("=") for text in given]
    for name, equals, _ in found:
        if not name or not equals:
            fail(f"{option}: write NAME=VALUE, not {name or '='}", Exit.USAGE)
    return {name: value for name, _, value in found}


def evidence(given: list[str]) -> list[dict[str, str]]:
    """Return NAME=URL#SHA256 arguments as the API has them; ends the command where one has no digest."""
    proofs = []
    for name, address in pairs(given, "--evidence").items():
        url, mark, digest = address.rpartition("#")
        if not mark:
            fail(f"--evidence: {name} has no #SHA256 after its address", Exit.USAGE)
        proofs.append({"name": name, "url": url, "sha256": digest})
    return proofs


def json_or_file(text: str, what: str) -> Any:
    """Return JSON that was typed, or that the named file holds; ends the command where it is neither."""
    path = Path(text)
    is_file = not text.lstrip().startswith(("{", "[")) and path.is_file()
    try:
        return json.loads(path.read_text(encoding="utf-8") if is_file else text)
    except ValueError as error:
        fail(f"{what}: neither JSON nor a file with JSON: {error}", Exit.USAGE)


def given(**values: Any) -> dict[str, Any]:
    """Return the fields of a body that were given."""
    return {name: value for name, value in values.items() if value not in (None, "", [])}
