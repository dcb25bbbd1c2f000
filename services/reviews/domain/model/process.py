"""The process of a template: what a stage is before it has a date."""

from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any

from services.reviews.domain.model.states import (
    Advance,
    Barrier,
    OnTimeout,
    Signature,
    StageKind,
    Unit,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time; `amount` may be negative only where a rule says so."""

    amount: int
    unit: Unit


NOTHING = Span(0, Unit.SECONDS)


@dataclass(frozen=True, slots=True)
class Reminder:
    """Before the due instant (`before`) or after it; day spans may fix the local wall time."""

    span: Span
    before: bool = True
    at: time | None = None


@dataclass(frozen=True, slots=True)
class Escalation:
    """Whom to tell (`manager`, `department_head`, `owner`, or an employee code) how long after the due instant."""

    to: str
    after: Span


@dataclass(frozen=True, slots=True)
class StageDefinition:
    """One node of the process graph; the window is offset and length, or two instants."""

    key: str
    kind: StageKind
    after: tuple[str, ...] = ()
    name: str = ""
    offset: Span = NOTHING
    length: Span = Span(7, Unit.CALENDAR_DAYS)
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    reminders: tuple[Reminder, ...] = ()
    escalation: Escalation | None = None
    on_timeout: OnTimeout = OnTimeout.EXPIRE
    grace: Span | None = None  # of `extend_once` and `escalate`; default: the length once more
    early_close: bool = False
    advance: Advance = Advance.TOGETHER
    barrier: Barrier = Barrier.ALL
    strict: bool = False
    signature: Signature = Signature.NONE
    facilitator: str = "owner"  # calibration: owner | department_head | an employee code
    options: dict[str, Any] = field(default_factory=dict)  # what only this kind reads, as the template wrote it
