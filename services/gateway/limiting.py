"""How many requests a person may make: a fixed window of a minute, kept in this process."""

import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from services.gateway.errors import Refusal


class RateLimit:
    """Counts requests by caller; generous, so that only a runaway client meets it."""

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute)
        self._window = FixedWindowRateLimiter(MemoryStorage())

    async def admit(self, caller: str) -> dict[str, str]:
        """Count one request and return the RateLimit headers; raises Refusal 429 when the window is used up."""
        admitted = await self._window.hit(self._item, caller)
        reset_at, remaining = await self._window.get_window_stats(self._item, caller)
        headers = {
            "RateLimit-Limit": str(self._item.amount),
            "RateLimit-Remaining": str(max(0, remaining)),
            "RateLimit-Reset": str(max(0, int(reset_at - time.time()))),
        }
        if not admitted:
            wait = headers["RateLimit-Reset"]
            detail = f"more than {self._item.amount} requests in a minute; go on in {wait} s"
            raise Refusal(429, "RATE_LIMITED", detail, headers={**headers, "Retry-After": wait})
        return headers
