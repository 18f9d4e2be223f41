"""The optimising stylizer: what it paints and keeps, what it tells, and how it is stopped."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="optimising needs the torch extra")

from hypothesis import example, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from sfumato import registry  # noqa: E402
from sfumato.errors import UsageError, WeightsError  # noqa: E402
from sfumato.io import weights  # noqa: E402
from sfumato.losses.style import Gram  # noqa: E402
from sfumato.nets import vgg  # noqa: E402
from sfumato.nets.taps import Taps  # noqa: E402
from sfumato.optimise import goals, memory  # noqa: E402
from sfumato.optimise.recipe import Recipe, presets  # noqa: E402
from sfumato.stylize.gatys import Gatys  # noqa: E402
from sfumato.types import Context, Step, Style  # noqa: E402

from ..optimise.random_nets import random_vgg, torchvision_file  # noqa: E402

RECIPE = Recipe(
    source="a test", content={"relu2_2": 0.3}, style={"relu1_1": 1, "relu2_1": 1}, steps=4
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def taps():
    return Taps(random_vgg(["relu1_1", "relu2_1", "relu2_2"]))


@pytest.fixture
def painter(taps):
    """Makes the stylizer with a small random net and these changes to a recipe of few steps."""

    def painter(*, budget=1e9, seed=0, load=None, **changes):
        tools = goals.Tools(taps, "normalised", None, CPU, budget, seed=seed)
        return Gatys(RECIPE.model_copy(update=changes), tools, load=load)

    return painter


def _trained(**options):
    options = {"smallest": 0, "steps": 10} | options
    return registry.build("stylize", "gatys", Context(device="cpu"), options)


def _picture(height=48, width=64, seed=0):
    """Something smooth with a little noise, all over the range."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 20
    waves = [np.sin(a * x + b * y + c) for a, b, c in rng.uniform(-2, 2, (3, 3))]
    picture = 0.5 + 0.4 * np.stack(waves, axis=-1) + rng.normal(0, 0.03, (height, width, 3))
    return np.clip(picture, 0, 1).astype(np.float32)


def _stripes(height=64, width=64):
    """Red and yellow, upright."""
    red = np.zeros((height, width, 3), np.float32)
    red[..., 0] = 0.9
    red[..., 1] = np.arange(width) // 3 % 2 * 0.8
    return red


def _dots(height=64, width=64):
    """Dark on blue."""
    blue = np.zeros((height, width, 3), np.float32)
    y, x = np.mgrid[:height, :width] % 8 - 4
    blue[..., 2] = np.where(np.hypot(y, x) < 3, 0.1, 0.9)
    return blue


def _style(picture=None, **more):
    return Style("a style", image=_stripes() if picture is None else picture, **more)


def _left(height=48, width=64, share=0.5):
    region = np.zeros((height, width), np.float32)
    region[:, : int(width * share)] = 1
    return region


@dataclass
class Notes:
    """Watches an optimisation; stops it at a step."""

    stop_at: int | None = None
    steps: list[Step] = field(default_factory=list)
    pictures: list[np.ndarray] = field(default_factory=list)

    def __call__(self, step, picture):
        self.steps.append(step)
        self.pictures.append(picture())
        if step.number == self.stop_at and not step.interrupted:
            raise KeyboardInterrupt


# What is painted and what is kept.


def _assert_kept(painted, content, region):
    np.testing.assert_array_equal(painted[region == 0], content[region == 0])
    assert (painted != content)[region > 0].mean() > 0.5


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0.05},
        {"optimizer": "lbfgs", "learning_rate": 1, "smallest": 24, "steps": 1},
        {"learning_rate": 0.05, "averaging": 0.8, "smallest": 24, "steps": 1},
    ],
    ids=["adam", "lbfgs from coarse to fine", "adam averaged from coarse to fine"],
)
def test_what_no_region_reaches_is_the_photos_own(painter, changes):
    paint = painter(tv_weight=0.1, laplacian_weight=0.1, histogram_weight=0.1, **changes)
    content, region = _picture(), np.zeros((48, 64), np.float32)
    region[8:33, 5:37] = np.linspace(0.1, 1, 32)
    before = content.copy()
    painted = paint(content, _style(), region=region)
    assert painted.dtype == np.float32
    assert painted.shape == content.shape
    assert 0 <= painted.min() <= painted.max() <= 1
    _assert_kept(painted, content, region)
    np.testing.assert_array_equal(content, before)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40))
