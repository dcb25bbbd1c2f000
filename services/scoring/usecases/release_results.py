"""Make the results of a cycle visible: one row."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.scoring.domain.calibration import SessionState
from services.scoring.domain.errors import ScoresMissing, SessionsUncommitted
from services.scoring.domain.model import Release
from services.scoring.usecases.needs import NeedsSessions


@dataclass(frozen=True, slots=True)
class ReleaseResults:
    """The release stage of a cycle; `released_at` is the workflow's time, None for now."""

    cycle_id: UUID
    stage_id: UUID
    epoch: int
    released_at: datetime | None


async def release_results(work: NeedsSessions, command: ReleaseResults) -> Release:
    """Release once; repeated, it answers the first release. Refused while a session is open, or nothing was scored."""
    known = await work.releases.find(command.cycle_id)
    if known is not None:
        return known
    if await work.scores.rules(command.cycle_id) is None:
        raise ScoresMissing("the cycle has no scores to release")
    open_sessions = await work.sessions.of_cycle(command.cycle_id, [SessionState.OPEN])
    if open_sessions:
        names = ", ".join(session.department_name or str(session.id) for session in open_sessions[:5])
        raise SessionsUncommitted(f"{len(open_sessions)} calibration sessions are open: {names}")
    released_at = command.released_at or await work.now()
    release, made = await work.releases.make(command.cycle_id, command.stage_id, command.epoch, released_at)
    if made:
        facts = {
            "cycle_id": str(command.cycle_id),
            "stage_id": str(command.stage_id),
            "epoch": command.epoch,
            "release_time": release.released_at.isoformat(),
            "count": release.results,
        }
        await work.emit("scoring.results_released", "cycle", command.cycle_id, 1, facts)
        await work.audit("results.released", "cycle", command.cycle_id, detail=facts)
    return release
