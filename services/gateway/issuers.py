"""Who issues users' tokens, and how they are verified: of an OIDC issuer by its published keys, or of the local one."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, OKPKey

from services.gateway.errors import Refusal
from services.runtime import telemetry

LOCAL_ISSUER = "attune-local"
INSTALLATION = "installation"
LOCAL_HOURS = 12
SKEW_SECONDS = 30  # how far the issuer's clock and ours may be apart
ALGORITHMS = ("RS256", "PS256", "ES256", "Ed25519", "EdDSA")  # signatures only: none with a shared secret, never `none`
REFRESH_SECONDS = 300.0  # how old published keys may be before they are read again
PAUSE_SECONDS = 5.0  # between two readings, whatever tokens arrive
KEEP_SECONDS = 86400.0  # how long keys are trusted while the issuer cannot be reached
READ_SECONDS = 3.0
Claims = Mapping[str, Any]


@dataclass(frozen=True)
class Identity:
    """What a verified token says: issuer, subject, and the tenant it was made for, if it names one."""

    issuer: str
    subject: str
    tenant: str = ""


class Issuer(Protocol):
    """Verifies the tokens that name it as their issuer."""

    async def identify(self, token: str) -> Identity:
        """Return who the token speaks for; raises JoseError, ValueError, KeyError or TypeError for any other token."""
        ...


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
        """Return who the token speaks for."""
        claims = jwt.decode(token, self._key, algorithms=["Ed25519"]).claims
        check_times(claims)
        return Identity(LOCAL_ISSUER, str(claims["sub"]), str(claims.get("tenant", "")))


class PublishedKeys:
    """The keys that an issuer publishes, read again as they age and when a token names one that is not known."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._clock = url, clock
        self._keys: dict[str, Any] = {}
        self._read_at = self._tried_at = float("-inf")
        self._failing = False
        self._reading = asyncio.Lock()
        self._refresh: asyncio.Task[None] | None = None

    async def key(self, key_id: str) -> Any:
        """Return the key of that id; the only one there is where a token names none.

        Raises ValueError for a key that the issuer does not publish, Refusal 503 where that cannot be told.
        """
        now = self._clock()
        if now > self._read_at + KEEP_SECONDS:
            self._keys = {}
        if self._find(key_id) is None:
            await self._read_anew()
        elif now > self._read_at + REFRESH_SECONDS and self._may_read():  # nobody waits for what is known
            self._refresh = asyncio.get_running_loop().create_task(self._read_anew())
        found = self._find(key_id)
        if found is None and self._failing:
            raise Refusal(503, "ISSUER_UNREACHABLE", "the keys of the token's issuer cannot be read; try again")
        if found is None:
            raise ValueError("the issuer does not publish such a key")
        return found

    def _find(self, key_id: str) -> Any:
        if not key_id and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    def _may_read(self) -> bool:
        return self._clock() > self._tried_at + PAUSE_SECONDS and not self._reading.locked()

    async def _read_anew(self) -> None:
        asked_at = self._clock()
        async with self._reading:
            if self._tried_at >= asked_at or self._clock() <= self._tried_at + PAUSE_SECONDS:
                return  # somebody has just read, or it is too early to bother the issuer again
            self._tried_at = self._clock()
            try:
                async with httpx.AsyncClient(timeout=READ_SECONDS) as client:
                    reply = (await client.get(self._url)).raise_for_status()
                self._keys, self._read_at, self._failing = signing_keys(reply.json()), self._clock(), False
            except (httpx.HTTPError, ValueError) as error:
                self._failing = True
                telemetry.log.warning("keys of the issuer not read", error=type(error).__name__)


class OidcIssuer:
    """Verifies tokens of an OIDC issuer for our audience."""

    def __init__(self, issuer: str, audience: str, keys: PublishedKeys, tenant_claim: str) -> None:
        self._issuer, self._audience, self._keys, self._tenant_claim = issuer, audience, keys, tenant_claim

    async def identify(self, token: str) -> Identity:
        """Return who the token speaks for; raises Refusal 503 while the issuer's keys cannot be read."""
        header = part_of(token, 0)
        if header.get("alg") not in ALGORITHMS:
            raise ValueError("the token is not signed by an algorithm that is accepted")
        key = await self._keys.key(str(header.get("kid", "")))
        if key.get("alg") not in (None, header["alg"]):
            raise ValueError("the key is for another algorithm")
        claims = jwt.decode(token, key, algorithms=list(ALGORITHMS)).claims
        check_times(claims)
        audience = claims.get("aud")
        if claims.get("iss") != self._issuer or self._audience not in (
            audience if isinstance(audience, list) else [audience]
        ):
            raise ValueError("the token is of another issuer or for another audience")
        return Identity(self._issuer, str(claims["sub"]), str(claims.get(self._tenant_claim, "")))


def signing_keys(published: Any) -> dict[str, Any]:
    """Return the keys of a JWK set by id, without those that do not verify signatures or are of no kind we know.

    Raises ValueError for what is no JWK set.
    """
    if not isinstance(published, dict) or not isinstance(published.get("keys"), list):
        raise ValueError("no JWK set")
    found: dict[str, Any] = {}
    for each in published["keys"]:
        if not isinstance(each, dict) or each.get("kty") == "oct" or each.get("use", "sig") != "sig":
            continue
        try:
            found[str(each.get("kid", ""))] = JWKRegistry.import_key(each)
        except (JoseError, ValueError, TypeError) as error:
            telemetry.log.warning("a key of the issuer is not understood", error=type(error).__name__)
    return found


def part_of(token: str, number: int) -> dict[str, Any]:
    """Return the header (0) or the claims (1) as a token states them, unverified; raises ValueError when it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("no token")
    stated = json.loads(base64.urlsafe_b64decode(parts[number] + "=" * (-len(parts[number]) % 4)))
    if not isinstance(stated, dict):
        raise ValueError("no token")
    return stated


def check_times(claims: Claims) -> None:
    """Raise ValueError unless the token has begun and not ended, give or take 30 seconds."""
    now = time.time()
    if not float(claims.get("nbf", claims.get("iat", 0))) - SKEW_SECONDS <= now < float(claims["exp"]) + SKEW_SECONDS:
        raise ValueError("the token has expired or is not valid yet")
