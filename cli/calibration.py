"""`calibration`: sessions in which grades are compared and moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from cli.commands import Noun
from cli.options import CycleFilter, Limit, Reason, given
from cli.output import Grid, Shown
from cli.participants import participant_id
from cli.session import Session

calibration = Noun("calibration", "Calibration sessions.")
SessionArgument = Annotated[str, typer.Argument(metavar="SESSION", show_default=False, help="Session id.")]


@calibration.command("list")
async def list_sessions(session: Session, cycle: CycleFilter = "", limit: Limit = None) -> Shown:
    """List the sessions that I facilitate or may see."""
    query = given(cycle=await session.cycle_id(cycle) if cycle else "")
    page = await session.listed("/calibration-sessions", limit, **query)
    people = await session.names(each.get("facilitator_id") for each in page.items)
    rows = [
        (
            *(each["id"], each.get("department_name", ""), each.get("state", ""), str(each.get("size", 0))),
            *(people.get(each.get("facilitator_id", ""), ""), _counts(each.get("distribution", ()))),
        )
        for each in page.items
    ]
    columns = ("id", "department", "state", "people", "facilitator", "grades (suggested)")
    return Shown(page.value, [Grid(columns, rows), *page.rest])


@calibration.command("show")
async def show_session(session: Session, calibration_session: SessionArgument) -> Shown:
    """Show a session: its members by rank, grades beside what the guideline suggests."""
    found = await session.api.get(f"/calibration-sessions/{calibration_session}")
    names = await session.names(each["employee_id"] for each in found.get("members", ()))
    rows = [
        (
            *(str(each.get("rank", "")), names.get(each["employee_id"], each["employee_id"])),
            *(each.get(name, "") for name in ("weighted", "scored_grade", "calibrated", "grade", "participant_id")),
        )
        for each in found.get("members", ())
    ]
    columns = ("rank", "person", "weighted", "scored", "calibrated", "grade", "participant")
    return Shown(found, [_summary(found["session"]), Grid(columns, rows)])


@calibration.command("move")
async def move_member(
    session: Session,
    calibration_session: SessionArgument,
    person: Annotated[
        str, typer.Argument(metavar="PERSON", show_default=False, help="Employee code, or participant id.")
    ],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail (required but for --what-if).")] = "",
    grade: Annotated[str, typer.Option(help="New grade.")] = "",
    score: Annotated[str, typer.Option(help="New score.")] = "",
    what_if: Annotated[bool, typer.Option("--what-if", help="Only show what it would do.")] = False,
) -> Shown:
    """Change a member's grade, and score where asked."""
    path = f"/calibration-sessions/{calibration_session}"
    found = await session.api.get(path)
    body = {
        "participant": await participant_id(session, found["session"]["cycle_id"], person),
        **given(grade=grade, score=score),
    }
    if what_if:
        reply = await session.api.post(f"{path}:what-if", body)
        warnings = [text for name, text in WARNINGS.items() if reply.get(name)]
        return Shown(reply, [f"Grades would be {_counts(reply.get('distribution', ()))}.", *warnings])
    reply = await session.api.post(f"{path}:move", body | {"reason": reason}, if_match=_tag(found["session"]))
    return Shown(reply, [f"{person} has {reply['member'].get('grade', '')} now. {_summary(reply['session'])}"])


@calibration.command("undo")
async def undo_session(
    session: Session,
    calibration_session: SessionArgument,
    everything: Annotated[bool, typer.Option("--all", help="All moves, not only the last.")] = False,
) -> Shown:
    """Take back the last move, or all."""
    return await _changed(session, calibration_session, "undo", {"everything": everything})


@calibration.command("commit")
async def commit_session(
    session: Session,
    calibration_session: SessionArgument,
    waiver_reason: Annotated[str, typer.Option(help="Why the guideline is not kept, where it is enforced.")] = "",
) -> Shown:
    """Make the session's grades calibrated."""
    return await _changed(session, calibration_session, "commit", {"waiver_reason": waiver_reason})


@calibration.command("reopen")
async def reopen_session(session: Session, calibration_session: SessionArgument, reason: Reason) -> Shown:
    """Open a committed session again, until the release."""
    changed = await session.api.post(f"/calibration-sessions/{calibration_session}:reopen", {"reason": reason})
    return Shown(changed, [_summary(changed)])


WARNINGS = {
    "inverts_rank": "Somebody with a lower score would have the better grade.",
    "reason_required": "It takes a reason.",
}


async def _changed(session: Session, calibration_session: str, verb: str, body: Any) -> Shown:
    changed = await session.api.change(f"/calibration-sessions/{calibration_session}", f":{verb}", body)
    return Shown(changed, [_summary(changed)])


def _summary(found: Mapping[str, Any]) -> str:
    grades = _counts(found.get("distribution", ()))
    return f"{found.get('department_name', '')}: {found.get('state', '')}, {found.get('moves', 0)} moves; {grades}"


def _counts(distribution: Sequence[Mapping[str, Any]]) -> str:
    """Return how many have each grade, beside what the guideline suggests, where it is large enough to suggest."""
    suggested = {each["grade"]: each.get("suggested", -1) for each in distribution}
    return "  ".join(
        f"{each['grade']} {each.get('count', 0)}"
        + (f" ({suggested[each['grade']]})" if min(suggested.values()) >= 0 else "")
        for each in distribution
    )


def _tag(found: Mapping[str, Any]) -> str:
    return f'"{found["etag"]}"'


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    calibration.register(app)
