"""What scoring does about events of reviews: convert, use case; the cursor moves in the same transaction."""

from collections.abc import Awaitable, Callable, Mapping

from services.runtime.eventlog import Event
from services.scoring.convert import events
from services.scoring.store import ScoringWork
from services.scoring.usecases.amend_result import amend_result
from services.scoring.usecases.correct_score import ask_for_correction
from services.scoring.usecases.supersede_scores import supersede_scores


async def on_appeal_decided(work: ScoringWork, event: Event) -> None:
    """An amendment makes a result version with its own release."""
    command = events.appeal_decided(event)
    if command is not None:
        await amend_result(work, command)


async def on_stage_reopened(work: ScoringWork, event: Event) -> None:
    """Scores of a reopened stage are superseded, sessions stale."""
    await supersede_scores(work, events.stage_reopened(event))


async def on_actual_corrected(work: ScoringWork, event: Event) -> None:
    """The score is computed again, outside of this transaction because reviews must be asked."""
    await ask_for_correction(work, events.actual_corrected(event))


HANDLERS: Mapping[str, Callable[[ScoringWork, Event], Awaitable[None]]] = {
    "reviews.actual_corrected": on_actual_corrected,
    "reviews.appeal_decided": on_appeal_decided,
    "reviews.stage_reopened": on_stage_reopened,
}
