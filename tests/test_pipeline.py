"""The story itself: which pixels change, which stay, and how styles share a pass."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from sfumato import pipeline
from sfumato.errors import NothingFoundError, SfumatoWarning, UsageError
from sfumato.finder import Finder
from sfumato.io import pictures
from sfumato.ops import blend, colour
from sfumato.pipeline import Layer, paint
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Segments, Style, no_progress

from .descent import Descent

RED, BLUE = Style("red", image=np.zeros((4, 4, 3), np.float32)), Style("blue")
COLOURS = {"red": (1, 0, 0), "blue": (0, 0, 1)}


class FlatStylizer:
    """Paints one colour; remembers what it was asked."""

    supports_region = True

    def __init__(self):
        self.asked = []

    def __call__(self, content, style, *, region=None, progress=no_progress):
        self.asked.append((content, style, region))
        progress(1.0)
        return np.full_like(content, COLOURS[style.name])


class ManyStylizer(FlatStylizer):
    supports_many = True

    def paint_many(self, content, layers, *, progress=no_progress):
        self.asked.append((content, layers))
        return np.full_like(content, 0.5)


class LeftHalf:
    """Finds a person in the left half."""

    classes = ("person",)

    def __init__(self):
        self.runs = 0

    def __call__(self, image):
        self.runs += 1
        mask = np.zeros((1, *image.shape[:2]), bool)
        mask[:, :, : image.shape[1] // 2] = True
        return Segments(mask, ("person",), (1.0,))


class FakeStudio(Studio):
    def __init__(self, settings=None, stylizer=None, segmenter=None):
        super().__init__(settings)
        self.fake = stylizer or FlatStylizer()
        self.finds = segmenter or LeftHalf()

    def stylizer(self, name):
        return self.fake

    def segmenter(self, name, **options):
        return self.finds


@pytest.fixture
def photo():
    return np.random.default_rng(0).random((90, 120, 3), dtype=np.float32)


def test_everything_is_painted(photo):
    painting = paint(photo, [Layer("everything", RED)], studio=FakeStudio())
    np.testing.assert_array_equal(painting.image, np.broadcast_to([1, 0, 0], photo.shape))


def test_outside_the_region_every_pixel_is_the_photos(photo):
    painting = paint(photo, [Layer("box:.25,.5,1,1", RED)], studio=FakeStudio())
    inside = np.zeros(photo.shape[:2], bool)
    inside[45:, 30:] = True
    np.testing.assert_array_equal(painting.image[~inside], photo[~inside])
    np.testing.assert_array_equal(painting.image[inside], np.broadcast_to([1, 0, 0], (45 * 90, 3)))
    np.testing.assert_array_equal(painting.matte.alpha > 0, inside)


def test_a_photo_larger_than_the_work_size_keeps_its_own_pixels(photo):
    studio = FakeStudio(Settings(size=48))
    painting = paint(photo, [Layer("background", RED)], studio=studio)
    content = studio.fake.asked[0][0]
    assert max(content.shape) == 48
    assert painting.image.shape == photo.shape
    kept = painting.matte.alpha == 0
    assert kept[:, :40].all()
    np.testing.assert_array_equal(painting.image[kept], photo[kept])
    assert (painting.matte.alpha[:, 80:] == 1).all()


def test_a_box_in_pixels_counts_the_photos_own(photo):
    studio = FakeStudio(Settings(size=48))
    painting = paint(photo, [Layer("box:20,10,70,50", RED)], studio=studio)
    assert painting.matte.alpha.sum() == 50 * 40
    assert painting.matte.alpha[10:50, 20:70].all()


def test_later_layers_go_over_earlier_ones(photo):
    layers = [Layer("everything", RED), Layer("box:0,0,.5,1", BLUE)]
    image = paint(photo, layers, studio=FakeStudio()).image
    assert (image[:, :60] == (0, 0, 1)).all()
    assert (image[:, 60:] == (1, 0, 0)).all()


def test_several_regions_share_one_run_of_the_net(photo):
    studio = FakeStudio()
    paint(photo, [Layer("person", RED), Layer("background", BLUE)], studio=studio)
    assert studio.finds.runs == 1


def test_a_stylizer_that_can_paints_several_styles_in_one_pass(photo):
    studio = FakeStudio(stylizer=ManyStylizer())
    layers = [Layer("box:0,0,.5,1", RED), Layer("box:.5,0,1,1", BLUE)]
    image = paint(photo, layers, studio=studio).image
    assert len(studio.fake.asked) == 1
    assert (image == 0.5).all()
    paint(photo, layers[:1], studio=studio)  # alone, it is painted alone
    assert len(studio.fake.asked) == 2
    assert studio.fake.asked[1][1] is RED


def test_what_is_kept_is_hidden_from_the_stylizer(photo):
    photo[:, :60] = (0, 1, 0)  # a green person on the left
    photo[:, 60:] = (0.8, 0.2, 0.8)
    studio = FakeStudio()
    paint(photo, [Layer("background", RED)], studio=studio)
    content, _, region = studio.fake.asked[0]
    assert np.abs(content[:, :50] - (0.8, 0.2, 0.8)).max() < 0.1
    assert region[:, :50].max() == 0


def test_what_no_style_reaches_is_hidden_from_a_shared_pass(photo):
    photo[:, :60] = (0, 1, 0)
    photo[:, 60:] = (0.8, 0.2, 0.8)
    studio = FakeStudio(stylizer=ManyStylizer())
    parts = [Layer("background & box:0,0,1,.5", RED), Layer("background & box:0,.5,1,1", BLUE)]
    paint(photo, parts, studio=studio)
    assert np.abs(studio.fake.asked[0][0][:, :50] - (0.8, 0.2, 0.8)).max() < 0.1


def test_soft_edges_that_meet_hide_nothing_from_a_shared_pass(photo, tmp_path):
    soft = np.tile(np.linspace(0, 1, 120, dtype=np.float32), (90, 1))
    pictures.write_alpha(soft, tmp_path / "soft.png")
    one = f'file:"{tmp_path / "soft.png"}"'
    studio = FakeStudio(stylizer=ManyStylizer())
    paint(photo, [Layer(one, RED), Layer(f"not {one}", BLUE)], studio=studio)
    np.testing.assert_array_equal(studio.fake.asked[0][0], photo)


def test_strength_mixes_with_the_photo(photo):
    studio = FakeStudio(Settings(strength=0.25))
    image = paint(photo, [Layer("everything", RED)], studio=studio).image
    np.testing.assert_allclose(image, 0.75 * photo + 0.25 * np.array([1, 0, 0]), atol=1e-5)
    untouched = paint(photo, [Layer("everything", RED)], studio=FakeStudio(Settings(strength=0)))
    np.testing.assert_array_equal(untouched.image, photo)


def test_keep_colors_keeps_hue(photo):
    photo[:] = (0.2, 0.5, 0.3)
    studio = FakeStudio(Settings(keep_colors=True))
    image = paint(photo, [Layer("everything", RED)], studio=studio).image
    assert (image.argmax(axis=2) == 1).all()


def test_progress_runs_through_the_stages(photo):
    heard = []
    paint(
        photo,
        [Layer("person", RED), Layer("background", BLUE)],
        studio=FakeStudio(),
        report=lambda stage, fraction: heard.append((stage, fraction)),
    )
    assert [stage for stage, f in heard if f == 0] == ["find", "stylize", "compose"]
    assert all(0 <= f <= 1 for _, f in heard)
    assert heard[-1] == ("compose", 1)


def test_nothing_found_is_one_sentence(photo):
    class Nobody(LeftHalf):
        def __call__(self, image):
            return Segments(np.zeros((0, *image.shape[:2]), bool), (), ())

    studio = FakeStudio(segmenter=Nobody())
    with (
        pytest.warns(SfumatoWarning, match="no person"),
        pytest.raises(NothingFoundError, match="found no person"),
    ):
        paint(photo, [Layer("person", RED)], studio=studio)
    with pytest.warns(SfumatoWarning, match="no person"):
        painting = paint(photo, [Layer("background", RED)], studio=FakeStudio(segmenter=Nobody()))
    assert (painting.matte.alpha == 1).all()


def test_the_second_person_of_one(photo):
    with (
        pytest.warns(SfumatoWarning, match="person:2: only 1 found"),
        pytest.raises(NothingFoundError),
    ):
        paint(photo, [Layer("person:2", RED)], studio=FakeStudio())


def test_a_segmenter_that_does_not_know_the_class():
    with pytest.raises(UsageError, match="'modnet' does not find 'dog'; it finds person"):
        paint(
            np.zeros((8, 8, 3), np.float32),
            [Layer("dog", RED)],
            studio=FakeStudio(Settings(segmenter="modnet")),
        )


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        ([[1]], "float32 array"),
        (np.zeros((4, 4, 3)), "float32.*float64"),
        (np.zeros((4, 4), np.float32), r"\[H, W, 3\]"),
        (np.zeros((0, 4, 3), np.float32), r"\[0, 4, 3\]"),
        (np.full((2, 2, 3), np.nan, np.float32), "nan"),
        (np.full((2, 2, 3), 255, np.float32), "0 to 1, got 255"),
    ],
)
def test_wrong_arrays_are_refused(photo, words):
    with pytest.raises(UsageError, match=words):
        paint(photo, [Layer("everything", RED)], studio=FakeStudio())


@pytest.mark.filterwarnings("ignore::sfumato.errors.SfumatoWarning")  # half of 1 pixel is none
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1)])
def test_thin_pictures(shape):
    photo = np.full((*shape, 3), 0.5, np.float32)
    image = paint(photo, [Layer("background", RED)], studio=FakeStudio(Settings(size=64))).image
    assert image.shape == photo.shape
    assert np.isfinite(image).all()


LEFT, RIGHT = "box:0,0,.5,1", "box:.5,0,1,1"
GREEN = Style("green", image=np.full((4, 4, 3), (0, 1, 0), np.float32))
WHITE = Style("white", image=np.ones((4, 4, 3), np.float32))


class Single(Descent):
    """Paints one region after the other."""

    supports_many = False


def test_a_watcher_sees_every_step_and_the_whole_picture(photo):
    seen = []

    def watch(step, picture):
        seen.append((step, picture()))

    studio = FakeStudio(stylizer=Descent())
    painting = paint(photo, [Layer(LEFT, GREEN)], studio=studio, watch=watch)
    assert [step.number for step, _ in seen] == list(range(7))
    assert painting.course == {LEFT: tuple(step for step, _ in seen)}
    for number, (_, picture) in enumerate(seen):
        np.testing.assert_array_equal(picture[:, 60:], photo[:, 60:])
        present = (photo - (0, 1, 0)) * 0.5**number + (0, 1, 0)
        np.testing.assert_allclose(picture[:, :60], present[:, :60], atol=1e-5)
    np.testing.assert_array_equal(seen[-1][1], painting.image)


def test_the_whole_picture_is_made_only_when_asked_for(photo):
    studio = FakeStudio(stylizer=Descent())
    paint(photo, [Layer(LEFT, GREEN)], studio=studio, watch=lambda step, picture: None)
    assert studio.fake.pictures_made == 0
    assert len(paint(photo, [Layer(LEFT, GREEN)], studio=studio).course[LEFT]) == 7


def test_nobody_watches_what_is_painted_in_one_go(photo):
    painting = paint(photo, [Layer(LEFT, RED)], studio=FakeStudio(), watch=pytest.fail)
    assert painting.course == {}


def test_a_later_layer_is_watched_over_the_earlier_ones(photo):
    seen = []
    layers = [Layer(LEFT, GREEN), Layer("box:0,0,.25,1", WHITE)]
    painting = paint(
        photo,
        layers,
        studio=FakeStudio(stylizer=Single()),
        watch=lambda step, picture: seen.append(picture()),
    )
    assert list(painting.course) == [LEFT, "box:0,0,.25,1"]
    np.testing.assert_array_equal(seen[7][:, 30:60], painting.image[:, 30:60])  # the first is done
    np.testing.assert_array_equal(seen[-1], painting.image)


def test_regions_of_one_pass_have_one_course(photo):
    seen = []
    painting = paint(
        photo,
        [Layer(LEFT, GREEN), Layer(RIGHT, WHITE)],
        studio=FakeStudio(stylizer=Descent()),
        watch=lambda step, picture: seen.append(picture()),
    )
    assert list(painting.course) == [f"{LEFT} | {RIGHT}"]
    assert len(painting.course[f"{LEFT} | {RIGHT}"]) == len(seen) == 7
    np.testing.assert_array_equal(seen[-1], painting.image)


def test_strength_and_colours_show_in_the_watched_picture(photo):
    seen = []
    settings = Settings(strength=0.5, keep_colors=True)
    paint(
        photo,
        [Layer("everything", GREEN)],
        studio=FakeStudio(settings, Descent()),
        watch=lambda step, picture: seen.append(picture()),
    )
    painted = ((photo + GREEN.image[0, 0]) / 2).astype(np.float32)
    expected = blend.strength(colour.keep_colors(painted, photo), photo, 0.5)
    np.testing.assert_allclose(seen[1], expected, atol=1e-6)


def test_an_interrupted_optimisation_keeps_what_it_has(photo):
    seen = []

    def watch(step, picture):
        seen.append(step)
        if step.number == 2 and not step.interrupted:
            raise KeyboardInterrupt

    studio = FakeStudio(stylizer=Single())
    layers = [Layer(LEFT, GREEN), Layer(RIGHT, WHITE)]
    painting = paint(photo, layers, studio=studio, watch=watch)
    assert pipeline.was_interrupted(painting)
    assert [step.number for step in painting.course[LEFT]] == [0, 1, 2, 2]
    assert [step.number for step in painting.course[RIGHT]] == [0, 1, 1]  # asked once, all stop
    assert [step.interrupted for step in seen] == [False, False, False, True]
    half_way = photo[:, :60] / 4 + 0.75 * np.array([0, 1, 0])
    np.testing.assert_allclose(painting.image[:, :60], half_way, atol=1e-6)
    np.testing.assert_allclose(painting.image[:, 60:], (photo[:, 60:] + 1) / 2, atol=1e-6)
    assert not pipeline.was_interrupted(paint(photo, layers, studio=studio))


def test_only_a_part_of_the_style_picture_is_learnt_from(photo):
    image = np.zeros((10, 20, 3), np.float32)
    image[:, 10:] = (0, 0, 1)
    studio = FakeStudio(stylizer=Descent())
    layer = Layer("everything", Style("two", image=image), None, "box:.5,0,1,1")
    paint(photo, [layer], studio=studio)
    _, style, _ = studio.fake.asked[0]
    assert style.region.shape == (10, 20)
    np.testing.assert_array_equal(style.region[0], [0] * 10 + [1] * 10)
    found = pipeline.with_style_regions([layer], studio)
    assert pipeline.with_style_regions(found, studio)[0].style is found[0].style
    whole = Layer("everything", RED, None, "everything")
    assert pipeline.with_style_regions([whole], FakeStudio()) == [whole]


def test_a_style_region_is_found_before_the_style_is_read(photo):
    class Careful(Descent):
        def prepare(self, style):
            self.prepared = style.region

    studio = FakeStudio(stylizer=Careful())
    paint(photo, [Layer("everything", GREEN, None, LEFT)], studio=studio)
    np.testing.assert_array_equal(studio.fake.prepared[0], [1, 1, 0, 0])


@pytest.mark.parametrize(
    ("style", "stylizer", "words"),
    [
        (GREEN, FlatStylizer(), "magenta reads whole style pictures, not just person; .*crop"),
        (Style("ember", net="magenta"), Descent(), "'ember' lives inside a net"),
    ],
)
def test_style_regions_that_cannot_be(photo, style, stylizer, words):
    with pytest.raises(UsageError, match=words):
        paint(
            photo,
            [Layer("everything", style, None, "person")],
            studio=FakeStudio(stylizer=stylizer),
        )


def test_nothing_found_in_the_style_picture(photo):
    layer = Layer("everything", GREEN, None, "person - person")
    with pytest.raises(NothingFoundError, match="in the style picture green, so .* to learn"):
        paint(photo, [layer], studio=FakeStudio(stylizer=Descent()))


def test_a_finder_finds_once_for_several_paintings(photo):
    studio = FakeStudio()
    finder = Finder(studio, photo, photo)
    first, again = (
        paint(photo, [Layer("background", RED)], studio=studio, finder=finder) for _ in range(2)
    )
    assert studio.finds.runs == 1
    np.testing.assert_array_equal(first.image, again.image)


def test_cut_gives_alpha_and_clean_colours(photo):
    matte = pipeline.cut(photo, "person", studio=FakeStudio())
    assert matte.alpha[:, :50].min() == 1
    assert matte.alpha[:, 70:].max() == 0
    np.testing.assert_array_equal(matte.foreground[:, :50], photo[:, :50])


@pytest.mark.weights
def test_the_real_thing(astronaut):
    """Background of a real photograph, real nets: the person is untouched, the rest is not."""
    from sfumato import styles

    studio = Studio()
    style = styles.resolve(styles.catalogue()[0].name)
    painting = paint(astronaut, [Layer("background", style)], studio=studio)
    alpha = painting.matte.alpha
    assert alpha[70:140, 195:250].max() == 0  # face
    assert alpha[20:120, 20:60].min() > 0.9  # behind the flag's corner
    kept = alpha == 0
    np.testing.assert_array_equal(painting.image[kept], astronaut[kept])
    assert 0.25 < kept.mean() < 0.75
    changed = np.abs(painting.image - astronaut)[alpha == 1].mean()
    assert changed > 0.05
    assert set(painting.weights) >= {"modnet"}
    assert all(len(sha) == 64 for sha in painting.weights.values())
    again = paint(astronaut, [Layer("background", style)], studio=studio)
    np.testing.assert_array_equal(again.image, painting.image)


@pytest.mark.weights
def test_the_fast_path_never_imports_torch(astronaut_path, tmp_path):
    script = (
        "import sys\n"
        "from sfumato.cli.main import main\n"
        "try:\n"
        f"    main(['paint', {str(astronaut_path)!r}, '--region', 'background', '--style',"
        f" 'nocturne', '-o', {str(tmp_path / 'out.png')!r}])\n"
        "except SystemExit as done:\n"
        "    assert not done.code, done.code\n"
        "heavy = {'torch', 'pymatting', 'numba', 'scipy', 'ai_edge_litert'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "out.png").stat().st_size > 10_000
