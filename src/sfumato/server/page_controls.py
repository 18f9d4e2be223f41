"""The page's controls: Gradio's own, whose values go to the scripts of their tab."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
from pydantic import BaseModel

from sfumato.optimise import recipe
from sfumato.server.orders import KINDS
from sfumato.settings import BLENDS

BLEND_WORDS = {
    "alpha": "Plain", "feather": "Soft edge", "multiband": "Multiband", "poisson": "Seamless",
}  # fmt: skip
FORMAT_WORDS = {
    "png": "PNG (keeps every pixel that is not painted)",
    "jpeg": "JPEG (smaller)",
    "webp": "WebP (smallest)",
}


FLIP_WORDS: dict[Any, str] = {None: "If the light asks for it", True: "Yes", False: "No"}
REGION_WORDS: dict[Any, str] = {
    "background": "The background (all but persons)",
    "person": "Persons",
    "subject": "The subject, whatever it is",
    "everything": "The whole picture",
}
PRESET_WORDS = {"fast": "Fast", "best": "Best", "classic": "Classic (Gatys et al. 2016)"}
LOOK_WORDS: dict[Any, str] = {
    "clusters": "How the colours split",
    "features": "What a layer of VGG-19 sees",
    "saliency": "What a net's answer hangs on",
}
NET_WORDS: dict[Any, str] = {
    "person": "Where is a person? (our own net)",
    "mobilenetv2": "What is it? (MobileNetV2)",
    "efficientnet-lite0": "What is it? (EfficientNet-Lite0)",
}
METHOD_WORDS: dict[Any, str] = {
    "integrated-gradients": "Integrated gradients",
    "smoothgrad": "SmoothGrad",
    "guided-backprop": "Guided backpropagation",
    "grad-cam": "Grad-CAM",
    "occlusion": "Occlusion",
}
LAYERS = ("relu1_1", "relu1_2", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1", "relu5_4")
"""What choices are called. Presets that are not named here re-make figures of papers."""


class Controls:
    """Controls of one tab.

    Args:
        room: the tab's name in the scripts.
        kind: of its orders; defaults are theirs.
    """

    def __init__(self, room: str, kind: str) -> None:
        self._room = room
        self._model: type[BaseModel] = KINDS[kind]
        self.defaults: dict[str, Any] = {}

    def slider(
        self, name: str, label: str, low: float, high: float, step: float,
        default: float | None = None,
    ) -> None:  # fmt: skip
        """A number; ``default``: another one than the order's own."""
        self.defaults[name] = self._default(name) if default is None else default
        slider = gr.Slider(low, high, self.defaults[name], step=step, label=label)
        self._tell(name, slider)

    def tick(self, name: str, label: str) -> None:
        self._tell(name, gr.Checkbox(self._default(name), label=label))

    def choice(self, name: str, label: str, words: dict[Any, str], default: Any = None) -> None:
        """One of several; ``words``: value -> how it is called. The first is chosen where the
        default (else the order's own) is none of them."""
        default = self._default(name) if default is None else default
        chosen = default if default in words else next(iter(words))
        self.defaults[name] = chosen
        # Gradio's empty values mean "nothing chosen", so that the place in the list is sent.
        values = list(words)
        labels = [(text, str(i)) for i, text in enumerate(words.values())]
        box = gr.Dropdown(labels, value=str(values.index(chosen)), label=label, filterable=False)
        self._tell(name, box, f"{json.dumps(values)}[Number(value)]")

    def go(self, label: str) -> gr.Button:
        """The button that begins it all."""
        button = gr.Button(label, variant="primary", size="lg", elem_id=f"{self._room}-go")
        button.click(None, js=f"() => {{ sfumato.go('{self._room}') }}", api_visibility="private")
        return button

    def _default(self, name: str) -> Any:
        self.defaults[name] = self._model.model_fields[name].default
        return self.defaults[name]

    def _tell(self, name: str, control: Any, value: str = "value") -> None:
        js = f"(value) => {{ sfumato.set('{self._room}', '{name}', {value}) }}"
        control.change(None, [control], None, js=js, api_visibility="private")


def blends() -> dict[Any, str]:
    """Ways to put the painted part back, in words."""
    return {name: BLEND_WORDS.get(name, name) for name in BLENDS}


def presets() -> dict[Any, str]:
    """Ways to optimise, in words."""
    return {name: PRESET_WORDS[name] for name in recipe.presets() if name in PRESET_WORDS}
