"""Headers that make writes safe: Idempotency-Key and If-Match."""

import re

from fastapi import Request

from services.gateway.errors import Refusal
from services.runtime.clock import new_id

KEY = re.compile(r"[\x21-\x7e]{1,200}")
ANY = "*"


def request_id(request: Request) -> str:
    """Return the caller's Idempotency-Key, or a new one; raises Refusal when it is longer than 200 or not printable."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return str(new_id())
    if not KEY.fullmatch(key):
        detail = "1 to 200 printable ASCII characters without spaces"
        fault = {"pointer": "header:/Idempotency-Key", "code": "IDEMPOTENCY_KEY_INVALID", "detail": detail}
        raise Refusal(400, "IDEMPOTENCY_KEY_INVALID", f"an Idempotency-Key has {detail}", [fault])
    return key


def if_match(request: Request) -> str:
    """Return the expected etag, empty for `*` and where none is sent; raises Refusal for a tag that is empty itself."""
    sent = request.headers.get("if-match")
    if sent is None or sent.strip() == ANY:
        return ""
    tag = sent.strip().removeprefix("W/").strip('"')
    if not tag:  # to services, an empty etag means any
        fault = {"pointer": "header:/If-Match", "code": "IF_MATCH_INVALID", "detail": 'an ETag in quotes, or "*"'}
        raise Refusal(400, "IF_MATCH_INVALID", 'send If-Match with the ETag that you read, or "*"', [fault])
    return tag


def require_if_match(request: Request) -> None:
    """Raise Refusal 428 where a write to a shared object does not say which version it was made for."""
    if "if-match" not in request.headers:
        raise Refusal(428, "IF_MATCH_REQUIRED", 'send If-Match with the ETag that you read, or "*" to accept any')
