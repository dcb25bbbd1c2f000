"""`people`: the staff list."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands import Noun
from cli.files import FileArgument
from cli.options import DryRun, Limit, given
from cli.output import Grid, Shown
from cli.session import Session
from cli.sheets import report, send_sheet

people = Noun("people", "The staff list.")
COUNTS = ("total", "created", "updated", "unchanged", "rejected")


@people.command("import")
async def import_people(session: Session, file: FileArgument, dry_run: DryRun = False) -> Shown:
    """Load employees from a CSV or XLSX file; good rows load, bad rows are reported."""
    reply = await send_sheet(session, "/employees:import", file, dry_run=dry_run)
    return report(reply, COUNTS, "errors", dry_run=dry_run)


@people.command("list")
async def list_people(
    session: Session,
    query: Annotated[str, typer.Option(help="Part of a code, name or e-mail.")] = "",
    limit: Limit = None,
) -> Shown:
    """List employees."""
    page = await session.listed("/employees", limit, **given(query=query))
    managers = await session.names(each.get("manager_id") for each in page.items)
    rows = [
        (
            *(each["code"], each.get("name", ""), each.get("department_path", ""), each.get("post", "")),
            *(managers.get(each.get("manager_id", ""), ""), each["id"]),
        )
        for each in page.items
    ]
    return Shown(page.value, [Grid(("code", "name", "department", "post", "manager", "id"), rows), *page.rest])


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    people.register(app)
