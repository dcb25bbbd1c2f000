"""Events of other services as commands of reviews."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.reviews.domain.model import CycleDay
from services.reviews.usecases.follow_assignees import Absent, Delivery, Employment
from services.reviews.usecases.follow_people import Departed
from services.reviews.usecases.follow_scoring import ResultAmended, ScoreCorrected, SessionMoved
from services.runtime.eventlog import Event


def departed(event: Event) -> Departed:
    payload = event.payload
    return Departed(
        employee_id=UUID(payload["employee_id"]),
        left_on=date.fromisoformat(payload["left_on"]),
        manager_id=_optional(payload.get("manager_id")),
    )


def employment(event: Event) -> Employment:
    """Of a departure the last day; who is rehired has none."""
    left_on = event.payload.get("left_on")
    employee_id = UUID(event.payload["employee_id"])
    return Employment(employee_id, date.fromisoformat(left_on) if left_on else None, event.version)


def absent(event: Event) -> Absent:
    payload = event.payload
    days = (date.fromisoformat(payload[name]) for name in ("from", "to"))
    return Absent(UUID(payload["employee_id"]), *days)


def delivery(event: Event) -> Delivery:
    payload = event.payload
    return Delivery(
        recipient_id=UUID(payload["recipient_id"]),
        task_ids=[UUID(each) for each in payload["task_ids"]],
        channel=str(payload["channel"]),
        since=datetime.fromisoformat(payload["since"]),
        error=str(payload.get("error") or ""),
    )


def score_corrected(event: Event) -> ScoreCorrected:
    payload = event.payload
    return ScoreCorrected(UUID(payload["participant_id"]), str(payload.get("unscored_code") or ""))


def changed_days(event: Event) -> list[CycleDay]:
    return [CycleDay(date.fromisoformat(each["date"]), bool(each["working"])) for each in event.payload["days"]]


def session_moved(event: Event, *, committed: bool) -> SessionMoved:
    return SessionMoved(event.aggregate_id, event.version, committed)


def result_amended(event: Event) -> ResultAmended:
    payload = event.payload
    return ResultAmended(
        participant_id=UUID(payload["participant_id"]),
        result_version=int(payload["result_version"]),
        appeal_id=_optional(payload.get("appeal_id")),
    )


def _optional(written: Any) -> UUID | None:
    return UUID(str(written)) if written else None
