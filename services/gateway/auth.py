"""Who calls: verifies the bearer token of an OIDC issuer or of the local one, and asks people for the principal."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

import grpc
from joserfc.errors import JoseError

from protos.people.v1 import people_pb2
from services.gateway.errors import Refusal
from services.gateway.issuers import INSTALLATION, LOCAL_ISSUER, Identity, Issuer, part_of
from services.runtime.identity import Grant, Principal, TokenSigner

MAX_CACHED = 50_000
SPREAD = 0.4  # of the time for which a principal is kept: those who came together are not asked for again together
Ask = Callable[[str, str, str], Awaitable[people_pb2.Principal]]  # issuer, subject, tenant → principal


@dataclass(frozen=True)
class Caller:
    """A principal with the internal token that services take from the gateway."""

    principal: Principal
    token: str
    language: str = ""


class Authenticator:
    """Turns a bearer token into a caller; principals are kept for a few seconds.

    Requests with one token that come while people is asked about it, as those of one page do, share the answer.
    """

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        signer: TokenSigner,
        ask: Ask,
        keep_seconds: float,
        administrators: frozenset[str],
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._issuers, self._signer, self._ask, self._keep = issuers, signer, ask, keep_seconds
        self._administrators, self._clock, self._dice = administrators, clock, dice
        self._kept: dict[str, tuple[Caller, float]] = {}
        self._asking: dict[str, asyncio.Task[Caller]] = {}

    async def caller(self, authorization: str) -> Caller:
        """Return who calls; raises Refusal 401 without a valid token, 403 where the identity belongs to nobody."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal(401, "TOKEN_REQUIRED", "send Authorization: Bearer with a token of the issuer")
        kept = self._kept.get(token)
        if kept is not None and self._clock() < kept[1]:
            return kept[0]
        asking = self._asking.get(token) or self._begin(token)
        return await asyncio.shield(asking)  # a request that is given up takes the answer from no other

    def _begin(self, token: str) -> asyncio.Task[Caller]:
        asking = asyncio.create_task(self._ask_for(token))

        def answered(task: asyncio.Task[Caller]) -> None:
            del self._asking[token]
            if not task.cancelled():
                task.exception()  # is told to whoever still waits

        self._asking[token] = asking
        asking.add_done_callback(answered)
        return asking

    async def _ask_for(self, token: str) -> Caller:
        asked_at = self._clock()
        caller = await self._resolve(await self._identify(token))
        if len(self._kept) >= MAX_CACHED:
            self._kept.clear()
        self._kept[token] = (caller, asked_at + self._keep * (1 - SPREAD * self._dice()))
        return caller

    async def _identify(self, token: str) -> Identity:
        try:
            return await self._issuers[part_of(token, 1)["iss"]].identify(token)
        except (JoseError, ValueError, KeyError, TypeError, RecursionError):
            detail = "the token is not valid: unknown issuer, wrong signature, or expired"
            raise Refusal(401, "TOKEN_INVALID", detail) from None

    async def _resolve(self, identity: Identity) -> Caller:
        local_administrator = identity.issuer == LOCAL_ISSUER and identity.subject == INSTALLATION
        if local_administrator or (identity.issuer != LOCAL_ISSUER and identity.subject in self._administrators):
            principal = Principal(None, "installation", "installation", roles=(Grant("installation_admin"),))
            return Caller(principal, self._signer.for_user(principal))
        try:
            found = await self._ask(identity.issuer, identity.subject, identity.tenant)
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                message = "people does not answer, and nobody is recognised until it does; try again"
                raise Refusal(503, "SERVICE_DOWN", message) from error
            raise
        principal = principal_of(found)
        return Caller(principal, self._signer.for_user(principal), found.language)


def principal_of(found: people_pb2.Principal) -> Principal:
    """Return the principal as services know it."""
    return Principal(
        tenant_id=UUID(found.tenant_id),
        kind="user",
        name="user",
        employee_id=UUID(found.employee_id),
        roles=tuple(Grant(grant.role, grant.scope_kind or "tenant", grant.scope_id) for grant in found.grants),
        unit_path=tuple(found.unit_path),
        group_ids=frozenset(found.group_ids),
    )
