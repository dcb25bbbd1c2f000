"""Wake-ups between services by Redis; without it everybody polls, and nothing but time is lost."""

import asyncio
from collections.abc import Collection

import redis.asyncio
from redis.exceptions import RedisError

from services.runtime import telemetry

CHANNEL = "attune:events:"
RETRY_SECONDS = 2.0


class Wake:
    """Tells followers that a service's log has grown, and waits for such news."""

    def __init__(self, redis_url: str, service: str) -> None:
        self._service = service
        self._client = redis.asyncio.from_url(redis_url) if redis_url else None
        self._news: dict[str, asyncio.Event] = {}
        self._telling: asyncio.Task[None] | None = None
        self._untold = False
        self._lost = False

    def announce(self) -> None:
        """Tell the followers, soon and without waiting; calls that come together are told once."""
        self._untold = True
        if self._client is not None and (self._telling is None or self._telling.done()):
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def wait(self, producer: str, seconds: float) -> None:
        """Return when the producer's log has grown, at the latest after so many seconds."""
        news = self._news.setdefault(producer, asyncio.Event())
        try:
            async with asyncio.timeout(seconds):
                await news.wait()
        except TimeoutError:
            return
        news.clear()

    async def listen(self, producers: Collection[str]) -> None:
        """Receive news of these producers for ever; returns at once when there is no Redis."""
        while self._client is not None:
            try:
                async with self._client.pubsub() as subscription:
                    await subscription.subscribe(*(CHANNEL + producer for producer in producers))
                    self._found()
                    async for message in subscription.listen():
                        producer = bytes(message["channel"]).decode().removeprefix(CHANNEL)
                        self._news.setdefault(producer, asyncio.Event()).set()
            except (RedisError, OSError) as error:
                self._miss(error)
                await asyncio.sleep(RETRY_SECONDS)

    async def close(self) -> None:
        """Close the connection."""
        if self._telling is not None:
            await asyncio.gather(self._telling, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def _tell(self) -> None:
        assert self._client is not None  # noqa: S101  # announce has looked
        try:
            while self._untold:
                self._untold = False
                await self._client.publish(CHANNEL + self._service, b"")
            self._found()
        except (RedisError, OSError) as error:
            self._miss(error)

    def _miss(self, error: Exception) -> None:
        if not self._lost:
            telemetry.log.warning("redis is gone, polling instead", error=type(error).__name__)
        self._lost = True

    def _found(self) -> None:
        if self._lost:
            telemetry.log.info("redis is back")
        self._lost = False
