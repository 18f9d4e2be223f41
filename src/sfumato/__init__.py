"""Sfumato: paint the part of a picture you choose, and keep the rest.

::

    import sfumato

    photo = sfumato.read("photo.jpg")
    layer = sfumato.Layer("background", sfumato.style("nocturne"))
    painting = sfumato.paint(photo.image, [layer])
    result = sfumato.repaint(photo, painting.image, painting.matte.alpha > 0)
    sfumato.write(result, "painted.png")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sfumato.errors import SfumatoError as SfumatoError
    from sfumato.io.pictures import Picture as Picture
    from sfumato.io.pictures import read as read
    from sfumato.io.pictures import read_mask as read_mask
    from sfumato.io.pictures import repaint as repaint
    from sfumato.io.pictures import write as write
    from sfumato.pipeline import Layer as Layer
    from sfumato.pipeline import cut as cut
    from sfumato.pipeline import paint as paint
    from sfumato.settings import Settings as Settings
    from sfumato.studio import Studio as Studio
    from sfumato.styles import resolve as style  # noqa: F401 - __all__ takes it from _HOME
    from sfumato.types import Style as Style

_HOME = {
    "Layer": "pipeline",
    "Picture": "io.pictures",
    "Settings": "settings",
    "SfumatoError": "errors",
    "Studio": "studio",
    "Style": "types",
    "cut": "pipeline",
    "paint": "pipeline",
    "read": "io.pictures",
    "read_mask": "io.pictures",
    "repaint": "io.pictures",
    "style": "styles",
    "write": "io.pictures",
}

__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that ``import sfumato`` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'sfumato' has no attribute {name!r}")
    import importlib

    home = importlib.import_module(f"sfumato.{_HOME[name]}")
    return getattr(home, "resolve" if name == "style" else name)
