"""``sfumato dataset``: sets of pictures to train on, painted."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfumato.cli import _shared as shared
from sfumato.cli._shared import DEFAULT
from sfumato.errors import UsageError

if TYPE_CHECKING:
    from sfumato.data.generate import Outcome
    from sfumato.data.restyle import Record
    from sfumato.types import Image

app = shared.group("Make sets of pictures to train on.")

ENGINES = ("local", "ray")

Workers = Annotated[int | None, typer.Option(help="Processes. (default: one a core)", min=1)]
Limit = Annotated[
    int | None, typer.Option(help="Only the first so many; a later run goes on.", min=1)
]


@app.command()
def stylize(
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder: images/ with masks/, COCO's, Roboflow's or VOC's, or just pictures.",
            metavar="IN",
        ),
    ],
    target: Annotated[
        Path, typer.Argument(help="Folder of the painted set; begun again, it goes on.",
                             metavar="OUT"),
    ],
    style: Annotated[
        list[str],
        typer.Option(
            "--styles", "-s", help="What to paint after: a folder of pictures, a picture, a "
            "built-in style. Repeatable.", metavar="DIR|FILE",
        ),
    ],
    style_split: Annotated[
        str | None,
        typer.Option(
            help="Of a folder with a split.json: train, val, ..., or all. (default: train)",
            metavar="SPLIT",
        ),
    ] = None,
    stylizer: Annotated[str, typer.Option(help="adain, magenta, ...", metavar="NAME")] = "adain",
    per_image: Annotated[
        int, typer.Option(help="Paintings of each picture, each in another style.", min=1)
    ] = 1,
    strength: Annotated[
        str, typer.Option(help="Share of the painting; drawn evenly from this range.",
                          metavar="A..B"),
    ] = "0.5..1",
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region", "-r", help="Paint this part only; repeatable, each in a style of its own. "
            "By the set's own outlines where they tell it. (default: everything)",
            metavar="REGION",
        ),
    ] = None,
    edges: Annotated[
        float, typer.Option(help="Least agreement of the edges, -1 to 1, below which a picture is "
                            "painted again with less strength.")
    ] = 0.6,
    similarity: Annotated[
        float, typer.Option(help="The same for which parts look alike.")
    ] = 0.4,
    workers: Workers = None,
    engine: Annotated[
        str, typer.Option(help="local, or ray for several machines.", metavar="|".join(ENGINES))
    ] = ENGINES[0],
    shard: Annotated[
        str, typer.Option(help="Only the i-th of n parts, for n machines with one disk.",
                          metavar="i/n"),
    ] = "1/1",
    limit: Limit = None,
    preview: Annotated[
        Path | None,
        typer.Option(help="Write the first pictures, before and after, on one sheet.",
                     metavar="FILE"),
    ] = None,
    seed: shared.Seed = DEFAULT.seed,
    device: shared.Device = DEFAULT.device,
    option: shared.Options = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:  # fmt: skip
    """Turn a set of annotated pictures into paintings: same sizes, every annotation still exact."""
    from sfumato import files
    from sfumato.data import generate
    from sfumato.data.restyle import Job

    console = shared.Console(quiet)
    if preview:
        files.check_target(preview, [source, *style], overwrite)
    styles, broken = generate.find_styles(style, style_split)
    shared.tell_broken(console, broken)
    job = Job(
        styles, stylizer, shared.parse_options(option), per_image, parse_range(strength), seed,
        tuple(region or ("everything",)), edges, similarity, device,
    )  # fmt: skip
    began = time.monotonic()
    fresh = 0

    def watch(_: Record, done: int, total: int) -> None:
        nonlocal fresh
        fresh += 1
        rate = fresh / (time.monotonic() - began)
        console.at(done / total, f"painting  {done}/{total}  {rate:.1f} pictures/s")

    with console.bar("painting", 1), shared.notes(console, ""):
        outcome = generate.stylize(
            source, target, job, workers=workers or _cores(), engine=engine,
            shard=parse_shard(shard), limit=limit, overwrite=overwrite, watch=watch,
        )  # fmt: skip
    if preview and len(outcome.records) > len(outcome.failed):
        _write_sheet(generate.contact_sheet(outcome, source, target), preview, overwrite)
    _tell(console, outcome, target, time.monotonic() - began)


@app.command()
def outline(
    source: Annotated[
        Path,
        typer.Argument(
            help="A JSON file in COCO's format, or its folder; boxes are enough.", metavar="IN"
        ),
    ],
    target: Annotated[
        Path, typer.Argument(help="Folder of the new set: images/ and masks/; begun again, it "
                             "goes on.", metavar="OUT"),
    ],
    label: Annotated[
        str, typer.Option(help="The category to outline.", metavar="NAME")
    ] = "person",
    split: Annotated[
        str, typer.Option(help="train, val, ..., or all.", metavar="SPLIT")
    ] = "all",
    segmenter: Annotated[
        str | None, typer.Option(help="One that can be shown boxes. (default: sam)",
                                 metavar="NAME"),
    ] = None,
    trust: Annotated[
        float, typer.Option(help="Least agreement of a box with what is found in it, 0 to 1; "
                            "else its area is ignored.")
    ] = 0.5,
    workers: Workers = None,
    limit: Limit = None,
    preview: Annotated[
        Path | None, typer.Option(help="Write some of the outlines on one sheet.", metavar="FILE")
    ] = None,
    device: shared.Device = DEFAULT.device,
    option: shared.Options = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:  # fmt: skip
    """Draw masks where only boxes are known, to train on and to measure by."""
    from sfumato import files
    from sfumato.data import outline as outlining
    from sfumato.settings import Settings

    console = shared.Console(quiet)
    if preview:
        files.check_target(preview, [source], overwrite)
    settings = Settings(segmenter=segmenter, options=shared.parse_options(option), device=device)

    def watch(done: int, total: int) -> None:
        console.at(done / total, f"outlining  {done}/{total}")

    with console.bar("outlining", 1), shared.notes(console, ""):
        outcome = outlining.outline(
            source, target, settings=settings, label=label, split=split, trust=trust,
            workers=workers or _cores(), limit=limit, overwrite=overwrite, watch=watch,
            download=console.download,
        )  # fmt: skip
    shared.tell_broken(console, outcome.broken)
    console.note(
        f"{target}: {len(outcome.names)} pictures ({outcome.kept} were there), {outcome.boxes} "
        f"boxes outlined, {outcome.doubtful} of them in doubt and ignored"
    )
    if outcome.left_out:
        console.note(f"  {len(outcome.left_out)} pictures left out: nothing in them was sure")
    if preview and outcome.names:
        _write_sheet(outlining.contact_sheet(outcome, target), preview, overwrite)
    if outcome.interrupted:
        raise KeyboardInterrupt


def parse_range(text: str) -> tuple[float, float]:
    """``0.5..1`` or one number.

    Raises:
        UsageError: neither.
    """
    low, dots, high = text.partition("..")
    try:
        return float(low), float(high if dots else low)
    except ValueError:
        raise UsageError(f"--strength takes A..B, for example 0.5..1; got {text!r}") from None


def parse_shard(text: str) -> tuple[int, int]:
    """``2/8``.

    Raises:
        UsageError: something else.
    """
    number, _, count = text.partition("/")
    try:
        return int(number), int(count)
    except ValueError:
        raise UsageError(f"--shard takes i/n, for example 1/4; got {text!r}") from None


def _cores() -> int:
    import os

    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _write_sheet(sheet: Image, target: Path, overwrite: bool) -> None:
    from sfumato import files
    from sfumato.io import pictures

    files.write(pictures.from_image(sheet), target, pictures.QUALITY, overwrite)


def _tell(console: shared.Console, outcome: Outcome, target: Path, seconds: float) -> None:
    fresh = len(outcome.records) - outcome.kept
    rate = f", {fresh / seconds:.2f} pictures/s" if fresh else ""
    console.note(
        f"{target}: {len(outcome.records) - len(outcome.failed)} of {outcome.planned} pictures "
        f"({outcome.kept} were there{rate}), laid out as {outcome.kind}"
    )
    if outcome.weakened:
        console.note(f"  {outcome.weakened} painted with less strength, to keep their structure")
    for record in outcome.failed[: shared.SHOWN]:
        sys.stderr.write(f"sfumato: {record.content}: {record.failed}\n")
    if outcome.failed:
        more = len(outcome.failed)
        sys.stderr.write(f"sfumato: {more} of {outcome.planned} failed; the manifest names all\n")
    if outcome.interrupted:
        raise KeyboardInterrupt
    if outcome.failed:
        raise typer.Exit(1)
