"""A client of the HTTP API: ``Client().paint("photo.jpg", style="waves").save("painted.png")``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, cast

import numpy as np

from sfumato.errors import MissingExtraError, PictureError, SfumatoError, UsageError
from sfumato.io import pictures
from sfumato.io._files import write_whole
from sfumato.types import Image

if TYPE_CHECKING:
    import httpx

URL = "http://127.0.0.1:8000"

QUICK = 20.0
"""Seconds that an answer is waited for in one request; then the job is followed."""

TRIES = 5
"""How often a server that has no room, or cannot be reached while a job runs, is asked again."""

LONGEST_PAUSE = 60.0
"""Seconds; a server that asks for more patience is asked again earlier."""

PATIENCE = 60.0
"""Seconds without a word from the server; it says something every 15."""

Photo: TypeAlias = str | os.PathLike[str] | bytes | Image
"""A picture: a path, a file's bytes, or float32 ``[H, W, 3]``, sRGB, 0..1."""

Files: TypeAlias = Sequence[str | os.PathLike[str]] | Mapping[str, Photo]
"""Paths, called as their files are, or names with pictures."""


class View(TypedDict):
    """How a job stands. Times are seconds since 1970."""

    id: str
    kind: str
    state: str
    stage: str
    fraction: float
    message: str
    blame: str
    created: float
    started: float | None
    ended: float | None
    links: dict[str, str]


OnProgress = Callable[[View], None]
"""Told whenever something changed; what it raises ends the job."""


