"""Makes the pictures of the docs pages on styles, segmenters, mattes and regions.

python examples/docs_pictures.py     # a minute or two; needs all extras
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sfumato import pipeline, registry, styles
from sfumato.data import outline
from sfumato.io import pictures
from sfumato.matte import closed_form
from sfumato.ops import foreground
from sfumato.ops.guided import ENDS
from sfumato.ops.resize import fit, resize
from sfumato.ops.trimap import pixels, stretch, unknown_band
from sfumato.pipeline import Layer
from sfumato.settings import Settings
from sfumato.sheets import SAMPLE, grid
from sfumato.studio import Studio
from sfumato.types import Alpha, Context, Image

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
TILE = 220
PINK = np.array([0.85, 0.3, 0.6], np.float32)


def main() -> None:
    save("magenta-styles", magenta_styles(), columns=9)
    save("segmenters", segmenters(), columns=6)
    save("matting", matting(), columns=4)
    save("matting-known", matting_known(), columns=4)
    save("regions", regions(), columns=4)
    save("style-nets", style_nets(), columns=5)
    sheet = pictures.from_image(fit(outlines(), 1400))
    pictures.write(sheet, IMAGES / "dataset" / "outlines.jpg", quality=78, overwrite=True)


def save(name: str, tiles: dict[str, Image], columns: int) -> None:
    sheet = grid([square(tile) for tile in tiles.values()], list(tiles), columns)
    pictures.write(pictures.from_image(sheet), IMAGES / f"{name}.jpg", quality=78, overwrite=True)
    print(name)


def magenta_styles() -> dict[str, Image]:
    """The 26 styles inside the net."""
    photo, studio = fit(load(SAMPLE), 2 * TILE), Studio()
    inside = [style.name for style in styles.catalogue() if style.net == "magenta"]
    return {name: paint(studio, photo, "everything", name) for name in inside}


def segmenters() -> dict[str, Image]:
    """What each segmenter finds."""
    tiles = {}
    for name, region in (
        ("skater", "person"), ("rooftop", "person"), ("portrait", "person"), ("cat", "subject"),
    ):  # fmt: skip
        photo = load(IMAGES / "photos" / f"{name}.jpg")
        tiles[name] = photo
        for segmenter in ("modnet", "person", "selfie", "u2netp", "grabcut"):
            finds = "subject" if segmenter in ("u2netp", "grabcut") else "person"
            studio = Studio(Settings(segmenter=segmenter))
            tiles[f"{segmenter}{' ' * len(tiles)}"] = grey(
                pipeline.cut(photo, finds if region == "subject" else region, studio=studio).alpha
            )
    return tiles


def matting() -> dict[str, Image]:
    """Hair at twice its size over pink: the photo's own pixels, then each matte's colours."""
    photo = load(IMAGES / "photos" / "hat.jpg")
    rows, columns = slice(260, 520), slice(20, 280)
    tiles = {"photo": photo[rows, columns]}
    for name in ("guided", "closed-form", "crf"):
        matte = pipeline.cut(photo, studio=Studio(Settings(matte=name)))
        if name == "guided":
            tiles["alpha (guided)"] = grey(matte.alpha)[rows, columns]
            tiles["halo: raw pixels"] = over(photo, matte.alpha)[rows, columns]
        tiles[name] = over(matte.foreground, matte.alpha)[rows, columns]
    solid = (matte.alpha > 0.5).astype(np.float32)
    tiles["hard mask"] = over(photo, solid)[rows, columns]
    tiles["painted behind"] = paint(Studio(), photo, "background", "nocturne")[rows, columns]
    return tiles


def matting_known() -> dict[str, Image]:
    """A composite whose alpha is known, and what is found of it: the hair close up."""
    photo, ground = (load(IMAGES / "photos" / f"{name}.jpg") for name in ("portrait", "canal"))
    truth = (pipeline.cut(photo, studio=Studio()).alpha > 0.5).astype(np.float32)
    band = unknown_band(truth, pixels(0.03, photo.shape))
    truth[band] = closed_form.solve(photo, truth, band, closed_form.Options(trust=1e-6))
    share = stretch(truth, ENDS)[..., None]
    fore = foreground.estimate(photo, share[..., 0])[0]
    behind = resize(ground[:, : ground.shape[0]], photo.shape[:2])
    image = np.asarray(share * fore + (1 - share) * behind, dtype=np.float32)
    coarse = registry.build("segment", "modnet", Context())(image).alpha("person")
    alphas = {
        "true alpha": share[..., 0],
        "MODNet > 0.5": np.float32(coarse > 0.5),
        "MODNet": coarse,
    }
    for name in ("guided", "closed-form", "crf"):
        alphas[name] = registry.build("matte", name, Context())(image, coarse).alpha
    part = slice(0, 260), slice(400, 660)
    tiles = {"composite": fit(image, TILE), "its hair": image[part]}
    return tiles | {name: grey(alpha)[part] for name, alpha in alphas.items()}


def regions() -> dict[str, Image]:
    """One style, many regions."""
    photo, studio = load(IMAGES / "photos" / "friends.jpg"), Studio()
    expressions = (
        "person", "background", "person & box:0,0,.5,1", "background - box:0,.5,1,1",
        "box:.25,.1,.75,.9", "cluster:1/3", "not subject",
    )  # fmt: skip
    painted = {text: paint(studio, photo, text, "starry-night") for text in expressions}
    return {"the photo": photo} | painted


BOXES = {
    "friends": [(55, 42, 265, 468), (270, 52, 493, 468), (215, 95, 315, 468), (0, 175, 62, 430)],
    "skater": [(236, 390, 532, 845)],
    "portrait": [(65, 18, 800, 800)],
    "hat": [(75, 12, 755, 800)],
    "rooftop": [(152, 158, 357, 730)],
}
"""Around the people, in pixels."""


def style_nets() -> dict[str, Image]:
    """Styles that have a net of their own, painted by the net for any style, and by theirs."""
    own = sorted(path.stem for path in styles.NETS.glob("*.onnx"))
    studio, tiles = Studio(), {}
    for name in ("hat", "canal"):
        photo = load(IMAGES / "photos" / f"{name}.jpg")
        tiles[name] = photo
        for style in own:
            for stylizer in ("magenta", "johnson"):
                layer = Layer("everything", styles.resolve(style), stylizer)
                painting = pipeline.paint(photo, [layer], studio=studio)
                tiles[f"{style}, {stylizer}{' ' * len(tiles)}"] = painting.image
    return tiles


def outlines() -> Image:
    """Masks from boxes, as ``sfumato dataset outline --preview`` shows them."""
    records, annotations = [], []
    for i, (name, boxes) in enumerate(BOXES.items()):
        height, width = load(IMAGES / "photos" / f"{name}.jpg").shape[:2]
        records.append({"id": i, "file_name": f"{name}.jpg", "width": width, "height": height})
        for x0, y0, x1, y1 in boxes:
            box = [x0, y0, x1 - x0, y1 - y0]
            annotations.append({"image_id": i, "category_id": 1, "bbox": box})
    listing = {
        "images": records,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "in", Path(folder) / "out"
        shutil.copytree(IMAGES / "photos", source / "images")
        (source / "boxes.json").write_text(json.dumps(listing))
        return outline.contact_sheet(outline.outline(source, target), target)


def paint(studio: Studio, photo: Image, region: str, style: str) -> Image:
    return pipeline.paint(photo, [Layer(region, styles.resolve(style))], studio=studio).image


def load(path: Path) -> Image:
    return pictures.read(path).image


def grey(alpha: Alpha) -> Image:
    return np.repeat(alpha[..., None], 3, axis=2)


def over(foreground: Image, alpha: Alpha) -> Image:
    share = alpha[..., None]
    return np.asarray(share * foreground + (1 - share) * PINK, dtype=np.float32)


def square(image: Image) -> Image:
    """The whole picture in a square of white."""
    small = fit(image, TILE) if max(image.shape) > TILE else enlarge(image)
    tile = np.ones((TILE, TILE, 3), np.float32)
    top, left = (TILE - small.shape[0]) // 2, (TILE - small.shape[1]) // 2
    tile[top : top + small.shape[0], left : left + small.shape[1]] = small
    return tile


def enlarge(image: Image) -> Image:
    scale = TILE / max(image.shape[:2])
    return resize(image, (round(image.shape[0] * scale), round(image.shape[1] * scale)))


if __name__ == "__main__":
    main()
