"""`results`: scores, grades and why they are what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.commands import Noun
from cli.options import CycleFilter, Limit, given
from cli.output import Block, Grid, Shown
from cli.session import Session

results = Noun("results", "Results; alone: those that I may see.")
ResultArgument = Annotated[str, typer.Argument(metavar="RESULT", show_default=False, help="Result id.")]
SCORES = ("weighted", "calibrated", "final", "grade", "coefficient")
COLUMNS = ("id", "person", "department", *SCORES, "")


@results.listing
async def list_results(
    session: Session,
    cycle: CycleFilter = "",
    employee: Annotated[str, typer.Option(metavar="ID", help="Of one employee.")] = "",
    department: Annotated[str, typer.Option(metavar="ID", help="Of one department and what is below it.")] = "",
    grade: Annotated[str, typer.Option(help="With one grade.")] = "",
    limit: Limit = None,
) -> Shown:
    """List results that I may see."""
    query = given(cycle=await session.cycle_id(cycle) if cycle else "", employee=employee)
    page = await session.listed("/results", limit, **query, **given(department=department, grade=grade))
    names = await session.names(each["employee_id"] for each in page.items)
    grid = Grid(COLUMNS, [_row(each, names) for each in page.items], empty="No results that you may see.")
    return Shown(page.value, [grid, *page.rest])


@results.command("show")
async def show_result(session: Session, result: ResultArgument) -> Shown:
    """Show a result with its explanation, as far as I may see."""
    found = await session.api.get(f"/results/{result}")
    names = await session.names([found["employee_id"]])
    blocks: list[Block] = [Grid(COLUMNS, [_row(found, names)])]
    lines = found.get("explanation", {}).get("lines", ())
    columns = ("what", "relation", "raw", "weight", "contribution", "inputs")
    blocks += [Grid(columns, [_line(each) for each in lines])] if lines else []
    return Shown(found, [*blocks, *found.get("explanation", {}).get("notes", ())])


@results.command("ack")
async def acknowledge_result(
    session: Session,
    result: ResultArgument,
    agree: Annotated[bool, typer.Option("--agree/--disagree", help="What I say of it.", show_default=False)],
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    signature: Annotated[str, typer.Option(help='Typed name, or "click".')] = "click",
) -> Shown:
    """Say that I have seen my result, agreeing or not."""
    body = {"opinion": "agree" if agree else "disagree", "comment": comment, "signature": signature}
    reply = await session.api.post(f"/results/{result}:acknowledge", body)
    clock = await session.clock()
    return Shown(reply, [f"Acknowledged at {clock(reply.get('acknowledge_time'))}: {body['opinion']}."])


def _row(result: Mapping[str, Any], names: Mapping[str, str]) -> tuple[str, ...]:
    marks = [mark for mark in ("amended", "released") if result.get(mark)]
    return (
        *(result["id"], names.get(result["employee_id"], result["employee_id"]), result.get("department_name", "")),
        *(result.get(name, "") for name in SCORES),
        ", ".join([*marks, *([result["unscored_reason"]] if result.get("unscored_reason") else [])]),
    )


def _line(line: Mapping[str, Any]) -> tuple[str, ...]:
    inputs = ", ".join(f"{name} {value}" for name, value in line.get("inputs", {}).items())
    return (
        "  " * int(line.get("depth", 0)) + str(line.get("name") or line.get("path", "")),
        *("hidden" if line.get("hidden") and not line.get(name) else line.get(name, "") for name in
          ("relation", "raw", "weight", "contribution")),
        inputs,
    )  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    results.register(app)
