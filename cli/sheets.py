"""Imports of sheets: sends the file, and reports each row that was not taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.files import read_bytes
from cli.output import Exit, Grid, Shown
from cli.session import Session


async def send_sheet(
    session: Session, api_path: str, file: Path, reason: str | None = None, **query: Any
) -> dict[str, Any]:
    """Send a CSV or XLSX file; yes-or-no parameters go along as the API reads them."""
    flags = {name: str(value).lower() for name, value in query.items()}
    return await session.api.upload(api_path, file.name, read_bytes(file), {"reason": reason or ""}, **flags)


def report(reply: Mapping[str, Any], counts: Sequence[str], faults: str, *, dry_run: bool) -> Shown:
    """Return what an import did; it has failed, for scripts, when a row was not taken."""
    rows = [_row(each) for each in reply.get(faults, ())]
    done = ", ".join(f"{reply.get(name, 0)} {name}" for name in counts)
    summary = f"{'Checked only: ' if dry_run else ''}{done}."
    grid = [Grid(("line", "column", "code", "what is wrong"), rows)] if rows else []
    return Shown(dict(reply), [*grid, summary], Exit.FAILED if rows else Exit.OK)


def _row(fault: Mapping[str, Any]) -> tuple[str, ...]:
    line = fault.get("line", fault.get("index", ""))
    return str(line), fault.get("column", ""), fault.get("code", ""), fault.get("message", "")