@dataclass(frozen=True)
class Result:
    """A picture that the server made.

    Attributes:
        data: the file's bytes.
        job: the id of the job.
    """

    data: bytes = field(repr=False)
    job: str
    _client: Client = field(repr=False)

    @property
    def image(self) -> Image:
        """float32 ``[H, W, 3]``, sRGB, 0..1; without the alpha of a cut-out."""
        return pictures.read(self.data).image

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the file as it came; its kind is the order's ``format``, whatever the path says.

        Raises:
            UsageError: it exists already.
            PictureError: it cannot be written.
        """
        write_whole(Path(path), self.data, overwrite=overwrite)
        return Path(path)

    def manifest(self) -> dict[str, Any]:
        """What the picture was made from; cut-outs have none.

        Raises:
            UsageError: there is none, or no longer.
        """
        return self._client.manifest(self.job)


class Client:
    """A server, as seen from here. Not for several threads at a time.

    Args:
        url: of the server.
        token: what it asks for.

    Raises:
        MissingExtraError: httpx is not installed.
    """

    def __init__(self, url: str = URL, token: str | None = None) -> None:
        try:
            import httpx
        except ImportError:
            raise MissingExtraError("the client", "serve") from None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._url = url.rstrip("/")
        # A proxy from the environment has no business between us and this machine.
        own = httpx.URL(self._url).host in ("127.0.0.1", "localhost", "::1")
        self._http = httpx.Client(
            base_url=f"{self._url}/v1/", headers=headers, timeout=PATIENCE, trust_env=not own
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def paint(
        self,
        photo: Photo,
        *,
        style: str | None = None,
        region: str | None = None,
        layers: Sequence[Mapping[str, str]] = (),
        files: Files = (),
        wait: float | None = None,
        on_progress: OnProgress | None = None,
        **settings: Any,
    ) -> Result:
        """Paint regions of a photo.

        Args:
            photo: see :data:`Photo`.
            style: a built-in one (:meth:`styles`), or the name of one of the files.
            region: what to paint; None = everything.
            layers: several styles for several regions instead: ``region``, ``style`` and so on.
            files: pictures that styles and regions name; see :data:`Files`.
            wait: seconds that the server may take in one request; None = 20, or 0 with
                ``on_progress``. A job that takes longer is followed until it is over.
            on_progress: see :data:`OnProgress`.
            **settings: ``strength``, ``size``, ``options``, ``format``, ...: see the command line.

        Raises:
            UsageError: the order makes no sense, in the server's words.
            PictureError: a picture cannot be read here.
            SfumatoError: the server failed, is full, or cannot be reached.
        """
        fields = {"style": style, "region": region, "layers": list(layers) or None, **settings}
        return self._order("paint", {"photo": photo}, fields, files, wait, on_progress)

    def optimise(
        self,
        photo: Photo,
        *,
        style: str | None = None,
        region: str | None = None,
        layers: Sequence[Mapping[str, str]] = (),
        files: Files = (),
        wait: float | None = None,
        on_progress: OnProgress | None = None,
        **settings: Any,
    ) -> Result:
        """Paint by optimisation; arguments and errors as for :meth:`paint`, and ``preset`` and
        ``steps``. :meth:`cancel` with ``keep`` stops it and takes the best picture so far."""
        fields = {"style": style, "region": region, "layers": list(layers) or None, **settings}
        return self._order("optimise", {"photo": photo}, fields, files, wait, on_progress)

    def cut(
        self,
        photo: Photo,
        *,
        region: str | None = None,
        files: Files = (),
        wait: float | None = None,
        on_progress: OnProgress | None = None,
        **settings: Any,
    ) -> Result:
        """Cut a region (None = the person) out of a photo; the rest as for :meth:`paint`."""
        fields = {"region": region, **settings}
        return self._order("cut", {"photo": photo}, fields, files, wait, on_progress)

    def place(
        self,
        portrait: Photo,
        painting: Photo,
        *,
        files: Files = (),
        wait: float | None = None,
        on_progress: OnProgress | None = None,
        **settings: Any,
    ) -> Result:
        """Put the person of a portrait into a painting; the rest as for :meth:`paint`."""
        parts = {"portrait": portrait, "painting": painting}
        return self._order("place", parts, settings, files, wait, on_progress)

    def inspect(self, photo: Photo, look: str, *, wait: float | None = None, **more: Any) -> Result:
        """Figures of a photo's ``clusters``, a net's ``features``, or a ``saliency`` map."""
        return self._order("inspect", {"photo": photo}, {"look": look, **more}, (), wait, None)

    def job(self, job_id: str) -> View:
        """How a job stands.

        Raises:
            UsageError: there is none, or no longer.
        """
        return cast(View, self._get(f"jobs/{job_id}").json())

    def events(self, job_id: str) -> Iterator[View]:
        """How a job stands, whenever that changed, until it is over or removed.

        Raises:
            UsageError: there is none.
        """
        with self._reached(), self._http.stream("GET", f"jobs/{job_id}/events") as answer:
            if answer.is_error:
                answer.read()
                raise _error(answer)
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))

    def cancel(self, job_id: str, keep: bool = False) -> View:
        """End a job at its next step, or remove one that is over.

        Args:
            job_id: which.
            keep: of an optimisation, take the best picture so far.
        """
        answer = self._send("DELETE", f"jobs/{job_id}", params={"keep": str(keep).lower()})
        return cast(View, answer.json())

    def result(self, job_id: str) -> Result:
        """The picture of a job that is done.

        Raises:
            UsageError: there is none, or not yet.
        """
        return Result(self._get(f"jobs/{job_id}/result").content, job_id, self)

    def manifest(self, job_id: str) -> dict[str, Any]:
        """What a job's picture was made from."""
        return cast("dict[str, Any]", self._get(f"jobs/{job_id}/manifest").json())

    def styles(self) -> list[dict[str, Any]]:
        """The built-in styles: ``name``, ``description``, ``net``."""
        return cast("list[dict[str, Any]]", self._get("styles").json())

    def backends(self) -> dict[str, list[dict[str, Any]]]:
        """What can segment, matte, stylize and compose there, with the options of each."""
        return cast("dict[str, list[dict[str, Any]]]", self._get("backends").json())

    def health(self) -> dict[str, Any]:
        """The server's ``version``, and how many jobs are ``waiting`` and ``running``."""
        return cast("dict[str, Any]", self._get("healthz").json())

    def _order(
        self,
        kind: str,
        parts: Mapping[str, Photo],
        fields: Mapping[str, Any],
        files: Files,
        wait: float | None,
        on_progress: OnProgress | None,
    ) -> Result:
        sent = [(part, _upload(photo, part)) for part, photo in parts.items()]
        sent += [("files", _upload(photo, name)) for name, photo in _named(files).items()]
        form = {name: _text(value) for name, value in fields.items() if value is not None}
        seconds = wait if wait is not None else 0.0 if on_progress else QUICK
        answer = self._send(
            "POST", kind, files=sent, data=form, params={"wait": seconds},
            timeout=PATIENCE + seconds,
        )  # fmt: skip
        job_id = answer.headers.get("x-job", "")
        if answer.status_code == 200:
            return Result(answer.content, job_id, self)
        over = self._followed(job_id, on_progress)
        if over["state"] == "cancelled":
            raise SfumatoError(f"the job {job_id} was cancelled")
        if over["state"] == "failed":
            raise (UsageError if over["blame"] == "order" else SfumatoError)(over["message"])
        return self.result(job_id)

    def _followed(self, job_id: str, on_progress: OnProgress | None) -> View:
        """The job when it is over."""
        failures = 0
        try:
            while True:
                try:
                    for view in self.events(job_id):
                        failures = 0
                        if on_progress:
                            on_progress(view)
                        if view["state"] in ("done", "failed", "cancelled"):
                            return view
                    self.job(job_id)  # else it was removed, and this says so
                except _UnreachableError:
                    failures += 1
                    if failures == TRIES:
                        raise
                    time.sleep(min(2.0**failures, LONGEST_PAUSE))
        except SfumatoError:
            raise
        except BaseException:  # whoever asked for it does not want it any more
            self.cancel(job_id)
            raise

    def _get(self, path: str) -> httpx.Response:
        return self._send("GET", path)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request; one that finds no room is repeated when the server says that there is."""
        for attempt in range(TRIES):
            with self._reached():
                answer = self._http.request(method, path, **options)
            if answer.status_code != 429 or attempt == TRIES - 1:
                break
            time.sleep(_pause(answer.headers.get("retry-after", "")))
        if answer.is_error:
            raise _error(answer)
        return answer

    @contextmanager
    def _reached(self) -> Iterator[None]:
        import httpx

        try:
            yield
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise _UnreachableError(f"no server answers at {self._url}: {reason}") from None


class _UnreachableError(SfumatoError):
    """Nothing came back; the next try may succeed."""


def _upload(photo: Photo, name: str) -> tuple[str, bytes]:
    """A name for the file, and its bytes."""
    if isinstance(photo, bytes):
        return name, photo
    if isinstance(photo, np.ndarray):
        return name, pictures.to_bytes(pictures.from_image(photo))
    path = Path(photo)
    try:
        return path.name if name in ("photo", "portrait", "painting") else name, path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PictureError(f"{path} cannot be read: {reason}") from None


def _named(files: Files) -> Mapping[str, Photo]:
    if isinstance(files, Mapping):
        return files
    named = {Path(path).name: path for path in files}
    if len(named) < len(files):
        raise UsageError("two of the files are called the same; give a dict of names and files")
    return named


def _text(value: Any) -> str:
    """A setting as a form has it."""
    return value if isinstance(value, str) else json.dumps(value)


def _pause(retry_after: str) -> float:
    with suppress(ValueError):
        return min(max(float(retry_after), 0.1), LONGEST_PAUSE)
    return 1.0


def _error(answer: httpx.Response) -> SfumatoError:
    """The server's sentence."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = f"the server answered {answer.status_code} {answer.reason_phrase}".rstrip()
    if isinstance(detail, list):  # parameters of the request, one problem each
        detail = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in detail)
    ours = 400 <= answer.status_code < 500 and answer.status_code != 429
    return (UsageError if ours else SfumatoError)(str(detail))
