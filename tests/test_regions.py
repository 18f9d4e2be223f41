"""The region language: parser, errors, evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import RegionError
from sfumato.regions import (
    Box,
    Class,
    Cluster,
    Everything,
    File,
    Not,
    Object,
    Pair,
    Point,
    evaluate,
    leaves,
    parse,
)

PERSON = Class("person")


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("everything", Everything()),
        ("person", PERSON),
        ("background", Not(PERSON)),
        ("not person", Not(PERSON)),
        ("person:largest", Class("person", "largest")),
        ("person:central", Class("person", "central")),
        ("person:2", Class("person", "2")),
        ('"dining table":1', Class("dining table", "1")),
        ("box:0,.1,0.5,1", Box(0, 0.1, 0.5, 1)),
        ("box:10,20,300,400", Box(10, 20, 300, 400)),
        ("point:0.5,.4", Point(0.5, 0.4)),
        ("point:1,2 + point:3,4", Pair("+", Point(1, 2), Point(3, 4))),
        ("object:0,.1,0.5,1", Object(0, 0.1, 0.5, 1)),
        ("cluster:2/4", Cluster(2, 4)),
        ("file:a-b/mask.png", File("a-b/mask.png")),
        ('file:"my mask.png" & person', Pair("&", File("my mask.png"), PERSON)),
        ("person+subject&dog", Pair("+", PERSON, Pair("&", Class("subject"), Class("dog")))),
        ("person - box:0,0,1,.5", Pair("-", PERSON, Box(0, 0, 1, 0.5))),
        ("a - b + c", Pair("+", Pair("-", Class("a"), Class("b")), Class("c"))),
        ("a - (b + c)", Pair("-", Class("a"), Pair("+", Class("b"), Class("c")))),
        ("not a & b", Pair("&", Not(Class("a")), Class("b"))),
        ("not (a & b)", Not(Pair("&", Class("a"), Class("b")))),
        ("not not a", Not(Not(Class("a")))),
        ("  person  ", PERSON),
    ],
)
def test_parse(text, region):
    assert parse(text) == region


@pytest.mark.parametrize(
    ("text", "position", "word"),
    [
        ("", 0, "empty"),
        ("   ", 0, "empty"),
        ("person +", 8, "expected a region"),
        ("person person", 7, "expected '+'"),
        ("(person", 7, "')'"),
        ("person)", 6, "the end"),
        ("person:smallest", 7, "largest"),
        ("person:0", 7, "from 1"),
        ("person:1.5", 7, "whole number"),
        ("box:1,2,3", 9, "four numbers"),
        ("box:.5,0,.5,1", 0, "empty"),
        ("box", 3, "box:x0"),
        ("box:a,b", 4, "box:x0"),
        ("box:0,0,1e999,1", 8, "up to"),
        ("person:" + "9" * 400, 7, "up to"),
        ("cluster:5/4", 0, "k <= n"),
        ("cluster:1/99", 0, "n <= 16"),
        ("cluster:1", 9, "k/n"),
        ("file:", 5, "path"),
        ('file:""', 5, "path"),
        ("person & point:1", 16, "two numbers"),
        ("point:a,1", 6, "point:x,y"),
        ("object:0,0,0,1", 0, "empty"),
        ("object:1,2", 10, "four numbers"),
        ("object", 6, "object:x0"),
        ("*", 0, "expected a region"),
        ("(" * 99 + "a" + ")" * 99, 64, "nested"),
        ("not " * 9999 + "a", 64 * 4, "nested"),
        ('""', 0, "empty class"),
        ("a+" * 9999 + "a", 512, "more than 256"),
    ],
)
def test_errors_point_at_the_character(text, position, word):
    with pytest.raises(RegionError, match=None) as caught:
        parse(text)
    assert word in caught.value.problem
    assert caught.value.position == position
    assert str(caught.value).endswith(" " * position + "^")


names = st.from_regex(r"[a-z_][a-z0-9_ ]{0,8}", fullmatch=True)
picks = st.none() | st.sampled_from(["largest", "central"]) | st.integers(1, 99).map(str)
corner = st.floats(0, 1) | st.floats(0, 10**9)
boxes = st.builds(
    lambda kind, b: kind(*b),
    st.sampled_from([Box, Object]),
    st.tuples(corner, corner, corner, corner).filter(lambda b: b[0] < b[2] and b[1] < b[3]),
)
clusters = st.integers(2, 16).flatmap(lambda n: st.integers(1, n).map(lambda k: Cluster(k, n)))
paths = st.text(st.characters(exclude_characters='"', exclude_categories=["Cs"]), min_size=1)
regions = st.recursive(
    st.one_of(
        st.just(Everything()), st.builds(Class, names.filter(str.strip), picks), boxes, clusters,
        st.builds(Point, corner, corner), st.builds(File, paths),
    ),
    lambda inner: st.builds(Not, inner) | st.builds(Pair, st.sampled_from("+-&"), inner, inner),
    max_leaves=8,
)  # fmt: skip


@given(regions)
def test_text_form_reads_back(region):
    assert parse(str(region)) == region


@given(st.text(max_size=40))
def test_any_text_parses_or_raises_a_region_error(text):
    try:
        region = parse(text)
    except RegionError as error:
        assert 0 <= error.position <= len(text)
    else:
        assert list(leaves(region))


@given(regions, st.integers(0, 2**32 - 1), st.booleans())
def test_evaluation_stays_in_range_and_is_boolean_on_hard_masks(region, seed, hard):
    rng = np.random.default_rng(seed)
    masks = {}

    def leaf(atom):
        drawn = rng.random((3, 4)).astype(np.float32)
        return masks.setdefault(atom, (drawn > 0.5).astype(np.float32) if hard else drawn)

    alpha = evaluate(region, leaf)
    assert alpha.shape == (3, 4)
    assert alpha.dtype == np.float32
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    if hard:
        np.testing.assert_array_equal(alpha > 0.5, _boolean(region, masks))
        assert set(np.unique(alpha)) <= {0.0, 1.0}


def _boolean(region, masks):
    if isinstance(region, Not):
        return ~_boolean(region.inner, masks)
    if isinstance(region, Pair):
        a, b = _boolean(region.left, masks), _boolean(region.right, masks)
        return {"+": a | b, "&": a & b, "-": a & ~b}[region.operator]
    return masks[region] > 0.5


@given(regions, regions, st.integers(0, 2**32 - 1))
def test_de_morgan(a, b, seed):
    rng = np.random.default_rng(seed)
    masks = {}

    def leaf(atom):
        return masks.setdefault(atom, rng.random((2, 3)).astype(np.float32))

    left = evaluate(Not(Pair("+", a, b)), leaf)
    right = evaluate(Pair("&", Not(a), Not(b)), leaf)
    np.testing.assert_allclose(left, right, atol=1e-6)