@example(1, 1, 1)
@example(1, 70, 40)
def test_pictures_of_any_size_keep_it(taps, height, width, side):
    tools = goals.Tools(taps, "normalised", None, CPU, 1e9)
    paint = Gatys(RECIPE.model_copy(update={"steps": 1}), tools)
    content = _picture(height, width)
    region = np.ones((height, width), np.float32)
    region[height // 2 :, width // 2 :] = 0
    notes = Notes()
    painted = paint(content, _style(_stripes(side, 30)), region=region, watch=notes)
    assert painted.shape == content.shape
    np.testing.assert_array_equal(painted[region == 0], content[region == 0])
    assert all(picture.shape == content.shape for picture in notes.pictures)


@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (31, 33)])
def test_small_pictures_are_painted_all_the_same(painter, shape):
    content = _picture(*shape)
    painted = painter(learning_rate=0.1)(content, _style())
    assert painted.shape == content.shape
    assert np.abs(painted - content).max() > 0.01


def test_no_region_is_the_whole_picture(painter):
    content = _picture()
    whole = painter()(content, _style(), region=np.ones(content.shape[:2], np.float32))
    np.testing.assert_array_equal(painter()(content, _style()), whole)


def test_regions_that_are_empty_take_no_part(painter):
    content, left = _picture(), _left()
    nothing = np.zeros_like(left)
    assert np.array_equal(painter().paint_many(content, [(_style(), nothing)]), content)
    assert np.array_equal(painter().paint_many(content, []), content)
    layers = [(_style(_dots()), nothing), (_style(), left)]
    one = painter()(content, _style(), region=left)
    np.testing.assert_array_equal(painter().paint_many(content, layers), one)


