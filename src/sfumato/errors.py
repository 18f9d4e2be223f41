"""Everything Sfumato raises on purpose.

::

    SfumatoError                 one clear sentence, meant for the user
    ├── UsageError               what was asked for makes no sense (options, names, regions)
    │   └── RegionError          the region expression is wrong; carries the position
    ├── PictureError             a file is not a picture that can be read or written
    ├── MissingExtraError        an optional library is not installed
    ├── NothingFoundError        the region exists in no pixel of this picture
    └── WeightsError             a weights file cannot be had or is not what it should be
"""

from __future__ import annotations

from collections.abc import Iterable


class SfumatoError(Exception):
    """Base of all errors whose message is one clear sentence for the user."""


class UsageError(SfumatoError):
    """What was asked for makes no sense."""


class RegionError(UsageError):
    """A region expression cannot be understood; the message points at the character."""

    def __init__(self, text: str, position: int, problem: str) -> None:
        self.text, self.position, self.problem = text, position, problem
        super().__init__(f"region: {problem}\n  {text}\n  {' ' * position}^")


class PictureError(SfumatoError):
    """A file cannot be read or written as a picture."""


class MissingExtraError(SfumatoError):
    """An optional library is missing; names the extra that brings it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional library: pip install 'sfumato[{extra}]'")


class NothingFoundError(SfumatoError):
    """A region selects nothing in this picture."""


class WeightsError(SfumatoError):
    """A weights file cannot be had, or is not what it should be."""


class SfumatoWarning(UserWarning):
    """Something worth saying that did not stop the work."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` — did you mean 'x'?`` if a known name is near, else nothing."""
    import difflib  # here: most runs go without a misspelt name

    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" — did you mean {near[0]!r}?" if near else ""
