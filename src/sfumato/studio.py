"""Holds the backends that a run uses, so that a batch of photos loads each net once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from sfumato import registry
from sfumato.errors import UsageError, did_you_mean
from sfumato.io import weights
from sfumato.settings import Settings
from sfumato.types import Compositor, Context, Matter, Segmenter, Stylizer

DIALS = ("style_scale", "max_memory")
"""Settings that reach a stylizer as options of the same name, where it has them."""

_DEFAULT = Settings()


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
        self._context = Context(
            device=self.settings.device,
            seed=self.settings.seed,
            progress=download,
            load=self._backend,
        )
        self._built: dict[tuple[str, str, str], Any] = {}
        self._building: dict[tuple[str, str, str], threading.Lock] = {}
        self._lock = threading.Lock()
        self._check_names()

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
        """File name -> SHA-256 of the weights that the backends built so far have opened."""
        names = {name for kind, b, _ in self._built for name in registry.find(kind, b).weights}
        return {name: sha for name, sha in weights.used().items() if name in names}

    def _backend(self, kind: str, name: str, **extra: Any) -> Any:
        key = (kind, name, repr(sorted(extra.items())))
        with self._lock:
            building = self._building.setdefault(key, threading.Lock())
        with building:  # one lock a backend: a slow net does not hold up the others
            if key not in self._built:
                options: Mapping[str, Any] = {**self.settings.options.get(name, {}), **extra}
                self._built[key] = registry.build(kind, name, self._context, options)
            return self._built[key]

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
