"""Makers of test pictures: colour profiles, PNG files chunk by chunk, odd modes."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

# Columns: primaries in XYZ adapted to D50, as the published profiles hold them.
DISPLAY_P3 = [[0.51512, 0.29198, 0.1571], [0.2412, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
ADOBE_RGB = [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
SRGB = [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.7141]]
PROPHOTO = [[0.79767, 0.13519, 0.03135], [0.28804, 0.71187, 0.00009], [0.0, 0.0, 0.82521]]

SRGB_CURVE = (3, [2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045])


def fixed(*values):
    return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))


def gamma_curve(gamma):
    return b"curv" + struct.pack(">IIHxx", 0, 1, round(gamma * 256))


def sampled_curve(samples):
    levels = np.round(np.asarray(samples) * 65535).astype(">u2").tobytes()
    return b"curv" + struct.pack(">II", 0, len(samples)) + levels + b"\0" * (len(levels) % 4)


def parametric_curve(form, numbers):
    return b"para" + struct.pack(">IHxx", 0, form) + fixed(*numbers)


def text(words):
    return b"text\0\0\0\0" + words.encode() + b"\0"


def description(words):
    block = b"desc\0\0\0\0" + struct.pack(">I", len(words) + 1) + words.encode() + b"\0"
    return block + b"\0" * 79


def profile(space, tags, pcs="XYZ ", device="mntr"):
    """An ICC version 2 profile with these tags."""
    tags = {
        "desc": description("test"),
        "cprt": text("none"),
        "wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249),
    } | tags
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += struct.pack(">4sII", name.encode(), start + len(body), len(data))
        body += data
    header = struct.pack(
        ">I4sI4s4s4s",
        start + len(body),
        b"lcms",
        0x02400000,
        *map(str.encode, (device, space, pcs)),
    )
    header += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    header += fixed(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def matrix_profile(primaries, curve):
    columns = np.asarray(primaries).T
    tags = {f"{c}XYZ": b"XYZ \0\0\0\0" + fixed(*columns[i]) for i, c in enumerate("rgb")}
    return profile("RGB ", tags | {f"{c}TRC": curve for c in "rgb"})


def grey_profile(curve):
    return profile("GRAY", {"kTRC": curve})


def lut8(inputs, outputs, grid, entries):
    """An ``mft1`` tag; ``entries``: uint8 [grid**inputs, outputs], last input fastest."""
    ramp = bytes(range(256))
    head = b"mft1" + struct.pack(">IBBBx", 0, inputs, outputs, grid)
    return (
        head
        + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
        + ramp * inputs
        + entries.tobytes()
        + (ramp * outputs)
    )


def grid_of(channels, steps):
    axis = np.linspace(0, 1, steps)
    return np.stack(np.meshgrid(*[axis] * channels, indexing="ij"), -1).reshape(-1, channels)


def table_profile(space="RGB "):
    """A profile made of tables only. RGB: lightness and two colour differences; CMYK: ink on
    paper, lightness alone."""
    channels = 3 if space == "RGB " else 4
    colours = grid_of(channels, 5 if channels == 4 else 9)
    if channels == 4:
        light = np.clip(1 - colours[:, 3] - colours[:, :3].mean(axis=1), 0, 1)
        lab = np.stack([light * 255, np.full_like(light, 128), np.full_like(light, 128)], -1)
        return profile(
            space, {"A2B0": lut8(4, 3, 5, np.round(lab).astype(np.uint8))}, "Lab ", "prtr"
        )
    red, green, blue = colours.T
    light = (red + green + blue) / 3
    lab = np.stack([light * 255, 128 + 60 * (red - green), 128 + 60 * (green - blue)], -1)
    a2b = lut8(3, 3, 9, np.round(lab).astype(np.uint8))
    lightness, a, b = grid_of(3, 17).T
    a, b = (a * 255 - 128) / 60, (b * 255 - 128) / 60
    green = (3 * lightness - a + b) / 3
    back = np.stack([green + a, green, green - b], -1)
    b2a = lut8(3, 3, 17, np.round(np.clip(back, 0, 1) * 255).astype(np.uint8))
    return profile(space, {"A2B0": a2b, "B2A0": b2a}, "Lab ")


def noise(height, width, channels=3, dtype=np.uint8, seed=0):
    shape = (height, width) if channels == 1 else (height, width, channels)
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, shape, dtype, endpoint=True)


def smooth(height, width, dtype=np.uint8):
    """A gentle colourful picture, for lossy formats."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = np.stack([0.5 + 0.4 * np.sin(3 * x + 2 * y + p) for p in (0, 2, 4)], axis=-1)
    return np.round(waves * np.iinfo(dtype).max).astype(dtype)


def file_of(picture, format="PNG", **options):
    """The bytes that Pillow writes for an array or picture."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(pixels, depth, colour_type, extra=b"", size=None):
    """A PNG file from rows of samples; ``size`` (width, height) may lie."""
    rows = pixels.astype(">u2") if depth == 16 else pixels
    height, width = pixels.shape[:2]
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", *(size or (width, height)), depth, colour_type, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", head),
            extra,
            chunk(b"IDAT", zlib.compress(data)),
            chunk(b"IEND", b""),
        ]
    )
