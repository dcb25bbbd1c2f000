"""`actuals`: what was achieved on quantitative indicators."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands import Noun
from cli.files import FileArgument
from cli.options import CycleOption, DryRun, Limit
from cli.output import Grid, Shown
from cli.session import Session
from cli.sheets import report, send_sheet

actuals = Noun("actuals", "What was achieved on quantitative indicators.")
COUNTS = ("total", "stored")


@actuals.command("import")
async def import_actuals(
    session: Session,
    file: FileArgument,
    cycle: CycleOption,
    reason: Annotated[
        str | None, typer.Option(show_default=False, help="Why; needed to correct values that are locked.")
    ] = None,
    dry_run: DryRun = False,
) -> Shown:
    """Load values from a CSV or XLSX file; bad rows are reported."""
    path = f"/cycles/{await session.cycle_id(cycle)}/actuals:import"
    return report(await send_sheet(session, path, file, reason, dry_run=dry_run), COUNTS, "failed", dry_run=dry_run)


@actuals.command("list")
async def list_actuals(
    session: Session,
    cycle: CycleOption,
    missing: Annotated[bool, typer.Option("--missing", help="Only what has no value yet.")] = False,
    limit: Limit = None,
) -> Shown:
    """List the values that I provide or may see, missing ones included."""
    path = f"/cycles/{await session.cycle_id(cycle)}/actuals"
    page = await session.listed(path, limit, missing=str(missing).lower())
    providers = await session.names(each.get("provider_id") for each in page.items)
    rows = [
        (
            *(each.get("employee_code", ""), each["item"], each.get("value", "missing")),
            *(providers.get(each.get("provider_id", ""), ""), "locked" if each.get("locked") else ""),
        )
        for each in page.items
    ]
    return Shown(page.value, [Grid(("code", "item", "value", "provider", ""), rows), *page.rest])


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    actuals.register(app)
