"""Runs a use case as one RPC in one transaction: convert in, use case, convert out."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar, cast
from uuid import UUID

from google.protobuf.message import Message

from services.runtime import idempotency, telemetry
from services.runtime.database.engine import Database
from services.runtime.database.work import W, WorkFactory
from services.runtime.errors import DeniedError, DomainError
from services.runtime.identity import Origin, Principal, current_principal

Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)
Command = TypeVar("Command")
Outcome = TypeVar("Outcome")
Prepare = Callable[[Principal, Command], Awaitable[Command]]
TenantOf = Callable[[Command], UUID]
NO_TENANT = UUID(int=0)


class CallContext(Protocol):
    """What the runner needs of a gRPC servicer context."""

    def invocation_metadata(self) -> Any: ...


class Runner(Generic[W]):
    """Opens and commits the one transaction of each RPC; a servicer's method is one call of it."""

    def __init__(
        self, database: Database, make_work: WorkFactory[W], *, announce: Callable[[], None] = lambda: None
    ) -> None:
        self._database = database
        self._make_work = make_work
        self._announce = announce

    async def command(
        self,
        context: CallContext,
        request: Request,
        use_case: Callable[[W, Command], Awaitable[Outcome]],
        read: Callable[[Request], Command],
        reply: Callable[[Outcome], Reply],
        *,
        prepare: Prepare[Command] | None = None,
        tenant_of: TenantOf[Command] | None = None,
    ) -> Reply:
        """Run a person's command once per request_id; a repetition is answered with the first reply.

        `prepare` may ask other services and enrich the command, outside the transaction and not for a repetition.
        `tenant_of` names the tenant where the caller has none (it must give the same tenant for the same request_id).
        """
        principal = current_principal()
        command = read(request)
        tenant_id = tenant_of(command) if tenant_of else _tenant(principal)
        request_id = str(getattr(request, "request_id", ""))
        key = idempotency.Key(tenant_id, principal.actor, request.DESCRIPTOR.full_name, request_id, request)
        if prepare is not None:
            kept = await self._kept(tenant_id, key)
            if kept is not None:
                return cast(Reply, kept)
            try:
                command = await prepare(principal, command)
            except Exception as error:  # DomainError is a protocol, which cannot be caught; all is raised on
                # The same request may have been carried out since, and what it did be the reason of this refusal; its
                # reply was committed with that.
                kept = await self._kept(tenant_id, key) if isinstance(error, DomainError) else None
                if kept is None:
                    raise
                return cast(Reply, kept)
        async with self._database.transaction(tenant_id) as connection:
            kept = await idempotency.claim(connection, key)
            if kept is not None:
                return cast(Reply, kept)
            work = self._make_work(connection, self._origin(principal, tenant_id, request_id))
            answer = reply(await use_case(work, command))
            await idempotency.keep(connection, key, answer)
        self._tell(work)
        return answer

    async def query(
        self,
        context: CallContext,
        request: Request,
        use_case: Callable[[W, Command], Awaitable[Outcome]],
        read: Callable[[Request], Command],
        reply: Callable[[Outcome], Reply],
        *,
        prepare: Prepare[Command] | None = None,
        tenant_of: TenantOf[Command] | None = None,
        system: bool = False,
    ) -> Reply:
        """Run a question in one transaction; `system` asks across tenants with the system role."""
        options: dict[str, Any] = {"prepare": prepare, "tenant_of": tenant_of, "system": system}
        return await self.perform(context, request, use_case, read, reply, **options)

    async def perform(
        self,
        context: CallContext,
        request: Request,
        use_case: Callable[[W, Command], Awaitable[Outcome]],
        read: Callable[[Request], Command],
        reply: Callable[[Outcome], Reply],
        *,
        prepare: Prepare[Command] | None = None,
        tenant_of: TenantOf[Command] | None = None,
        system: bool = False,
    ) -> Reply:
        """Run a worker's command in one transaction; no reply is kept, it is repeatable by state and epoch."""
        principal = current_principal()
        command = read(request)
        if prepare is not None:
            command = await prepare(principal, command)
        if system:
            tenant_id = principal.tenant_id or NO_TENANT
        else:
            tenant_id = tenant_of(command) if tenant_of else _tenant(principal)
        opened = self._database.system_transaction() if system else self._database.transaction(tenant_id)
        async with opened as connection:
            work = self._make_work(
                connection, self._origin(principal, tenant_id, str(getattr(request, "request_id", "")))
            )
            answer = reply(await use_case(work, command))
        self._tell(work)
        return answer

    async def stream(
        self,
        context: CallContext,
        request: Request,
        use_case: Callable[[W, Command], AsyncIterator[Outcome]],
        read: Callable[[Request], Command],
        reply: Callable[[Outcome], Reply],
    ) -> AsyncIterator[Reply]:
        """Answer a question with a stream, read in one transaction that lasts as long as the stream."""
        principal = current_principal()
        command = read(request)
        tenant_id = _tenant(principal)
        async with self._database.transaction(tenant_id, seconds=None) as connection:
            work = self._make_work(connection, self._origin(principal, tenant_id, ""))
            async for outcome in use_case(work, command):
                yield reply(outcome)

    def announce(self) -> None:
        """Wake the followers of the event log, after a transaction that was not run by this runner."""
        self._announce()

    async def _kept(self, tenant_id: UUID, key: idempotency.Key) -> Message | None:
        async with self._database.transaction(tenant_id) as connection:
            return await idempotency.find(connection, key)

    def _origin(self, principal: Principal, tenant_id: UUID, request_id: str) -> Origin:
        return Origin(principal, tenant_id, request_id, telemetry.current_trace_id())

    def _tell(self, work: W) -> None:
        if work.emitted:
            self._announce()
        for note in work.after_commit:
            note()


def _tenant(principal: Principal) -> UUID:
    if principal.tenant_id is None:
        raise DeniedError("this method needs a tenant and the caller has none", reason="TENANT_REQUIRED")
    return principal.tenant_id
