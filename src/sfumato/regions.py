"""The region language: which part of a picture to paint.

::

    expression :=  both  (("+" | "-") both)*          union, without; left to right
    both       :=  unary ("&" unary)*                 intersection; binds tighter
    unary      :=  "not" unary | "(" expression ")" | atom
    atom       :=  everything
                |  background                         the same as: not person
                |  CLASS [":" largest | central | N]  person, subject, dog, "dining table", person:2
                |  box:x0,y0,x1,y1                    fractions 0..1, or pixels if any is above 1
                |  point:x,y                          what lies there; numbers as for a box
                |  object:x0,y0,x1,y1                what the box holds, without its surroundings
                |  cluster:k/n                        k-th largest of n colour clusters
                |  file:PATH                          a mask picture; quote a path with spaces

Soft selections combine as fuzzy sets (Zadeh 1965): union is the maximum, intersection the
minimum, ``not a`` is ``1 - a``; for hard masks that is plain Boolean logic.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from sfumato.errors import RegionError
from sfumato.types import Alpha

MAX_CLUSTERS = 16
MAX_DEPTH = 64
MAX_ATOMS = 256
MAX_NUMBER = 10**9

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_QUOTED = re.compile(r'"([^"]*)"')
_BARE_PATH = re.compile(r"[^\s()\"]+")
_PLAIN_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_RESERVED = {"not", "everything", "background", "box", "cluster", "file", "point", "object"}


@dataclass(frozen=True)
class Everything:
    """The whole picture."""

    def __str__(self) -> str:
        return "everything"


@dataclass(frozen=True)
class _Rectangle:
    """Two corners; fractions of the picture if no number is above 1, else pixels."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __str__(self) -> str:
        return f"{type(self).__name__.lower()}:{self.x0!r},{self.y0!r},{self.x1!r},{self.y1!r}"


class Box(_Rectangle):
    """Everything in an upright rectangle."""


class Object(_Rectangle):
    """The thing inside an upright rectangle."""


@dataclass(frozen=True)
class Point:
    """The thing that lies at x, y; fractions of the picture if neither is above 1, else pixels."""

    x: float
    y: float

    def __str__(self) -> str:
        return f"point:{self.x!r},{self.y!r}"


@dataclass(frozen=True)
class Cluster:
    """The k-th largest (from 1) of n colour clusters."""

    k: int
    n: int

    def __str__(self) -> str:
        return f"cluster:{self.k}/{self.n}"


@dataclass(frozen=True)
class File:
    """A mask read from a picture file."""

    path: str

    def __str__(self) -> str:
        return f'file:"{self.path}"'


@dataclass(frozen=True)
class Class:
    """Everything a segmenter labels ``name``; ``pick`` chooses one of several:
    ``largest``, ``central``, or a number counted from the left."""

    name: str
    pick: str | None = None

    def __str__(self) -> str:
        plain = _PLAIN_CLASS.match(self.name) and self.name not in _RESERVED
        name = self.name if plain else f'"{self.name}"'
        return name if self.pick is None else f"{name}:{self.pick}"


@dataclass(frozen=True)
class Not:
    """Everything but."""

    inner: Region

    def __str__(self) -> str:
        return f"not {_wrap(self.inner)}"


@dataclass(frozen=True)
class Pair:
    """Two regions joined by ``+`` (union), ``&`` (both) or ``-`` (without)."""

    operator: str
    left: Region
    right: Region

    def __str__(self) -> str:
        return f"{_wrap(self.left)} {self.operator} {_wrap(self.right)}"


Leaf = Everything | Box | Point | Object | Cluster | File | Class
Region = Leaf | Not | Pair


def _wrap(region: Region) -> str:
    return f"({region})" if isinstance(region, Pair) else str(region)


def leaves(region: Region) -> Iterator[Leaf]:
    """The atoms of a region, left to right."""
    if isinstance(region, Pair):
        yield from leaves(region.left)
        yield from leaves(region.right)
    elif isinstance(region, Not):
        yield from leaves(region.inner)
    else:
        yield region


def with_files(region: Region, place: Callable[[str], str]) -> Region:
    """The region with the path of every mask file replaced by another."""
    if isinstance(region, Pair):
        return Pair(
            region.operator, with_files(region.left, place), with_files(region.right, place)
        )
    if isinstance(region, Not):
        return Not(with_files(region.inner, place))
    return File(place(region.path)) if isinstance(region, File) else region


def evaluate(region: Region, leaf: Callable[[Leaf], Alpha]) -> Alpha:
    """Combine the alphas that ``leaf`` gives for the atoms: float32 ``[H, W]``, 0..1."""
    if isinstance(region, Not):
        return np.asarray(1.0 - evaluate(region.inner, leaf), dtype=np.float32)
    if isinstance(region, Pair):
        left, right = evaluate(region.left, leaf), evaluate(region.right, leaf)
        if region.operator == "+":
            return np.maximum(left, right)
        return np.minimum(left, right if region.operator == "&" else 1.0 - right)
    return leaf(region)


