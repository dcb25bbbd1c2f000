"""`export`: results as a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.commands import runnable
from cli.options import CycleOption, given
from cli.output import Exit, Shown, fail
from cli.session import Session

LOOK_SECONDS = 0.5


async def export(
    session: Session,
    kind: Annotated[str, typer.Argument(show_default=False, help="What to export: results.")],
    cycle: CycleOption,
    out: Annotated[Path, typer.Option(dir_okay=False, writable=True, show_default=False, help="CSV file to write.")],
    column: Annotated[list[str], typer.Option(help="A column to export; several times. Default: all.")] = [],
) -> Shown:
    """Write the results of a cycle to a CSV file."""
    if not out.parent.is_dir():
        fail(f"{out.parent} is no directory", Exit.USAGE)
    body = {"kind": kind, "cycle": await session.cycle_id(cycle), **given(columns=column)}
    done = await _finished(session, await session.api.post("/exports", body))
    content = await session.api.download(f"/exports/{done['id']}/file")
    out.write_bytes(content)
    value = {**done, "file": str(out), "bytes": len(content)}
    return Shown(value, [f"{done.get('total', 0)} rows, {len(content)} bytes in {out}"])


async def _finished(session: Session, export: dict[str, Any]) -> dict[str, Any]:
    """Return the export when its file is there; ends the command when it failed."""
    while export["state"] not in ("done", "failed"):
        await asyncio.sleep(LOOK_SECONDS)
        export = await session.api.get(f"/exports/{export['id']}")
    if export["state"] == "failed":
        fail(f"the export failed: {export.get('reason', '')}")
    return export


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(runnable(export))
