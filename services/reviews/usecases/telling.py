"""Every change of a cycle or stage leaves one audit entry and one event, written here."""

from typing import Any
from uuid import UUID

from services.reviews.domain.model import Cycle, Stage
from services.reviews.usecases.ports import Unit


async def tell_of_stage(work: Unit, kind: str, stage: Stage, *, note: str = "", **facts: Any) -> None:
    """Audit entry and event `reviews.<kind>`, such as stage_closed."""
    detail = stage_facts(stage) | facts
    await work.audit(kind, "stage", stage.id, detail=detail, note=note)
    await work.emit(f"reviews.{kind}", "stage", stage.id, stage.version, detail)


async def tell_of_cycle(work: Unit, kind: str, cycle: Cycle, *, note: str = "", **facts: Any) -> None:
    """Audit entry and event `reviews.<kind>`, such as cycle_launched."""
    detail = {"cycle_id": str(cycle.id), "state": cycle.state.value, "owner_id": str(cycle.owner_id), **facts}
    await work.audit(kind, "cycle", cycle.id, detail=detail, note=note)
    await work.emit(f"reviews.{kind}", "cycle", cycle.id, cycle.version, detail)


async def tell_of_tasks(work: Unit, kind: str, stage: Stage, first: UUID, last: UUID, count: int, **facts: Any) -> None:
    """One entry and one event `reviews.<kind>` for a whole chunk; both ends of its range of task ids belong to it."""
    detail = stage_facts(stage) | {"first": str(first), "last": str(last), "count": count, **facts}
    await work.audit(kind, "stage", stage.id, detail=detail)
    await work.emit(f"reviews.{kind}", "stage", stage.id, stage.version, detail)


def stage_facts(stage: Stage) -> dict[str, Any]:
    """Enough for a follower to act without asking back."""
    return {
        "cycle_id": str(stage.cycle_id),
        "stage_id": str(stage.id),
        "stage": stage.key,
        "kind": stage.kind.value,
        "state": stage.state.value,
        "epoch": stage.epoch,
        "open_at": stage.opened_at.isoformat() if stage.opened_at else None,
        "due_at": stage.due_at.isoformat() if stage.due_at else None,
    }
