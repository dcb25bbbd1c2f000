"""Freezing a population as of one instant, and paging it out."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from services.people.domain.errors import FreezeDiffers, FreezeNotFound, GroupNotFound, Invalid
from services.people.domain.group_rules import Rule
from services.people.domain.model import FrozenPage, Population
from services.people.usecases.days import day_in, own_tenant
from services.people.usecases.needs import HasFreezes

MAX_PAGE = 5000
MAX_GROUPS = 500
TRANSIENT = timedelta(hours=1)  # a check that pages through the largest company takes seconds


@dataclass(frozen=True, slots=True)
class FreezePopulation:
    """Who is to be frozen, as of when, and which groups are recorded for each member.

    `transient` members are only looked at; it is no part of what a repetition must agree in.
    """

    freeze_id: UUID
    population: Population
    as_of: datetime
    group_ids: tuple[UUID, ...]
    transient: bool = field(default=False, repr=False)


@dataclass(frozen=True, slots=True)
class PageFrozenMembers:
    """The members after one, by id."""

    freeze_id: UUID
    after: UUID | None
    limit: int


async def freeze_population(work: HasFreezes, command: FreezePopulation) -> int:
    """Freeze once under an id and return the number of members; a repetition returns the same."""
    if len(command.group_ids) + len(command.population.group_ids) > MAX_GROUPS:
        raise Invalid(f"at most {MAX_GROUPS} groups", field="group_ids")
    request_hash = hashlib.sha256(repr(command).encode()).digest()
    lifetime = TRANSIENT if command.transient else None
    if not await work.freezes.claim(command.freeze_id, command.as_of, request_hash, lifetime):
        return await _repeated(work, command.freeze_id, request_hash)
    rules = await work.groups.rules({*command.group_ids, *command.population.group_ids})
    kept = _named(rules, command.group_ids, "group_ids")
    meant = _named(rules, command.population.group_ids, "population/group_ids")
    day = day_in(await own_tenant(work), command.as_of)
    members = await work.freezes.freeze(command.freeze_id, day, command.population, list(meant.values()), kept)
    payload = {"freeze_id": str(command.freeze_id), "members": members}
    await work.audit("population.freeze", "frozen_population", command.freeze_id, detail=payload)
    return members


async def forget_expired(work: HasFreezes) -> bool:
    """Forget one population that was only to be looked at; whether there was one."""
    freeze_id = await work.freezes.forget_expired()
    if freeze_id is not None:
        await work.audit("population.forget", "frozen_population", freeze_id, detail={})
    return freeze_id is not None


async def page_frozen_members(work: HasFreezes, asked: PageFrozenMembers) -> FrozenPage:
    """A page by id; raises FreezeNotFound for an id under which nothing was frozen."""
    page = await work.freezes.page(asked.freeze_id, asked.after, asked.limit)
    if not page.codes and await work.freezes.find(asked.freeze_id) is None:
        raise FreezeNotFound("no population was frozen under this id", field="freeze_id")
    return page


async def _repeated(work: HasFreezes, freeze_id: UUID, request_hash: bytes) -> int:
    found = await work.freezes.find(freeze_id)
    if found is None or found[0] != request_hash:
        raise FreezeDiffers("this id was used for another population", field="freeze_id")
    return found[1]


def _named(rules: dict[UUID, Rule], wanted: Collection[UUID], field: str) -> dict[UUID, Rule]:
    unknown = [str(group_id) for group_id in wanted if group_id not in rules]
    if unknown:
        raise GroupNotFound(f"there is no group {unknown[0]}", field=field)
    return {group_id: rules[group_id] for group_id in dict.fromkeys(wanted)}
