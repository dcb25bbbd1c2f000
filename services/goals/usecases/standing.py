"""Where owners stand: asked of people before a goal is made, and again when people says that it changed."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID

from services.goals.domain.model import NOBODY, Owner
from services.goals.usecases.change_goal import CreateGoal
from services.goals.usecases.import_goals import ImportGoals, read_file
from services.goals.usecases.ports import NeedsGoals
from services.runtime.identity import Principal


class People(Protocol):
    """What goals asks of people."""

    async def ids_of(self, tenant_id: UUID, codes: Sequence[str]) -> Mapping[str, UUID]: ...
    async def standing(self, tenant_id: UUID, employee_ids: Sequence[UUID]) -> Mapping[UUID, Owner]: ...


class Standing:
    """Fills in the owners of commands, outside of their transactions."""

    def __init__(self, people: People) -> None:
        self._people = people

    async def of_goal(self, principal: Principal, command: CreateGoal) -> CreateGoal:
        """Return the command with its owner; the caller where none was named."""
        wanted = command.goal.owner.id if command.goal.owner.id != NOBODY else principal.employee_id
        if wanted is None or principal.tenant_id is None:
            return command
        standing = await self._people.standing(principal.tenant_id, [wanted])
        return replace(command, owner=standing.get(wanted))

    async def of_file(self, principal: Principal, command: ImportGoals) -> ImportGoals:
        """Return the command with its file read and the owners that it names."""
        file = await asyncio.to_thread(read_file, command)
        codes = sorted({goal.owner_code for goal in file.goals})
        if not codes or principal.tenant_id is None:
            return replace(command, file=file)
        ids = await self._people.ids_of(principal.tenant_id, codes)
        standing = await self._people.standing(principal.tenant_id, list(ids.values()))
        owners = {code: standing[i] for code, i in ids.items() if i in standing}
        return replace(command, file=file, owners=owners)

    async def refresh(self, work: NeedsGoals, employee_ids: Sequence[UUID]) -> None:
        """Write anew where these employees stand, and everybody whose line leads over one of them.

        People is asked inside the consumer's transaction: it holds nothing but its own cursor and these goals.
        """
        owners = await work.goals.owners_below(employee_ids)
        if owners:
            standing = await self._people.standing(work.tenant_id, owners)
            await work.goals.restand(list(standing.values()))
