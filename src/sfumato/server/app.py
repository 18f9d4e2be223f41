"""The HTTP API: a FastAPI application over a desk."""

from __future__ import annotations

import asyncio
import json
import math
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from sfumato import __version__, registry, styles
from sfumato.errors import SfumatoError, UsageError
from sfumato.server import forms
from sfumato.server.desk import Desk, FullError, NoRoomError, Sent, UnreachableError
from sfumato.server.guard import Guard, Headers
from sfumato.server.jobs import Job
from sfumato.server.metrics import Metrics
from sfumato.server.orders import KINDS, remote_options
from sfumato.server.work import MANIFEST, MEDIA, PREVIEW

QUICK, LONGEST = 20.0, 120.0
"""Seconds for which an answer is waited for, unless told otherwise, and at most."""

LOOK, SELDOM = 0.05, 0.5
"""Seconds between looks at a job that is waited for: at first, and at most."""


@dataclass(frozen=True)
class House:
    """How the server is open.

    Attributes:
        token: what requests must show; None = nothing.
        hosts: names under which it may be called; ``*`` = any.
        max_bytes: of one request.
        max_files: of one request.
    """

    token: str | None = None
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    max_bytes: int = 64_000_000
    max_files: int = 20


class JobView(BaseModel):
    """How a job stands. Times are seconds since 1970."""

    id: str
    kind: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    stage: str
    fraction: float
    message: str
    blame: str
    created: float
    started: float | None
    ended: float | None
    links: dict[str, str]


class Problem(BaseModel):
    """Why not, in one sentence."""

    detail: str


def view(job: Job) -> JobView:
    """What the world may see of a job."""
    at = f"/v1/jobs/{job.id}"
    links = {"self": at, "events": f"{at}/events"}
    if job.state == "done":
        links |= {"result": f"{at}/result", "manifest": f"{at}/manifest"}
    if job.kind == "optimise" and not job.over:
        links["preview"] = f"{at}/preview"
    names = JobView.model_fields.keys() - {"links"}
    return JobView(**{name: getattr(job, name) for name in names}, links=links)


def create(desk: Desk, house: House, metrics: Metrics) -> FastAPI:
    """The application.

    Args:
        desk: keeps the jobs; closed when the application ends.
        house: how open it is.
        metrics: what ``/v1/metrics`` shows.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001
        yield
        await run_in_threadpool(desk.close)

    app = FastAPI(
        title="Sfumato", version=__version__, lifespan=life, docs_url=None, redoc_url=None,
        openapi_url="/v1/openapi.json", summary="Paint the part of a picture that you choose.",
    )  # fmt: skip
    app.add_middleware(Guard, hosts=house.hosts, max_bytes=house.max_bytes)
    app.add_middleware(Headers)
    app.add_exception_handler(SfumatoError, _sentence)
    app.include_router(_open_routes(desk))
    app.include_router(_job_routes(desk, house, metrics))
    return app


def _open_routes(desk: Desk) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.get("/healthz")
    def healthz() -> dict[str, Any]:
        """Whether the server is there, and how busy it is."""
        return {"status": "ok", "version": __version__, **desk.load()}

    return router


def _job_routes(desk: Desk, house: House, metrics: Metrics) -> APIRouter:
    problems: dict[int | str, dict[str, Any]] = {
        code: {"model": Problem} for code in (400, 401, 403, 404, 413, 422, 429, 500, 503, 507)
    }
    router = APIRouter(
        prefix="/v1", dependencies=[Depends(_bearer(house.token))], responses=problems
    )

    @router.get("/backends")
    def backends() -> dict[str, list[dict[str, Any]]]:
        """What can find, matte, stylize and compose here, with JSON schemas of the options."""
        return {
            kind: [_backend(b) for b in registry.backends(kind).values()] for kind in registry.KINDS
        }

    @router.get("/styles")
    def styles_() -> list[dict[str, str | None]]:
        """The built-in styles."""
        return [
            {"name": s.name, "description": s.description, "net": s.net} for s in styles.catalogue()
        ]

    @router.get("/metrics", response_class=PlainTextResponse)
    def metrics_() -> Response:
        """Counts for Prometheus."""
        return Response(metrics.text(desk.load()), media_type=metrics.media_type)

    for kind in KINDS:
        _add_order(router, kind, desk, house)

    @router.get("/jobs/{job_id}")
    def look(job_id: str) -> JobView:
        """How a job stands."""
        return view(_found(desk.look(job_id)))

    @router.delete("/jobs/{job_id}")
    def end(
        job_id: str,
        keep: Annotated[
            bool, Query(description="Of an optimisation: take the best picture so far.")
        ] = False,
    ) -> JobView:
        """Cancel a job at its next step; remove one that is over, with its result."""
        return view(_found(desk.end(job_id, keep=keep)))

    @router.get("/jobs/{job_id}/events", response_class=StreamingResponse)
    async def events(job_id: str) -> Response:
        """Server-sent events: ``progress`` whenever something changed, ``over`` at last."""
        first = _found(await run_in_threadpool(desk.look, job_id))
        return StreamingResponse(_events(desk, first), media_type="text/event-stream")

    for name, file in (("result", None), ("manifest", MANIFEST), ("preview", PREVIEW)):
        _add_file(router, name, file, desk)
    return router


def _add_order(router: APIRouter, kind: str, desk: Desk, house: House) -> None:
    model = KINDS[kind]

    async def take(
        request: Request,
        wait: Annotated[
            float,
            Query(ge=0, le=LONGEST, description="Seconds to wait for the picture itself."),
        ] = QUICK,
    ) -> Response:
        files, fields = await _form(request, house.max_files)
        forms.check_parts(kind, [(file.part, file.name) for file in files])
        order = forms.read(kind, fields)
        named = {file.name for file in files if file.part == forms.FILES}
        await run_in_threadpool(order.check, named)
        job = await run_in_threadpool(desk.hand_in, kind, order, files)
        job = await _waited(desk, job, wait, request)
        return await run_in_threadpool(_answer, desk, job)

    router.add_api_route(
        f"/{kind}", take, methods=["POST"], name=kind, summary=(model.__doc__ or "").strip(),
        description="Answers with the picture if it is ready in time (200), else the job (202).",
        openapi_extra={"requestBody": forms.schema(kind)},
        response_class=Response,
        responses={
            200: {
                "description": "The picture; the header X-Job names the job.",
                "content": {media: {} for name, media in MEDIA.items() if name != "json"},
            },
            202: {"model": JobView, "description": "Not ready yet."},
        },
    )  # fmt: skip


def _add_file(router: APIRouter, name: str, file: str | None, desk: Desk) -> None:
    def fetch(job_id: str) -> Response:
        job = _found(desk.look(job_id))
        path = file or job.result
        data = desk.fetch(job_id, path) if path else None
        if data is None:
            raise HTTPException(404, f"this job has no {name}, or not yet")
        return Response(data, media_type=MEDIA[path.rpartition(".")[2]])

    router.add_api_route(
        f"/jobs/{{job_id}}/{name}", fetch, methods=["GET"], name=name,
        summary=f"The job's {name}.", response_class=Response,
    )  # fmt: skip


async def _form(request: Request, max_files: int) -> tuple[list[Sent], dict[str, str]]:
    """Files and text fields of a multipart form."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "multipart/form-data":
        raise UsageError(f"expected a multipart/form-data request, got {media or 'no type'}")
    files: list[Sent] = []
    fields: dict[str, str] = {}
    async with request.form(max_files=max_files, max_fields=200) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                called = value.filename or f"{name}-{len(files)}"
                files.append(Sent(name, called[:200], await value.read()))
            elif name in fields:
                raise UsageError(f"the field {name!r} was sent twice")
            else:
                fields[name] = value
    return files, fields


