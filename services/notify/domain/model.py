"""The nouns of notify."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

EMAIL = "email"


class DeliveryState(StrEnum):
    """What became of a message on a channel."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class News:
    """What one event tells one person; the wording is chosen when it is read."""

    recipient_id: UUID
    kind: str
    subject_type: str
    subject_id: UUID
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple[UUID, ...] = ()  # what it asks for; void when none of them is owed by the recipient any more
    stage_id: UUID | None = None  # of the tasks


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of somebody's inbox."""

    id: UUID
    recipient_id: UUID
    sequence: int
    kind: str
    subject_type: str
    subject_id: UUID
    parameters: Mapping[str, Any]
    create_time: datetime
    read_time: datetime | None
    void: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on an external channel."""

    id: UUID
    message_id: UUID
    recipient_id: UUID
    channel: str
    state: DeliveryState
    attempts: int
    error: str
    kind: str
    update_time: datetime


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A delivery that was claimed for sending, with what it says."""

    id: UUID
    tenant_id: UUID
    recipient_id: UUID
    attempts: int
    kind: str
    parameters: Mapping[str, Any]
    language: str  # of the recipient's preference; empty follows people
    wanted: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A task that a message asks for, and what became of other messages to the same person that ask for it."""

    task_id: UUID
    channel: str
    create_time: datetime
    reached: bool  # a later one was sent
    missed: bool  # one was not sent, or this one not at once


@dataclass(frozen=True, slots=True)
class Discarded:
    """A delivery that an operator had not sent, with the tasks for which no later message reached the recipient."""

    id: UUID
    recipient_id: UUID
    channel: str
    attempts: int
    create_time: datetime
    task_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing is sent, since when, and how many deliveries wait, in all and from before."""

    reason: str
    since: datetime
    queued: int
    queued_before: int


@dataclass(frozen=True, slots=True)
class Preferences:
    """How somebody wants to be told; an empty language follows people."""

    language: str = ""
    email: bool = True
