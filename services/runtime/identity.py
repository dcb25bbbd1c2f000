"""The internal identity token: who calls, for which tenant, and which RPCs are open to them."""

import base64
import json
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from services.runtime import telemetry
from services.runtime.errors import DeniedError, UnauthenticatedError
from services.runtime.watch import Watch

ALGORITHM = "Ed25519"
LIFETIME_SECONDS = 60
SKEW_SECONDS = 10  # how far the clocks of two machines may be apart when a token was just made
RENEW_SECONDS = 20  # a signer reuses a token until this long before its end
RELOAD_SECONDS = 1.0
MAX_CACHED = 10_000
UNREADABLE = (OSError, ValueError, JoseError)  # what a file that is no key, or not yet, makes of an attempt
USER_ISSUER = "gateway"  # the only process that may speak for people
OPEN_PREFIXES = ("/grpc.health.v1.Health/", "/grpc.reflection.")
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Grant:
    """A role and where it holds: tenant, department (path or id) or group."""

    role: str
    scope_kind: str = "tenant"
    scope_id: str = ""


@dataclass(frozen=True)
class Principal:
    """Who calls: a person of a tenant, a service, or the administrator of the installation."""

    tenant_id: UUID | None
    kind: str  # user | service | installation
    name: str  # the service's name, or "user"
    employee_id: UUID | None = None
    roles: tuple[Grant, ...] = ()
    unit_path: tuple[str, ...] = ()  # department ids, root first
    group_ids: frozenset[str] = frozenset()
    on_behalf_of: UUID | None = None

    def has(self, role: str) -> bool:
        """Return whether the role is held anywhere; every employee is an `employee`."""
        if role == "employee" and self.kind == "user" and self.employee_id is not None:
            return True
        return any(grant.role == role for grant in self.roles)

    @property
    def signer(self) -> str:
        """Return the process that signed the token: a service for itself, the gateway for people."""
        return self.name if self.kind == "service" else USER_ISSUER

    @property
    def actor(self) -> str:
        """Return the name under which commands of this caller are remembered."""
        return str(self.employee_id) if self.employee_id else self.name


@dataclass(frozen=True)
class Origin:
    """Where a unit of work comes from: the caller, the tenant, and the ids of the request and its trace."""

    principal: Principal
    tenant_id: UUID
    request_id: str = ""
    trace_id: str = ""


@dataclass(frozen=True)
class Access:
    """Who may use an RPC: people by role, other processes by name."""

    roles: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    whole_tenant: bool = False  # a role counts only where it was granted for all of the tenant

    def admits(self, principal: Principal) -> bool:
        """Return whether the caller may use the RPC at all; what they may do with which row is the service's policy."""
        if principal.kind == "service":
            return principal.name in self.services
        if self.whole_tenant:
            return any(grant.role in self.roles and grant.scope_kind == "tenant" for grant in principal.roles)
        return any(principal.has(role) for role in self.roles)


_principal: ContextVar[Principal] = ContextVar("principal")


def current_principal() -> Principal:
    """Return the verified caller of the RPC being served; raises UnauthenticatedError outside of one."""
    try:
        return _principal.get()
    except LookupError:
        raise UnauthenticatedError("no caller is known") from None


def admitted(principal: Principal) -> None:
    """Make the caller known to what is served in this context; the gate does, after it has verified the token."""
    _principal.set(principal)


def call_metadata(signer: "TokenSigner", tenant_id: UUID | None) -> Metadata:
    """Return the metadata of a call that this process makes in its own name."""
    return (("authorization", f"Bearer {signer.for_service(tenant_id)}"), *telemetry.trace_metadata())


class TokenSigner:
    """Signs tokens of 60 seconds in the name of this process with its Ed25519 private key, a replaced one at once."""

    def __init__(self, name: str, private_key_file: Path) -> None:
        self.name = name
        self._file, self._watch = private_key_file, Watch(private_key_file)
        self._watch.changed()
        self._looked = time.monotonic()
        self._key = OKPKey.import_key(private_key_file.read_bytes())
        self._key_id = self._key.thumbprint()
        self._kept: dict[UUID | None, tuple[str, float]] = {}

    def for_service(self, tenant_id: UUID | None) -> str:
        """Return a token that names this process and the tenant; none for reading logs and listing what is due."""
        self._reload()
        now = time.time()
        kept = self._kept.get(tenant_id)
        if kept is not None and now < kept[1] - RENEW_SECONDS:
            return kept[0]
        if len(self._kept) >= MAX_CACHED:
            self._kept.clear()
        token = self._sign(Principal(tenant_id=tenant_id, kind="service", name=self.name), now)
        self._kept[tenant_id] = (token, now + LIFETIME_SECONDS)
        return token

    def for_user(self, principal: Principal) -> str:
        """Return a token that carries a person, or the administrator of the installation."""
        self._reload()
        return self._sign(principal, time.time())

    def look_again(self) -> None:
        """Look at the key's file at the next token, though the last look was less than a second ago."""
        self._looked = float("-inf")

    def _reload(self) -> None:
        now = time.monotonic()
        if now < self._looked + RELOAD_SECONDS:
            return
        self._looked = now
        try:
            if not self._watch.changed():
                return
            key = OKPKey.import_key(self._file.read_bytes())
        except UNREADABLE as error:  # being replaced; the key that we have is still good
            self._watch.distrust()
            telemetry.log.warning("signing key not read", error=type(error).__name__)
            return
        if key.thumbprint() != self._key_id:
            self._key, self._key_id, self._kept = key, key.thumbprint(), {}

    def _sign(self, principal: Principal, now: float) -> str:
        header = {"alg": ALGORITHM, "kid": self._key_id}
        claims = {"iss": self.name, "iat": int(now), "exp": int(now) + LIFETIME_SECONDS, **_to_claims(principal)}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])


