"""`cycles`: defined, checked, launched, followed, and changed while they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.commands import Noun
from cli.cycle_views import cycle_blocks, follow
from cli.files import FileArgument, read_document
from cli.options import CycleArgument, Limit, Reason, Until, given
from cli.output import Exit, Grid, Shown
from cli.session import Session
from cli.templates import FINDING_COLUMNS, finding_row

cycles = Noun("cycles", "Review cycles.")
StageArgument = Annotated[str, typer.Argument(metavar="STAGE", show_default=False, help="Key, e.g. self_review.")]


@cycles.command("create")
async def create_cycle(session: Session, file: FileArgument) -> Shown:
    """Create a cycle in draft from a YAML or JSON file."""
    session.document = read_document(file)
    made = await session.api.post("/cycles", session.document.mapping())
    hint = f"Check it: ./attune cycles validate {made['id']}"
    return Shown(made, [f"Created {made['name']} in draft: {made['id']}", hint])


@cycles.command("list")
async def list_cycles(
    session: Session,
    state: Annotated[str, typer.Option(help="In one state, e.g. running.")] = "",
    limit: Limit = None,
) -> Shown:
    """List cycles, newest first."""
    page = await session.listed("/cycles", limit, **given(state=state))
    rows = [
        (
            *(each["id"], each["name"], each.get("state", ""), f"{each['period_start']} – {each['period_end']}"),
            str(each.get("participants", 0)),
        )
        for each in page.items
    ]
    return Shown(page.value, [Grid(("id", "name", "state", "period", "participants"), rows), *page.rest])


@cycles.command("validate")
async def validate_cycle(
    session: Session,
    cycle: CycleArgument,
    language: Annotated[str, typer.Option(help="Language of the findings: en or zh-CN.")] = "en",
) -> Shown:
    """Run every check; exit code 1 when something blocks the launch."""
    path = f"/cycles/{await session.cycle_id(cycle)}:validate?language={language}"
    reply = await session.api.post(path)
    findings = reply.get("findings", ())
    blocking = sum(each["severity"] != "warning" for each in findings)
    rows = [_finding(each) for each in findings]
    columns = tuple(column if column != "line" else "subject" for column in FINDING_COLUMNS)
    done = f"{reply.get('population', 0)} people; {blocking} findings block the launch, {len(rows) - blocking} warn."
    return Shown(reply, [Grid(columns, rows, empty="No findings."), done], Exit.FAILED if blocking else Exit.OK)


@cycles.command("launch")
async def launch_cycle(
    session: Session,
    cycle: CycleArgument,
    exclude: Annotated[
        bool, typer.Option("--exclude", help="Leave out people who cannot take part, with the reason.")
    ] = False,
    warnings_reason: Annotated[str, typer.Option(help="Why warnings are accepted.")] = "",
) -> Shown:
    """Check and launch a cycle; people are enrolled behind."""
    cycle_id = await session.cycle_id(cycle)
    body = {"on_person_findings": "exclude" if exclude else "refuse", "warnings_reason": warnings_reason}
    launched = await session.api.change(f"/cycles/{cycle_id}", ":launch", body)
    hint = f"Follow it: ./attune cycles show {cycle_id} --watch"
    return Shown(launched, [f"{launched['name']} is {launched['state']}.", hint])


@cycles.command("show")
async def show_cycle(
    session: Session,
    cycle: CycleArgument,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until it has ended; Ctrl-C leaves it.")] = False,
) -> Shown:
    """Show a cycle: its stages, what is owed and done, where people stand."""
    cycle_id = await session.cycle_id(cycle)
    if watch:
        return await follow(session, cycle_id)
    found = await session.api.get(f"/cycles/{cycle_id}")
    progress = await session.api.get(f"/cycles/{cycle_id}/progress")
    return Shown({**found, "progress": progress}, await cycle_blocks(session, found, progress))


@cycles.command("timeline")
async def show_timeline(session: Session, cycle: CycleArgument) -> Shown:
    """Show what happened in a cycle and what is due next."""
    reply = await session.api.get(f"/cycles/{await session.cycle_id(cycle)}/timeline")
    clock, entries = await session.clock(), reply.get("entries", ())
    actors = await session.names(each.get("actor_id") for each in entries)
    rows = [
        (
            *(clock(each.get("at")), "to come" if each.get("planned") else "", each.get("kind", "")),
            *(each.get("stage", ""), actors.get(each.get("actor_id", ""), "")),
        )
        for each in entries
    ]
    return Shown(reply, [Grid(("at", "", "what", "stage", "by"), rows)])


@cycles.command("extend")
async def extend_stage(
    session: Session,
    cycle: CycleArgument,
    stage: StageArgument,
    until: Until,
    reason: Reason,
    person: Annotated[str, typer.Option(help="For one person only: code or id.")] = "",
    department: Annotated[str, typer.Option(help="For one department only: path, code or id.")] = "",
) -> Shown:
    """Move the deadline of a stage, for everybody, one person or a department."""
    clock = await session.clock(reads=True)
    body = {"until": clock.instant(until, "--until"), "reason": reason}
    body |= given(participant=person, department=department)
    reply = await _of_stage(session, cycle, stage, "extend", body)
    whom = f"{reply['tasks']} tasks" if reply.get("tasks") else "everybody"
    due = body["until"] if reply.get("tasks") else reply["stage"].get("due_at")
    return Shown(reply, [f"{stage} is extended for {whom} until {clock(due)}."])


@cycles.command("close-stage")
async def close_stage(
    session: Session,
    cycle: CycleArgument,
    stage: StageArgument,
    reason: Reason,
    end_extensions: Annotated[
        bool, typer.Option("--end-extensions", help="Wait no longer for those who were given more time.")
    ] = False,
) -> Shown:
    """Close an open stage now; one that is closing with --end-extensions."""
    body = {"reason": reason, "end_extensions": end_extensions}
    reply = await _of_stage(session, cycle, stage, "close", body)
    return Shown(reply, [f"{stage} is {reply['state']}."])


@cycles.command("reopen-stage")
async def reopen_stage(
    session: Session, cycle: CycleArgument, stage: StageArgument, until: Until, reason: Reason
) -> Shown:
    """Open a closed stage again, before the release."""
    clock = await session.clock(reads=True)
    body = {"until": clock.instant(until, "--until"), "reason": reason}
    reply = await _of_stage(session, cycle, stage, "reopen", body)
    return Shown(reply, [f"{stage} is {reply['state']} until {clock(reply.get('due_at'))}."])


@cycles.command("pause")
async def pause_cycle(session: Session, cycle: CycleArgument, reason: Reason) -> Shown:
    """Stop the clock of a cycle; drafts may still be saved."""
    return await _changed(session, cycle, "pause", reason)


@cycles.command("resume")
async def resume_cycle(session: Session, cycle: CycleArgument, reason: Reason) -> Shown:
    """Start the clock again; deadlines that have not passed move by the paused time."""
    return await _changed(session, cycle, "resume", reason)


@cycles.command("cancel")
async def cancel_cycle(session: Session, cycle: CycleArgument, reason: Reason) -> Shown:
    """End a cycle without results."""
    return await _changed(session, cycle, "cancel", reason)


@cycles.command("release")
async def release_cycle(session: Session, cycle: CycleArgument, reason: Reason) -> Shown:
    """Give the release of the results."""
    return await _changed(session, cycle, "release", reason)


async def _changed(session: Session, cycle: str, verb: str, reason: str) -> Shown:
    path = f"/cycles/{await session.cycle_id(cycle)}"
    changed = await session.api.change(path, f":{verb}", {"reason": reason})
    return Shown(changed, [f"{changed['name']} is {changed['state']}."])


async def _of_stage(session: Session, cycle: str, stage: str, verb: str, body: Any) -> dict[str, Any]:
    path = f"/cycles/{await session.cycle_id(cycle)}"
    return await session.api.change(path, f"/stages/{stage}:{verb}", body)


def _finding(finding: Mapping[str, Any]) -> tuple[str, ...]:
    severity, _, *rest = finding_row(finding)
    return (severity, finding.get("subject", ""), *rest)


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    cycles.register(app)
