"""Makes the pictures of docs/web.md: the page in a real browser, with a server of its own.

python examples/web_pictures.py     # needs chromium, playwright and the serve extra; minutes
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ROOT / "docs" / "images" / "photos"
TARGET = ROOT / "docs" / "images" / "web"

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

FILLED = 7
"""Previews to wait for: those that are in sight on a phone."""

PATIENCE = 900_000
"""Milliseconds for one job, on any machine."""


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    chosen = sys.argv[1:] or list(SHOTS)
    with serve() as url, sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        for name in chosen:
            shot = TARGET / "shot.png"
            SHOTS[name](browser, url).screenshot(path=shot)
            Image.open(shot).convert("RGB").save(TARGET / f"{name}.jpg", quality=88)
            shot.unlink()
        browser.close()


@contextmanager
def serve() -> Iterator[str]:
    """A server with an empty folder, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sfumato", "serve", "--port", str(port)]
        server = subprocess.Popen([*command, "--folder", folder])
        try:
            until = time.monotonic() + 300
            while time.monotonic() < until:
                try:
                    urllib.request.urlopen(url)
                    break
                except (urllib.error.URLError, OSError):
                    time.sleep(0.5)
            yield url
        finally:
            server.terminate()
            server.wait(60)


def visit(browser: Browser, url: str, tab: str, **options: object) -> Page:
    page = browser.new_page(**({"viewport": {"width": 1280, "height": 960}} | options))
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.get_by_role("tab", name=tab, exact=True).click()
    page.locator(f"#{tab.lower().split()[-1]}-stage .sf-stage > *").first.wait_for()
    return page


def load(page: Page, room: str, *names: str) -> None:
    files = [PHOTOS / f"{name}.jpg" for name in names]
    page.locator(f"#{room}-stage input[type=file]").first.set_input_files(files)


def style(page: Page, room: str, label: str) -> None:
    page.locator(f"#{room}-gallery .sf-tile[aria-label^='{label}:']").click()


def previewed(page: Page, room: str, count: int) -> None:
    shown = page.locator(f"#{room}-gallery img.sf-thumb:not([hidden]):not(.sf-sample)")
    shown.nth(count - 1).wait_for(state="attached")


def done(page: Page, room: str) -> None:
    page.locator(f"#{room}-stage .sf-downloads a").first.wait_for()
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(5, 5)
    page.wait_for_timeout(1000)


def chosen(browser: Browser, url: str) -> Page:
    """What was found in a photo, and previews."""
    page = visit(browser, url, "Paint")
    load(page, "paint", "portrait")
    page.locator("#paint-stage .sf-chip").first.wait_for()
    previewed(page, "paint", 11)
    page.wait_for_timeout(500)
    return page


def painted(browser: Browser, url: str, **options: object) -> Page:
    """Two areas in two styles, before and after."""
    page = visit(browser, url, "Paint", **options)
    load(page, "paint", "hat")
    chip = page.locator("#paint-stage .sf-chip")
    chip.filter(has_text="Background").click()
    style(page, "paint", "Nocturne")
    page.get_by_role("button", name="Another area, another style").first.click()
    chip.filter(has_text="Person").click()
    style(page, "paint", "Watercolour")
    previewed(page, "paint", FILLED)
    page.locator("#paint-go").click()
    done(page, "paint")
    return page


def phone(browser: Browser, url: str) -> Page:
    return painted(
        browser, url, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True
    )


def placed(browser: Browser, url: str) -> Page:
    page = visit(browser, url, "Place")
    load(page, "place", "skater")
    page.locator("#place-stage").get_by_role("button", name="Example: Robinson").click()
    page.locator("#place-stage .sf-text", has_text="Press Place").wait_for()
    page.locator("#place-go").click()
    done(page, "place")
    return page


def optimised(browser: Browser, url: str) -> Page:
    """In the middle of an optimisation."""
    page = visit(browser, url, "Optimise")
    load(page, "optimise", "canal")
    style(page, "optimise", "Nocturne")
    previewed(page, "optimise", 11)
    page.locator("#optimise-go").click()
    bar = "Number(document.querySelector('#optimise-stage progress').value) > 0.6"
    page.wait_for_function(bar)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(500)
    return page


def inside(browser: Browser, url: str) -> Page:
    """The clusters of a photo."""
    page = visit(browser, url, "Look inside", viewport={"width": 1280, "height": 1500})
    load(page, "inside", "cat")
    page.locator("#inside-stage .sf-text", has_text="press Look").wait_for()
    page.locator("#inside-go").click()
    done(page, "inside")
    return page


def batched(browser: Browser, url: str) -> Page:
    page = visit(browser, url, "Batch")
    load(page, "batch", "portrait", "hat", "rooftop", "coffee", "cat")
    style(page, "batch", "Gilded")
    page.locator("#batch-go").click()
    done(page, "batch")
    previewed(page, "batch", 11)
    return page


SHOTS: dict[str, Callable[[Browser, str], Page]] = {
    "choose": chosen, "paint": painted, "phone": phone, "place": placed,
    "optimise": optimised, "batch": batched, "inside": inside,
}  # fmt: skip


if __name__ == "__main__":
    main()