@pytest.mark.parametrize("changes", [{}, {"start": "noise"}, {"statistic": "sliced"}])
def test_the_same_seed_gives_the_same_picture(painter, changes):
    content, region = _picture(), _left()
    paint = painter(seed=3, **changes)
    first, second = (paint(content, _style(), region=region) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    again = painter(seed=3, **changes)(content, _style(), region=region)
    np.testing.assert_array_equal(first, again)
    other = painter(seed=4, **changes)(content, _style(), region=region)
    assert np.array_equal(first, other) == (not changes)


def test_noise_is_another_start(painter):
    content, region = _picture(), _left()
    notes = Notes()
    painter(start="noise", steps=2)(content, _style(), region=region, watch=notes)
    plain = Notes()
    painter(steps=2)(content, _style(), region=region, watch=plain)
    assert plain.steps[1].losses["content"] == 0
    assert notes.steps[1].losses["content"] > 0.01
    np.testing.assert_array_equal(notes.pictures[1][region == 0], content[region == 0])


def test_a_fast_start_is_what_the_feed_forward_net_paints(painter):
    content, region = _picture(), _left()
    asked = []

    def load(kind, name):
        asked.append((kind, name))
        return lambda picture, style, **_: np.full_like(picture, style.image.mean())

    notes = Notes()
    paint = painter(start="fast", steps=1, load=load)
    paint(content, _style(np.full((40, 40, 3), 0.25, np.float32)), region=region, watch=notes)
    assert asked == [("stylize", "magenta")]
    assert notes.steps[1].losses["content"] > 0.01
    with pytest.raises(UsageError, match="start=content"):
        painter(start="fast")(content, _style())


def test_the_style_picture_teaches_where_its_region_is(painter):
    """Left of the picture are stripes, right of it dots."""
    both = np.concatenate([_stripes(64, 64), _dots(64, 64)], axis=1)
    region = _left(64, 128)
    content = _picture(64, 64)
    paint = painter(optimizer="lbfgs", learning_rate=1, steps=6)
    mean = {}
    for name, part in (("stripes", region), ("dots", 1 - region), ("all", None)):
        mean[name] = paint(content, _style(both, region=part)).mean(axis=(0, 1))
    redness = {name: colour[0] - colour[2] for name, colour in mean.items()}
    assert redness["stripes"] > redness["all"] + 0.05 > redness["dots"] + 0.1


# What is refused.


def test_a_style_without_a_picture_is_refused(painter):
    with pytest.raises(UsageError, match=r"needs a style picture.*'poppies'.*sfumato styles"):
        painter()(_picture(), Style("poppies", net="magenta", index=3))


@pytest.mark.parametrize(
    "part",
    [np.zeros((64, 64)), np.full((64, 64), np.nan), np.ones((30, 64))],
    ids=["nothing", "NaN", "of another size"],
)
def test_a_part_of_the_style_picture_that_makes_no_sense_is_refused(painter, part):
    with pytest.raises(UsageError):
        painter()(_picture(), _style(region=part.astype(np.float32)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(painter, value):
    content, picture, region = _picture(), _stripes(), _left()
    for array, at in ((content, (3, 4, 1)), (picture, (2, 1, 0)), (region, (0, 1))):
        kept, array[at] = array[at], value
        with pytest.raises(UsageError, match="NaN or infinity"):
            painter()(content, _style(picture), region=region)
        array[at] = kept


def test_a_region_of_another_size_is_refused(painter):
    with pytest.raises(UsageError, match=r"expected \(48, 64\), got \(48, 60\)"):
        painter()(_picture(), _style(), region=_left(48, 60))


def test_an_unknown_preset_is_refused():
    with pytest.raises(UsageError, match="'fasd'.*did you mean 'fast'"):
        _trained(preset="fasd")


def test_a_file_that_is_not_vgg19_is_refused(tmp_path):
    (tmp_path / "no.pth").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"no\.pth"):
        _trained(vgg=str(tmp_path / "no.pth"))
    torchvision_file(tmp_path / "short.pth", ["relu3_1"])
    with pytest.raises(WeightsError, match=r"short\.pth"):
        _trained(vgg=str(tmp_path / "short.pth"))
    torch.save({"encoder": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"other\.pth.*VGG-19"):
        _trained(vgg=str(tmp_path / "other.pth"))


# What is told.


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_every_step_is_told_in_order(painter, optimizer):
    content, region, notes, fractions = _picture(64, 96), _left(64, 96), Notes(), []
    paint = painter(optimizer=optimizer, smallest=32, steps=1, tv_weight=0.5)
    painted = paint(content, _style(), region=region, watch=notes, progress=fractions.append)
    first, *steps = notes.steps
    assert (first.number, dict(first.losses)) == (0, {})
    assert "optimising at" in first.note
    assert "GB of memory" in first.note
    assert [step.number for step in steps] == list(range(1, first.total + 1))
    assert {step.total for step in steps} == {first.total}
    sizes = list(dict.fromkeys((step.height, step.width) for step in steps))
    assert len(sizes) > 1
    assert sizes == sorted(sizes)
    assert sizes[-1] == (64, 96)
    for step in steps:
        assert set(step.losses) == {"content", "style", "tv", "total"}
        *terms, total = step.losses.values()
        assert total == pytest.approx(sum(terms))
        assert not step.interrupted
    seconds = [step.seconds for step in notes.steps]
    assert seconds == sorted(seconds)
    for picture in notes.pictures:
        assert picture.dtype == np.float32
        np.testing.assert_array_equal(picture[region == 0], content[region == 0])
        assert 0 <= picture.min() <= picture.max() <= 1
    np.testing.assert_array_equal(notes.pictures[0], content)
    assert np.abs(painted - content).max() > 0.01
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < fractions[-1] == 1


def test_watching_changes_nothing(painter):
    content, region = _picture(), _left()
    plain = painter()(content, _style(), region=region)
    watched = painter()(content, _style(), region=region, watch=Notes())
    np.testing.assert_array_equal(plain, watched)


@pytest.mark.parametrize("smallest", [0, 32])
@pytest.mark.parametrize(("averaging", "step"), [(0, 1), (0, 3), (0.9, 3)])
def test_stopped_it_gives_the_best_so_far(painter, step, averaging, smallest):
    content, region, notes = _picture(64, 80), _left(64, 80), Notes(stop_at=step)
    paint = painter(averaging=averaging, learning_rate=0.05, smallest=smallest)
    painted = paint(content, _style(), region=region, watch=notes)
    last = notes.steps[-1]
    assert (last.interrupted, last.number) == (True, step)
    assert [s.number for s in notes.steps] == [*range(step + 1), step]
    assert painted.shape == content.shape
    np.testing.assert_array_equal(painted, notes.pictures[-1])
    np.testing.assert_array_equal(painted[region == 0], content[region == 0])


# Memory.


def _tiling(picture, dtype=torch.float32):
    """A budget in bytes that just holds the smallest tiles of a picture."""
    pixels = picture.shape[0] * picture.shape[1]
    return memory.held(pixels) + memory.seen(goals.LEAST_TILE**2 + 10, dtype)


@pytest.mark.parametrize("start", ["content", "noise"])
def test_a_picture_that_is_too_large_is_painted_in_tiles(painter, start):
    """Tiles of shallow layers see all that these need, so that nothing but rounding differs."""
    content, notes = _picture(48, 900), Notes()
    assert content[..., 0].size > goals.LEAST_TILE**2
    changes = {"content": {"relu2_1": 0.3}, "steps": 2, "start": start, "learning_rate": 0.05}
    whole = painter(**changes)(content, _style())
    budget = _tiling(content)
    tiled = painter(budget=budget, **changes)(content, _style(), watch=notes)
    assert "in tiles" in notes.steps[0].note
    assert np.abs(whole - tiled).mean() < 1e-4
    assert np.quantile(np.abs(whole - tiled), 0.99) < 2e-3
    assert np.abs(whole - content).mean() > 0.02


def test_a_large_style_picture_is_read_in_tiles(painter):
    """It has the same statistics, so that the first step's losses are the same."""
    content, style = _picture(32, 1200), _style(_picture(40, 1200, seed=5))
    losses = []
    for budget in (1e9, _tiling(content)):
        notes = Notes()
        painter(budget=budget, steps=1)(content, style, watch=notes, region=_left(32, 1200, 0.05))
        losses.append(notes.steps[1].losses["style"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_too_little_memory_is_told_with_the_way_out(painter):
    with pytest.raises(UsageError, match=r"0\.0 GB.*64x48 pixels.*--max-memory"):
        painter(budget=1e6)(_picture(), _style())


# With whole nets.


@pytest.fixture(scope="module")
def random_file(tmp_path_factory):
    return torchvision_file(tmp_path_factory.mktemp("weights") / "random.pth")


def test_weights_may_come_from_a_file_in_torchvisions_layout(random_file):
    content, region = _picture(32, 40), _left(32, 40)
    painted = _trained(vgg=str(random_file), steps=6)(content, _style(), region=region)
    _assert_kept(painted, content, region)
    with pytest.raises(UsageError, match="--max-memory"):
        _trained(vgg=str(random_file), max_memory=0.001)(content, _style())


def _distance(picture, style):
    """Gram distance of two pictures, as VGG-19 sees them, summed over layers."""
    layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1"]
    net = vgg.load_normalised(weights.fetch("vgg19-normalised"), layers=layers)
    grams = []
    for x in (picture, style):
        read = Taps(net)(goals.tensor(x, CPU))
        grams.append({k: Gram().summarise(f, torch.ones(f.shape[1:])) for k, f in read.items()})
    return sum(float(Gram().distance(grams[0][layer], grams[1][layer])) for layer in layers)


@pytest.mark.weights
def test_the_style_is_neared_and_the_rest_kept():
    content, region, notes = _picture(64, 64), _left(64, 64, 0.75), Notes()
    paint = _trained(statistic="gram", smallest=45, steps=4)  # 46 steps there, and 32
    painted = paint(content, _style(), region=region, watch=notes)
    _assert_kept(painted, content, region)
    before, after = (_distance(x[:, :48], _stripes()) for x in (content, painted))
    assert after < 0.5 * before
    totals = [[s.losses["total"] for s in notes.steps[1:] if s.height == side] for side in (45, 64)]
    assert all(total[-1] < total[0] for total in totals)
    np.testing.assert_array_equal(painted, paint(content, _style(), region=region))


@pytest.mark.weights
def test_each_of_two_regions_nears_its_own_style():
    content, left = _picture(64, 96), _left(64, 96)
    stripes, dots = _stripes(), _dots()
    layers = [(_style(stripes), left), (_style(dots), 1 - left)]
    painted = _trained(preset="classic", steps=40).paint_many(content, layers)
    parts = painted[:, :48], painted[:, 48:]
    own = _distance(parts[0], stripes), _distance(parts[1], dots)
    other = _distance(parts[0], dots), _distance(parts[1], stripes)
    before = _distance(content[:, :48], stripes), _distance(content[:, 48:], dots)
    for i in range(2):
        assert own[i] < 0.7 * other[i]
        assert own[i] < 0.7 * before[i]


@pytest.mark.weights
@pytest.mark.parametrize("name", presets())
def test_every_preset_paints(name):
    content, region, notes = _picture(32, 48), _left(32, 48), Notes()
    paint = _trained(preset=name, steps=3)
    painted = paint(content, _style(), region=region, watch=notes)
    np.testing.assert_array_equal(painted[region == 0], content[region == 0])
    if name != "paper2-content":  # with that weight nothing is better than the photo
        assert (painted != content)[region > 0].mean() > 0.5
        assert len(notes.steps) == 4
    terms = {"content", "style", "total"}
    if presets()[name].depth_weight:
        terms |= {"depth", "laplacian"}
    assert all(set(step.losses) == terms for step in notes.steps[1:])
    assert all(np.isfinite(list(step.losses.values())).all() for step in notes.steps[1:])


@pytest.mark.weights
def test_a_feed_forward_painting_is_nearer_to_the_style_from_the_first():
    content = _picture(64, 64)
    first = {}
    for start in ("content", "fast"):
        notes = Notes(stop_at=1)
        _trained(start=start)(content, _style(), watch=notes)
        first[start] = notes.steps[1].losses
    assert first["fast"]["style"] < first["content"]["style"]
    assert first["fast"]["content"] > first["content"]["content"] == 0


@pytest.mark.weights
def test_sixteen_bits_paint_about_the_same():
    content, painted, totals = _picture(48, 48), [], []
    adam = {"optimizer": "adam", "learning_rate": 0.02, "steps": 5}
    for precision in ("float32", "bfloat16"):
        paint, notes = _trained(preset="classic", precision=precision, **adam), Notes()
        painted.append(paint(content, _style(), watch=notes))
        totals.append([step.losses["total"] for step in notes.steps[1:]])
    assert totals[1] == pytest.approx(totals[0], rel=0.05)
    apart, moved = (np.abs(painted[0] - x).mean() for x in (painted[1], content))
    assert apart < 0.5 * moved
