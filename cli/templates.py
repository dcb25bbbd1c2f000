"""`templates`: what people are judged on, and the process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.commands import Noun
from cli.files import FileArgument, read_document
from cli.options import Limit
from cli.output import Exit, Grid, Shown
from cli.session import Session

templates = Noun("templates", "Templates: what people are judged on, and the process of a cycle.")
FINDING_COLUMNS = ("severity", "line", "pointer", "what is wrong", "remedy", "code")
TemplateArgument = Annotated[str, typer.Argument(metavar="TEMPLATE", show_default=False, help="Id or name.")]


@templates.command("apply")
async def apply_template(
    session: Session,
    file: FileArgument,
    publish: Annotated[bool, typer.Option("--publish", help="Publish it: usable, and unchangeable.")] = False,
) -> Shown:
    """Create a template, or a new version of the one with the same name, from a YAML or JSON file."""
    session.document = read_document(file)
    reply = await session.api.post("/templates", {"source": session.document.text, "publish": publish})
    found = [finding_row(each) for each in reply.get("findings", ())]
    state = "published" if reply["version"].get("published") else "draft"
    done = f"{reply['template']['name']}: version {reply['version']['number']} ({state}), {reply['template']['id']}"
    failed = any(each["severity"] == "error" for each in reply.get("findings", ()))
    return Shown(
        reply, [*([Grid(FINDING_COLUMNS, found)] if found else []), done], Exit.FAILED if failed else Exit.OK
    )  # fmt: skip


@templates.command("list")
async def list_templates(session: Session, limit: Limit = None) -> Shown:
    """List templates with their latest and published versions."""
    page = await session.listed("/templates", limit)
    rows = [
        (each["id"], each["name"], str(each.get("latest_version", "")), str(each.get("published_version") or "none"))
        for each in page.items
    ]
    return Shown(page.value, [Grid(("id", "name", "latest", "published"), rows), *page.rest])


@templates.command("show")
async def show_template(
    session: Session,
    template: TemplateArgument,
    version: Annotated[int, typer.Option(min=0, show_default="the latest", help="Version.")] = 0,
) -> Shown:
    """Show a template's definition."""
    reply = await session.api.get(f"/templates/{template}", version=version)
    shown = reply["version"]
    state = "published" if shown.get("published") else "draft"
    definition = json.dumps(shown.get("definition", {}), ensure_ascii=False, indent=2)
    return Shown(reply, [f"{reply['template']['name']}, version {shown['number']} ({state})", definition])


@templates.command("publish")
async def publish_template(session: Session, template: TemplateArgument) -> Shown:
    """Make a template's draft version usable, and unchangeable."""
    found = await session.api.get(f"/templates/{template}")
    reply = await session.api.post(
        f"/templates/{found['template']['id']}:publish", if_match=f'"{found["template"]["etag"]}"'
    )
    return Shown(reply, [f"Published version {reply['version']['number']} of {reply['template']['name']}."])


def finding_row(finding: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a finding of a check as a row."""
    return (
        *(finding.get("severity", ""), str(finding.get("line") or ""), finding.get("pointer", "")),
        *(finding.get("message", ""), finding.get("remedy", ""), finding.get("code", "")),
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    templates.register(app)
