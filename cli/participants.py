"""`participants`: who takes part in a cycle, and who could not be enrolled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from cli.commands import Noun
from cli.options import CycleArgument, Limit, given
from cli.output import Exit, Grid, Shown, fail
from cli.session import Session, is_id

participants = Noun("participants", "People in a cycle.")
COLUMNS = ("id", "person", "state", "department", "post", "form", "manager", "reason")


@participants.command("list")
async def list_participants(
    session: Session,
    cycle: CycleArgument,
    state: Annotated[str, typer.Option(help="In one state, e.g. scored or excluded.")] = "",
    department: Annotated[str, typer.Option(metavar="ID", help="Of one department and what is below it.")] = "",
    limit: Limit = None,
) -> Shown:
    """List participants, also those who could not be enrolled, with the reason."""
    path = f"/cycles/{await session.cycle_id(cycle)}/participants"
    page = await session.listed(path, limit, **given(state=state, department_id=department))
    return Shown(page.value, [Grid(COLUMNS, await _rows(session, page.items)), *page.rest])


@participants.command("show")
async def show_participant(
    session: Session,
    participant: Annotated[str, typer.Argument(metavar="PARTICIPANT", show_default=False, help="Participant id.")],
) -> Shown:
    """Show one participant."""
    found = await session.api.get(f"/participants/{participant}")
    return Shown(found, [Grid(COLUMNS, await _rows(session, [found]))])


async def participant_id(session: Session, cycle_id: str, reference: str) -> str:
    """Return a participant's id from the id or the employee's code; ends the command where nobody has it."""
    if is_id(reference):
        return reference
    async for each in session.api.items(f"/cycles/{cycle_id}/participants"):
        if each.get("code") == reference:
            return str(each["id"])
    fail(f"nobody in this cycle has the code {reference}", Exit.USAGE)


async def _rows(session: Session, found: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    found = list(found)
    names = await session.names(each.get(name) for each in found for name in ("employee_id", "manager_id"))
    return [
        (
            *(each["id"], names.get(each["employee_id"], each.get("code", "")), each.get("state", "")),
            *(each.get("department_name", ""), each.get("post", ""), each.get("template_name", "")),
            *(names.get(each.get("manager_id", ""), ""), each.get("reason_message", each.get("reason", ""))),
        )
        for each in found
    ]


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    participants.register(app)
