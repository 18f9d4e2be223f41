"""What the page's scripts may ask of the server: jobs handed in, looked at, fetched and ended.

Pictures pass through as bytes. None is ever decoded here: the browser shows the visitor's own file,
and a worker process opens what came from outside.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import time
import zipfile
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from sfumato import registry
from sfumato.errors import SfumatoError, UsageError
from sfumato.io.embedding import embedded
from sfumato.server import forms
from sfumato.server.desk import Desk, FullError, Sent
from sfumato.server.jobs import Job
from sfumato.server.orders import KINDS, Order
from sfumato.server.work import LOSSES, MANIFEST, MEDIA, PREVIEW

EXAMPLES = Path(__file__).parent / "web" / "examples"
"""Pictures to try: photos and paintings, small."""

MAX_INLINE = 2_000_000
"""Characters of a file that comes inside a call: brush strokes, as small pictures."""

ALMOST = 0.97
"""A job that takes longer than usual stays at this fraction until it is over."""

Answer = dict[str, Any]


class File(BaseModel, extra="forbid"):
    """A file of an order: uploaded before (``path``, as the upload was answered), or right here."""

    part: str = Field(max_length=20)
    name: str = Field(min_length=1, max_length=200)
    path: str | None = None
    data: str | None = Field(None, max_length=MAX_INLINE, description="Base64.")


class Asked(BaseModel, extra="forbid"):
    """An order as the scripts send it."""

    kind: Literal[tuple(KINDS)]  # type: ignore[valid-type]
    order: dict[str, Any]
    files: list[File] = Field(max_length=20)


class Ids(BaseModel, extra="forbid"):
    ids: list[str] = Field(max_length=500)


class Wanted(BaseModel, extra="forbid"):
    """A file that a job made."""

    id: str
    name: Literal["result", "manifest", "preview"] = "result"


class Ending(BaseModel, extra="forbid"):
    id: str
    keep: bool = False


class Zip(BaseModel, extra="forbid"):
    """Results to pack, each under a name of its own."""

    files: dict[str, str] = Field(max_length=500, description="Job -> name in the archive.")


class Example(BaseModel, extra="forbid"):
    name: str = Field(max_length=200)


class GoneError(SfumatoError):
    """An upload is no longer here."""


class Calls:
    """The functions behind the page.

    Args:
        desk: keeps the jobs.
        uploads: what has been uploaded through the page, by path; nothing else is opened.
        folder: results to download are put here.
        publish: told of each of those.
    """

    def __init__(
        self,
        desk: Desk,
        uploads: Collection[str],
        folder: Path,
        publish: Callable[[str], None],
    ) -> None:
        self._desk, self._uploads, self._folder = desk, uploads, folder
        self._publish = publish
        self._usual: dict[str, float] = {}

    def functions(self) -> list[Callable[[Any], Answer]]:
        """For a component's ``server``: plain functions that answer a problem with a sentence."""
        methods = (self.ask, self.look, self.fetch, self.offer, self.pack, self.end, self.example)
        return [_told(method) for method in methods]

    def ask(self, given: Any) -> Answer:
        """Hand in a job: its id."""
        asked = Asked.model_validate(given)
        order = registry.parse_options(KINDS[asked.kind], asked.kind, asked.order)
        assert isinstance(order, Order)
        forms.check_parts(asked.kind, [(file.part, file.name) for file in asked.files])
        order.check([file.name for file in asked.files if file.part == forms.FILES])
        sent = [Sent(file.part, file.name, self._bytes(file)) for file in asked.files]
        return {"id": self._desk.hand_in(asked.kind, order, sent).id}

    def look(self, given: Any) -> Answer:
        """How jobs stand, by id; those that are gone are left out."""
        jobs = [self._desk.look(name) for name in Ids.model_validate(given).ids]
        waiting = self._desk.load()["waiting"]
        return {job.id: self._view(job, waiting) for job in jobs if job}

    def fetch(self, given: Any) -> Answer:
        """A small file of a job as a data URL: a mask, a preview."""
        wanted = Wanted.model_validate(given)
        name, data = self._made(wanted)
        media = MEDIA[name.rpartition(".")[2]]
        return {"url": embedded(data, media)}

    def offer(self, given: Any) -> Answer:
        """A file of a job to show and to download: its address on this server."""
        name, data = self._made(Wanted.model_validate(given))
        path = self._new(name)
        path.write_bytes(data)
        return {"path": str(path), "bytes": len(data)}

    def pack(self, given: Any) -> Answer:
        """Results of several jobs in one archive."""
        path = self._new("sfumato.zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # pictures: packed already
            for job, name in Zip.model_validate(given).files.items():
                made, data = self._made(Wanted(id=job))
                stem = name.replace("/", "_").replace("\\", "_").lstrip(".")[:120] or job
                archive.writestr(f"{stem}.{made.rpartition('.')[2]}", data)
        return {"path": str(path), "bytes": path.stat().st_size}

    def end(self, given: Any) -> Answer:
        """Cancel a job, or stop it and keep what it has."""
        ending = Ending.model_validate(given)
        job = self._desk.look(ending.id)
        if job is not None and not job.over:  # one that is over keeps its result
            self._desk.end(ending.id, keep=ending.keep)
        return {}

    def example(self, given: Any) -> Answer:
        """An example picture as a data URL."""
        known = {path.name: path for path in EXAMPLES.glob("*.jpg")}
        name = Example.model_validate(given).name
        if name not in known:
            raise UsageError(f"there is no example {name!r}")
        return {"url": embedded(known[name].read_bytes(), "image/jpeg")}

    def _bytes(self, file: File) -> bytes:
        if file.data is not None:
            try:
                return base64.b64decode(file.data, validate=True)
            except (binascii.Error, ValueError):
                raise UsageError(f"the file {file.name!r} did not arrive whole") from None
        # A path from outside is never opened: it must be one that this server gave out.
        if file.path in self._uploads:
            with suppress(OSError):
                return Path(str(file.path)).read_bytes()
        raise GoneError(f"{file.name} is no longer here; choose it again")

    def _made(self, wanted: Wanted) -> tuple[str, bytes]:
        job = self._desk.look(wanted.id)
        names = {"manifest": MANIFEST, "preview": PREVIEW, "result": job.result if job else ""}
        name = names[wanted.name]
        data = self._desk.fetch(wanted.id, name) if job and name else None
        if data is None:
            raise GoneError("the result is no longer here; ask for it again")
        return name, data

    def _new(self, name: str) -> Path:
        folder = self._folder / secrets.token_hex(16)
        folder.mkdir(parents=True)
        self._publish(str(folder / name))
        return folder / name

    def _view(self, job: Job, waiting: int) -> Answer:
        view: Answer = {
            "state": job.state,
            "stage": job.stage,
            "message": job.message,
            "waiting": waiting,
        }
        if job.kind == "optimise" and (losses := self._desk.fetch(job.id, LOSSES)):
            view["losses"] = json.loads(losses)
        return view | self._progress(job)

    def _progress(self, job: Job) -> Answer:
        """The done share of a job, and the seconds left as far as they can be told."""
        if job.started is None:  # it waits, or was answered by an equal one
            return {"share": None, "left": None, "ran": 0.0}
        ran = (job.ended or time.time()) - job.started
        like = _like(job)
        if job.state == "done":
            self._usual[like] = 0.5 * (self._usual.get(like, ran) + ran)
        if job.over:
            return {"share": 1.0, "left": 0.0, "ran": ran}
        if job.stage == "optimise":
            left = ran * (1 - job.fraction) / job.fraction if job.fraction > 0.02 else None
            return {"share": job.fraction, "left": left, "ran": ran}
        if (usual := self._usual.get(like)) is None:
            return {"share": None, "left": None, "ran": ran}
        return {"share": min(ALMOST, ran / usual), "left": max(0.0, usual - ran), "ran": ran}


def _like(job: Job) -> str:
    """Jobs of one kind, size and number of layers take about as long."""
    order = job.order
    many = len(order.get("layers") or ()) or 1
    return f"{job.kind} {order.get('size')} {many} {order.get('preset')}"


def _told(method: Callable[[Any], Answer]) -> Callable[[Any], Answer]:
    """The method as a function that the page's server calls; errors are sentences."""

    def call(data: Any) -> Answer:
        try:
            return method(data)
        except FullError as error:
            return {"problem": str(error), "again": error.retry_after}
        except GoneError as error:
            return {"problem": str(error), "gone": True}
        except SfumatoError as error:
            return {"problem": str(error)}
        except ValidationError as error:
            return {"problem": f"the page asked for something odd: {error.errors()[0]['msg']}"}

    call.__name__ = method.__name__
    return call
