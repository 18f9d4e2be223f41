"""Previews: now and then, over their own last one, and never the end of the work."""

from __future__ import annotations

import numpy as np
import pytest

from sfumato import preview
from sfumato.errors import SfumatoWarning
from sfumato.io import pictures
from sfumato.preview import Preview
from sfumato.types import Step

GREY = np.full((4, 6, 3), 0.5, np.float32)


def step(number):
    return Step(number, 10, 4, 6)


def test_now_and_then(tmp_path, monkeypatch):
    clock, made = [100.0], []
    monkeypatch.setattr(preview.time, "monotonic", lambda: clock[0])
    watch = Preview(tmp_path / "now.png", overwrite=False)

    def picture():
        made.append(clock[0])
        return GREY * (len(made) / 4)

    for number in range(10):
        watch(step(number), picture)
        clock[0] += 1
    assert made == [101, 104, 107]  # nothing is there to see before the first step
    np.testing.assert_allclose(pictures.read(tmp_path / "now.png").image, 0.375, atol=0.01)


def test_a_file_that_it_did_not_write_stays(tmp_path):
    target = tmp_path / "now.png"
    target.write_bytes(b"mine")
    watch = Preview(target, overwrite=False)
    with pytest.warns(SfumatoWarning, match=r"no preview: .*now\.png exists already"):
        watch(step(1), lambda: GREY)
    assert target.read_bytes() == b"mine"
    Preview(target, overwrite=True)(step(1), lambda: GREY)
    assert pictures.read(target).size == (4, 6)


@pytest.mark.parametrize("picture", [GREY, GREY * np.nan], ids=["folder", "nan"])
def test_a_preview_that_cannot_be_written_is_one_note(tmp_path, picture):
    folder = "gone" if np.isfinite(picture).all() else "."
    watch = Preview(tmp_path / folder / "now.png", overwrite=False)
    with pytest.warns(SfumatoWarning, match="no preview: "):
        watch(step(1), lambda: picture)
    watch(step(2), pytest.fail)  # not tried again; here a warning would be an error


def test_beside_another_watcher(tmp_path):
    heard = []
    both = preview.beside(
        lambda step, picture: heard.append(step), tmp_path / "now.png", overwrite=False
    )
    both(step(1), lambda: GREY)
    assert heard == [step(1)]
    assert (tmp_path / "now.png").exists()
    alone = preview.beside(None, tmp_path / "alone.png", overwrite=False)
    alone(step(1), lambda: GREY)
    assert (tmp_path / "alone.png").exists()


def test_an_interruption_is_not_held_up(tmp_path):
    def picture():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Preview(tmp_path / "now.png", overwrite=False)(step(1), picture)
    assert list(tmp_path.iterdir()) == []
