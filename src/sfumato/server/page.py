"""The web page: Gradio's tabs and controls, and components of our own for the pictures.

Nothing that a visitor sends is decoded in this process: the browser shows their files, and workers
open them (see :mod:`sfumato.server.page_calls`).
"""

from __future__ import annotations

import atexit
import io
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from PIL import Image

from sfumato import styles
from sfumato.io.embedding import embedded
from sfumato.server.app import House
from sfumato.server.desk import Desk
from sfumato.server.page_calls import EXAMPLES, Calls
from sfumato.server.page_controls import (
    FLIP_WORDS,
    FORMAT_WORDS,
    LAYERS,
    LOOK_WORDS,
    METHOD_WORDS,
    NET_WORDS,
    REGION_WORDS,
    Controls,
    blends,
    presets,
)
from sfumato.server.page_door import Door

Functions = list[Callable[[Any], Any]]

WEB = Path(__file__).parent / "web"

TILES = WEB / "styles"
"""Our own portrait in each style, shown until there is a photo."""

SCRIPTS = (
    "core", "photo", "masks", "areas", "view", "gallery", "paint", "curve", "place", "batch",
    "inside",
)  # fmt: skip
"""In the order in which they need one another."""

NARROW = "@media (max-width: 640px) { .main.app { padding: 8px 12px !important } }"
"""Less margin on phones; rules for what lies outside Gradio's inner box cannot be in its CSS."""

KEPT, SWEEP = 3600, 300
"""Seconds for which uploads and downloads stay, and between looks for those that have."""

PHOTOS = {"hat": "A woman with a hat", "cat": "A cat", "canal": "A canal"}
PAINTINGS = {
    "venice": "Turner, Venice",
    "mont-sainte-victoire": "Cézanne, Mont Sainte-Victoire",
    "low-tide": "Robinson, Low Tide",
}
PORTRAITS = {"hat": "A woman with a hat", "skater": "A man on a skateboard"}
"""Example pictures and what they show."""


def build(desk: Desk, house: House) -> gr.Blocks:
    """The page.

    Args:
        desk: does its jobs.
        house: how open the server is.
    """
    # Gradio keeps uploads where this points to: a folder that only this user may look into.
    if "GRADIO_TEMP_DIR" not in os.environ:
        os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="sfumato-page-")
        atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)
    blocks = gr.Blocks(
        title="Sfumato", analytics_enabled=False, delete_cache=(SWEEP, KEPT), fill_width=True
    )
    with blocks:
        calls = Calls(desk, blocks.upload_file_set, _made(), blocks.upload_file_set.add)
        functions = calls.functions()
        gr.Markdown("# Sfumato\nPaint the part of a picture that you choose, and keep the rest.")
        with gr.Tabs():
            with gr.Tab("Paint"):
                _paint(functions)
            with gr.Tab("Place"):
                _place(functions)
            with gr.Tab("Optimise"):
                _optimise(functions)
            with gr.Tab("Look inside"):
                _inside(functions)
            with gr.Tab("Batch"):
                _batch(functions, house.max_files)
    return blocks