def parse(text: str) -> Region:
    """Read a region expression.

    Raises:
        RegionError: the text is not one; the message points at the character.
    """
    return _Parser(text).parse()


class _Parser:
    """Recursive descent over the text; ``at`` is the position of the next character."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth, self.atoms = text, 0, 0, 0

    def parse(self) -> Region:
        if not self.text.strip():
            self.fail("empty; expected a region such as 'person', 'background' or 'everything'")
        region = self.expression()
        if self.at < len(self.text):
            self.fail("expected '+', '&', '-' or the end")
        return region

    def expression(self) -> Region:
        left = self.both()
        while operator := self.take("+", "-"):
            left = Pair(operator, left, self.both())
        return left

    def both(self) -> Region:
        left = self.unary()
        while self.take("&"):
            left = Pair("&", left, self.unary())
        return left

    def unary(self) -> Region:
        self.skip()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested deeper than {MAX_DEPTH} levels")
        try:
            if self.take("("):
                inner = self.expression()
                if not self.take(")"):
                    self.fail("expected ')'")
                return inner
            return self.atom()
        finally:
            self.depth -= 1

    def atom(self) -> Region:
        start = self.at
        self.atoms += 1
        if self.atoms > MAX_ATOMS:
            self.fail(f"more than {MAX_ATOMS} parts")
        if quoted := _QUOTED.match(self.text, self.at):
            self.at = quoted.end()
            if not quoted[1].strip():
                self.fail("empty class name", start)
            return Class(quoted[1], self.pick())
        match = _NAME.match(self.text, self.at)
        if not match:
            self.fail("expected a region such as 'person', 'box:...', 'not ...' or '('")
        name, self.at = match[0], match.end()
        if name == "not":
            return Not(self.unary())
        if name == "everything":
            return Everything()
        if name == "background":
            return Not(Class("person"))
        if name == "box":
            return Box(*self.corners(name, start))
        if name == "object":
            return Object(*self.corners(name, start))
        if name == "point":
            return Point(*self.numbers("point:x,y", "two", 2))
        if name == "cluster":
            return self.cluster(start)
        if name == "file":
            return self.file()
        return Class(name, self.pick())

    def pick(self) -> str | None:
        if not self.text.startswith(":", self.at):
            return None
        self.at += 1
        for word in ("largest", "central"):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return word
        start = self.at
        number = self.number("'largest', 'central' or a number")
        if number < 1 or number != int(number):
            self.fail("expected a whole number from 1", start)
        return str(int(number))

    def corners(self, name: str, start: int) -> list[float]:
        values = x0, y0, x1, y1 = self.numbers(f"{name}:x0,y0,x1,y1", "four", 4)
        if x1 <= x0 or y1 <= y0:
            self.fail(f"the box is empty: it needs x1 > x0 and y1 > y0 (got {values})", start)
        return values

    def numbers(self, form: str, many: str, count: int) -> list[float]:
        self.expect(":", form)
        values = [self.number(form)]
        for _ in range(count - 1):
            self.expect(",", f"{form} ({many} numbers)")
            values.append(self.number("a number"))
        return values

    def cluster(self, start: int) -> Region:
        self.expect(":", "cluster:k/n, for example cluster:2/4")
        k = self.number("cluster:k/n")
        self.expect("/", "cluster:k/n, for example cluster:2/4")
        n = self.number("cluster:k/n")
        if k != int(k) or n != int(n) or not (1 <= k <= n and 2 <= n <= MAX_CLUSTERS):
            self.fail(
                f"expected whole numbers with 1 <= k <= n and 2 <= n <= {MAX_CLUSTERS}", start
            )
        return Cluster(int(k), int(n))

    def file(self) -> Region:
        self.expect(":", "file:PATH")
        quoted = _QUOTED.match(self.text, self.at)
        match = quoted or _BARE_PATH.match(self.text, self.at)
        path = (quoted[1] if quoted else match[0]) if match else ""
        if not match or not path:
            self.fail("expected the path of a mask picture")
        self.at = match.end()
        return File(path)

    def number(self, expected: str) -> float:
        match = _NUMBER.match(self.text, self.at)
        if not match:
            self.fail(f"expected {expected}")
        if float(match[0]) > MAX_NUMBER:
            self.fail(f"expected a number up to {MAX_NUMBER}")
        self.at = match.end()
        return float(match[0])

    def expect(self, character: str, expected: str) -> None:
        if not self.text.startswith(character, self.at):
            self.fail(f"expected {expected}")
        self.at += 1

    def take(self, *characters: str) -> str | None:
        self.skip()
        if self.at < len(self.text) and self.text[self.at] in characters:
            self.at += 1
            return self.text[self.at - 1]
        return None

    def skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def fail(self, problem: str, position: int | None = None) -> NoReturn:
        raise RegionError(self.text, self.at if position is None else position, problem)
