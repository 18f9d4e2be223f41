"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import io
import json
import re
import shutil
import socket
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
uvicorn = pytest.importorskip("uvicorn")
playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
expect.set_options(timeout=180_000)

from sfumato import styles  # noqa: E402
from sfumato.io import pictures  # noqa: E402
from sfumato.server import page as pages  # noqa: E402
from sfumato.server.app import House, create  # noqa: E402
from sfumato.server.desk import LocalDesk, Rules  # noqa: E402
from sfumato.server.metrics import Metrics  # noqa: E402
from sfumato.server.worker import Limits  # noqa: E402

CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.weights,
    pytest.mark.skipif(CHROMIUM is None, reason="the browser 'chromium' is not installed"),
]

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

PHOTOS = Path(__file__).parents[2] / "docs" / "images" / "photos"

LONG = 180_000
"""Milliseconds for a job, on a busy machine."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Served:
    """A server with the page, in threads of this process."""

    def __init__(self, folder: Path, house: House) -> None:
        self.desk = LocalDesk(folder, Rules(workers=1, line=12), Limits())
        app = pages.mount(create(self.desk, house, Metrics()), self.desk, house)
        self.url = f"http://127.0.0.1:{(port := free_port())}/"
        config = uvicorn.Config(
            app, port=port, log_level="warning", timeout_graceful_shutdown=1
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Served(tmp_path_factory.mktemp("desk"), House())
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as chromium:
        opened = chromium.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, served):
    """Opens the page for one more visitor; at the end nothing may have gone wrong in a browser,
    and nothing may have been asked of another server."""
    contexts, wrong = [], []

    def visit_(url: str = "", **options):
        options = {"viewport": {"width": 1280, "height": 900}, **options}
        context = browser.new_context(**options)
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(LONG)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("console", lambda line: line.type == "error" and wrong.append(line.text))
        own = (served.url, url or served.url, "data:", "blob:")
        tab.on("request", lambda asked: asked.url.startswith(own) or wrong.append(asked.url))
        tab.goto(url or served.url)
        return tab

    yield visit_
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def small(tmp_path):
    """Makes small copies of the photos in the docs."""

    def small_(name: str, side: int = 320) -> Path:
        photo = Image.open(PHOTOS / f"{name}.jpg")
        photo.thumbnail((side, side))
        photo.save(tmp_path / f"{name}.png")
        return tmp_path / f"{name}.png"

    return small_


def choose(tab, room: str, *photos: Path) -> None:
    tab.locator(f"#{room}-stage input[type=file]").first.set_input_files([str(p) for p in photos])


def chip(tab, room: str, label: str):
    return tab.locator(f"#{room}-stage .sf-chip", has_text=label)


def style(tab, room: str, name: str):
    return tab.locator(f"#{room}-gallery .sf-tile[aria-label^='{name}:']")


def text(tab, room: str):
    return tab.locator(f"#{room}-stage .sf-text")


def links(tab, room: str):
    return tab.locator(f"#{room}-stage .sf-downloads a")


def at(tab, room: str, x: float, y: float) -> tuple[float, float]:
    """Where a point of the picture is on the screen."""
    canvas = tab.locator(f"#{room}-stage .sf-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def tool(tab, room: str, name: str) -> None:
    tab.locator(f"#{room}-stage .sf-radios span", has_text=name).get_by_text(
        name, exact=True
    ).click()


def downloaded(tab, link) -> bytes:
    with tab.expect_download() as waiting:
        link.click()
    return Path(waiting.value.path()).read_bytes()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_a_photo_is_painted_where_it_was_clicked(visit, small):
    tab, photo = visit(), small("hat")
    choose(tab, "paint", photo)
    expect(chip(tab, "paint", "Person")).to_be_visible()
    assert chip(tab, "paint", "Background").get_attribute("aria-pressed") == "false"

    tab.mouse.click(*at(tab, "paint", 0.05, 0.1))
    expect(chip(tab, "paint", "Background")).to_have_attribute("aria-pressed", "true")

    tool(tab, "paint", "Eraser")  # a strip down the left is to stay
    tab.mouse.move(*at(tab, "paint", 0.02, 0.2))
    tab.mouse.down()
    tab.mouse.move(*at(tab, "paint", 0.02, 0.9), steps=4)
    tab.mouse.up()
    area = tab.locator("#paint-stage .sf-area-name")
    expect(area).to_contain_text("Background − eraser")

    style(tab, "paint", "Waves").click()
    expect(area).to_contain_text("Waves")
    tab.locator("#paint-go").click()
    expect(links(tab, "paint")).to_have_count(2)
    expect(text(tab, "paint")).to_contain_text("Done")

    slider = tab.get_by_label("How much of the picture is shown as it was before").first
    slider.focus()
    before = tab.locator("#paint-stage .sf-compare").get_attribute("style")
    tab.keyboard.press("ArrowRight")
    assert tab.locator("#paint-stage .sf-compare").get_attribute("style") != before

    was, now = pixels(photo.read_bytes()), pixels(downloaded(tab, links(tab, "paint").first))
    assert now.shape == was.shape
    changed = (was != now).any(axis=2)
    height, width = changed.shape
    face = changed[int(0.4 * height) : int(0.6 * height), int(0.45 * width) : int(0.55 * width)]
    assert not face.any()
    assert not changed[int(0.3 * height) : int(0.8 * height), : int(0.02 * width)].any()
    assert changed[: int(0.1 * height), int(0.1 * width) : int(0.3 * width)].mean() > 0.9

    manifest = json.loads(downloaded(tab, links(tab, "paint").last))
    (layer,) = manifest["layers"]
    assert layer["style"] == "waves"
    assert "erase" in layer["region"]
    assert str(Path.home()) not in json.dumps(manifest)


def test_two_areas_two_styles_by_keyboard(visit, small):
    tab = visit()
    choose(tab, "paint", small("hat"))
    expect(chip(tab, "paint", "Person")).to_be_visible()
    tab.locator("#paint-stage .sf-canvas").focus()
    for _ in range(2):
        tab.keyboard.press("Shift+ArrowUp")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")  # the crosshair is on the hat
    expect(chip(tab, "paint", "Person")).to_have_attribute("aria-pressed", "true")
    style(tab, "paint", "Ink").focus()
    tab.keyboard.press("Enter")
    tab.get_by_role("button", name="Another area, another style").first.focus()
    tab.keyboard.press("Enter")
    chip(tab, "paint", "Background").focus()
    tab.keyboard.press("Space")
    tab.locator("#paint-go").focus()
    tab.keyboard.press("Enter")
    expect(text(tab, "paint")).to_have_text("Choose a style for area 2 first.")
    style(tab, "paint", "Mosaic").focus()
    tab.keyboard.press("Enter")
    tab.locator("#paint-go").focus()
    tab.keyboard.press("Enter")
    expect(links(tab, "paint")).to_have_count(2)
    manifest = json.loads(downloaded(tab, links(tab, "paint").last))
    assert [(one["region"], one["style"]) for one in manifest["layers"]] == [
        ("person", "ink"),
        ("not person", "mosaic"),
    ]


def test_styles_show_themselves_before_there_is_a_photo(visit):
    tiles = visit().locator("#paint-gallery .sf-tile img.sf-sample")
    expect(tiles).to_have_count(len(styles.catalogue()))
    for i in range(tiles.count()):
        assert tiles.nth(i).evaluate("image => [image.hidden, image.naturalWidth]") == [False, 112]


def drag(tab, room: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    tab.mouse.move(*at(tab, room, *start))
    tab.mouse.down()
    tab.mouse.move(*at(tab, room, *end), steps=4)
    tab.mouse.up()


def test_colours_points_and_boxes_are_picked(visit, small):
    tab = visit()
    choose(tab, "paint", small("cat", 240))
    picked = ("aria-pressed", "true")
    expect(chip(tab, "paint", "Background")).to_be_visible()

    tool(tab, "paint", "Colours")
    expect(chip(tab, "paint", "Colour")).to_have_count(4)
    tab.mouse.click(*at(tab, "paint", 0.05, 0.05))
    expect(tab.locator("#paint-stage .sf-chip[aria-pressed='true']")).to_contain_text("Colour")

    tool(tab, "paint", "Box")
    drag(tab, "paint", (0.2, 0.2), (0.4, 0.6))
    expect(chip(tab, "paint", "Box")).to_have_attribute(*picked)

    tool(tab, "paint", "Point")
    tab.mouse.click(*at(tab, "paint", 0.5, 0.6))
    expect(chip(tab, "paint", "Point")).to_have_attribute(*picked)

    tool(tab, "paint", "Box a thing")
    drag(tab, "paint", (0.1, 0.05), (0.9, 0.95))
    expect(chip(tab, "paint", "Thing")).to_have_attribute(*picked)


@pytest.mark.parametrize("ending", [".tif", ".heic"])
def test_photos_that_browsers_do_not_show(visit, small, tmp_path, ending):
    photo, tab = pictures.read(small("hat", 200)), visit()
    if ending == ".heic":
        heif = pytest.importorskip("pillow_heif")
        heif.from_pillow(Image.open(small("hat", 200))).save(tmp_path / "photo.heic")
    else:
        pictures.write(photo, tmp_path / "photo.tif")
    choose(tab, "paint", tmp_path / f"photo{ending}")
    expect(chip(tab, "paint", "Person")).to_be_visible()
    style(tab, "paint", "Ember").click()
    tab.locator("#paint-go").click()
    expect(links(tab, "paint")).to_have_count(2)
    assert pixels(downloaded(tab, links(tab, "paint").first)).shape == photo.image.shape


def test_previews_show_this_photo_and_settings_are_sent(visit, small):
    tab = visit()
    choose(tab, "paint", small("cat", 200))
    preview = style(tab, "paint", "Waves").locator("img:not(.sf-sample)")
    expect(preview).to_be_visible()
    width, height = preview.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert width / height == pytest.approx(451 / 300, rel=0.03)

    style(tab, "paint", "Waves").click()
    tab.get_by_label("Strength").first.fill("0.5")
    tab.get_by_label("Strength").first.press("Tab")
    tab.get_by_label("Keep the photo's colours").first.check()
    tab.locator("#paint-go").click()
    expect(links(tab, "paint")).to_have_count(2)
    settings = json.loads(downloaded(tab, links(tab, "paint").last))["settings"]
    assert settings["strength"] == 0.5
    assert settings["keep_colors"] is True


def test_a_picture_of_ones_own_as_the_style(visit, small):
    tab = visit()
    choose(tab, "paint", small("cat", 200))
    tab.get_by_label("Your own style picture").first.set_input_files(str(small("coffee", 200)))
    tile = tab.locator("#paint-gallery .sf-tile[aria-label^='coffee.png:']")
    expect(tile).to_have_attribute("aria-pressed", "true")
    expect(text(tab, "paint")).to_contain_text("choose a style")
    tab.locator("#paint-go").click()
    expect(links(tab, "paint")).to_have_count(2)


def test_on_a_phone_nothing_is_too_wide_and_nothing_jumps(visit, small):
    tab = visit(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    tools = tab.locator("#paint-stage .sf-radios").nth(1)
    tools.wait_for()

    def place():
        return tools.evaluate("e => e.getBoundingClientRect().y + scrollY")  # it may be scrolling

    def fits():
        return tab.evaluate("document.documentElement.scrollWidth <= innerWidth")

    before = place()
    assert fits()
    choose(tab, "paint", small("hat"))
    expect(chip(tab, "paint", "Background")).to_be_visible()
    assert place() == pytest.approx(before, abs=1)
    tab.touchscreen.tap(*at(tab, "paint", 0.05, 0.1))
    expect(chip(tab, "paint", "Background")).to_have_attribute("aria-pressed", "true")
    style(tab, "paint", "Waves").tap()
    tab.locator("#paint-go").tap()
    expect(tab.locator("#paint-stage").get_by_role("button", name="Cancel")).to_be_visible()
    assert place() == pytest.approx(before, abs=1)
    expect(links(tab, "paint")).to_have_count(2)
    assert place() == pytest.approx(before, abs=1)
    assert fits()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.jpg", b""),
        ("words.jpg", b"no picture"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'></svg>"),
    ],
)
def test_a_bad_file_is_answered_with_a_sentence(visit, small, tmp_path, name, data):
    bad = tmp_path / name
    bad.write_bytes(data)
    tab = visit()
    choose(tab, "paint", bad)
    said = text(tab, "paint")
    expect(said).to_have_attribute("data-kind", "problem")
    assert name in said.inner_text()
    assert "Traceback" not in tab.content()
    choose(tab, "paint", small("cat", 200))
    expect(chip(tab, "paint", "Background")).to_be_visible()


def test_a_broken_photo_that_browsers_show_all_the_same(visit, small, tmp_path):
    half = tmp_path / "half.png"
    half.write_bytes((whole := small("cat").read_bytes())[: len(whole) // 2])
    tab = visit()
    choose(tab, "paint", half)
    expect(text(tab, "paint")).to_have_text(re.compile("^(Click on|Nothing stands out)"))
    style(tab, "paint", "Waves").click()
    tab.locator("#paint-go").click()
    expect(text(tab, "paint")).to_have_attribute("data-kind", "problem")
    assert "half.png" in text(tab, "paint").inner_text()


def test_a_job_can_be_cancelled(visit, small):
    tab = visit()
    tab.get_by_role("tab", name="Optimise").click()
    choose(tab, "optimise", small("cat", 200))
    expect(text(tab, "optimise")).to_contain_text("choose a style")
    style(tab, "optimise", "Waves").click()
    tab.locator("#optimise-go").click()
    tab.locator("#optimise-stage").get_by_role("button", name="Cancel").click()
    expect(text(tab, "optimise")).to_have_text("Cancelled.")
    expect(links(tab, "optimise")).to_have_count(0)
    style(tab, "optimise", "Marbled").click()  # and the page goes on
    expect(tab.locator("#optimise-stage .sf-area-name")).to_contain_text("Marbled")


def test_an_optimisation_is_watched_and_stopped(visit, small):
    pytest.importorskip("torch")
    tab = visit()
    tab.get_by_role("tab", name="Optimise").click()
    choose(tab, "optimise", small("cat", 160))
    expect(text(tab, "optimise")).to_contain_text("choose a style")
    style(tab, "optimise", "Waves").click()
    tab.get_by_label("Detail").locator("visible=true").first.fill("128")
    tab.get_by_label("Steps").locator("visible=true").first.fill("400")
    tab.get_by_label("Steps").locator("visible=true").first.press("Tab")
    tab.locator("#optimise-go").click()
    expect(text(tab, "optimise")).to_contain_text("left")
    expect(tab.locator("#optimise-stage .sf-compare")).to_be_visible()  # the live preview
    expect(tab.locator("#optimise-stage .sf-curve[aria-label*='step']")).to_be_visible()
    tab.locator("#optimise-stage").get_by_role("button", name="Stop and keep").click()
    expect(links(tab, "optimise")).to_have_count(2)


def test_two_visitors_get_their_own(visit, small):
    first, second = visit(), visit()
    photos = {first: small("hat", 300), second: small("skater", 260)}
    for tab, photo in photos.items():
        choose(tab, "paint", photo)
    for tab in photos:
        expect(chip(tab, "paint", "Background")).to_be_visible()
        chip(tab, "paint", "Background").click()
        style(tab, "paint", "Waves").click()
        tab.locator("#paint-go").click()
    for tab, photo in photos.items():
        expect(links(tab, "paint")).to_have_count(2)
        painted = pixels(downloaded(tab, links(tab, "paint").first))
        was = pixels(photo.read_bytes())
        assert painted.shape == was.shape
        same = (painted == was).all(axis=2).mean()
        assert 0.05 < same < 0.9


def test_a_portrait_is_placed(visit, small):
    tab = visit()
    tab.get_by_role("tab", name="Place").click()
    files = tab.locator("#place-stage input[type=file]")
    files.nth(0).set_input_files(str(small("hat", 300)))
    tab.locator("#place-stage").get_by_role("button", name="Example: Turner").click()
    expect(text(tab, "place")).to_contain_text("Press Place")
    tab.mouse.click(*at(tab, "place", 0.25, 0.999))
    expect(tab.locator("#place-stage .sf-ghost")).to_be_visible()
    tab.locator("#place-go").click()
    expect(links(tab, "place")).to_have_count(2)
    placed = pixels(downloaded(tab, links(tab, "place").first)).astype(int)
    was = np.asarray(Image.open(pages.EXAMPLES / "venice.jpg").convert("RGB")).astype(int)
    changed = (np.abs(placed - was) > 30).any(axis=2)
    columns = np.nonzero(changed.any(axis=0))[0]
    assert columns.mean() / changed.shape[1] == pytest.approx(0.25, abs=0.12)


def test_one_looks_inside(visit, small):
    tab = visit()
    tab.get_by_role("tab", name="Look inside").click()
    choose(tab, "inside", small("cat", 160))
    expect(text(tab, "inside")).to_contain_text("press Look")
    tab.locator("#inside-go").click()
    figure = tab.locator("#inside-stage .sf-figure")
    expect(figure).to_be_visible()
    assert figure.evaluate("image => image.naturalWidth") > 800
    expect(figure).to_have_attribute("alt", re.compile("clusters of cat"))
    drawn = pixels(downloaded(tab, links(tab, "inside").first))
    assert drawn.std() > 10


def test_many_photos_come_back_in_a_zip(visit, small, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    tab = visit()
    tab.get_by_role("tab", name="Batch").click()
    choose(tab, "batch", small("cat", 200), bad, small("coffee", 200))
    style(tab, "batch", "Waves").click()
    tab.locator("#batch-go").click()
    expect(links(tab, "batch")).to_have_count(1)
    expect(text(tab, "batch")).to_have_text("2 painted, 1 not: the list says why.")
    expect(tab.locator("#batch-stage .sf-state[data-kind=problem]")).to_contain_text("bad.jpg")
    archive = zipfile.ZipFile(io.BytesIO(downloaded(tab, links(tab, "batch").first)))
    assert sorted(archive.namelist()) == ["cat-painted.png", "coffee-painted.png"]
    assert pixels(archive.read("cat-painted.png")).shape[1] == 200


def test_everything_that_can_be_pressed_has_a_name(visit):
    tab = visit()
    for name in ("Paint", "Place", "Optimise", "Look inside", "Batch"):
        tab.get_by_role("tab", name=name, exact=True).click()
        tab.locator(f"#{name.lower().split()[-1]}-stage .sf-stage > *").first.wait_for()
        nameless = tab.evaluate(
            """() => [...document.querySelectorAll("button, input, a[href], canvas[tabindex]")]
                .filter((e) => e.checkVisibility())
                .filter((e) => !(e.ariaLabel || e.textContent.trim() || e.title
                    || e.labels?.[0]?.textContent.trim()))
                .map((e) => e.outerHTML.slice(0, 200))"""
        )
        assert nameless == []


def test_a_token_is_asked_for(visit, tmp_path_factory):
    server = Served(tmp_path_factory.mktemp("locked"), House(token="sesame"))
    try:
        tab = visit(server.url)
        assert tab.locator("#paint-stage").count() == 0
        tab.locator("input").nth(0).fill("me")
        tab.locator("input[type=password]").fill("sesame")
        tab.get_by_role("button", name="Login").click()
        tab.locator("#paint-stage .sf-drop").wait_for()
        tab.get_by_role("button", name="Example: A cat").first.click()
        expect(chip(tab, "paint", "Background")).to_be_visible()
    finally:
        tab.close()
        server.stop()
