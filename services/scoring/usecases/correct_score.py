"""An actual was corrected after it was locked: the score is computed again, until the release."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.scoring.domain.model import Correction, CycleRules, Scored, ScoredRow
from services.scoring.usecases.needs import NeedsCorrections
from services.scoring.usecases.supersede_scores import make_stale


@dataclass(frozen=True, slots=True)
class AskForCorrection:
    """Whose actuals changed in a cycle, by which event."""

    cycle_id: UUID
    participant_ids: tuple[UUID, ...]
    event_id: UUID


@dataclass(frozen=True, slots=True)
class CorrectScore:
    """A participant computed again; no row when they are no longer under review."""

    asked: Correction
    before: Scored
    rules: CycleRules
    forms: Mapping[bytes, Mapping[str, Any]]
    row: ScoredRow | None


async def ask_for_correction(work: NeedsCorrections, command: AskForCorrection) -> None:
    """Remember whom to compute again; what changed after the release is left to an amendment."""
    if await work.releases.find(command.cycle_id) is None:
        await work.corrections.ask(command.cycle_id, command.participant_ids, command.event_id)


async def correct_score(work: NeedsCorrections, command: CorrectScore) -> bool:
    """Store the new score where it differs; sessions that decided by the old one are stale. Answers whether it does."""
    asked, row = command.asked, command.row
    await work.corrections.done(asked)
    changed = row is not None and row.inputs_hash != command.before.inputs_hash
    if row is None or not changed or await work.releases.find(asked.cycle_id) is not None:
        return False
    await work.scores.save_forms(command.forms.items())
    await work.scores.save_page(asked.cycle_id, command.before.stage_id, command.before.epoch, [row])
    facts = {"cycle_id": str(asked.cycle_id), "participant_id": str(asked.participant_id)}
    detail = {**facts, "event_id": str(asked.event_id), "unscored_code": row.unscored_code}
    await work.audit("score.corrected", "participant", asked.participant_id, detail=detail)
    told = {**facts, "unscored_code": row.unscored_code}
    await work.emit("scoring.score_corrected", "participant", asked.participant_id, 1, told)
    for session_id in await work.corrections.sessions_of(asked.cycle_id, asked.participant_id):
        session = await work.sessions.find(session_id, lock=True)
        if session is not None:
            await make_stale(work, session, facts)
    return True
