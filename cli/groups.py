"""`groups`: dynamic groups, which are rules over attributes of employees."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cli.commands import Noun
from cli.options import Limit, given, json_or_file
from cli.output import Grid, Shown
from cli.session import Session

groups = Noun("groups", "Dynamic groups: rules over attributes of employees.")
RuleArgument = Annotated[
    str,
    typer.Argument(
        show_default=False,
        help='JSON, or a file with it: {"attribute": "department", "operator": "within", "value": "Sales"}; '
        "all, any and not combine rules.",
    ),
]


@groups.command("preview")
async def preview_group(
    session: Session,
    rule: RuleArgument,
    on: Annotated[str, typer.Option(metavar="YYYY-MM-DD", show_default="today", help="As of a day.")] = "",
) -> Shown:
    """Show whom a rule matches: how many, with a sample."""
    body = {"rule": json_or_file(rule, "RULE"), **given(on=on)}
    reply = await session.api.post("/groups:preview", body)
    rows = [
        (each["code"], each.get("name", ""), each.get("department_path", ""), each.get("post", ""))
        for each in reply.get("sample", ())
    ]
    found = f"{reply.get('count', 0)} people match; this is a sample." if rows else "Nobody matches."
    return Shown(reply, [*([Grid(("code", "name", "department", "post"), rows)] if rows else []), found])


@groups.command("create")
async def create_group(
    session: Session,
    name: Annotated[str, typer.Argument(show_default=False, help="Name, by which cycles refer to it.")],
    rule: RuleArgument,
) -> Shown:
    """Store a rule under a name."""
    made = await session.api.post("/groups", {"name": name, "rule": json_or_file(rule, "RULE")})
    return Shown(made, [f"Created group {made['name']}: {made['id']}"])


@groups.command("list")
async def list_groups(session: Session, limit: Limit = None) -> Shown:
    """List dynamic groups."""
    page = await session.listed("/groups", limit)
    rows = [(each["id"], each["name"], json.dumps(each.get("rule", {}), ensure_ascii=False)) for each in page.items]
    return Shown(page.value, [Grid(("id", "name", "rule"), rows), *page.rest])


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    groups.register(app)
