"""`explain`: why one thing waits, and doing what its rows say can be done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from cli.client import Problem
from cli.commands import runnable
from cli.operations import stalled_grid
from cli.output import Exit, Shown, fail
from cli.session import Page, Session, is_id

NOT_FOUND = 404
# What a remedy needs beyond what its call fixes: field of the body → option of this command.
NEEDS: Mapping[str, Mapping[str, str]] = {
    "remind": {"reason": "--reason"},
    "reassign": {"assignee": "--to", "reason": "--reason"},
    "assign": {"owner": "--to", "reason": "--reason"},
    "extend": {"until": "--until", "reason": "--reason"},
    "reopen_stage": {"until": "--until", "reason": "--reason"},
    "close_stage": {"reason": "--reason"},
    "resume": {"reason": "--reason"},
    "release": {"reason": "--reason"},
    "restart_workflow": {"reason": "--reason"},
}
ELSEWHERE = {
    "enter_actuals": "give the values with ./attune actuals import FILE --cycle CYCLE --reason …",
    "start_process": "no call starts a process",
}


async def explain(
    session: Session,
    what: Annotated[
        str,
        typer.Argument(metavar="TASK_OR_PARTICIPANT|CYCLE", show_default=False, help="Id; of a cycle also its name."),
    ],
    do: Annotated[
        str, typer.Option("--do", metavar="REMEDY", help="Do it: remind, reassign, extend, restart-workflow …")
    ] = "",
    to: Annotated[str, typer.Option(help="Whom to give it to: code or id.")] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="New deadline; in the company's zone.")] = "",
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")] = "",
) -> Shown:
    """Tell why a task, a participant or a cycle waits, and with --do have done what can be done about it."""
    page = await _rows(session, what)
    if not do:
        empty = "Nothing waits here: it is done, has not begun, or is unknown."
        return Shown(page.value, [await stalled_grid(session, page.items, empty), *page.rest])
    remedy = _chosen(page.items, do.replace("-", "_"), what)
    deadline = (await session.clock(reads=True)).instant(until, "--until") if until else ""
    path, body = _call(remedy, {"--to": to, "--until": deadline, "--reason": reason})
    return Shown(await session.api.post(path, body), [f"Done: POST /v1{path}"])


async def _rows(session: Session, what: str) -> Page:
    """The rows of a task, else of a participant, else of a cycle with this id or name."""
    if is_id(what):
        for kind in ("task", "participant"):
            page = await session.listed("/ops/explain", None, **{kind: what})
            if any(row.get(f"{kind}_id") == what for row in page.items):
                return page
    try:
        return await session.listed("/ops/explain", None, cycle=await session.cycle_id(what))
    except Problem as problem:
        if problem.status != NOT_FOUND:
            raise
        return Page([])


def _chosen(rows: Sequence[Mapping[str, Any]], action: str, what: str) -> Mapping[str, str]:
    """The one remedy of this name, of the thing itself before that of what is around it; ends the command without."""
    own = [row for row in rows if what in (row.get("task_id"), row.get("participant_id"))]
    found = _remedies(own, action) or _remedies(rows, action)
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        fail(f"{action} can be done to {len(found)} things here; explain one of them by its id", Exit.USAGE)
    possible = sorted({each["action"].replace("_", "-") for row in rows for each in row.get("remedies", ())})
    fail(f"{action} is no remedy here; what can be done: {', '.join(possible) or 'nothing'}", Exit.USAGE)


def _remedies(rows: Sequence[Mapping[str, Any]], action: str) -> dict[str, Mapping[str, str]]:
    """The remedies of this name by their calls."""
    return {each["call"]: each for row in rows for each in row.get("remedies", ()) if each["action"] == action}


def _call(remedy: Mapping[str, str], options: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Path and body of a remedy that is posted; ends the command where an option is missing or no call does it."""
    action = remedy["action"]
    if action not in NEEDS:
        fail(f"{ELSEWHERE.get(action, 'this command cannot do it')}; {remedy['call']}", Exit.USAGE)
    missing = [option for option in NEEDS[action].values() if not options[option]]
    if missing:
        fail(f"{action} needs {' and '.join(missing)} (by {remedy.get('role', 'HR')})", Exit.USAGE)
    _, path, *fixed = remedy["call"].split(" ", 2)
    body = {name: options[option] for name, option in NEEDS[action].items()}
    return path.removeprefix("/v1"), {**(json.loads(fixed[0]) if fixed else {}), **body}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(runnable(explain))
