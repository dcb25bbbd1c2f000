"""`stalled`, `ops`: what holds things up, and what the workflow engine knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.commands import Noun, runnable
from cli.options import CycleArgument, CycleFilter, Limit, Reason, given
from cli.output import Block, Grid, Shown
from cli.session import Clock, Session

ops = Noun("ops", "For operators: workflows and event logs.")
STALLED_COLUMNS = ("id", "kind", "stage", "on", "cause", "since", "due", "next", "what can be done")


async def stalled(
    session: Session,
    cycle: CycleFilter = "",
    stage: Annotated[str, typer.Option(help="Of one stage: its key.")] = "",
    waiting: Annotated[bool, typer.Option("--waiting", help="Also what waits and is not overdue.")] = False,
    limit: Limit = None,
) -> Shown:
    """Show what is stalled: on whom, since when, what happens next, who can do what; --json has the exact calls."""
    query = given(cycle=await session.cycle_id(cycle) if cycle else "", stage=stage)
    page = await session.listed("/ops/stalled", limit, **query, include_waiting=str(waiting).lower())
    names = await session.names(each.get("assignee_id") for each in page.items)
    clock = await session.clock()
    rows = [_row(each, names, clock) for each in page.items]
    return Shown(page.value, [Grid(STALLED_COLUMNS, rows, empty="Nothing is stalled."), *page.rest])


@ops.command("cycle")
async def show_engine(session: Session, cycle: CycleArgument) -> Shown:
    """Show the workflow of a cycle: id, run, state, pending activities."""
    found = await session.api.get(f"/ops/cycles/{await session.cycle_id(cycle)}")
    return Shown(found, await _engine(session, found))


@ops.command("restart-workflow")
async def restart_workflow(session: Session, cycle: CycleArgument, reason: Reason) -> Shown:
    """End the workflow of a cycle and start it again from the rows."""
    path = f"/ops/cycles/{await session.cycle_id(cycle)}:restart-workflow"
    found = await session.api.post(path, {"reason": reason})
    return Shown(found, await _engine(session, found))


@ops.command("lag")
async def show_lag(session: Session) -> Shown:
    """Show how far the bridge is behind each event log."""
    found = await session.api.get("/ops/lag")
    rows = [(each["consumer"], each["producer"], f"{each.get('seconds', 0):.1f}") for each in found.get("lags", ())]
    return Shown(found, [Grid(("consumer", "log", "seconds"), rows)])


async def _engine(session: Session, found: Mapping[str, Any]) -> list[Block]:
    clock = await session.clock()
    facts = {
        "workflow": found.get("workflow_id", ""),
        "run": found.get("run_id", ""),
        "state": found.get("state", ""),
        "started": clock(found.get("start_time")),
        "history": f"{found.get('history_length', 0)} events, {found.get('history_bytes', 0)} bytes",
        "failing": found.get("workflow_task_error", ""),
    }
    pending = [
        (
            *(each["name"], str(each.get("attempt", "")), "running" if each.get("started") else "waiting"),
            *(clock(each.get("next_attempt_time")), each.get("last_error", "")),
        )
        for each in found.get("pending_activities", ())
    ]
    lines: list[Block] = [f"{name:<9} {value}" for name, value in facts.items() if value]
    return [*lines, Grid(("activity", "attempt", "", "next", "last error"), pending, empty="No pending activities.")]


def _row(row: Mapping[str, Any], names: Mapping[str, str], clock: Clock) -> tuple[str, ...]:
    assignee, coming = row.get("assignee_id", ""), row.get("next", {})
    cause = row.get("cause", "") + (f": {row['detail']}" if row.get("detail") else "")
    remedies = [f"{each['action']} ({each.get('role', '')})" for each in row.get("remedies", ())]
    return (
        *(row.get("task_id") or row.get("cycle_id", ""), row.get("kind", ""), row.get("stage", "")),
        *(names.get(assignee, assignee), cause, clock(row.get("since")), clock(row.get("due_at"))),
        f"{coming.get('action', '')} {clock(coming.get('at'))}".strip(),
        ", ".join(remedies),
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    app.command()(runnable(stalled))
    ops.register(app)
