"""How a cycle looks: a table of its stages, and the same while it goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Group
from rich.live import Live

from cli.output import Block, Grid, Shown, drawn, results
from cli.session import Clock, Session

ENDED = ("closed", "canceled", "archived")
LOOK_SECONDS = 1.0
REMARKS = ("overdue", "expired", "extended", "bypassed", "late")
COLUMNS = ("stage", "name", "state", "opens", "due", "done", "of these", "held up by")


async def cycle_blocks(session: Session, cycle: Mapping[str, Any], progress: Mapping[str, Any]) -> list[Block]:
    """Return a cycle with its stages and the states of its participants."""
    owner = cycle.get("owner_id", "")
    owners = await session.names([owner])
    clock = await session.clock()
    period = f"{cycle['period_start']} – {cycle['period_end']}"
    head = f"{cycle['name']}  {cycle['state']}  ({cycle.get('kind', '')}, {period})"
    who = f"{cycle['id']}  owner {owners.get(owner, owner)}"
    if cycle.get("release_time"):
        who += f"  released {clock(cycle['release_time'])}"
    return [head, who, stages_grid(cycle, progress, clock), _people(cycle, progress)]


def stages_grid(cycle: Mapping[str, Any], progress: Mapping[str, Any], clock: Clock) -> Grid:
    """Return the stages in order, with what is owed and done."""
    counted = {each["key"]: each for each in progress.get("stages", ())}
    rows = [
        (
            *(stage["key"], stage.get("name", ""), stage.get("state", "")),
            *(clock(stage.get("open_at")), clock(stage.get("due_at"))),
            *(*_tally(counted.get(stage["key"], {})), stage.get("blocked_reason", "")),
        )
        for stage in cycle.get("stages", ())
    ]
    return Grid(COLUMNS, rows)


async def follow(session: Session, cycle_id: str) -> Shown:
    """Show a cycle until it has ended: redrawn on a terminal, elsewhere a line, or an object, for each change."""
    clock = await session.clock()
    seen: dict[str, str] = {}
    with ExitStack() as stack:
        live = Live(console=results, auto_refresh=False) if results.is_terminal and not session.as_json else None
        if live:
            stack.enter_context(live)
        while True:
            cycle = await session.api.get(f"/cycles/{cycle_id}")
            progress = await session.api.get(f"/cycles/{cycle_id}/progress")
            changes = list(_changes(cycle, progress, seen))
            if live:
                blocks = await cycle_blocks(session, cycle, progress)
                live.update(Group(*(drawn(each) if isinstance(each, Grid) else each for each in blocks)), refresh=True)
            for change in [] if live else changes:
                typer.echo(json.dumps(change, ensure_ascii=False) if session.as_json else _line(change, clock))
            if cycle["state"] in ENDED:
                break
            await asyncio.sleep(LOOK_SECONDS)
    return Shown({**cycle, "progress": progress}, [])


def _changes(
    cycle: Mapping[str, Any], progress: Mapping[str, Any], seen: dict[str, str]
) -> Iterable[dict[str, Any]]:  # fmt: skip
    """Yield what is in another state than when it was last seen, the cycle itself first."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    counted = {each["key"]: each for each in progress.get("stages", ())}
    for what in ({"key": "", "state": cycle["state"]}, *cycle.get("stages", ())):
        key, state = what["key"], what.get("state", "")
        if seen.get(key) != state:
            seen[key] = state
            counts = {name: counted.get(key, {}).get(name, 0) for name in ("owed", "done", "expired")}
            yield {"at": at, **({"stage": key, **counts} if key else {"cycle": cycle["id"]}), "state": state}


def _tally(counted: Mapping[str, int]) -> tuple[str, str]:
    """Return how many tasks of a stage are done, of all, and what else there is to say of them."""
    done = f"{counted.get('done', 0)}/{counted['owed']}" if counted.get("owed") else ""
    return done, ", ".join(f"{counted[name]} {name}" for name in REMARKS if counted.get(name))


def _line(change: Mapping[str, Any], clock: Clock) -> str:
    owed = f"  {change['done']}/{change['owed']} done" if change.get("owed") else ""
    return f"{clock(change['at'])}  {change.get('stage', 'cycle')}: {change['state']}{owed}"


def _people(cycle: Mapping[str, Any], progress: Mapping[str, Any]) -> str:
    states = " · ".join(f"{state} {count}" for state, count in progress.get("participants", {}).items())
    excluded = f"; {cycle['excluded']} could not be enrolled" if cycle.get("excluded") else ""
    return f"{cycle.get('participants', 0)} participants: {states or 'none yet'}{excluded}"
