from __future__ import annotations

import os

import pytest

from sfumato.io._environment import environment


def fail_inside() -> None:
    with environment({"SFUMATO_ONE": "a", "SFUMATO_TWO": "b"}):
        assert (os.environ["SFUMATO_ONE"], os.environ["SFUMATO_TWO"]) == ("a", "b")
        raise ZeroDivisionError


def test_it_is_as_before_also_after_an_error(monkeypatch):
    monkeypatch.setenv("SFUMATO_ONE", "1")
    monkeypatch.delenv("SFUMATO_TWO", raising=False)
    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert os.environ["SFUMATO_ONE"] == "1"
    assert "SFUMATO_TWO" not in os.environ
