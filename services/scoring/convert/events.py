"""Events of other services as commands; None for one that asks nothing of scoring."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from services.runtime.eventlog import Event
from services.scoring.convert.fields import optional_decimal, uuid_of
from services.scoring.usecases.amend_result import AmendResult
from services.scoring.usecases.correct_score import AskForCorrection
from services.scoring.usecases.supersede_scores import SupersedeScores

RESULT_STAGES = frozenset({"calibration", "release", "acknowledgement", "appeals", "interview"})


def appeal_decided(event: Event) -> AmendResult | None:
    """The amendment that an appeal's decision asks for."""
    payload = event.payload
    if payload.get("outcome") != "amended":
        return None
    return AmendResult(
        appeal_id=UUID(str(payload["appeal_id"])) if payload.get("appeal_id") else event.aggregate_id,
        cycle_id=uuid_of(str(payload["cycle_id"]), "cycle_id"),
        participant_id=uuid_of(str(payload["participant_id"]), "participant_id"),
        score=_number(payload.get("score")),
        grade=str(payload.get("grade") or ""),
    )


def actual_corrected(event: Event) -> AskForCorrection:
    """Whom to compute again."""
    ids = event.payload.get("participant_ids") or []
    return AskForCorrection(
        cycle_id=uuid_of(str(event.payload["cycle_id"]), "cycle_id"),
        participant_ids=tuple(uuid_of(str(each), "participant_ids") for each in ids),
        event_id=event.id,
    )


def stage_reopened(event: Event) -> SupersedeScores:
    """The scores that a reopened stage overtakes."""
    payload = event.payload
    kind = str(payload.get("stage_kind") or payload.get("kind") or "")
    return SupersedeScores(
        cycle_id=uuid_of(str(payload["cycle_id"]), "cycle_id"),
        stage_id=uuid_of(str(payload.get("stage_id") or event.aggregate_id), "stage_id"),
        scored=kind not in RESULT_STAGES,
    )


def _number(value: Any) -> Decimal | None:
    return None if value is None else optional_decimal(str(value), "score")
