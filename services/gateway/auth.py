"""Who calls: verifies the bearer token of an OIDC issuer or of the local one, and asks people for the principal."""

import base64
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from protos.people.v1 import people_pb2
from services.gateway.errors import Refusal
from services.runtime.identity import Grant, Principal, TokenSigner

LOCAL_ISSUER = "attune-local"
INSTALLATION = "installation"
LOCAL_HOURS = 12
SKEW_SECONDS = 30
JWKS_SECONDS = 300.0
OIDC_ALGORITHMS = ["RS256", "PS256", "ES256", "Ed25519", "EdDSA"]
MAX_CACHED = 50_000
Ask = Callable[[str, str, str], Awaitable[people_pb2.Principal]]  # issuer, subject, tenant → principal


@dataclass(frozen=True)
class Identity:
    """What a verified token says: issuer, subject, and the tenant it was made for, if it names one."""

    issuer: str
    subject: str
    tenant: str = ""


@dataclass(frozen=True)
class Caller:
    """A principal with the internal token that services take from the gateway."""

    principal: Principal
    token: str
    language: str = ""


class LocalIssuer:
    """Issues and verifies tokens of local mode with its own key; absent in production."""

    def __init__(self, key_file: Path) -> None:
        self._key = OKPKey.import_key(key_file.read_bytes())

    def issue(self, subject: str, tenant: str) -> str:
        """Return a token of twelve hours."""
        now = int(time.time())
        claims = {"iss": LOCAL_ISSUER, "sub": subject, "tenant": tenant, "iat": now, "exp": now + LOCAL_HOURS * 3600}
        return jwt.encode({"alg": "Ed25519"}, claims, self._key, algorithms=["Ed25519"])

    async def identify(self, token: str) -> Identity:
        """Return who the token speaks for; raises JoseError, ValueError or KeyError for any other token."""
        claims = jwt.decode(token, self._key, algorithms=["Ed25519"]).claims
        check_times(claims)
        return Identity(LOCAL_ISSUER, str(claims["sub"]), str(claims.get("tenant", "")))


class OidcIssuer:
    """Verifies tokens of an OIDC issuer against its published keys, read again when an unknown key appears."""

    def __init__(self, issuer: str, audience: str, jwks_url: str, tenant_claim: str) -> None:
        self._issuer, self._audience, self._url, self._tenant_claim = issuer, audience, jwks_url, tenant_claim
        self._keys: KeySet | None = None
        self._read_at = float("-inf")

    async def identify(self, token: str) -> Identity:
        """Return who the token speaks for; raises JoseError, ValueError or KeyError for any other token."""
        keys = await self._key_set(_key_id(token))
        claims = jwt.decode(token, keys, algorithms=OIDC_ALGORITHMS).claims
        check_times(claims)
        audience = claims.get("aud")
        if claims.get("iss") != self._issuer or self._audience not in (
            audience if isinstance(audience, list) else [audience]
        ):
            raise ValueError("the token is of another issuer or for another audience")
        return Identity(self._issuer, str(claims["sub"]), str(claims.get(self._tenant_claim, "")))

    async def _key_set(self, key_id: str) -> KeySet:
        age = time.monotonic() - self._read_at
        known = self._keys is not None and any(key.kid == key_id for key in self._keys.keys)
        if self._keys is None or age > JWKS_SECONDS or (not known and age > 1):
            try:
                async with httpx.AsyncClient(timeout=5) as client:
                    reply = (await client.get(self._url)).raise_for_status()
                self._keys, self._read_at = KeySet.import_key_set(reply.json()), time.monotonic()
            except (httpx.HTTPError, ValueError):
                if self._keys is None:
                    raise Refusal(
                        503, "ISSUER_UNREACHABLE", "the keys of the token's issuer cannot be read; try again"
                    ) from None
        return self._keys


class Authenticator:
    """Turns a bearer token into a caller; principals are kept for a few seconds."""

    def __init__(
        self,
        issuers: tuple[LocalIssuer | OidcIssuer, ...],
        signer: TokenSigner,
        ask: Ask,
        keep_seconds: float,
        administrators: frozenset[str],
    ) -> None:
        self._issuers, self._signer, self._ask, self._keep = issuers, signer, ask, keep_seconds
        self._administrators = administrators
        self._kept: dict[str, tuple[Caller, float]] = {}

    async def caller(self, authorization: str) -> Caller:
        """Return who calls; raises Refusal 401 without a valid token, 403 where the identity belongs to nobody."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal(401, "TOKEN_REQUIRED", "send Authorization: Bearer with a token of the issuer")
        kept = self._kept.get(token)
        if kept is not None and time.monotonic() < kept[1]:
            return kept[0]
        caller = await self._resolve(await self._identify(token))
        if len(self._kept) >= MAX_CACHED:
            self._kept.clear()
        self._kept[token] = (caller, time.monotonic() + self._keep)
        return caller

    async def _identify(self, token: str) -> Identity:
        for issuer in self._issuers:
            try:
                return await issuer.identify(token)
            except (JoseError, ValueError, KeyError, TypeError):
                continue
        raise Refusal(401, "TOKEN_INVALID", "the token is not valid: unknown issuer, wrong signature, or expired")

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


def check_times(claims: dict[str, Any]) -> None:
    """Raise ValueError unless the token has begun and not ended, give or take 30 seconds."""
    now = time.time()
    if not float(claims.get("nbf", claims.get("iat", 0))) - SKEW_SECONDS <= now < float(claims["exp"]) + SKEW_SECONDS:
        raise ValueError("the token has expired or is not valid yet")


def _key_id(token: str) -> str:
    head = token.split(".", 1)[0]
    return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))).get("kid", ""))