class TokenVerifier:
    """Verifies tokens against public keys named `<issuer>-<n>.pem`, read again when the directory changes."""

    def __init__(self, keys_dir: Path) -> None:
        self._dir, self._watch = keys_dir, Watch(keys_dir)
        self._keys: dict[str, tuple[str, OKPKey]] = {}  # key id → issuer, key
        self._seen: dict[str, tuple[Principal, float]] = {}  # token → principal, end
        self._looked = float("-inf")
        self._reload()

    def verify(self, token: str) -> Principal:
        """Return who the token speaks for; raises UnauthenticatedError for all but a valid token of a known issuer."""
        self._reload()
        now = time.time()
        seen = self._seen.get(token)
        if seen is not None and now < seen[1]:
            return seen[0]
        issuer, key = self._key_of(token)
        try:
            claims = jwt.decode(token, key, algorithms=[ALGORITHM]).claims
            principal = _from_claims(claims, issuer, now)
        except (JoseError, KeyError, TypeError, ValueError):
            raise UnauthenticatedError("the token does not verify") from None
        if len(self._seen) >= MAX_CACHED:
            self._seen.clear()
        self._seen[token] = (principal, float(claims["exp"]))
        return principal

    def look_again(self) -> None:
        """Read the directory at the next token, though the last look was less than a second ago."""
        self._looked = float("-inf")

    def _key_of(self, token: str) -> tuple[str, OKPKey]:
        try:
            head = token.split(".", 1)[0]
            key_id = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]
            return self._keys[key_id]
        except (KeyError, TypeError, ValueError, RecursionError):
            raise UnauthenticatedError("the token is not signed by a known key") from None

    def _reload(self) -> None:
        now = time.monotonic()
        if now < self._looked + RELOAD_SECONDS:
            return
        self._looked = now
        if not self._watch.changed():
            return
        keys: dict[str, tuple[str, OKPKey]] = {}
        for file in sorted(self._dir.glob("*.pem")):
            try:
                key = OKPKey.import_key(file.read_bytes())
            except UNREADABLE as error:  # being written; it is looked at again, and the others count meanwhile
                telemetry.log.warning("public key not read", file=file.name, error=type(error).__name__)
                self._watch.distrust()
                continue
            keys[key.thumbprint()] = (file.stem.rsplit("-", 1)[0], key)
        if {each: of[0] for each, of in keys.items()} != {each: of[0] for each, of in self._keys.items()}:
            self._keys, self._seen = keys, {}  # else what was verified by them goes on to count


class Gate:
    """Admits or refuses the caller of an RPC: token, then the access table; a method without a row is refused."""

    def __init__(self, verifier: TokenVerifier, access: Mapping[str, Access]) -> None:
        self._verifier = verifier
        self._access = access

    def enter(self, method: str, metadata: Mapping[str, Any], shown: frozenset[str] | None = None) -> Principal | None:
        """Make the caller known to the RPC being served; raises UnauthenticatedError or DeniedError.

        `shown`: the names in the caller's certificate; None where callers show none. A token is worth nothing without
        the certificate of the process that signed it.

        Returns the caller; None for the few methods that are open to everybody.
        """
        if method.startswith(OPEN_PREFIXES):
            return None
        scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError("a token is required")
        principal = self._verifier.verify(token)
        if shown is not None and principal.signer not in shown:
            raise UnauthenticatedError(
                "the certificate is not that of the process that signed the token", reason="CERTIFICATE_MISMATCH"
            )
        access = self._access.get(method)
        if access is None:
            raise DeniedError("nobody has been given access to this method", reason="ACCESS_UNDECLARED")
        if not access.admits(principal):
            raise DeniedError("this caller may not use this method")
        admitted(principal)
        return principal


def _to_claims(principal: Principal) -> dict[str, Any]:
    claims: dict[str, Any] = {"sub": principal.actor, "kind": principal.kind}
    if principal.tenant_id is not None:
        claims["tid"] = str(principal.tenant_id)
    if principal.kind != "service":
        claims["emp"] = str(principal.employee_id) if principal.employee_id else None
        claims["roles"] = [[grant.role, grant.scope_kind, grant.scope_id] for grant in principal.roles]
        claims["path"] = list(principal.unit_path)
        claims["groups"] = sorted(principal.group_ids)
        claims["obo"] = str(principal.on_behalf_of) if principal.on_behalf_of else None
    return claims


def _from_claims(claims: Mapping[str, Any], issuer: str, now: float) -> Principal:
    begin, end, kind = int(claims["iat"]), int(claims["exp"]), claims["kind"]
    if claims["iss"] != issuer or not begin - SKEW_SECONDS <= now < end or end - begin > LIFETIME_SECONDS:
        raise ValueError("the token is of another issuer, too old, or not valid yet")
    tenant_id = UUID(claims["tid"]) if claims.get("tid") else None
    if kind == "service":
        return Principal(tenant_id=tenant_id, kind=kind, name=issuer)
    if kind not in ("user", "installation") or issuer != USER_ISSUER or (kind == "user") != (tenant_id is not None):
        raise ValueError("this issuer may not speak for people")
    return Principal(
        tenant_id=tenant_id,
        kind=kind,
        name=kind,
        employee_id=UUID(claims["emp"]) if claims["emp"] else None,
        roles=tuple(Grant(*grant) for grant in claims["roles"]),
        unit_path=tuple(claims["path"]),
        group_ids=frozenset(claims["groups"]),
        on_behalf_of=UUID(claims["obo"]) if claims["obo"] else None,
    )
