"""`goals`: what people set out to reach, and how far they are."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

import typer

from cli.commands import Noun
from cli.files import FileArgument
from cli.options import DryRun, Limit, Reason, given
from cli.output import Grid, Shown
from cli.session import Session
from cli.sheets import report, send_sheet

goals = Noun("goals", "Goals and check-ins.")
COUNTS = ("total", "created", "rejected")
COLUMNS = ("id", "owner", "goal", "mode", "state", "weight", "progress", "period")
GoalArgument = Annotated[str, typer.Argument(metavar="GOAL", show_default=False, help="Goal id.")]


@goals.command("import")
async def import_goals(
    session: Session,
    file: FileArgument,
    dry_run: DryRun = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="Make them binding at once; HR.")] = False,
) -> Shown:
    """Create goals from a CSV or XLSX file, one row a measure; bad rows are reported."""
    reply = await send_sheet(session, "/goals:import", file, dry_run=dry_run, confirm=confirm)
    return report(reply, COUNTS, "errors", dry_run=dry_run)


@goals.command("list")
async def list_goals(
    session: Session,
    owner: Annotated[str, typer.Option(metavar="ID", help="Of one employee.")] = "",
    everybody: Annotated[bool, typer.Option("--everybody", help="All that I may see, not only mine.")] = False,
    state: Annotated[str, typer.Option(help="In one state, e.g. proposed.")] = "",
    limit: Limit = None,
) -> Shown:
    """List goals: mine, or those of others."""
    query = given(owner_id=owner, everybody=str(everybody).lower(), state=state)
    page = await session.listed("/goals", limit, **query)
    owners = await session.names(each["owner_id"] for each in page.items)
    rows = [_row(each, owners) for each in page.items]
    return Shown(page.value, [Grid(COLUMNS, rows), *page.rest])


@goals.command("show")
async def show_goal(session: Session, goal: GoalArgument) -> Shown:
    """Show a goal with its measures."""
    found = await session.api.get(f"/goals/{goal}")
    owners = await session.names([found["owner_id"]])
    measures = [
        (
            *(each["id"], each["name"], each.get("weight", ""), each.get("baseline", ""), each.get("target", "")),
            *(each.get("value", ""), "yes" if each.get("done") else ""),
        )
        for each in found["measures"]
    ]
    columns = ("id", "measure", "weight", "baseline", "target", "value", "done")
    return Shown(found, [Grid(COLUMNS, [_row(found, owners)]), Grid(columns, measures)])


@goals.command("propose")
async def propose_goal(session: Session, goal: GoalArgument) -> Shown:
    """Ask the owner's manager to confirm a draft."""
    return _changed(await session.api.change(f"/goals/{goal}", ":propose"))


@goals.command("confirm")
async def confirm_goal(session: Session, goal: GoalArgument) -> Shown:
    """Make a proposed goal binding; the owner's manager or HR."""
    return _changed(await session.api.change(f"/goals/{goal}", ":confirm"))


@goals.command("reject")
async def reject_goal(session: Session, goal: GoalArgument, reason: Reason) -> Shown:
    """Send a proposed goal back."""
    return _changed(await session.api.change(f"/goals/{goal}", ":reject", {"reason": reason}))


@goals.command("check-in")
async def check_in_goal(
    session: Session,
    goal: GoalArgument,
    value: Annotated[str, typer.Option(help="The number reached.")] = "",
    measure: Annotated[str, typer.Option(metavar="ID", help="Measure, where the goal has several.")] = "",
    done: Annotated[bool, typer.Option("--done", help="A milestone is reached.")] = False,
    confidence: Annotated[int | None, typer.Option(min=0, max=10, show_default=False, help="0 to 10.")] = None,
    note: Annotated[str, typer.Option(help="What to say of it.")] = "",
) -> Shown:
    """Record how far a goal is."""
    body = given(value=value, measure_id=measure, confidence=confidence, note=note) | ({"done": True} if done else {})
    reply = await session.api.post(f"/goals/{goal}:check-in", body)
    return Shown(reply, [f"Recorded; {reply['goal']['name']} is at {_percent(reply['goal'])}."])


def _changed(goal: Mapping[str, Any]) -> Shown:
    return Shown(dict(goal), [f"{goal['name']} is now {goal['state']}."])


def _row(goal: Mapping[str, Any], owners: Mapping[str, str]) -> tuple[str, ...]:
    owner = goal["owner_id"]
    return (
        *(goal["id"], owners.get(owner, owner), goal["name"], goal.get("mode", ""), goal.get("state", "")),
        *(goal.get("weight", ""), _percent(goal), f"{goal['period_start']} – {goal['period_end']}"),
    )


def _percent(goal: Mapping[str, Any]) -> str:
    """Return the progress, which travels as a share of one, in whole per cent."""
    return f"{Decimal(goal['progress']) * 100:.0f} %" if goal.get("progress") else "no value yet"


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    goals.register(app)
