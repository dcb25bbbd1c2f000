"""`stalled`, `ops`: what holds things up, and what the workflow engine knows; `explain` stands beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    return Shown(page.value, [await stalled_grid(session, page.items, "Nothing is stalled."), *page.rest])


async def stalled_grid(session: Session, items: Sequence[Mapping[str, Any]], empty: str) -> Grid:
    """Return rows as a table."""
    names = await session.names(each.get("assignee_id") for each in items)
    clock = await session.clock()
    return Grid(STALLED_COLUMNS, [_row(each, names, clock) for each in items], empty=empty)


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
    """Show how far the bridge and every consumer is behind the event logs, with what was set aside."""
    found = await session.api.get("/ops/lag")
    rows = [
        (
            *(each["consumer"], each["producer"], f"{each.get('seconds', 0):.1f}", str(each.get("parked") or "")),
            each.get("parked_error", "") or ("" if each.get("reachable") else "the log cannot be read"),
        )
        for each in found["lags"]
    ]
    silent = [f"{name} does not answer." for name in found["silent"]]
    return Shown(found, [Grid(("consumer", "log", "seconds", "set aside", "why"), rows), *silent])


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
    coming = found.get("next", {})
    facts["next"] = f"{coming.get('action', '')} {coming.get('stage', '')} {clock(coming.get('at'))}".strip()
    lines: list[Block] = [f"{name:<9} {value}" for name, value in facts.items() if value]
    stages = [
        (
            each["key"],
            each["state"],
            clock(each.get("open_at")),
            clock(each.get("due_at")),
            each.get("blocked_reason", ""),
        )
        for each in found.get("stages", ())
    ]
    shown = Grid(("activity", "attempt", "", "next", "last error"), pending, empty="No pending activities.")
    return [*lines, shown, *([Grid(("stage", "state", "open", "due", "blocked"), stages)] if stages else ())]


def _row(row: Mapping[str, Any], names: Mapping[str, str], clock: Clock) -> tuple[str, ...]:
    assignee, coming = row.get("assignee_id", ""), row.get("next", {})
    cause = row.get("cause", "") + (f": {row['detail']}" if row.get("detail") else "")
    remedies = [f"{each['action'].replace('_', '-')} ({each.get('role', '')})" for each in row.get("remedies", ())]
    return (
        *(
            row.get("task_id") or row.get("participant_id") or row.get("cycle_id", ""),
            row["kind"],
            row.get("stage", ""),
        ),
        *(names.get(assignee, assignee), cause, clock(row.get("since")), clock(row.get("due_at"))),
        f"{coming.get('action', '')} {clock(coming.get('at'))}".strip(),
        ", ".join(remedies),
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    app.command()(runnable(stalled))
    ops.register(app)
