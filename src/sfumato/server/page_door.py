"""What of Gradio's server can be reached: only what the page needs.

Gradio serves a good deal more than one page takes (queues and an API whose arguments may be
addresses that it fetches, proxies, monitoring). None of that is let through.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

API = "/v1/"
PAGE = frozenset(("/", "/theme.css", "/favicon.ico", "/robots.txt", "/config", "/logout"))
ASSETS = ("/assets/", "/static/")
UPLOAD = "/gradio_api/upload"
POSTS = frozenset((UPLOAD, "/gradio_api/component_server", "/login"))
FILE = "/gradio_api/file="

MAX_HELD = 8_000_000_000
"""Bytes of uploads and downloads that are kept at a time."""

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""Nothing comes from elsewhere. Gradio compiles its templates in the browser (``unsafe-eval``)."""


class Door:
    """Lets the API and the page's own requests through.

    Args:
        app: what is behind it.
        uploads: files that are kept for the page.
        made: the folder of results to download.
    """

    def __init__(self, app: ASGIApp, *, uploads: Collection[str], made: Path) -> None:
        self._app, self._uploads, self._made = app, uploads, made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"].startswith(API):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http" or not self._open(scope["method"], scope["path"]):
            await self._refuse(scope, receive, send, 404, "there is nothing here")
            return
        if scope["path"].rstrip("/") == UPLOAD and self._held() > MAX_HELD:
            await self._refuse(scope, receive, send, 503, "the server is full; come again later")
            return

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", POLICY.encode())
                message["headers"] = [*message["headers"], policy]
            await send(message)

        await self._app(scope, receive, with_policy)

    def _open(self, method: str, path: str) -> bool:
        if method == "POST":
            return path.rstrip("/") in POSTS
        if method not in ("GET", "HEAD"):
            return False
        if path.startswith(FILE):
            return self._is_made(unquote(path.removeprefix(FILE)))
        return path in PAGE or path.startswith(ASSETS)

    def _is_made(self, path: str) -> bool:
        """Only files that were offered to somebody; their folders' names cannot be guessed."""
        return path in self._uploads and path.startswith(f"{self._made}/")

    def _held(self) -> int:
        total = 0
        for path in list(self._uploads):
            try:
                total += Path(path).stat().st_size
            except OSError:  # swept
                continue
        return total

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, code: int, sentence: str
    ) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        await JSONResponse({"detail": sentence}, code)(scope, receive, send)
