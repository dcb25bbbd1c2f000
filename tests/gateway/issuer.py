"""An OIDC issuer on loopback: a real HTTP server that publishes keys, counts who reads them, and fails on demand."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

ISSUER, AUDIENCE = "https://issuer.example", "attune"
KEYS: Mapping[str, Callable[[str], Any]] = {
    "RS256": lambda kid: RSAKey.generate_key(2048, {"kid": kid}),
    "ES256": lambda kid: ECKey.generate_key("P-256", {"kid": kid}),
    "Ed25519": lambda kid: OKPKey.generate_key("Ed25519", {"kid": kid}),
}


@dataclass
class HttpIssuer:
    """Its keys by id, and how often they were read."""

    port: int = 0
    reads: int = 0
    answer: bytes | None = None  # what it says instead of its keys
    keys: dict[str, Any] = field(default_factory=dict)
    retired: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/keys"

    def make(self, kid: str, algorithm: str = "Ed25519") -> None:
        """Publish a further key."""
        self.keys[kid] = KEYS[algorithm](kid)

    def retire(self, kid: str) -> None:
        """Publish a key no more; it can still sign."""
        self.retired[kid] = self.keys.pop(kid)

    def token(self, kid: str, algorithm: str = "Ed25519", header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token signed with a key; claims that are None are left out."""
        now = int(time.time())
        stated = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ADMIN", "iat": now, "exp": now + 300} | claims
        key = self.keys.get(kid) or self.retired[kid]
        content = {name: value for name, value in stated.items() if value is not None}
        return jwt.encode({"alg": algorithm, "kid": kid, **(header or {})}, content, key, algorithms=[algorithm])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.reads += 1
        published = {"keys": [key.as_dict(private=False) for key in self.keys.values()]}
        body = json.dumps(published).encode() if self.answer is None else self.answer
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def running_issuer(issuer: HttpIssuer) -> AsyncIterator[HttpIssuer]:
    """Let the issuer answer on its port, a free one at first."""
    async with await asyncio.start_server(issuer.serve, "127.0.0.1", issuer.port) as server:
        issuer.port = server.sockets[0].getsockname()[1]
        yield issuer
