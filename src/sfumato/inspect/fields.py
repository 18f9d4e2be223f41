"""What a cell of a layer can see of the picture: its receptive field.

The net runs once, and every operation hands on which pixels its cells depend on. A cell ``i`` of
a layer sees the pixels from ``step * i + low`` to ``step * i + high`` of each side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from sfumato.inspect.nets import Net

WHOLE = ("instance_norm", "group_norm", "layer_norm", "matmul", "scaled_dot_product_attention")
"""Operations that let every cell see every other."""

TAPS = {"nearest": (1.0, 0.0), "bilinear": (1.0, 1.0), "bicubic": (2.0, 2.0)}
"""Cells below and above the place that resizing asks for."""

Pair = tuple[float, float]


@dataclass(frozen=True)
class Field:
    """Which pixels a cell depends on, of (rows, columns).

    Attributes:
        step: pixels from one cell to the next.
        low, high: first and last pixel, counted from ``step * i``.
        whole: every cell depends on the whole picture.
        exact: False where resizing makes it differ from cell to cell; then it is the most.
    """

    step: Pair = (1.0, 1.0)
    low: Pair = (0.0, 0.0)
    high: Pair = (0.0, 0.0)
    whole: bool = False
    exact: bool = True

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width in pixels; None = the whole picture."""
        if self.whole:
            return None
        rows, columns = (
            math.ceil(high - 1e-6) - math.floor(low + 1e-6) + 1
            for low, high in zip(self.low, self.high, strict=True)
        )
        return rows, columns

    def __str__(self) -> str:
        if self.size is None:
            return "the whole picture"
        rows, columns = self.size
        most = "" if self.exact else "at most "
        return f"{most}{columns}×{rows} px"


@dataclass(frozen=True)
class Layer:
    """What a layer gives for one picture: ``channels`` maps of ``height`` x ``width`` cells."""

    name: str
    channels: int
    height: int
    width: int
    field: Field


