"""Holds the backends that a run uses, so that a batch of photos loads each net once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sfumato import registry
from sfumato.errors import UsageError, did_you_mean
from sfumato.io import weights
from sfumato.settings import Settings
from sfumato.types import Compositor, Context, Matter, Segmenter, Stylizer

DIALS = ("style_scale", "max_memory")
"""Settings that reach a stylizer as options of the same name, where it has them."""

_DEFAULT = Settings()

_Key = tuple[str, str, str]
"""Kind and name of a backend, and the options that it got besides those of the settings."""


class _Shelf:
    """The backends that are built, and what each was built of."""

    def __init__(self) -> None:
        self.built: dict[_Key, Any] = {}
        self.parts: dict[_Key, set[_Key]] = {}
        self._locks: dict[_Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def lock(self, key: _Key) -> threading.Lock:
        """One lock a backend: a slow net does not hold up the others."""
        with self._lock:
            return self._locks.setdefault(key, threading.Lock())

    def parts_of(self, key: _Key) -> set[_Key]:
        """All backends that one is built of, theirs included."""
        parts = self.parts.get(key, set())
        return parts.union(*(self.parts_of(part) for part in parts))


class Studio:
    """Builds backends on first use, with the options that the settings give them.

    Args:
        settings: names, options, seed and device.
        download: told of weights being fetched: (label, bytes done, bytes in all).

    Raises:
        UsageError: an option names a backend that does not exist.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        download: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self._download = download
        self._used: set[_Key] = set()
        self._shelf = _Shelf()
        self._check_names()

    def turned(self, settings: Settings) -> Studio:
        """A studio for other settings. Where they build backends as these do (options, seed and
        device are the same), it shares the nets that are open.

        Raises:
            UsageError: an option names a backend that does not exist.
        """
        studio = Studio(settings, self._download)
        old, new = ((s.options, s.seed, s.device) for s in (self.settings, settings))
        if old == new:
            studio._shelf = self._shelf
        return studio

    def segmenter(self, name: str, **options: Any) -> Segmenter:
        built: Segmenter = self._backend("segment", name, **options)
        return built

    def matter(self) -> Matter:
        built: Matter = self._backend("matte", self.settings.matte)
        return built

    def stylizer(self, name: str | None) -> Stylizer:
        kind, name = "stylize", name or registry.DEFAULTS["stylize"]
        dials = {d: getattr(self.settings, d) for d in DIALS}
        turned = {d: value for d, value in dials.items() if value != getattr(_DEFAULT, d)}
        known = registry.options_model(kind, name).model_fields if turned else {}
        built: Stylizer = self._backend(
            kind, name, **{d: value for d, value in turned.items() if d in known}
        )
        return built

    def compositor(self) -> Compositor:
        built: Compositor = self._backend("compose", self.settings.blend)
        return built

    def weights(self) -> dict[str, str]:
        """File name -> SHA-256 of the weights that the backends used so far have opened."""
        keys = set(self._used)
        for key in self._used:
            keys |= self._shelf.parts_of(key)
        names = {name for kind, b, _ in keys for name in registry.find(kind, b).weights}
        return {name: sha for name, sha in weights.used().items() if name in names}

    def _backend(self, kind: str, name: str, **extra: Any) -> Any:
        key = (kind, name, repr(sorted(extra.items())))
        self._used.add(key)
        with self._shelf.lock(key):
            if key not in self._shelf.built:
                options: Mapping[str, Any] = {**self.settings.options.get(name, {}), **extra}
                context = Context(
                    device=self.settings.device,
                    seed=self.settings.seed,
                    progress=self._download,
                    load=partial(self._part, key),
                )
                self._shelf.built[key] = registry.build(kind, name, context, options)
            return self._shelf.built[key]

    def _part(self, whole: _Key, kind: str, name: str) -> Any:
        """A backend that another one is built of."""
        self._shelf.parts.setdefault(whole, set()).add((kind, name, repr([])))
        return self._backend(kind, name)

    def _check_names(self) -> None:
        known = {name for kind in registry.KINDS for name in registry.backends(kind)}
        for name in self.settings.options:
            if name not in known:
                near = did_you_mean(name, known)
                raise UsageError(f"option {name}.…: there is no backend {name!r}{near}")
        registry.find("matte", self.settings.matte)
        registry.find("compose", self.settings.blend)
        if self.settings.segmenter:
            registry.find("segment", self.settings.segmenter)
