"""SegFormer (Xie et al. 2021): a hierarchical transformer and a decoder of plain 1x1 layers.

The net itself is that of ``transformers``. Its tensors are named as in the public checkpoints
(``segformer.encoder.block.0.0...``, ``decode_head...``), whatever the installed version of the
library calls them inside, so that files outlive its versions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.errors import MissingExtraError, UsageError, WeightsError

Variant = Literal["b0", "b1", "b2", "b3", "b4", "b5"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)


class Sizes(NamedTuple):
    """Of one Mix Transformer, its four stages from the picture inwards (table 6)."""

    depths: tuple[int, int, int, int]
    channels: tuple[int, int, int, int]
    decoder: int
    """Width of the decoder in the public checkpoints."""


_WIDE = (64, 128, 320, 512)
SIZES: dict[Variant, Sizes] = {
    "b0": Sizes((2, 2, 2, 2), (32, 64, 160, 256), 256),
    "b1": Sizes((2, 2, 2, 2), _WIDE, 256),
    "b2": Sizes((3, 4, 6, 3), _WIDE, 768),
    "b3": Sizes((3, 4, 18, 3), _WIDE, 768),
    "b4": Sizes((3, 8, 27, 3), _WIDE, 768),
    "b5": Sizes((3, 6, 40, 3), _WIDE, 768),
}

SMALLEST = 32
"""Height and width of the smallest picture that the first stage's attention can see."""

FILES = ("model.safetensors", "pytorch_model.bin")
"""What a folder of the hub calls its weights, the one that is read if both are there first."""

CLASSIFIER = ("decode_head.classifier.weight", "decode_head.classifier.bias")

_RENAMED = (
    (r"\bstages\.(\d+)\.patch_embeddings\.", r"encoder.patch_embeddings.\1."),
    (r"\bstages\.(\d+)\.blocks\.", r"encoder.block.\1."),
    (r"\bstages\.(\d+)\.layer_norm\.", r"encoder.layer_norm.\1."),
    (r"\battention\.q_proj\.", "attention.self.query."),
    (r"\battention\.k_proj\.", "attention.self.key."),
    (r"\battention\.v_proj\.", "attention.self.value."),
    (r"\battention\.sequence_reduction\.sequence_reduction\.", "attention.self.sr."),
    (r"\battention\.sequence_reduction\.layer_norm\.", "attention.self.layer_norm."),
    (r"\battention\.o_proj\.", "attention.output.dense."),
    (r"\bmlp\.fc([12])\.", r"mlp.dense\1."),
    (r"\blayernorm_before\.", "layer_norm_1."),
    (r"\blayernorm_after\.", "layer_norm_2."),
    (r"\blinear_projections\.", "linear_c."),
)
"""Names inside newer versions of the library, and those of the public checkpoints."""


