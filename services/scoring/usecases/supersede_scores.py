"""A stage was opened again: its scores are overtaken, and what was calibrated by them is stale."""

from dataclasses import dataclass
from uuid import UUID

from services.scoring.domain.calibration import Session, SessionState
from services.scoring.usecases.needs import NeedsSessions


@dataclass(frozen=True, slots=True)
class SupersedeScores:
    """The stage that was reopened; `scored` tells that answers change, not only the calibration."""

    cycle_id: UUID
    stage_id: UUID
    scored: bool


async def supersede_scores(work: NeedsSessions, command: SupersedeScores) -> int:
    """Mark scores as superseded and sessions as stale; answers how many sessions. After the release nothing changes."""
    if not command.scored or await work.releases.find(command.cycle_id) is not None:
        return 0
    if await work.scores.supersede(command.cycle_id) == 0:
        return 0
    sessions = await work.sessions.of_cycle(command.cycle_id, [SessionState.OPEN, SessionState.COMMITTED])
    for session in sessions:
        await make_stale(work, session, {"reopened_stage_id": str(command.stage_id)})
    return len(sessions)


async def make_stale(work: NeedsSessions, session: Session, cause: dict[str, str]) -> None:
    """Mark a session as decided by scores that are no more; its facilitator is told."""
    saved = await work.sessions.save(session, state=SessionState.STALE)
    facts = {
        "session_id": str(session.id),
        "cycle_id": str(session.cycle_id),
        "stage_id": str(session.stage_id),
        "epoch": session.epoch,
        "facilitator_id": str(session.facilitator_id or ""),
    }
    await work.emit("scoring.session_superseded", "session", session.id, saved.version, facts)
    await work.audit("session.superseded", "session", session.id, detail={**cause, "from": session.state.value})
