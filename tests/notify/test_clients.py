"""Asking reviews who is concerned: page after page, each task once."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from protos.reviews.v1 import clockwork_pb2, clockwork_pb2_grpc
from services.notify.clients import PAGE, ReviewsClient
from services.notify.usecases.ports import TaskRange
from tests.identity import Keyring

OWED = PAGE + 3
SERVICE = "attune.reviews.v1.ClockworkService"


class ManyTasks:
    """Reviews with more tasks than a page holds."""

    def __init__(self) -> None:
        self.tasks = [UUID(int=number) for number in range(1, OWED + 1)]
        self.asked = 0

    async def list_recipients(
        self, request: clockwork_pb2.ListRecipientsRequest, context: Any
    ) -> clockwork_pb2.ListRecipientsResponse:
        self.asked += 1
        first, last = UUID(request.first_task_id), UUID(request.last_task_id)
        found = [task for task in self.tasks if first <= task <= last][: request.page_size]
        recipients = [clockwork_pb2.Recipient(task_id=str(task), employee_id=str(task)) for task in found]
        return clockwork_pb2.ListRecipientsResponse(
            recipients=recipients, last=len(found) < request.page_size, cycle_name="Q3", time_zone="Asia/Shanghai"
        )

    def handler(self) -> grpc.GenericRpcHandler:
        """Serve the one RPC that notify calls."""
        method = grpc.unary_unary_rpc_method_handler(
            self.list_recipients,
            request_deserializer=clockwork_pb2.ListRecipientsRequest.FromString,
            response_serializer=clockwork_pb2.ListRecipientsResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"ListRecipients": method})


@pytest.fixture
async def reviews() -> AsyncIterator[tuple[ManyTasks, str]]:
    server, servicer = grpc.aio.server(), ManyTasks()
    server.add_generic_rpc_handlers((servicer.handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield servicer, f"127.0.0.1:{port}"
    await server.stop(None)


async def test_a_bulk_event_is_expanded_page_by_page(reviews: tuple[ManyTasks, str], tmp_path: Path) -> None:
    servicer, address = reviews
    async with grpc.aio.insecure_channel(address) as channel:
        client = ReviewsClient(clockwork_pb2_grpc.ClockworkServiceStub(channel), Keyring(tmp_path).signer("notify"))
        found = await client.recipients(uuid4(), TaskRange(uuid4(), uuid4(), UUID(int=2), UUID(int=OWED)))
    assert [each.task_id for each in found.people] == servicer.tasks[1:]
    assert (servicer.asked, found.cycle, found.zone) == (2, "Q3", "Asia/Shanghai")
