"""The notify service on the wire: one method a call, each one run of a use case."""

from dataclasses import replace
from typing import Any

import grpc

from protos.notify.v1 import notify_pb2 as pb
from protos.notify.v1 import notify_pb2_grpc
from services.notify.convert import messages as convert
from services.notify.store import NotifyWork
from services.notify.usecases import read_inbox
from services.notify.usecases.ports import People
from services.runtime.database import Runner
from services.runtime.identity import Principal
from services.runtime.telemetry import log

Call = Any  # grpc.aio.ServicerContext, whose type parameters say nothing here


class NotifyServicer(notify_pb2_grpc.NotifyServiceServicer):
    """Answers every RPC of notify."""

    def __init__(self, runner: Runner[NotifyWork], people: People) -> None:
        self._runner, self._people = runner, people

    async def ListInbox(self, request: pb.ListInboxRequest, context: Call) -> pb.ListInboxResponse:
        return await self._runner.query(
            context,
            request,
            read_inbox.list_inbox,
            convert.list_inbox,
            convert.list_inbox_reply,
            prepare=self._in_their_language,
        )

    async def MarkRead(self, request: pb.MarkReadRequest, context: Call) -> pb.MarkReadResponse:
        return await self._runner.command(
            context, request, read_inbox.mark_read, convert.mark_read, convert.mark_read_reply
        )

    async def GetPreferences(self, request: pb.GetPreferencesRequest, context: Call) -> pb.GetPreferencesResponse:
        return await self._runner.query(
            context, request, read_inbox.get_preferences, convert.get_preferences, convert.get_preferences_reply
        )

    async def SetPreferences(self, request: pb.SetPreferencesRequest, context: Call) -> pb.SetPreferencesResponse:
        return await self._runner.command(
            context, request, read_inbox.set_preferences, convert.set_preferences, convert.set_preferences_reply
        )

    async def ListDeliveries(self, request: pb.ListDeliveriesRequest, context: Call) -> pb.ListDeliveriesResponse:
        asked = convert.list_deliveries(request)
        return await self._runner.query(
            context,
            request,
            read_inbox.list_deliveries,
            lambda _: asked,
            lambda found: convert.list_deliveries_reply(found, asked),
        )

    async def _in_their_language(self, principal: Principal, asked: read_inbox.ListInbox) -> read_inbox.ListInbox:
        """The language that people knows; an inbox is read in the default one while people cannot be reached."""
        if principal.tenant_id is None or principal.employee_id is None:
            return asked
        try:
            _, language = await self._people.contact(principal.tenant_id, principal.employee_id)
        except grpc.aio.AioRpcError as error:
            log.warning("language not known", code=error.code().name)
            return asked
        return replace(asked, language=language or asked.language)
