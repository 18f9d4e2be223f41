"""Folders of pictures and masks: splits, masks of any mode, files that cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfumato.data.samples import check, open_samples
from sfumato.errors import UsageError

from . import sets


def test_a_pair_is_read_as_it_is(tmp_path):
    samples = open_samples(str(sets.pairs(tmp_path, 3)), "all")
    sample = samples[1]
    assert (len(samples), samples.classes, samples.broken) == (3, ("background", "person"), [])
    assert sample.name == samples.name(1) == "001"
    np.testing.assert_array_equal(sample.image, sets.picture(1))
    np.testing.assert_array_equal(sample.mask, sets.block(value=1))
    assert samples[-1].name == "002"
    with pytest.raises(IndexError):
        samples[3]


def test_split_json_tells_the_splits(tmp_path):
    sets.pairs(tmp_path, 4)
    listed = {"train": ["002", "000.png", "900"], "valid": ["003"]}
    sets.write_json(tmp_path / "split.json", listed)
    train = open_samples(str(tmp_path), "train")
    assert [train.name(i) for i in range(len(train))] == ["000", "002"]
    assert [(Path(b.path).name, b.reason) for b in train.broken] == [
        ("900", "split.json lists it, but there is no such file")
    ]
    assert open_samples(str(tmp_path), "val").name(0) == "003"
    assert len(open_samples(str(tmp_path), "all")) == 4
    with pytest.raises(UsageError, match="no split 'test' .known: train, valid, all"):
        open_samples(str(tmp_path), "test")


def test_without_split_json_the_names_tell_and_further_files_change_nothing(tmp_path):
    def names(split):
        samples = open_samples(str(tmp_path), split)
        return {samples.name(i) for i in range(len(samples))}

    sets.pairs(tmp_path, 60, (4, 6))
    train, val = names("train"), names("val")
    assert train | val == {f"{i:03d}" for i in range(60)}
    assert not train & val
    assert 1 <= len(val) <= 15
    sets.pairs(tmp_path, 90, (4, 6))
    assert names("train") >= train
    assert names("val") >= val
    with pytest.raises(UsageError, match="no split 'test'"):
        names("test")


def _person(shape: np.ndarray, mode: str) -> Image.Image:
    """The boolean shape as a mask of this mode."""
    grey = Image.fromarray(shape.astype(np.uint8) * 255)
    if mode in ("1", "L", "RGB"):
        return grey.convert(mode)
    if mode == "I;16":
        return Image.fromarray(shape.astype(np.uint16) * 65535)
    if mode == "cut-out":
        colours = Image.new("RGB", grey.size, (200, 30, 90))
        colours.putalpha(grey)
        return colours
    if mode == "numbers":
        return Image.fromarray(shape.astype(np.uint8))
    if mode == "soft":
        return Image.fromarray(np.where(shape, 201, 40).astype(np.uint8))
    drawn = Image.fromarray(np.where(shape, 1, 0).astype(np.uint8)).convert("P")
    grey_palette, colour_palette = [0, 0, 0, 255, 255, 255], [0, 0, 0, 192, 128, 128]
    if mode == "white first":
        drawn = Image.fromarray(np.where(shape, 0, 1).astype(np.uint8)).convert("P")
        grey_palette = grey_palette[::-1]
    drawn.putpalette(colour_palette if mode == "colours" else grey_palette)
    return drawn


@pytest.mark.parametrize(
    "mode",
    ["1", "L", "RGB", "I;16", "cut-out", "numbers", "soft", "colours", "greys", "white first"],
)
def test_masks_of_any_mode(tmp_path, mode):
    shape = sets.block() > 0
    sets.pairs(tmp_path, 1)
    drawn = _person(shape, mode)
    drawn.save(tmp_path / "masks" / "000.png")
    np.testing.assert_array_equal(open_samples(str(tmp_path), "all")[0].mask, shape)


def test_numbers_with_ignored_pixels(tmp_path):
    mask = sets.block(value=1)
    mask[0] = 255
    sets.pairs(tmp_path, 1)
    sets.save(tmp_path / "masks" / "000.png", mask)
    np.testing.assert_array_equal(open_samples(str(tmp_path), "all")[0].mask, mask)
    mask[1] = 2
    sets.save(tmp_path / "masks" / "000.png", mask)
    many = ("background", "person", "dog")
    np.testing.assert_array_equal(open_samples(str(tmp_path), "all", classes=many)[0].mask, mask)


def test_a_number_too_high_is_found_when_read(tmp_path):
    sets.pairs(tmp_path, 2)
    for name, value in (("000", 7), ("001", 2)):
        sets.save(tmp_path / "masks" / f"{name}.png", sets.block(value=value))
    samples = open_samples(str(tmp_path), "all", classes=("background", "person", "dog"))
    assert samples[0].name == "001"
    assert "holds the numbers 7; expected from 0 to 2" in samples.broken[0].reason


def test_broken_files_are_listed_with_their_reasons(tmp_path):
    sets.pairs(tmp_path, 6)
    images, masks = tmp_path / "images", tmp_path / "masks"
    (masks / "000.png").unlink()
    (images / "001.png").unlink()
    sets.save(masks / "002.png", sets.block((20, 31)))
    data = (images / "003.png").read_bytes()
    (images / "003.png").write_bytes(data[: len(data) // 2])
    (masks / "004.png").write_text("no picture")
    sets.save(images / "005.jpg", sets.picture(9))
    samples = open_samples(str(tmp_path), "all")
    reasons = {Path(b.path).relative_to(tmp_path).as_posix(): b.reason for b in samples.broken}
    assert [samples.name(i) for i in range(len(samples))] == ["005"]
    assert reasons["images/000.png"] == "its mask is missing"
    assert reasons["masks/001.png"] == "there is no picture to it"
    assert reasons["masks/002.png"] == "31 × 20 pixels; expected 30 × 20"
    assert "damaged or cut short" in reasons["images/003.png"]
    assert "is no picture" in reasons["masks/004.png"]
    assert reasons["images/005.png"] == "005.jpg has the same name"
    assert len(reasons) == 6


def test_nothing_to_use_is_said_with_reasons(tmp_path):
    sets.pairs(tmp_path, 2)
    for i in range(2):
        (tmp_path / "masks" / f"{i:03d}.png").unlink()
    with pytest.raises(UsageError, match=r"no pictures to use\n.*000.png: its mask is missing"):
        open_samples(str(tmp_path), "all")


def _spoil(path: Path) -> None:
    """Damage in the middle that no header shows."""
    data = bytearray(path.read_bytes())
    middle = data.index(b"IDAT") + 12
    data[middle : middle + 40] = b"\x55" * 40
    path.write_bytes(data)


def test_damage_that_only_decoding_finds_is_recorded_and_stood_in_for(tmp_path):
    sets.pairs(tmp_path, 4)
    for name in ("001", "002"):
        _spoil(tmp_path / "images" / f"{name}.png")
    samples, again = (open_samples(str(tmp_path), "all") for _ in range(2))
    assert samples.broken == []
    assert [samples[i].name for i in (1, 2, 0, 3)] == ["003", "003", "000", "003"]
    assert again[2].name == "003"
    assert [Path(b.path).name for b in samples.broken] == ["001.png", "002.png"]
    samples[1]
    assert len(samples.broken) == 2
    done: list[float] = []
    found = check(open_samples(str(tmp_path), "all"), done.append)
    assert [Path(b.path).name for b in found] == ["001.png", "002.png"]
    assert done[-1] == 1


def test_all_damaged(tmp_path):
    sets.pairs(tmp_path, 2)
    for path in (tmp_path / "images").iterdir():
        _spoil(path)
    with pytest.raises(UsageError, match="can be read"):
        open_samples(str(tmp_path), "all")[0]


def test_photos_are_turned_upright_and_what_follows_a_jpeg_does_no_harm(tmp_path):
    sideways = Image.fromarray(sets.picture(0, (30, 20)))
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / "a.jpg"
    sideways.save(path, exif=exif, quality=95)
    path.write_bytes(path.read_bytes() + b"trailer" * 40)
    sets.save(tmp_path / "masks" / "a.png", sets.block((20, 30)))
    sample = open_samples(str(tmp_path), "all")[0]
    assert sample.image.shape == (20, 30, 3)
    turned = np.rot90(sets.picture(0, (30, 20)), -1).astype(int)
    assert np.abs(sample.image - turned).mean() < 8
    sets.save(tmp_path / "masks" / "a.png", sets.block((30, 20)))
    with pytest.raises(UsageError, match="turned by its EXIF data; expected 30 × 20"):
        open_samples(str(tmp_path), "all")


def test_pictures_without_masks_are_background(tmp_path):
    for i, place in enumerate(("Cubism/a", "Cubism/b", "cartoon/a")):
        sets.save(tmp_path / f"{place}.png", sets.picture(i))
    samples = open_samples(f"pictures:{tmp_path}", "all")
    assert [s.name for s in (samples[0], samples[1], samples[2])] == [
        "Cubism/a", "Cubism/b", "cartoon/a",
    ]  # fmt: skip
    assert not samples[0].mask.any()
    assert samples[0].mask.shape == (20, 30)


def test_folders_that_are_not_there(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        open_samples(str(tmp_path / "nowhere"), "train")
    with pytest.raises(UsageError, match="is no set of pictures and masks"):
        open_samples(str(tmp_path), "train")
    with pytest.raises(UsageError, match="masks is missing|images is missing"):
        open_samples(f"pairs:{tmp_path}", "train")