def mount(app: FastAPI, desk: Desk, house: House) -> FastAPI:
    """Put the page at ``/`` of an application."""
    scripts = "\n".join((WEB / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    head = f"<style>{NARROW}</style><script>{scripts}</script>"
    blocks = build(desk, house)
    app.add_middleware(Door, uploads=blocks.upload_file_set, made=_made())
    gr.mount_gradio_app(
        app, blocks, path="/", auth=_key(house), auth_message="The password is the server's token.",
        max_file_size=house.max_bytes, footer_links=[], run_history=False, show_error=False,
        ssr_mode=False, enable_monitoring=False, pwa=False, mcp_server=False,
        theme=theme(), css_paths=WEB / "page.css", head=head,
    )  # fmt: skip
    return app


def theme() -> gr.themes.Base:
    """The look: fonts that every machine has, so that nothing is fetched."""
    plain = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
    return gr.themes.Soft(
        primary_hue=gr.themes.colors.indigo, font=plain, font_mono=("ui-monospace", "monospace")
    )


def _made() -> Path:
    """Where results to download lie."""
    return Path(os.environ["GRADIO_TEMP_DIR"]).resolve() / "made"


def _key(house: House) -> Callable[[str, str], bool] | None:
    """Who may come in: anybody, or whoever gives the token as the password."""
    token = house.token
    if token is None:
        return None
    return lambda _, password: secrets.compare_digest(password.encode(), token.encode())


def _paint(functions: Functions) -> None:
    controls = Controls("paint", "paint")
    with gr.Row():
        with gr.Column(scale=3, min_width=340):
            stage = _stage("Stage", functions, "paint", kind="paint", examples=examples(PHOTOS))
        with gr.Column(scale=2, min_width=320):
            _gallery(functions, "paint", catalogue())
            controls.go("Paint")
            controls.slider("strength", "Strength", 0, 1, 0.05)
            controls.tick("keep_colors", "Keep the photo's colours")
            with gr.Accordion("More", open=False):
                controls.choice("blend", "Edges", blends())
                controls.slider("style_scale", "Size of the strokes", 0.25, 4, 0.25)
                controls.slider("size", "Detail", 256, 2048, 128)
                controls.choice("format", "File", FORMAT_WORDS)
    stage.props["settings"] = controls.defaults


def _place(functions: Functions) -> None:
    controls = Controls("place", "place")
    with gr.Row():
        with gr.Column(scale=3, min_width=340):
            stage = _stage(
                "Place", functions, "place",
                portraits=examples(PORTRAITS), paintings=examples(PAINTINGS),
            )  # fmt: skip
        with gr.Column(scale=2, min_width=320):
            controls.go("Place")
            controls.slider("height", "Height of the figure", 0.1, 1.2, 0.05, default=0.6)
            controls.slider("manner", "Brush work", 0, 1, 0.05)
            controls.slider("colour", "Colours of the painting", 0, 1, 0.05)
            controls.choice("flip", "Mirror the figure", FLIP_WORDS)
            with gr.Accordion("More", open=False):
                controls.slider("shadow", "Shadow", 0, 1, 0.05)
                controls.slider("grain", "Grain and canvas", 0, 1, 0.05)
                controls.slider("fade", "Fade where the photo was cut", 0, 1, 0.05)
                controls.choice("format", "File", FORMAT_WORDS)
    stage.props["settings"] = controls.defaults


def _optimise(functions: Functions) -> None:
    controls = Controls("optimise", "optimise")
    with gr.Row():
        with gr.Column(scale=3, min_width=340):
            stage = _stage(
                "Stage", functions, "optimise", kind="optimise", examples=examples(PHOTOS)
            )
        with gr.Column(scale=2, min_width=320):
            _gallery(functions, "optimise", catalogue(drawn=True))
            controls.go("Optimise")
            controls.choice("preset", "How", presets())
            controls.slider("size", "Detail", 128, 1024, 64, default=384)
            controls.slider("steps", "Steps", 5, 500, 5, default=60)
            with gr.Accordion("More", open=False):
                controls.slider("strength", "Strength", 0, 1, 0.05)
                controls.tick("keep_colors", "Keep the photo's colours")
                controls.choice("blend", "Edges", blends())
                controls.choice("format", "File", FORMAT_WORDS)
    stage.props["settings"] = controls.defaults


def _inside(functions: Functions) -> None:
    controls = Controls("inside", "inspect")
    with gr.Row():
        with gr.Column(scale=3, min_width=340):
            stage = _stage("Inside", functions, "inside", examples=examples(PHOTOS))
        with gr.Column(scale=1, min_width=320):
            controls.choice("look", "Look at", LOOK_WORDS)
            controls.go("Look")
            controls.choice("layer", "Layer that sees", {name: name for name in LAYERS}, "relu3_1")
            controls.tick("invert", "And what the layer still knows of the photo")
            controls.choice("net", "Net that answers", NET_WORDS)
            controls.choice("method", "How its answer is explained", METHOD_WORDS)
    stage.props["settings"] = controls.defaults


def _batch(functions: Functions, most: int) -> None:
    controls = Controls("batch", "paint")
    with gr.Row():
        with gr.Column(scale=3, min_width=340):
            stage = _stage("Batch", functions, "batch", most=most, examples=examples(PHOTOS))
        with gr.Column(scale=2, min_width=320):
            _gallery(functions, "batch", catalogue())
            controls.go("Paint all")
            controls.choice("region", "Paint", REGION_WORDS)
            controls.slider("strength", "Strength", 0, 1, 0.05)
            controls.tick("keep_colors", "Keep the photo's colours")
            controls.choice("format", "Files", FORMAT_WORDS)
    stage.props["settings"] = controls.defaults


def _stage(script: str, functions: Functions, room: str, **props: Any) -> gr.HTML:
    """A component drawn by one of our scripts; ``props`` are for it."""
    return gr.HTML(
        html_template='<div class="sf-stage"></div>',
        js_on_load=f"new sfumato.{script}(element, props, server, upload)",
        server_functions=functions, apply_default_css=False,
        elem_id=f"{room}-stage", room=room, settings={}, **props,
    )  # fmt: skip


def _gallery(functions: Functions, room: str, choice: list[dict[str, str]]) -> None:
    gr.HTML(
        html_template='<div class="sf-gallery"></div>',
        js_on_load="sfumato.gallery(element, props, server, upload)",
        server_functions=functions, apply_default_css=False,
        elem_id=f"{room}-gallery", room=room, styles=choice, examples=examples(PAINTINGS),
    )  # fmt: skip


def catalogue(*, drawn: bool = False) -> list[dict[str, str]]:
    """The built-in styles, or only those that are pictures, as the scripts take them."""
    return [
        {
            "name": style.name,
            "label": style.name.replace("-", " ").capitalize(),
            "description": style.description,
            "thumb": embedded((TILES / f"{style.name}.jpg").read_bytes(), "image/jpeg"),
        }
        for style in styles.catalogue()
        if not (drawn and style.net)
    ]


@cache
def _thumb(name: str) -> str:
    """A small square of one of our own pictures, as a data URL."""
    picture = Image.open(EXAMPLES / f"{name}.jpg").convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 3
    small = picture.crop((left, top, left + side, top + side)).resize((112, 112))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    return embedded(file.getvalue(), "image/jpeg")


def examples(named: dict[str, str]) -> list[dict[str, str]]:
    """Example pictures, as the scripts take them."""
    return [
        {"name": f"{name}.jpg", "label": label, "thumb": _thumb(name)}
        for name, label in named.items()
    ]
