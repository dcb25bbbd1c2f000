"""ListStalled: proto ↔ domain."""

from datetime import datetime
from uuid import UUID

from protos.reviews.v1 import cycles_pb2
from services.reviews.convert.clockwork import optional_id
from services.reviews.convert.templates import page_size, read_id, read_token, timestamp, write_token
from services.reviews.domain.errors import Invalid
from services.reviews.domain.stalls import Stall
from services.reviews.usecases.list_stalled import StalledPage, StallFilter


def list_stalled(request: cycles_pb2.ListStalledRequest) -> StallFilter:
    return StallFilter(
        cycle_id=optional_id(request.cycle_id, "cycle_id"),
        stage=request.stage,
        task_id=optional_id(request.task_id, "task_id"),
        participant_id=optional_id(request.participant_id, "participant_id"),
        include_waiting=request.include_waiting,
        department_id=optional_id(request.department_id, "department_id"),
        after=_after(request.page_token),
        size=page_size(request.page_size),
    )


def list_stalled_reply(page: StalledPage) -> cycles_pb2.ListStalledResponse:
    token = ""
    if page.next is not None:
        due_at, task_id = page.next
        token = write_token(due_at.isoformat() if due_at else "", str(task_id))
    rows = [_row(stall, page.tenant_id) for stall in page.rows]
    live = [
        cycles_pb2.CycleUnderWay(
            cycle_id=str(cycle.id), launch_time=timestamp(cycle.launched_at), trace_id=cycle.trace_id
        )
        for cycle in page.live
    ]
    return cycles_pb2.ListStalledResponse(rows=rows, next_page_token=token, cycles=live)


def _after(token: str) -> tuple[datetime | None, UUID] | None:
    parts = read_token(token)
    if parts is None:
        return None
    try:
        at, last = parts
        return datetime.fromisoformat(at) if at else None, read_id(last, "page_token")
    except ValueError:
        raise Invalid("page_token is not one that was given out", field="page_token") from None


def _row(stall: Stall, tenant_id: UUID) -> cycles_pb2.StalledRow:
    return cycles_pb2.StalledRow(
        kind=stall.kind,
        cycle_id=str(stall.cycle_id),
        stage=stall.stage,
        task_id=str(stall.task_id or ""),
        participant_id=str(stall.participant_id or ""),
        assignee_id=str(stall.assignee_id or ""),
        cause=stall.cause,
        since=timestamp(stall.since),
        due_at=timestamp(stall.due_at),
        overdue_seconds=stall.overdue_seconds,
        next=cycles_pb2.NextStep(at=timestamp(stall.next_at), action=stall.next_action),
        remedies=[cycles_pb2.Remedy(action=each.action, call=each.call, role=each.role) for each in stall.remedies],
        trace_id=stall.trace_id,
        workflow_id=f"cycle/{tenant_id}/{stall.cycle_id}",
        detail=stall.detail,
    )
