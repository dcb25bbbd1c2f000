"""Page tokens: opaque, signed, and bound to the list and filter they were given for."""

import base64
import hashlib
import hmac
from pathlib import Path

from services.gateway.errors import Refusal

DIGEST = 16


class Pages:
    """Seals the tokens of services and opens them again; every gateway of an installation shares the key."""

    def __init__(self, key_file: Path) -> None:
        self._key = hashlib.sha256(b"attune page tokens" + key_file.read_bytes()).digest()

    def seal(self, token: str, bound: str) -> str:
        """Return the token as clients see it; empty at the end of a list."""
        if not token:
            return ""
        body = token.encode()
        return base64.urlsafe_b64encode(self._digest(body, bound) + body).decode().rstrip("=")

    def open(self, sealed: str, bound: str) -> str:
        """Return the service's token; raises Refusal when it was altered or given for another list or filter."""
        if not sealed:
            return ""
        try:
            raw = base64.urlsafe_b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4))
        except ValueError:
            raw = b""
        digest, body = raw[:DIGEST], raw[DIGEST:]
        if not hmac.compare_digest(digest, self._digest(body, bound)):
            fault = {
                "pointer": "query:/page_token",
                "code": "PAGE_TOKEN_INVALID",
                "detail": "use next_page_token of the same list and filter",
            }
            raise Refusal(400, "PAGE_TOKEN_INVALID", "the page token does not belong to this list and filter", [fault])
        return body.decode()

    def _digest(self, body: bytes, bound: str) -> bytes:
        return hmac.new(self._key, bound.encode() + b"\0" + body, hashlib.sha256).digest()[:DIGEST]
