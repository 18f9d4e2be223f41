"""What every request must pass, and what every answer carries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

API_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of all answers."""

POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Of the API's answers: none of them is a page."""


class Guard:
    """Refuses requests under a foreign name or from a foreign page, and those that are too large.

    A page elsewhere may make its visitor's browser send forms to a server on the visitor's own
    machine, or give that server a name of its own; neither gets through.

    Args:
        app: what is guarded.
        hosts: names under which the server may be called, without port; ``*`` = any.
        max_bytes: of a request's body.
    """

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str], max_bytes: int) -> None:
        self._app, self._hosts, self._max_bytes = app, hosts, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        host = headers.get("host", "")
        if "*" not in self._hosts and _name(host) not in self._hosts:
            await _refuse(send, scope, 400, "this server is not called by that name")
            return
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            await _refuse(send, scope, 403, "requests from other sites' pages are not taken")
            return
        if _length(headers.get("content-length", "")) > self._max_bytes:
            await _refuse(send, scope, 413, self._too_large())
            return
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bodies that do not say how long they are end here."""
        size, answered = 0, False

        async def count() -> Message:
            nonlocal size
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > self._max_bytes:
                    raise _TooLargeError
            return message

        async def note(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, count, note)
        except _TooLargeError:
            if not answered:
                await _refuse(send, scope, 413, self._too_large())

    def _too_large(self) -> str:
        return f"the request is larger than the {self._max_bytes / 1e6:g} MB that are taken"


class Headers:
    """Adds headers that keep browsers from doing more with an answer than it is meant for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        api = scope["path"].startswith("/v1/")

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = API_HEADERS | ({"Content-Security-Policy": POLICY} if api else {})
                known = {key.lower() for key, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (key.lower().encode(), value.encode())
                        for key, value in more.items()
                        if key.lower().encode() not in known and (api or key != "Cache-Control")
                    ),
                ]
            await send(message)

        await self._app(scope, receive, with_headers)


class _TooLargeError(Exception):
    """The body has gone past its limit."""


def _name(host: str) -> str:
    """``localhost`` of ``localhost:8000``, ``[::1]`` of ``[::1]:8000``."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def _length(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


async def _refuse(send: Send, scope: Scope, code: int, sentence: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = json.dumps({"detail": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
