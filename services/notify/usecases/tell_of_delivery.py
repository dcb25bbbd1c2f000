"""Tell other services when a message about tasks did not arrive, and when a later one did."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from services.notify.domain.model import Asked, DeliveryState, Discarded, Outgoing

LOST = frozenset({DeliveryState.FAILED, DeliveryState.UNKNOWN})
ENDED_WELL = frozenset({DeliveryState.SENT, DeliveryState.VOID})
MOST_TASKS = 1_000  # tasks in one event; a message that asks for more is told of in several


class Outbox(Protocol):
    async def asked(self, each: Outgoing) -> Sequence[Asked]: ...


class Teller(Protocol):
    """What appends an event to the log of notify."""

    async def emit(
        self, kind: str, aggregate_type: str, aggregate_id: UUID, version: int, payload: Mapping[str, Any]
    ) -> UUID: ...


class TellerOfMany(Protocol):
    """What appends many events to the log of notify at once."""

    async def emit_each(
        self, kind: str, aggregate_type: str, told: Sequence[tuple[UUID, int, Mapping[str, Any]]]
    ) -> None: ...


async def tell_of_delivery(work: Teller, outbox: Outbox, each: Outgoing, state: DeliveryState, error: str) -> None:
    """A failure is told at its first try and at its end, a success only where something had failed before.

    What is not to be sent any more, because its recipient wants no e-mail, keeps nobody from knowing of a task either.
    """
    if state in LOST or (state is DeliveryState.PENDING and each.attempts == 1):
        kind, tasks = "delivery_failed", [task for task in await outbox.asked(each) if not task.reached]
    elif state in ENDED_WELL:
        kind, tasks = "delivery_made", [task for task in await outbox.asked(each) if task.missed]
    else:
        return
    for begin in range(0, len(tasks), MOST_TASKS):
        part = tasks[begin : begin + MOST_TASKS]
        payload = {
            "recipient_id": str(each.recipient_id),
            "task_ids": sorted(str(task.task_id) for task in part),
            "channel": part[0].channel,
            "since": part[0].create_time.isoformat(),
            "state": state.value,
            "error": error,
        }
        await work.emit(f"notify.{kind}", "delivery", each.id, each.attempts, payload)


async def tell_of_discarded(work: TellerOfMany, discarded: Sequence[Discarded]) -> None:
    """Whether it was sent before is not known: whoever owes something still counts as not reached.

    An event each, for whoever follows keeps that one person was not reached, since when, on which channel; but in one
    trip, for there may be as many as the installation has people.
    """
    told = [
        (
            each.id,
            each.attempts,
            {
                "recipient_id": str(each.recipient_id),
                "task_ids": sorted(str(task) for task in each.task_ids[begin : begin + MOST_TASKS]),
                "channel": each.channel,
                "since": each.create_time.isoformat(),
                "state": DeliveryState.UNKNOWN.value,
                "error": "DISCARDED",
            },
        )
        for each in discarded
        for begin in range(0, len(each.task_ids), MOST_TASKS)
    ]
    await work.emit_each("notify.delivery_failed", "delivery", told)
