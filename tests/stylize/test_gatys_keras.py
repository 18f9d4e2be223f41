"""The optimising stylizer in TensorFlow: that it paints as gatys does, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="optimising needs the torch extra")

from sfumato import registry  # noqa: E402
from sfumato.errors import SfumatoWarning, UsageError, WeightsError  # noqa: E402
from sfumato.nets import vgg_keras  # noqa: E402
from sfumato.optimise.recipe import preset  # noqa: E402
from sfumato.stylize.gatys_keras import Options, recipe_for  # noqa: E402
from sfumato.types import Context, Style  # noqa: E402

from ..optimise.random_nets import torchvision_file  # noqa: E402

needs_tensorflow = pytest.mark.skipif(
    find_spec("tensorflow") is None, reason="needs the tensorflow extra"
)
SHAPE = (40, 56)


def _slow(test):
    """TensorFlow takes seconds to import."""
    return pytest.mark.slow(needs_tensorflow(test))


@pytest.fixture(scope="module")
def random_file(tmp_path_factory):
    return str(torchvision_file(tmp_path_factory.mktemp("weights") / "random.pth"))


@pytest.fixture
def painter(random_file):
    """Builds one of both stylizers with random weights and few steps of a large rate."""

    def painter(backend="gatys-keras", **options):
        if backend == "gatys":
            options["precision"] = "float32"
        quick = {"preset": "paper5-second", "vgg": random_file, "steps": 6, "learning_rate": 0.05}
        return registry.build("stylize", backend, Context(device="cpu", seed=3), quick | options)

    return painter


def _picture(shape=SHAPE, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]] / 9
    waves = [np.sin(a * x + b * y + c) for a, b, c in rng.uniform(-2, 2, (3, 3))]
    picture = 0.5 + 0.4 * np.stack(waves, axis=-1) + rng.normal(0, 0.05, (*shape, 3))
    return np.clip(picture, 0, 1).astype(np.float32)


def _style(**more):
    return Style("a style", image=_picture((50, 44), seed=9), **more)


def _left():
    region = np.zeros(SHAPE, np.float32)
    region[4:, :20] = np.linspace(1, 0.2, 20)
    return region


class Notes:
    """Watches an optimisation; stops it at a step."""

    def __init__(self, stop_at=None):
        self.stop_at, self.steps, self.pictures = stop_at, [], []

    def __call__(self, step, picture):
        self.steps.append(step)
        self.pictures.append(picture())
        if step.number == self.stop_at and not step.interrupted:
            raise KeyboardInterrupt


# That it paints as gatys does.


@_slow
@pytest.mark.parametrize("start", ["content", "noise"])
@pytest.mark.parametrize("region", [None, _left()], ids=["whole", "region"])
def test_both_libraries_paint_the_same_picture(painter, region, start):
    content, watched = _picture(), {}
    for backend in ("gatys", "gatys-keras"):
        watched[backend] = notes = Notes()
        paint = painter(backend, start=start, tv_weight=0.1)
        painted = paint(content, _style(), region=region, watch=notes)
        np.testing.assert_array_equal(painted, notes.pictures[-1])
    ours, theirs = watched["gatys"], watched["gatys-keras"]
    for step, other in zip(ours.steps[1:], theirs.steps[1:], strict=True):
        assert (other.number, other.total) == (step.number, step.total)
        assert (other.height, other.width) == (step.height, step.width)
        assert other.losses == pytest.approx(step.losses, rel=1e-2)
    assert theirs.steps[1].losses == pytest.approx(ours.steps[1].losses, rel=1e-4)
    # Adam's steps are as long where a gradient is nothing but rounding.
    apart, moved = (np.abs(ours.pictures[-1] - x).mean() for x in (theirs.pictures[-1], content))
    assert apart < 0.06 * moved
    if region is not None:
        kept = region == 0
        np.testing.assert_array_equal(theirs.pictures[-1][kept], content[kept])


@_slow
def test_the_loss_falls_and_every_step_is_told(painter):
    content, notes, fractions = _picture(), Notes(), []
    before = content.copy()
    painted = painter(steps=12)(content, _style(), watch=notes, progress=fractions.append)
    first, *steps = notes.steps
    assert (first.number, first.total, dict(first.losses)) == (0, 12, {})
    assert "TensorFlow" in first.note
    assert [step.number for step in steps] == list(range(1, 13))
    assert steps[-1].losses["total"] < 0.5 * steps[0].losses["total"]
    for step in steps:
        assert step.losses["total"] == pytest.approx(step.losses["content"] + step.losses["style"])
    assert fractions == [number / 12 for number in range(1, 13)]
    assert painted.dtype == np.float32
    assert 0 <= painted.min() <= painted.max() <= 1
    np.testing.assert_array_equal(content, before)


@_slow
@pytest.mark.parametrize("step", [1, 3])
def test_stopped_it_gives_the_best_so_far(painter, step):
    content, notes = _picture(), Notes(stop_at=step)
    painted = painter()(content, _style(), region=_left(), watch=notes)
    last = notes.steps[-1]
    assert (last.interrupted, last.number) == (True, step)
    np.testing.assert_array_equal(painted, notes.pictures[-1])
    np.testing.assert_array_equal(painted[_left() == 0], content[_left() == 0])


@_slow
def test_two_styles_and_a_part_of_a_style_picture(painter):
    content, left = _picture(), _left()
    part = np.zeros((50, 44), np.float32)
    part[:25] = 1
    layers = [(_style(region=part), left), (_style(), 1 - left), (_style(), np.zeros_like(left))]
    painted = [painter(b).paint_many(content, layers) for b in ("gatys", "gatys-keras")]
    apart, moved = (np.abs(painted[0] - x).mean() for x in (painted[1], content))
    assert apart < 0.06 * moved
    nothing = painter().paint_many(content, layers[2:])
    np.testing.assert_array_equal(nothing, content)


@_slow
def test_a_loss_that_runs_away_goes_on_at_half_the_rate():
    from sfumato.stylize.gatys_keras import Descent

    tf = vgg_keras.libraries()[1]
    descent = Descent(np.full((2, 2, 3), 0.5, np.float32), np.ones((2, 2), bool), 0.1)
    totals = iter([1.0, float("nan"), 0.9, 0.8])
    rates = []

    def evaluate(picture):
        rates.append(descent._rate)
        return {"total": next(totals)}, tf.ones_like(picture)

    steps = list(descent.steps(evaluate, 3))
    assert [losses["total"] for losses in steps] == [1.0, 0.9, 0.8]
    assert rates == [0.1, 0.1, 0.05, 0.05]
    assert descent.result().mean() == pytest.approx(0.45, abs=1e-3)

    def lost(picture):
        return {"total": float("inf")}, tf.ones_like(picture)

    with pytest.warns(SfumatoWarning, match="ran away at every rate"):
        assert list(descent.steps(lost, 3)) == []


# What is refused.


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("fast", "statistic=wasserstein, optimizer=rprop, smallest=160"),
        ("classic", "optimizer=lbfgs"),
        ("paper4", r"depth_weight=10000\.0"),
    ],
)
def test_presets_that_ask_for_more_are_refused_in_a_sentence(name, asked):
    with pytest.raises(UsageError, match=f"gatys-keras has no {asked}.*{name!r}.*paint with gatys"):
        recipe_for(Options(preset=name))


def test_what_is_refused_can_be_left_out():
    quick = recipe_for(Options(preset="fast", statistic="gram", optimizer="adam", smallest=0))
    assert (quick.statistic, quick.optimizer, quick.smallest) == ("gram", "adam", 0)
    assert quick.rate == 0.03
    assert recipe_for(Options(preset="classic", optimizer="adam", learning_rate=0.1)).rate == 0.1
    fourth = recipe_for(Options(preset="paper4", depth_weight=0))
    assert (fourth.depth_weight, fourth.laplacian_weight) == (0, preset("paper4").laplacian_weight)
    for name in ("paper2", "paper5-first", "paper5-second"):
        assert recipe_for(Options(preset=name)) == preset(name)


@pytest.mark.parametrize(
    "options",
    [{"statistic": "wasserstein"}, {"optimizer": "lbfgs"}, {"start": "fast"}, {"smallest": 64},
     {"depth_weight": 1}, {"preset": "fasd"}],
    ids=str,
)  # fmt: skip
def test_options_that_are_not_here_are_refused(options):
    if find_spec("tensorflow") is None:
        pytest.skip("needs the tensorflow extra")
    with pytest.raises(UsageError):
        registry.build("stylize", "gatys-keras", Context(device="cpu"), options)


@_slow
def test_what_makes_no_sense_is_refused(painter, random_file, tmp_path):
    content, paint = _picture(), painter(steps=1)
    with pytest.raises(UsageError, match="gatys-keras needs a style picture"):
        paint(content, Style("poppies", net="magenta", index=3))
    with pytest.raises(UsageError, match="to learn from is empty"):
        paint(content, _style(region=np.zeros((50, 44), np.float32)))
    with pytest.raises(UsageError, match="NaN"):
        paint(np.full_like(content, np.nan), _style())
    with pytest.raises(UsageError, match="expected"):
        paint(content, _style(), region=np.ones((40, 50), np.float32))
    with pytest.raises(WeightsError, match="gatys-keras.vgg"):
        painter(vgg=str(tmp_path / "none.pth"))
    if not vgg_keras.libraries()[1].config.list_physical_devices("GPU"):
        for device in ("cuda", "mps"):
            with pytest.raises(UsageError, match=f"no device '{device}'"):
                registry.build(
                    "stylize", "gatys-keras", Context(device=device), {"vgg": random_file}
                )


# That others' Keras is left alone.


def test_keras_on_another_backend_is_not_disturbed(monkeypatch):
    theirs = SimpleNamespace(backend=SimpleNamespace(backend=lambda: "jax"))
    monkeypatch.setitem(sys.modules, "keras", theirs)
    with pytest.raises(UsageError, match="'jax'.*KERAS_BACKEND=tensorflow"):
        vgg_keras.libraries()
    assert sys.modules["keras"] is theirs


@_slow
@pytest.mark.parametrize("before", [None, "jax"])
def test_the_environment_stays_as_it_was(before):
    """Whoever asks for another backend has it in other processes."""
    code = (
        "import os; from sfumato.nets import vgg_keras; keras, _ = vgg_keras.libraries(); "
        "print(keras.backend.backend(), os.environ.get('KERAS_BACKEND'), "
        "os.environ.get('TF_CPP_MIN_LOG_LEVEL'))"
    )
    environment = {k: v for k, v in os.environ.items() if k not in vgg_keras.DURING_IMPORT}
    if before:
        environment["KERAS_BACKEND"] = before
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["tensorflow", str(before), "None"]


def test_listing_it_imports_neither_library():
    code = (
        "import sys; from sfumato import registry; "
        "found = registry.find('stylize', 'gatys-keras'); "
        "print(found.extra, *[m for m in ('torch', 'keras', 'tensorflow') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["tensorflow"]
