"""Events of other services as commands of reviews."""

from datetime import date
from typing import Any
from uuid import UUID

from services.reviews.domain.model import CycleDay
from services.reviews.usecases.follow_people import Departed
from services.reviews.usecases.follow_scoring import ResultAmended, SessionMoved
from services.runtime.eventlog import Event


def departed(event: Event) -> Departed:
    payload = event.payload
    return Departed(
        employee_id=UUID(payload["employee_id"]),
        left_on=date.fromisoformat(payload["left_on"]),
        manager_id=_optional(payload.get("manager_id")),
    )


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