class SegFormer(nn.Module):
    """The net, randomly initialised.

    Args:
        classes: channels of the logits.
        variant: the encoder, MiT-B0 to MiT-B5.
        decoder_width: channels of the decoder; published are 256 for B0 and B1, 768 for the rest.

    Attributes:
        encoder: the Mix Transformer.

    Raises:
        MissingExtraError: ``transformers`` is not installed.
        UsageError: an unknown variant.
    """

    def __init__(self, *, classes: int, variant: Variant = "b0", decoder_width: int = 256) -> None:
        super().__init__()
        if variant not in SIZES:
            raise UsageError(f"variant must be one of {', '.join(VARIANTS)}; got {variant!r}")
        try:
            from transformers import SegformerConfig, SegformerForSemanticSegmentation
        except ImportError:
            raise MissingExtraError("SegFormer", "segformer") from None
        sizes = SIZES[variant]
        self.classes, self.variant, self.decoder_width = classes, variant, decoder_width
        config: Any = SegformerConfig
        self.model = SegformerForSemanticSegmentation(
            config(
                depths=list(sizes.depths),
                hidden_sizes=list(sizes.channels),
                num_attention_heads=[1, 2, 5, 8],
                sr_ratios=[8, 4, 2, 1],
                decoder_hidden_size=decoder_width,
                num_labels=classes,
            )
        )

    @property
    def encoder(self) -> nn.Module:
        return cast(nn.Module, self.model.segformer)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[B, classes, H, W]`` of ImageNet-normalised RGB ``[B, 3, H, W]``, any size.

        They are made at a quarter of the size. Pictures narrower than 32 pixels have their right
        and lower border repeated; exported graphs do not, and take 32 pixels or more.
        """
        height, width = x.shape[-2:]
        if torch.onnx.is_in_onnx_export():
            return self._logits(x)
        missing = (0, max(0, SMALLEST - width), 0, max(0, SMALLEST - height))
        logits = self._logits(F.pad(x, missing, mode="replicate") if any(missing) else x)
        return logits[..., :height, :width]

    def _logits(self, x: Tensor) -> Tensor:
        quarter = self.model(pixel_values=x).logits
        return F.interpolate(quarter, x.shape[-2:], mode="bilinear", align_corners=False)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """As of every module, by the public checkpoints' names."""
        if args:  # the old order of arguments
            kwargs = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False)) | kwargs
        destination, prefix = kwargs.pop("destination", None), kwargs.pop("prefix", "")
        own = self.model.state_dict(**kwargs)
        destination = {} if destination is None else destination
        destination.update({f"{prefix}{public_name(key)}": x for key, x in own.items()})
        return cast(dict[str, Any], destination)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # Called before the children read their own names: gives them what they look for.
        for key in self.model.state_dict():
            public = f"{prefix}{public_name(key)}"
            if public in state_dict:
                state_dict[f"{prefix}model.{key}"] = state_dict.pop(public)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def load(net: SegFormer, path: Path) -> tuple[str, ...]:
    """Fill ``net`` from a public checkpoint: a hub folder, or its ``.safetensors`` or ``.bin``.

    The encoder must fit. The decoder is taken if it is there in the same width, its last layer
    only if the classes are as many; a classifier of ImageNet is passed over. Files are never
    trusted to run code.

    Returns:
        Names of the tensors of ``net`` that the file left as they were.

    Raises:
        WeightsError: the file cannot be read, or is of another net or variant.
        MissingExtraError: a safetensors file and the library is not installed.
    """
    return _fill(net, _public(_read(path), path), path)


def open_checkpoint(path: Path, *, classes: int | None = None) -> SegFormer:
    """The net of a public checkpoint, in its own variant and width; see :func:`load`.

    Args:
        path: as for :func:`load`.
        classes: None = as in the file. With another number the last layer starts at random, and
            so does the whole decoder if the file is of an encoder alone.

    Raises:
        WeightsError, MissingExtraError: as :func:`load`; also if ``classes`` is None and the
            file has no decoder.
    """
    state = _public(_read(path), path)
    if classes is None:
        if CLASSIFIER[0] not in state:
            raise WeightsError(f"{path} has no decoder ({CLASSIFIER[0]}); say how many classes")
        classes = len(state[CLASSIFIER[0]])
    variant = _variant(state, path)
    fuse = state.get("decode_head.linear_fuse.weight")
    width = SIZES[variant].decoder if fuse is None else len(fuse)
    net = SegFormer(classes=classes, variant=variant, decoder_width=width)
    _fill(net, state, path)
    return net.eval()


def from_hub(name: str, *, classes: int | None = None, cache: Path | None = None) -> SegFormer:
    """:func:`open_checkpoint` of what the user has fetched from the hub before.

    Nothing is downloaded.

    Args:
        name: such as ``nvidia/mit-b0`` or ``nvidia/segformer-b0-finetuned-ade-512-512``.
        classes: as for :func:`open_checkpoint`.
        cache: the hub's cache folder; None = where its library keeps it.

    Raises:
        UsageError: it is not in the cache.
        WeightsError, MissingExtraError: as :func:`open_checkpoint`.
    """
    return open_checkpoint(hub_folder(name, cache=cache), classes=classes)


