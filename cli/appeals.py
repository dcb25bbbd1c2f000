"""`appeals`: against a result, with a named owner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from cli.commands import Noun
from cli.options import CycleFilter, EvidenceOption, Limit, Reason, evidence, given
from cli.output import Grid, Shown
from cli.session import Session

appeals = Noun("appeals", "Appeals against results.")
COLUMNS = ("id", "person", "state", "owner", "grounds", "score", "grade", "filed", "due")
AppealArgument = Annotated[str, typer.Argument(metavar="APPEAL", show_default=False, help="Appeal id.")]


@appeals.command("file")
async def file_appeal(
    session: Session,
    result: Annotated[str, typer.Argument(metavar="RESULT", show_default=False, help="Result id.")],
    grounds: Annotated[str, typer.Option(show_default=False, help="Why the result is wrong.")],
    item: Annotated[list[str], typer.Option(help="An item of the form that is wrong; several times.")] = [],
    proofs: EvidenceOption = [],
) -> Shown:
    """File an appeal against my released result."""
    body = {"result": result, "grounds": grounds, **given(items=item, evidence=evidence(proofs))}
    made = await session.api.post("/appeals", body)
    return Shown(made, [f"Filed: {made['id']}, decided by {(await session.clock())(made.get('due_at'))}."])


@appeals.command("list")
async def list_appeals(
    session: Session,
    cycle: CycleFilter = "",
    state: Annotated[str, typer.Option(help="In one state, e.g. filed.")] = "",
    limit: Limit = None,
) -> Shown:
    """List appeals that I filed, own or may see, newest first."""
    query = given(cycle=await session.cycle_id(cycle) if cycle else "", state=state)
    page = await session.listed("/appeals", limit, **query)
    return Shown(page.value, [await _grid(session, page.items), *page.rest])


@appeals.command("show")
async def show_appeal(session: Session, appeal: AppealArgument) -> Shown:
    """Show one appeal."""
    found = await session.api.get(f"/appeals/{appeal}")
    reason = found.get("decision_reason")
    return Shown(found, [await _grid(session, [found]), *([f"Decision: {reason}"] if reason else [])])


@appeals.command("accept")
async def accept_appeal(session: Session, appeal: AppealArgument) -> Shown:
    """Take an appeal up."""
    return await _changed(session, appeal, "accept")


@appeals.command("decline")
async def decline_appeal(session: Session, appeal: AppealArgument, reason: Reason) -> Shown:
    """Refuse to take an appeal up."""
    return await _changed(session, appeal, "decline", {"reason": reason})


@appeals.command("assign")
async def assign_appeal(
    session: Session,
    appeal: AppealArgument,
    to: Annotated[str, typer.Option(metavar="ID", show_default=False, help="Employee id of its new owner.")],
    reason: Reason,
) -> Shown:
    """Give an appeal to another owner."""
    return await _changed(session, appeal, "assign", {"owner": to, "reason": reason})


@appeals.command("decide")
async def decide_appeal(
    session: Session,
    appeal: AppealArgument,
    amend: Annotated[bool, typer.Option("--amend/--keep", show_default=False, help="The outcome.")],
    reason: Reason,
    score: Annotated[str, typer.Option(help="New score, with --amend.")] = "",
    grade: Annotated[str, typer.Option(help="New grade, with --amend.")] = "",
    proofs: EvidenceOption = [],
) -> Shown:
    """Keep the result or amend it; an amended result is released by itself."""
    body = {"outcome": "amended" if amend else "kept", "reason": reason}
    body |= given(score=score, grade=grade, evidence=evidence(proofs))
    return await _changed(session, appeal, "decide", body)


@appeals.command("withdraw")
async def withdraw_appeal(session: Session, appeal: AppealArgument) -> Shown:
    """Take my own appeal back."""
    return await _changed(session, appeal, "withdraw")


async def _changed(session: Session, appeal: str, verb: str, body: Any = None) -> Shown:
    changed = await session.api.post(f"/appeals/{appeal}:{verb}", body)
    return Shown(changed, [f"The appeal is {changed['state']}."])


async def _grid(session: Session, found: Iterable[Mapping[str, Any]]) -> Grid:
    found = list(found)
    names = await session.names(each.get(name) for each in found for name in ("employee_id", "owner_id"))
    clock = await session.clock()
    rows = [
        (
            *(each["id"], names.get(each["employee_id"], each["employee_id"]), each.get("state", "")),
            *(names.get(each.get("owner_id", ""), ""), each.get("grounds", ""), each.get("score", "")),
            *(each.get("grade", ""), clock(each.get("create_time")), clock(each.get("due_at"))),
        )
        for each in found
    ]
    return Grid(COLUMNS, rows, empty="No appeals.")


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    appeals.register(app)