async def _waited(desk: Desk, job: Job, seconds: float, request: Request) -> Job:
    """The job once it is over, or as it stands when the time is up or the client has gone."""
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + seconds, LOOK
    while not job.over and loop.time() < until and not await request.is_disconnected():
        await asyncio.sleep(pause)
        pause = min(SELDOM, 1.2 * pause)  # many that wait must not keep the server busy
        latest = await run_in_threadpool(desk.look, job.id)
        if latest is None:  # removed in the meantime
            break
        job = latest
    return job


def _answer(desk: Desk, job: Job) -> Response:
    headers = {"X-Job": job.id, "Location": f"/v1/jobs/{job.id}"}
    if job.state == "done":
        data = desk.fetch(job.id, job.result)
        if data is not None:
            media = MEDIA[job.result.rpartition(".")[2]]
            return Response(data, media_type=media, headers=headers)
    if job.state == "failed":
        code = 422 if job.blame == "order" else 500
        return JSONResponse({"detail": job.message}, code, headers)
    return JSONResponse(view(job).model_dump(), 202, headers)


async def _events(desk: Desk, job: Job) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    shown, beat = "", loop.time()
    while True:
        text = json.dumps(view(job).model_dump())
        if text != shown:
            yield f"event: {'over' if job.over else 'progress'}\ndata: {text}\n\n"
            shown, beat = text, loop.time()
        elif loop.time() - beat > 15:
            yield ": still here\n\n"
            beat = loop.time()
        if job.over:
            return
        await asyncio.sleep(0.2)
        latest = await run_in_threadpool(desk.look, job.id)
        if latest is None:  # removed in the meantime
            return
        job = latest


def _found(job: Job | None) -> Job:
    if job is None:
        raise HTTPException(404, "there is no such job, or no longer")
    return job


def _bearer(token: str | None) -> Callable[[Request], None]:
    def check(request: Request) -> None:
        if token is None:
            return
        shown = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if not secrets.compare_digest(shown, token.encode()):
            raise HTTPException(
                401, "this server asks for a token: 'Authorization: Bearer TOKEN'",
                {"WWW-Authenticate": "Bearer"},
            )  # fmt: skip

    return check


def _backend(backend: registry.Backend) -> dict[str, Any]:
    return {
        "name": backend.name,
        "summary": backend.summary,
        "classes": list(backend.classes),
        "ready": not backend.missing,
        "options": remote_options(backend.kind, backend.name).model_json_schema(),
    }


def _sentence(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
    if isinstance(error, FullError):
        wait = {"Retry-After": str(math.ceil(error.retry_after))}
        return JSONResponse({"detail": str(error)}, 429, wait)
    codes: dict[type[Exception], int] = {NoRoomError: 507, UnreachableError: 503}
    return JSONResponse({"detail": str(error)}, codes.get(type(error), 422))
