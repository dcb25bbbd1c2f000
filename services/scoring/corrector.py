"""Computes again those whose actuals were corrected: asks reviews outside of any transaction, then stores."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import grpc

from services.runtime import telemetry
from services.runtime.background import repeat
from services.runtime.database import Database, Origin
from services.runtime.errors import status_of
from services.runtime.identity import Principal
from services.scoring.clients import Reviews
from services.scoring.domain.computation import compute
from services.scoring.domain.documents import content_hash
from services.scoring.domain.errors import ScoringError
from services.scoring.domain.model import Correction, Page, Scored
from services.scoring.store import ScoringWork
from services.scoring.store.corrections import due_corrections
from services.scoring.usecases.correct_score import CorrectScore, correct_score

BATCH = 100
OF_ALL = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL})
"""What is no answer about the one that was asked about: reviews is away, or has a defect."""


class Corrector:
    """Works off what consumers have asked for; what fails is tried again later and holds nobody else up.

    What is refused is passed over; an outage or a defect ends the round, which is repeated with the others.
    """

    def __init__(
        self, database: Database, reviews: Reviews, *, poll_seconds: float, announce: Callable[[], None]
    ) -> None:
        self._database = database
        self._reviews = reviews
        self._poll = poll_seconds
        self._announce = announce

    async def run(self) -> None:
        """Work for ever."""
        await repeat(self.round, named="correcting", every_seconds=self._poll, eager=True)

    async def round(self) -> int:
        """Work off what is due now; answers how many were dealt with."""
        async with self._database.system_transaction() as connection:
            due = await due_corrections(connection, BATCH)
        worked = 0
        for asked in due:
            # Before it is tried: whatever it raises, the next round begins with the others.
            async with self._database.transaction(asked.tenant_id) as connection:
                await ScoringWork(connection, _origin(asked)).corrections.postpone(asked)
            try:
                await self._correct(asked)
                worked += 1
            except (ScoringError, grpc.aio.AioRpcError) as error:
                status = status_of(error)
                if status.code in OF_ALL:
                    raise
                facts = {"tenant": str(asked.tenant_id), "participant": str(asked.participant_id)}
                telemetry.log.warning("a correction waits", reason=status.reason, **facts)
        return worked

    async def _correct(self, asked: Correction) -> None:
        async with self._database.transaction(asked.tenant_id) as connection:
            corrections = ScoringWork(connection, _origin(asked)).corrections
            before = await corrections.scored(asked.cycle_id, asked.participant_id)
            if before is None:
                return await corrections.done(asked)
        just_before = UUID(int=asked.participant_id.int - 1)
        page = await self._reviews.page(asked.tenant_id, asked.cycle_id, just_before, 1)
        command = await asyncio.to_thread(_computed, asked, before, page)
        async with self._database.transaction(asked.tenant_id) as connection:
            work = ScoringWork(connection, _origin(asked))
            await correct_score(work, command)
        if work.emitted:
            self._announce()


def _computed(asked: Correction, before: Scored, page: Page) -> CorrectScore:
    """The participant computed with their present answers and actuals, and the goals as they were frozen."""
    subjects = tuple(
        replace(each, inputs=replace(each.inputs, goals=before.inputs.goals))
        for each in page.subjects
        if each.participant_id == asked.participant_id
    )
    rows = compute(replace(page, subjects=subjects))
    form = page.forms.get(subjects[0].form_id, {}) if subjects else {}
    return CorrectScore(asked, before, page.rules, {content_hash(form): form}, rows[0] if rows else None)


def _origin(asked: Correction) -> Origin:
    return Origin(Principal(asked.tenant_id, "service", "scoring"), asked.tenant_id)