def hub_folder(name: str, *, cache: Path | None = None) -> Path:
    """Where the hub's cache keeps the weights of ``name``; errors as :func:`from_hub`."""
    try:
        from huggingface_hub import constants, try_to_load_from_cache
    except ImportError:
        raise MissingExtraError("the hub's cache", "segformer") from None
    folder = Path(cache or constants.HF_HUB_CACHE)
    for file in FILES:
        try:
            found = try_to_load_from_cache(name, file, cache_dir=folder)
        except ValueError as error:  # not the form of a name
            raise UsageError(f"{name!r} is no name on the hub (owner/model): {error}") from None
        if isinstance(found, str):
            return Path(found).parent
    raise UsageError(
        f"{name} is not in the hub's cache {folder}, and nothing is downloaded unasked; fetch it "
        f"with `hf download {name}`, or give the path of a folder that has {' or '.join(FILES)}"
    )


def class_names(folder: Path) -> tuple[str, ...]:
    """Names of a checkpoint's classes in the order of its logits, from ``config.json``.

    Raises:
        WeightsError: there is none, or it does not name them 0, 1, 2 and so on.
    """
    path = folder / "config.json"
    try:
        names = json.loads(path.read_text(encoding="utf-8"))["id2label"]
        return tuple(str(names[str(i)]) for i in range(len(names)))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path} does not name the classes (id2label): {error!r}") from None


def public_name(key: str) -> str:
    """A tensor's name in the public checkpoints from the one inside the library, old or new."""
    for pattern, name in _RENAMED:
        key = re.sub(pattern, name, key)
    return key


def _read(path: Path) -> Mapping[str, Any]:
    if path.is_dir():
        here = [path / name for name in FILES if (path / name).is_file()]
        if not here:
            raise WeightsError(f"{path} has neither {' nor '.join(FILES)}")
        path = here[0]
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except ImportError:
        raise MissingExtraError("a safetensors file", "segformer") from None
    except OSError:
        raise
    except Exception as error:  # each format fails in many ways
        raise WeightsError(f"{path} cannot be read as weights: {error}") from error
    if not isinstance(state, Mapping):
        raise WeightsError(f"{path} does not hold named tensors but {type(state).__name__}")
    return state


def _public(state: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """By public names, an encoder that was saved by itself put in its place."""
    found = {public_name(str(key)): x for key, x in state.items() if isinstance(x, Tensor)}
    if any(key.startswith("encoder.") for key in found):
        found = {f"segformer.{key}": x for key, x in found.items()}
    if not any(key.startswith("segformer.encoder.") for key in found):
        first = ", ".join(list(found)[:3]) or "nothing"
        raise WeightsError(
            f"{path} does not hold SegFormer: expected segformer.encoder..., got {first}"
        )
    return found


def _variant(state: Mapping[str, Tensor], path: Path) -> Variant:
    blocks = re.compile(r"segformer\.encoder\.block\.(\d+)\.(\d+)\.layer_norm_1\.weight")
    here = {(m[1], m[2]): len(state[key]) for key in state if (m := blocks.fullmatch(key))}
    depths = tuple(sum(stage == str(i) for stage, _ in here) for i in range(4))
    channels = tuple(here.get((str(i), "0"), 0) for i in range(4))
    for variant, sizes in SIZES.items():
        if (sizes.depths, sizes.channels) == (depths, channels):
            return variant
    raise WeightsError(
        f"{path} is none of MiT-B0 to B5: it has {depths} blocks of {channels} channels"
    )


def _fill(net: SegFormer, state: dict[str, Tensor], path: Path) -> tuple[str, ...]:
    own = net.state_dict()
    fits = {key for key, x in own.items() if key in state and state[key].shape == x.shape}
    counters = {key for key in own if key.endswith(".num_batches_tracked")}
    missing = [key for key in own if key not in fits | counters]
    if broken := [key for key in missing if key.startswith("segformer.")]:
        key = broken[0]
        got = list(state[key].shape) if key in state else "nothing"
        raise WeightsError(
            f"{path} does not fit SegFormer {net.variant}: {key} should be "
            f"{list(own[key].shape)}, got {got}"
        )
    if not set(missing) <= set(CLASSIFIER):  # half a decoder is no use
        fits = {key for key in fits if key.startswith("segformer.")}
    net.load_state_dict({key: state[key].to(own[key]) for key in own if key in fits}, strict=False)
    return tuple(key for key in own if key not in fits and key not in counters)
