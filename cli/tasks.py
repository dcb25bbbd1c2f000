"""`tasks`: what people owe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.commands import Noun
from cli.files import read_document
from cli.options import CycleFilter, Limit, Reason, Until, given, pairs
from cli.output import Exit, Grid, Shown, fail
from cli.session import Session
from cli.task_views import task_blocks, task_grid

tasks = Noun("tasks", "What people owe; alone: what I owe, most urgent first.")
TaskArgument = Annotated[str, typer.Argument(metavar="TASK", show_default=False, help="Task id.")]
ValueOption = Annotated[list[str], typer.Option("--answer", metavar="ITEM=VALUE", help="An answer; several times.")]
TextOption = Annotated[list[str], typer.Option("--text", metavar="ITEM=TEXT", help="An answer in words.")]
AnswersFile = Annotated[
    Path | None,
    typer.Option(
        "--file", exists=True, dir_okay=False, help="YAML or JSON: {answers: [{item, value, text …}], comment}."
    ),
]
Comment = Annotated[str, typer.Option(help="Comment on the whole.")]


@tasks.listing
async def list_tasks(
    session: Session,
    mine: Annotated[bool, typer.Option("--mine/--everybody", help="Mine, or all that I may see.")] = True,
    cycle: CycleFilter = "",
    stage: Annotated[str, typer.Option(help="Of one stage: its key.")] = "",
    state: Annotated[str, typer.Option(help="In one state, e.g. open.")] = "",
    overdue: Annotated[bool, typer.Option("--overdue", help="Past their deadline.")] = False,
    owed: Annotated[bool, typer.Option("--owed/--all", help="What is still to be done, or all.")] = True,
    limit: Limit = None,
) -> Shown:
    """List tasks: what I owe, most urgent first, or what everybody owes."""
    query = given(cycle=await session.cycle_id(cycle) if cycle else "", stage=stage, state=state)
    flags = {"overdue": overdue, "owed": owed and not state, "everybody": not mine}
    query |= {name: "true" for name, value in flags.items() if value}
    page = await session.listed("/tasks", limit, **query)
    return Shown(page.value, [await task_grid(session, page.items), *page.rest])


@tasks.command("show")
async def show_task(session: Session, task: TaskArgument) -> Shown:
    """Show a task with its form, my draft or submission, and what else I may see."""
    found = await session.api.get(f"/tasks/{task}")
    return Shown(found, await task_blocks(session, found))


@tasks.command("save")
async def save_task(
    session: Session,
    task: TaskArgument,
    answer: ValueOption = [],
    text: TextOption = [],
    file: AnswersFile = None,
    comment: Comment = "",
) -> Shown:
    """Keep answers as a draft."""
    body, found = await _answers(session, task, answer, text, file, comment)
    body.pop("signature", None)
    saved = await session.api.post(f"/tasks/{found['id']}:save", body)
    return Shown(saved, [f"Saved as a draft; due {(await session.clock())(saved.get('due_at'))}."])


@tasks.command("submit")
async def submit_task(
    session: Session,
    task: TaskArgument,
    answer: ValueOption = [],
    text: TextOption = [],
    file: AnswersFile = None,
    comment: Comment = "",
    signature: Annotated[str, typer.Option(help='Typed name, or "click".')] = "",
) -> Shown:
    """Submit answers; without any, those of my draft."""
    body, found = await _answers(session, task, answer, text, file, comment)
    body |= {"stage_id": found["stage_id"], **given(signature=signature)}
    done = await session.api.post(f"/tasks/{found['id']}:submit", body)
    late = ", late" if done.get("late") else ""
    at = (await session.clock())(done.get("submit_time"))
    return Shown(done, [f"Submitted version {done['version']} at {at}{late}; the task is {done['state']}."])


@tasks.command("recall")
async def recall_task(session: Session, task: TaskArgument, reason: Reason) -> Shown:
    """Take my submission back while its stage is open."""
    return _changed(await session.api.post(f"/tasks/{task}:recall", {"reason": reason}))


@tasks.command("return")
async def return_task(
    session: Session,
    task: TaskArgument,
    reason: Reason,
    due: Annotated[str, typer.Option(metavar="TIME", help="Until when; default: the stage's deadline.")] = "",
    to: Annotated[str, typer.Option(metavar="STAGE", help="An earlier stage to go back to.")] = "",
) -> Shown:
    """Send a submission back to its author."""
    due_at = (await session.clock(reads=True)).instant(due, "--due") if due else ""
    body = {"reason": reason, **given(due_at=due_at, to=to)}
    return _changed(await session.api.post(f"/tasks/{task}:return", body))


@tasks.command("reassign")
async def reassign_task(
    session: Session,
    task: TaskArgument,
    to: Annotated[str, typer.Option(metavar="CODE_OR_ID", show_default=False, help="To whom.")],
    reason: Reason,
) -> Shown:
    """Give an open task to somebody else, with its draft."""
    changed = await session.api.post(f"/tasks/{task}:reassign", {"assignee": to, "reason": reason})
    names = await session.names([changed["assignee_id"]])
    return Shown(changed, [f"{names.get(changed['assignee_id'], to)} has the task now."])


@tasks.command("extend")
async def extend_task(session: Session, task: TaskArgument, until: Until, reason: Reason) -> Shown:
    """Move one task's deadline."""
    clock = await session.clock(reads=True)
    body = {"until": clock.instant(until, "--until"), "reason": reason}
    changed = await session.api.post(f"/tasks/{task}:extend", body)
    return Shown(changed, [f"Due {clock(changed.get('due_at'))} now."])


@tasks.command("remind")
async def remind_tasks(
    session: Session,
    ids: Annotated[list[str], typer.Argument(metavar="TASK…", show_default=False, help="Task ids.")],
    reason: Reason,
) -> Shown:
    """Remind the assignees of open tasks; exit code 1 when one could not be reminded."""
    reply = await session.api.post("/tasks:remind", {"ids": ids, "reason": reason})
    outcomes = reply.get("outcomes", ())
    rows = [(each["id"], each["code"], each.get("message", "")) for each in outcomes]
    failed = any(each["code"] != "OK" for each in outcomes)
    return Shown(reply, [Grid(("task", "outcome", ""), rows)], Exit.FAILED if failed else Exit.OK)


async def _answers(
    session: Session, task: str, values: list[str], texts: list[str], file: Path | None, comment: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the answers that were given, else those of the draft, on the version read; and the task."""
    read = await session.api.get(f"/tasks/{task}")
    found, draft = read["task"], read.get("submission", {})
    body: dict[str, Any] = {"answers": _typed(values, texts), **given(comment=comment)}
    if file is not None:
        session.document = read_document(file)
        body = {**session.document.mapping(), **given(**body)}
    elif not body["answers"] and draft.get("draft"):
        body = {"answers": draft.get("answers", []), **given(comment=comment or draft.get("comment", ""))}
    return {**body, "version": found.get("version", 0)}, found


def _typed(values: list[str], texts: list[str]) -> list[dict[str, str]]:
    rated, written = pairs(values, "--answer"), pairs(texts, "--text")
    if twice := rated.keys() & written.keys():
        fail(f"{', '.join(sorted(twice))}: answered twice", Exit.USAGE)
    return [{"item": item, "value": value} for item, value in rated.items()] + [
        {"item": item, "text": value} for item, value in written.items()
    ]


def _changed(task: Mapping[str, Any]) -> Shown:
    return Shown(dict(task), [f"The task is {task['state']}."])


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    tasks.register(app)
