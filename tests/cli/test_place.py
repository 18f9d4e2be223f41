"""``sfumato place``: two files in, one out, by hand or by itself."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image as PillowImage

from sfumato.place import attention

pytestmark = pytest.mark.usefixtures("inverter", "blind")

WHO = ("--region", "box:.25,.2,.75,1")
WHERE = ("-x", ".5", "-y", "1", "--height", ".6")


@pytest.fixture
def blind(monkeypatch):
    """No nets look at the painting."""
    for name in ("occupied", "saliency"):
        monkeypatch.setattr(
            attention, name, lambda image, studio, **_: np.zeros(image.shape[:2], np.float32)
        )


@pytest.fixture
def painting(tmp_path):
    ramp = np.linspace(60, 200, 120).astype(np.uint8)
    data = np.stack([np.tile(ramp, (90, 1)), np.full((90, 120), 120, np.uint8),
                     np.tile(ramp[::-1], (90, 1))], axis=2)  # fmt: skip
    PillowImage.fromarray(data).save(tmp_path / "painting.png")
    return tmp_path / "painting.png"


def pixels(path):
    return np.asarray(PillowImage.open(path))


def test_by_numbers(run, photo, painting, tmp_path):
    out = tmp_path / "out.png"
    result = run("place", photo, painting, *WHO, *WHERE, "-o", out)
    assert result.code == 0
    assert "placed at -x 60 -y 90 --height 54" in result.err
    before, after = pixels(painting), pixels(out)
    assert after.shape == before.shape
    np.testing.assert_array_equal(after[:30], before[:30])
    assert (after[50:, 50:70] != before[50:, 50:70]).mean() > 0.5
    assert run("place", photo, painting, *WHO, *WHERE, "-q", "-o", out, "--overwrite").err == ""


def test_the_default_name_is_beside_the_portrait(run, photo, painting):
    assert run("place", photo, painting, *WHO, *WHERE).code == 0
    assert (photo.parent / "photo-placed.png").exists()


def test_by_name_mirrored_and_by_itself(run, photo, painting, tmp_path):
    named = run("place", photo, painting, *WHO, "--anchor", "bottom-left", "--flip",
                "-o", tmp_path / "a.png")  # fmt: skip
    assert "mirrored" in named.err
    found = run("place", photo, painting, *WHO, "--no-flip", "-o", tmp_path / "b.png")
    assert found.code == 0
    assert "mirrored" not in found.err
    second = run("place", photo, painting, *WHO, "--candidate", "2", "-o", tmp_path / "c.png")
    assert second.code == 0
    assert second.err != found.err


def test_candidates_are_shown_on_a_sheet(run, photo, painting, tmp_path):
    out = tmp_path / "out.png"
    assert run("place", photo, painting, *WHO, "--candidates", "4", "-o", out).code == 0
    assert pixels(tmp_path / "out-candidates.png").shape[1] > 900
    named = run("place", photo, painting, *WHO, "--sheet", tmp_path / "s.jpg", "-o",
                tmp_path / "two.png")  # fmt: skip
    assert named.code == 0
    assert PillowImage.open(tmp_path / "s.jpg").format == "JPEG"
    both = run(
        "place", photo, painting, *WHO, *WHERE, "--candidates", "4", "-o", tmp_path / "3.png"
    )
    assert both.code == 2
    assert "leave out -x" in both.err
    assert not (tmp_path / "3.png").exists()


def test_steps_and_strength(run, photo, painting, tmp_path):
    arguments = ("place", photo, painting, *WHO, *WHERE)
    run(*arguments, "--strength", "0", "-o", tmp_path / "a.png")
    off = [word for step in ("colour", "manner", "softness", "grain", "shadow", "fade")
           for word in (f"--{step}", "0")]  # fmt: skip
    run(*arguments, *off, "-o", tmp_path / "b.png")
    run(*arguments, "-o", tmp_path / "c.png")
    a, b, c = (pixels(tmp_path / f"{name}.png") for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-x", ".5"), "both x and y"),
        ((*WHERE, "--anchor", "bottom"), "not both"),
        (("--anchor", "botom"), "did you mean"),
        (("--manner", "2"), "place.manner"),
        (("--height", "0"), "place.height"),
        (("-x", "nan", "-y", "0"), "place.x"),
        (("-x", "900", "-y", "40", "--height", "30"), "outside the painting"),
        (("-x", "60", "-y", "40", "--height", "1000000"), "smaller height"),
        (("--strength", "3"), "strength"),
        (("--blend", "glue"), "glue"),
        (("--candidate", "25"), "place.candidate"),
        (("--region", "box:0,0,1"), "region"),
    ],
)
def test_errors_are_one_sentence(run, photo, painting, tmp_path, arguments, sentence):
    region = () if "--region" in arguments else WHO
    result = run("place", photo, painting, *region, *arguments, "-o", tmp_path / "out.png")
    assert result.code == 2
    assert sentence in result.err
    assert "Traceback" not in result.err
    assert not (tmp_path / "out.png").exists()


def test_inputs_are_never_overwritten(run, photo, painting, tmp_path):
    before = photo.read_bytes(), painting.read_bytes()
    for target in (photo, painting):
        result = run("place", photo, painting, *WHO, *WHERE, "-o", target, "--overwrite")
        assert result.code == 2
        assert "is an input" in result.err
    assert (photo.read_bytes(), painting.read_bytes()) == before
    result = run("place", photo, painting, *WHO, "--sheet", painting, "-o", tmp_path / "out.png")
    assert result.code == 2
    missing = run("place", tmp_path / "no.png", painting, *WHO, *WHERE)
    assert missing.code == 2
    assert "no.png" in missing.err
    folder = run("place", tmp_path, painting, *WHO, *WHERE)
    assert "one portrait at a time" in folder.err


def test_pipes(photo, painting, monkeypatch, capfdbinary):
    from sfumato.cli.main import main

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photo.read_bytes())))
    with pytest.raises(SystemExit) as done:
        main(["place", "-", str(painting), *WHO, *WHERE, "-q", "-o", "-"])
    assert not done.value.code
    after = PillowImage.open(io.BytesIO(capfdbinary.readouterr().out))
    assert after.size == (120, 90)


def test_depth_and_transparency_stay(run, photo, tmp_path):
    import cv2

    deep = np.full((90, 120, 4), 30000, np.uint16)
    deep[..., 0] += np.arange(120, dtype=np.uint16)
    deep[..., 3] = 65535
    deep[:, 60:, 3] = 0
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    out = tmp_path / "out.png"
    assert run("place", photo, tmp_path / "deep.png", *WHO, *WHERE, "-o", out).code == 0
    made = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert made.dtype == np.uint16
    np.testing.assert_array_equal(made[:30], deep[:30])
    assert (made[60:80, 62:70, 3] == 65535).all()  # the figure shows where nothing was
    assert (made[60:80, 110:, 3] == 0).all()


def test_what_a_cut_out_has_left_out_stays_out(run, painting, tmp_path):
    cutout = np.full((60, 48, 4), 250, np.uint8)
    cutout[:, :24, 3] = 0
    PillowImage.fromarray(cutout).save(tmp_path / "cut.png")
    out = tmp_path / "out.png"
    arguments = ("-r", "everything", "--anchor", "center", "--height", ".5", "--strength", "0")
    assert run("place", tmp_path / "cut.png", painting, *arguments, "-o", out).code == 0
    changed = (pixels(out) != pixels(painting)).any(2)
    assert np.ptp(np.flatnonzero(changed.any(0))) == pytest.approx(18, abs=3)  # of 36 in all


def test_manifest_and_replay(run, photo, painting, tmp_path):
    out = tmp_path / "out.png"
    arguments = ("--anchor", "bottom", "--grain", ".5", "--seed", "4", "--manifest")
    assert run("place", photo, painting, *WHO, *arguments, "-o", out).code == 0
    record = json.loads((tmp_path / "out.png.json").read_text())
    assert record["options"]["grain"] == 0.5
    assert record["settings"]["seed"] == 4
    assert record["painting"]["path"] == str(painting)
    replayed = run("replay", tmp_path / "out.png.json", "-o", tmp_path / "again.png")
    assert replayed.code == 0, replayed.err
    assert "byte for byte" in replayed.err
    assert (tmp_path / "again.png").read_bytes() == out.read_bytes()
    PillowImage.fromarray(255 - pixels(painting)).save(painting)
    changed = run("replay", tmp_path / "out.png.json", "-o", tmp_path / "third.png")
    assert changed.code == 2
    assert "painting.png has changed since" in changed.err
    record["options"]["glaze"] = 1
    (tmp_path / "bad.json").write_text(json.dumps(record))
    bad = run("replay", tmp_path / "bad.json")
    assert bad.code == 2
    assert "not a manifest of this version" in bad.err
