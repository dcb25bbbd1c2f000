"""`tenant`, `token`: companies, and who speaks to the gateway."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands import Noun, runnable
from cli.options import Limit, given
from cli.output import Grid, Shown
from cli.session import Login, Session, ask_token, installation_token

tenant = Noun("tenant", "Companies; for the administrator of the installation.")


@tenant.command("create", login=Login.INSTALLATION)
async def create_tenant(
    session: Session,
    name: Annotated[str, typer.Argument(show_default=False, help="Name of the company.")],
    admin: Annotated[str, typer.Option(metavar="EMAIL", show_default=False, help="Its first HR administrator.")],
    time_zone: Annotated[str, typer.Option(help="Zone of its dates.")] = "Asia/Shanghai",
    country: Annotated[str, typer.Option(help="Country of its calendar.")] = "CN",
    language: Annotated[str, typer.Option(help="zh-CN or en.")] = "zh-CN",
    edition: Annotated[str, typer.Option(help="basic or professional.")] = "professional",
) -> Shown:
    """Create a company with its first HR administrator, whose code is ADMIN."""
    body = {"name": name, "admin_email": admin, "time_zone": time_zone, "country": country}
    made = await session.api.post("/tenants", body | {"language": language, "edition": edition})
    login = f"To speak as its HR administrator: export ATTUNE_AS=ADMIN ATTUNE_TENANT={made['id']}"
    return Shown(made, [f"Created {made['name']}: {made['id']}", login])


@tenant.command("list", login=Login.INSTALLATION)
async def list_tenants(session: Session, limit: Limit = None) -> Shown:
    """List companies."""
    page = await session.listed("/tenants", limit)
    rows = [(each["id"], each["name"], each.get("edition", ""), each.get("time_zone", "")) for each in page.items]
    return Shown(page.value, [Grid(("id", "name", "edition", "zone"), rows), *page.rest])


async def token(
    session: Session,
    installation: Annotated[
        bool, typer.Option("--installation", help="For the administrator who creates them.")
    ] = False,
) -> Shown:
    """Print a token of a local stack: for --as CODE_OR_EMAIL, or with --installation for its administrator."""
    if installation:
        issued = {"token": await installation_token(session.api)}
    else:
        issued = await ask_token(session.api, session.access)
    return Shown(given(**issued), [issued["token"]])


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    tenant.register(app)
    app.command()(runnable(token, Login.NOBODY))
