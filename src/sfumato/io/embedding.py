"""Files inside pages."""

from __future__ import annotations

import base64


def embedded(data: bytes, kind: str) -> str:
    """A file's bytes as an address that holds them; ``kind``: its media type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
