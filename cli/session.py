"""One command's dealings with the gateway: where it is, who speaks, and what people are called there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from cli.client import LARGEST_PAGE, Api, Problem, connect
from cli.files import Document
from cli.output import Exit, fail
from deploy.local.stack import Stack, StackFailed

ADDRESS_HINT = "start the local stack with ./attune up, or name a gateway with --url (ATTUNE_URL)"
LOGIN_HINT = "say who you are: --as CODE_OR_EMAIL (ATTUNE_AS) on a local stack, elsewhere --token (ATTUNE_TOKEN)"
PATIENCE_SECONDS = 2.0
READ_SECONDS = 60.0
SHOWN_ITEMS = 50
ASKED_AT_ONCE = 8


class Login(Enum):
    """Who a command needs to speak as."""

    PERSON = "person"
    INSTALLATION = "installation"
    NOBODY = "nobody"


@dataclass(frozen=True)
class Access:
    """What the options say of the gateway and the caller."""

    url: str = ""
    token: str = ""
    subject: str = ""
    tenant: str = ""

    def address(self) -> str:
        """Return the gateway's address: as given, else the running local stack's; ends the command without one."""
        if self.url:
            return self.url.rstrip("/").removesuffix("/v1")
        try:
            return Stack().address("gateway")
        except (StackFailed, KeyError):
            fail(f"no gateway to talk to; {ADDRESS_HINT}")


@dataclass(frozen=True)
class Page:
    """The part of a list that is shown, and whether there is more of it."""

    items: list[dict[str, Any]]
    more: bool = False

    @property
    def value(self) -> dict[str, Any]:
        """Return the list for programs."""
        return {"items": self.items, "more": self.more}

    @property
    def rest(self) -> tuple[str, ...]:
        """Return what to say of what is not shown."""
        return (f"There are more than these {len(self.items)}; --limit 0 shows all.",) if self.more else ()


@dataclass
class Session:
    """The API as one caller, for one command; people's names and zone are asked for only when they are shown."""

    api: Api
    access: Access
    as_json: bool
    document: Document | None = None
    _zone: ZoneInfo | None = None
    _names: dict[str, str] = field(default_factory=dict)

    async def listed(self, path: str, limit: int | None, **query: Any) -> Page:
        """Read a list up to a limit: 0 is all, and so is no limit for programs; people are shown the first 50."""
        most = limit if limit is not None else 0 if self.as_json else SHOWN_ITEMS
        found: list[dict[str, Any]] = []
        size = min(LARGEST_PAGE, most + 1) if most else LARGEST_PAGE
        async for item in self.api.items(path, **{"page_size": size, **query}):
            if most and len(found) == most:
                return Page(found, more=True)
            found.append(item)
        return Page(found)

    async def cycle_id(self, reference: str) -> str:
        """Return a cycle's id from its id or name; ends the command where a name fits none or several."""
        if is_id(reference):
            return reference
        found = [each["id"] async for each in self.api.items("/cycles") if each["name"] == reference]
        if len(found) == 1:
            return str(found[0])
        several = f"{len(found)} cycles are called {reference}; give the id: {', '.join(found)}"
        fail(several if found else f"no cycle has the id or name {reference}", Exit.USAGE)

    async def zone(self) -> ZoneInfo:
        """Return the company's zone, in which people read and write times."""
        if self._zone is None:
            company = await self.api.get("/edition")
            self._zone = ZoneInfo(company.get("time_zone") or "UTC")
        return self._zone

    async def clock(self, *, reads: bool = False) -> Clock:
        """Return how instants are shown, or read; programs get them as the server sends them, in UTC."""
        return Clock(await self.zone() if reads or not self.as_json else ZoneInfo("UTC"))

    async def names(self, ids: Iterable[str | None]) -> Mapping[str, str]:
        """Return what people are called, by id; who may not be seen keeps the id, and programs are told none."""
        wanted = {each for each in ids if each} - self._names.keys()
        if self.as_json or not wanted:
            return self._names
        if len(wanted) > SHOWN_ITEMS:
            async for employee in self.api.items("/employees", include_left=True):
                self._names[employee["id"]] = called(employee)
        else:
            turns = asyncio.Semaphore(ASKED_AT_ONCE)
            await asyncio.gather(*(self._ask_name(each, turns) for each in wanted))
        return self._names

    async def _ask_name(self, employee_id: str, turns: asyncio.Semaphore) -> None:
        async with turns:
            try:
                self._names[employee_id] = called(await self.api.get(f"/employees/{employee_id}"))
            except Problem as problem:
                if problem.status not in (403, 404):
                    raise


@dataclass(frozen=True)
class Clock:
    """Shows and reads instants in the company's zone, so that they can be typed in again as they are shown."""

    zone: ZoneInfo

    def __call__(self, instant: str | None) -> str:
        """Return an RFC 3339 instant as local time to the second; nothing for none."""
        if not instant:
            return ""
        return datetime.fromisoformat(instant).astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")

    def instant(self, text: str, option: str) -> str:
        """Return what was typed as RFC 3339; without an offset it is local time. Ends the command where it is none."""
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            fail(f"{option}: {text} is no instant such as 2026-09-30T18:00 or 2026-09-30T18:00:00+08:00", Exit.USAGE)
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).isoformat()


def called(employee: Mapping[str, Any]) -> str:
    """Return a person's code and name."""
    return " ".join(dict.fromkeys((employee["code"], employee.get("name") or employee["code"])))


def is_id(text: str) -> bool:
    """Return whether the text is a UUID."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


@asynccontextmanager
async def open_session(access: Access, login: Login, *, as_json: bool) -> AsyncIterator[Session]:
    """Connect to the gateway as the caller that the options name; ends the command where they name none."""
    access = replace(access, url=access.address())
    async with connect(access.url, read_seconds=READ_SECONDS) as http:
        api = Api(http, patience=PATIENCE_SECONDS)
        token = await _token(api, access, login)
        yield Session(api.speaking_for(token), access, as_json)


async def ask_token(api: Api, access: Access) -> dict[str, Any]:
    """Return a token of local mode for the person that the options name; ends the command where they name none."""
    if not access.subject:
        fail(LOGIN_HINT, Exit.USAGE)
    body = {"as": access.subject, "tenant": await _tenant_id(api, access.tenant)}
    return await api.post("/dev/token", body)


async def installation_token(api: Api) -> str:
    """Return a token of local mode for the administrator of the installation."""
    return str((await api.post("/dev/token", {"installation": True}))["token"])


async def _token(api: Api, access: Access, login: Login) -> str:
    if access.token or login is Login.NOBODY:
        return access.token
    if login is Login.INSTALLATION:
        return await installation_token(api)
    return str((await ask_token(api, access))["token"])


async def _tenant_id(api: Api, tenant: str) -> str:
    """Return a company's id from its id or name."""
    if not tenant or is_id(tenant):
        return tenant
    root = api.speaking_for(await installation_token(api))
    found = [each["id"] async for each in root.items("/tenants") if each["name"] == tenant]
    if len(found) == 1:
        return str(found[0])
    several = f"{len(found)} companies are called {tenant}; give the id: {', '.join(found)}"
    fail(several if found else f"no company has the id or name {tenant}", Exit.USAGE)
