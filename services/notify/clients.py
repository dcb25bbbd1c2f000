"""Calls to reviews and people: proto in, domain out."""

from datetime import UTC
from uuid import UUID

from protos.people.v1 import people_pb2, people_pb2_grpc
from protos.reviews.v1 import clockwork_pb2, clockwork_pb2_grpc
from services.notify.usecases.ports import Recipient, Recipients, TaskRange
from services.runtime.identity import TokenSigner, call_metadata

CALL_SECONDS = 10.0
PAGE = 5000
ONE = UUID(int=1)


class ReviewsClient:
    """Reviews by gRPC."""

    def __init__(self, stub: "clockwork_pb2_grpc.ClockworkServiceAsyncStub", signer: TokenSigner) -> None:
        self._stub, self._signer = stub, signer

    async def recipients(self, tenant_id: UUID, tasks: TaskRange) -> Recipients:
        """Return everybody who owes one of the tasks of a range."""
        found: list[Recipient] = []
        first = tasks.first
        while True:
            request = clockwork_pb2.ListRecipientsRequest(
                cycle_id=str(tasks.cycle_id),
                stage_id=str(tasks.stage_id),
                first_task_id=str(first),
                last_task_id=str(tasks.last),
                reminder=tasks.reminder,
                page_size=PAGE,
            )
            metadata = call_metadata(self._signer, tenant_id)
            reply = await self._stub.ListRecipients(request, timeout=CALL_SECONDS, metadata=metadata)
            found += [_recipient(each) for each in reply.recipients if each.employee_id]
            if reply.last or not reply.recipients:
                return Recipients(tuple(found), reply.cycle_name, reply.stage_name, reply.time_zone)
            first = UUID(int=UUID(reply.recipients[-1].task_id).int + ONE.int)


class PeopleClient:
    """People by gRPC."""

    def __init__(self, stub: "people_pb2_grpc.PeopleServiceAsyncStub", signer: TokenSigner) -> None:
        self._stub, self._signer = stub, signer

    async def contact(self, tenant_id: UUID, employee_id: UUID) -> tuple[str, str]:
        """Return e-mail address and language; both empty for somebody unknown."""
        request = people_pb2.BatchGetEmployeesRequest(employee_ids=[str(employee_id)])
        metadata = call_metadata(self._signer, tenant_id)
        reply = await self._stub.BatchGetEmployees(request, timeout=CALL_SECONDS, metadata=metadata)
        return next(((each.email, each.language) for each in reply.employees), ("", ""))


def _recipient(each: clockwork_pb2.Recipient) -> Recipient:
    due_at = each.due_at.ToDatetime(tzinfo=UTC) if each.HasField("due_at") else None
    return Recipient(UUID(each.task_id), UUID(each.employee_id), due_at)
