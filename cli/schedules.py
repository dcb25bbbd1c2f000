"""`schedules`: cycles that come again by themselves."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands import Noun
from cli.files import FileArgument, read_document
from cli.options import Limit
from cli.output import Grid, Shown
from cli.session import Session

schedules = Noun("schedules", "Cycles that come again by themselves.")
ScheduleArgument = Annotated[str, typer.Argument(metavar="SCHEDULE", show_default=False, help="Schedule id.")]


@schedules.command("create")
async def create_schedule(session: Session, file: FileArgument) -> Shown:
    """Create a recurring cycle from a YAML or JSON file."""
    session.document = read_document(file)
    made = await session.api.post("/cycle-schedules", session.document.mapping())
    clock = await session.clock()
    return Shown(made, [f"Created {made['name']}: {made['id']}; next launch {clock(made.get('next_time'))}"])


@schedules.command("list")
async def list_schedules(session: Session, limit: Limit = None) -> Shown:
    """List recurring cycles with their next launch."""
    page = await session.listed("/cycle-schedules", limit)
    clock = await session.clock()
    rows = [
        (
            *(each["id"], each["name"], each.get("kind", ""), each.get("template", "")),
            *("paused" if each.get("paused") else clock(each.get("next_time")), str(each.get("launched", 0))),
        )
        for each in page.items
    ]
    columns = ("id", "name", "kind", "template", "next launch", "launched")
    return Shown(page.value, [Grid(columns, rows), *page.rest])


@schedules.command("pause")
async def pause_schedule(session: Session, schedule: ScheduleArgument) -> Shown:
    """Stop a recurring cycle from launching."""
    changed = await session.api.post(f"/cycle-schedules/{schedule}:pause")
    return Shown(changed, [f"{changed['name']} is paused."])


@schedules.command("resume")
async def resume_schedule(session: Session, schedule: ScheduleArgument) -> Shown:
    """Let a recurring cycle launch again."""
    changed = await session.api.post(f"/cycle-schedules/{schedule}:resume")
    clock = await session.clock()
    return Shown(changed, [f"{changed['name']} launches next {clock(changed.get('next_time'))}."])


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    schedules.register(app)
