"""A client of the REST API: one method a verb, repeats what may be repeated, and raises problems as they are told."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

RETRIED = (502, 503, 504)
PAUSES = (0.2, 0.5, 1.0, 2.0, 3.0)
LARGEST_PAGE = 500


class Problem(Exception):
    """A refusal of the server: problem+json."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status, self.body = status, dict(body)
        self.code = str(body.get("code", status))
        self.detail = str(body.get("detail", ""))
        self.errors: list[dict[str, str]] = list(body.get("errors", ()))
        super().__init__(f"{self.code}: {self.detail}")


class Unreachable(Exception):
    """The server did not answer, however often it was asked."""


class Api:
    """The API as one caller; a write is repeated under the same Idempotency-Key, so that it happens once."""

    def __init__(self, http: httpx.AsyncClient, token: str = "", *, patience: float = 30.0) -> None:
        self._http, self._token, self._patience = http, token, patience

    def speaking_for(self, token: str) -> Api:
        """Return the same API as another caller."""
        return Api(self._http, token, patience=self._patience)

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Read; absent query values are left out."""
        return await self._send("GET", path, params=_given(query))

    async def post(self, path: str, body: Any = None, *, key: str = "", if_match: str = "*") -> dict[str, Any]:
        """Act once, however often it has to be sent."""
        return await self._send("POST", path, json=body, headers=_write(key, if_match))

    async def put(self, path: str, body: Any, *, key: str = "") -> dict[str, Any]:
        """Replace."""
        return await self._send("PUT", path, json=body, headers=_write(key, "*"))

    async def delete(self, path: str) -> dict[str, Any]:
        """Remove."""
        return await self._send("DELETE", path, headers=_write("", "*"))

    async def change(self, path: str, verb: str, body: Any = None) -> dict[str, Any]:
        """Act on a shared object as it is now: reads its ETag and sends it along."""
        read = await self._reply("GET", path)
        return await self.post(f"{path}{verb}", body, if_match=read.headers.get("ETag", "*"))

    async def upload(
        self, path: str, name: str, content: bytes, fields: Mapping[str, str] | None = None, **query: Any
    ) -> dict[str, Any]:
        """Send a file; with `fields` goes what people write, which must not stand in an address."""
        sent = {"files": {"file": (name, content)}, "data": {key: text for key, text in (fields or {}).items() if text}}
        return await self._send("POST", path, params=_given(query), headers=_write("", "*"), **sent)

    async def items(self, path: str, **query: Any) -> AsyncIterator[dict[str, Any]]:
        """Read every item of a list, page after page."""
        token = ""
        while True:
            page = await self.get(path, **{"page_size": LARGEST_PAGE, **query, "page_token": token or None})
            for item in page["items"]:
                yield item
            token = page.get("next_page_token", "")
            if not token:
                return

    async def download(self, path: str) -> bytes:
        """Read a file."""
        reply = await self._reply("GET", path)
        return reply.content

    async def _send(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        reply = await self._reply(method, path, **options)
        return dict(reply.json()) if reply.content else {}

    async def _reply(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = (
            {**options.pop("headers", {}), "Authorization": f"Bearer {self._token}"}
            if self._token
            else options.pop("headers", {})
        )
        deadline = asyncio.get_running_loop().time() + self._patience
        for pause in _pauses():
            reply = await self._attempt(method, path, headers, options)
            if isinstance(reply, httpx.Response) and reply.status_code not in RETRIED:
                break
            if asyncio.get_running_loop().time() + pause > deadline:
                break
            await asyncio.sleep(pause)
        if isinstance(reply, httpx.TransportError):
            raise Unreachable(f"{method} {path}: {reply or type(reply).__name__}, tried for {self._patience:.0f} s")
        if reply.is_error:
            raise Problem(reply.status_code, _body(reply))
        return reply

    async def _attempt(
        self, method: str, path: str, headers: Mapping[str, str], options: Mapping[str, Any]
    ) -> httpx.Response | httpx.TransportError:
        try:
            return await self._http.request(method, f"/v1{path}", headers=dict(headers), **options)
        except httpx.TransportError as error:
            return error


def connect(base_url: str, *, read_seconds: float = 30.0) -> httpx.AsyncClient:
    """Return a connection pool to a gateway."""
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    return httpx.AsyncClient(base_url=base_url, timeout=httpx.Timeout(read_seconds, connect=5), limits=limits)


def _pauses() -> list[float]:
    return [*PAUSES, *[PAUSES[-1]] * 1000]


def _write(key: str, if_match: str) -> dict[str, str]:
    return {"Idempotency-Key": key or str(uuid.uuid4()), "If-Match": if_match}


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _body(reply: httpx.Response) -> Mapping[str, Any]:
    try:
        return dict(reply.json())
    except ValueError:
        return {"code": f"HTTP_{reply.status_code}", "detail": reply.reason_phrase}
