"""How much memory is needed, and how much may be used."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="optimising needs the torch extra")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from sfumato.optimise import memory  # noqa: E402

CPU = torch.device("cpu")
pixels = st.integers(0, 10**8)
dtypes = st.sampled_from([torch.float32, torch.bfloat16])


def test_what_is_asked_for_is_the_limit():
    assert memory.limit(2.5, CPU) == 2.5e9


def test_nothing_said_is_a_part_of_what_the_machine_has():
    free = memory.limit(None, CPU)
    assert 1e8 < free < 1e14


def test_a_machine_that_does_not_tell_has_some(monkeypatch):
    def unknown(name):
        raise ValueError(name)

    monkeypatch.setattr(memory.os, "sysconf", unknown, raising=False)
    assert memory.limit(None, CPU) == memory.FALLBACK


@given(pixels, pixels, dtypes)
def test_more_pixels_need_more(a, b, dtype):
    a, b = sorted((a, b))
    assert 0 <= memory.held(a) <= memory.held(b)
    assert 0 <= memory.seen(a, dtype) <= memory.seen(b, dtype)
    assert memory.seen(a, torch.bfloat16) <= memory.seen(a, torch.float32)


@given(st.floats(0, 1e12), pixels, dtypes)
def test_what_goes_through_at_once_fits(budget, picture, dtype):
    most = memory.pixels_at_once(budget, picture, dtype)
    assert most >= 0
    if most:
        assert memory.held(picture) + memory.seen(most, dtype) <= budget * (1 + 1e-9)
        assert memory.held(picture) + memory.seen(most + 1, dtype) > budget * (1 - 1e-9)
        assert memory.pixels_at_once(budget, picture + 10**6, dtype) < most
    else:
        assert memory.held(picture) + memory.seen(1, dtype) > budget * (1 - 1e-9)


def test_a_picture_that_is_too_much_leaves_nothing():
    assert memory.pixels_at_once(1e6, 10**7, torch.float32) == 0