def outline(net: Net, height: int, width: int) -> dict[str, Layer]:
    """The layers that give maps, in the order in which they are reached.

    Args:
        net: any.
        height, width: of the picture in pixels.
    """
    net.check_layers()
    import torch
    from torch.overrides import TorchFunctionMode

    class Following(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            found = func(*args, **(kwargs or {}))
            _hand_on(getattr(func, "__name__", ""), args, kwargs or {}, found)
            return found

    layers: dict[str, Layer] = {}

    def note(name: str, found: object) -> None:
        if isinstance(found, torch.Tensor) and found.ndim == 4 and found.shape[-1] > 0:
            own = getattr(found, "_sees", Field(whole=True))
            channels, rows, columns = found.shape[1:]
            layers.setdefault(name, Layer(name, channels, rows, columns, own))

    handles = [
        module.register_forward_hook(lambda _m, _i, found, name=name: note(name, found))
        for name, module in net.layers.items()
    ]
    place = next(net.module.parameters()).device
    picture = torch.zeros(1, 3, height, width, device=place)
    picture._sees = Field()  # type: ignore[attr-defined]
    try:
        with torch.no_grad(), Following():
            net.module(picture)
    finally:
        for handle in handles:
            handle.remove()
    return layers


class _Call(NamedTuple):
    """An operation with what went in and what came out."""

    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    before: Tensor
    after: Tensor

    def given(self, place: int, name: str, default: Any) -> Any:
        """An argument by its place or name."""
        if name in self.kwargs:
            return self.kwargs[name]
        return self.args[place] if len(self.args) > place else default


def _hand_on(name: str, args: Any, kwargs: Mapping[str, Any], found: Any) -> None:
    import torch

    seen = [x for x in _tensors([args, list(kwargs.values())]) if hasattr(x, "_sees")]
    if not seen:
        return
    for result in _tensors([found]):
        if not isinstance(result, torch.Tensor):
            continue
        field = _merged([x._sees for x in seen])
        if result.ndim != 4 or name in WHOLE:
            field = replace(field, whole=True)
        elif name in _RULES:
            field = _RULES[name](field, _Call(args, kwargs, seen[0], result))
        elif name != "__getitem__" and result.shape[-2:] != seen[0].shape[-2:]:
            field = replace(field, whole=True)
        result._sees = field  # type: ignore[attr-defined]


def _tensors(items: Any) -> Iterator[Any]:
    for item in items:
        if isinstance(item, list | tuple):
            yield from _tensors(item)
        elif hasattr(item, "ndim") and hasattr(item, "shape"):
            yield item


def _merged(fields: list[Field]) -> Field:
    first = max(fields, key=lambda one: one.step)
    return Field(
        step=first.step,
        low=_pair(min(one.low[i] for one in fields) for i in (0, 1)),
        high=_pair(max(one.high[i] for one in fields) for i in (0, 1)),
        whole=any(one.whole for one in fields),
        exact=all(one.exact for one in fields),
    )


def _windowed(field: Field, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Field:
    """A window of cells in place of each."""
    kernel, stride, dilation = _two(kernel), _two(stride), _two(dilation)
    if padding == "same":
        padding = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    before = (0, 0) if padding == "valid" else _two(padding)
    return replace(
        field,
        step=_pair(field.step[i] * stride[i] for i in (0, 1)),
        low=_pair(field.low[i] - field.step[i] * before[i] for i in (0, 1)),
        high=_pair(
            field.high[i] + field.step[i] * (dilation[i] * (kernel[i] - 1) - before[i])
            for i in (0, 1)
        ),
    )


def _conv(field: Field, call: _Call) -> Field:
    weight = call.given(1, "weight", None)
    stride, padding, dilation = (
        call.given(i, name, default)
        for i, name, default in ((3, "stride", 1), (4, "padding", 0), (5, "dilation", 1))
    )
    return _windowed(field, tuple(weight.shape[-2:]), stride, padding, dilation)


def _pool(field: Field, call: _Call) -> Field:
    kernel = call.given(1, "kernel_size", 1)
    stride = call.given(2, "stride", None) or kernel
    padding = call.given(3, "padding", 0)
    dilation = call.given(4, "dilation", 1)
    return _windowed(field, kernel, stride, padding, dilation)


def _average(field: Field, call: _Call) -> Field:
    kernel = call.given(1, "kernel_size", 1)
    stride = call.given(2, "stride", None) or kernel
    return _windowed(field, kernel, stride, call.given(3, "padding", 0), 1)


def _padded(field: Field, call: _Call) -> Field:
    margins = call.given(1, "pad", (0, 0, 0, 0))
    before = (margins[2] if len(margins) > 2 else 0, margins[0])
    shift = [field.step[i] * before[i] for i in (0, 1)]
    return replace(
        field,
        low=_pair(field.low[i] - shift[i] for i in (0, 1)),
        high=_pair(field.high[i] - shift[i] for i in (0, 1)),
    )


def _transposed(field: Field, call: _Call) -> Field:
    kernel = tuple(call.given(1, "weight", None).shape[-2:])
    stride = _two(call.given(3, "stride", 1))
    padding = _two(call.given(4, "padding", 0))
    step = _pair(field.step[i] / stride[i] for i in (0, 1))
    return Field(
        step=step,
        low=_pair(field.low[i] + step[i] * (padding[i] - kernel[i] + 1) for i in (0, 1)),
        high=_pair(field.high[i] + step[i] * padding[i] for i in (0, 1)),
        whole=field.whole,
        exact=field.exact and stride == (1, 1),
    )


def _resized(field: Field, call: _Call) -> Field:
    factors = [call.after.shape[i] / call.before.shape[i] for i in (-2, -1)]
    if factors == [1.0, 1.0]:
        return field
    mode = call.given(3, "mode", "nearest")
    below, above = TAPS.get(mode, TAPS["bicubic"])
    centre = [0.0 if mode == "nearest" else 0.5 / f - 0.5 for f in factors]
    return Field(
        step=_pair(field.step[i] / factors[i] for i in (0, 1)),
        low=_pair(field.low[i] + field.step[i] * (centre[i] - below) for i in (0, 1)),
        high=_pair(field.high[i] + field.step[i] * (centre[i] + above) for i in (0, 1)),
        whole=field.whole,
        exact=False,
    )


_RULES = {
    "conv2d": _conv,
    "conv_transpose2d": _transposed,
    "max_pool2d": _pool,
    "avg_pool2d": _average,
    "pad": _padded,
    "interpolate": _resized,
}
"""What operations do to a field; all others leave it."""


def _two(x: Any) -> tuple[int, int]:
    if isinstance(x, int):
        return x, x
    return (x[0], x[0]) if len(x) == 1 else (x[0], x[1])


def _pair(values: Iterator[float]) -> Pair:
    rows, columns = values
    return rows, columns
