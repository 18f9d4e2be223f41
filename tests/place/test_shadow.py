"""Who stands has a shadow at the feet."""

from __future__ import annotations

import math

import numpy as np

from sfumato.place import shadow

SHAPE = (120, 160)


def standing():
    alpha = np.zeros(SHAPE, np.float32)
    alpha[20:90, 70:90] = 1
    return alpha


def grey(value=0.6):
    return np.full((*SHAPE, 3), value, np.float32)


def test_it_lies_at_the_feet_soft_and_flat():
    shade = shadow.contact(standing())
    rows, columns = np.nonzero(shade > 0.3)
    assert abs(columns.mean() - 79.5) < 1.5
    assert 80 < rows.mean() < 92
    assert np.ptp(columns) > 2 * np.ptp(rows)
    assert np.ptp(columns) > 20
    assert shade[:60].max() == 0
    assert np.abs(np.diff(shade, axis=0)).max() < 0.5


def test_each_foot_has_its_own():
    alpha = np.kron(standing(), np.ones((3, 3), np.float32))
    alpha[210:270, 222:258] = 0
    beneath = shadow.contact(alpha)[272]
    left, between, right = beneath[216], beneath[240], beneath[264]
    assert min(left, right) > between + 0.1
    assert between > 0.2  # in the ellipse around both


def test_it_grows_away_from_the_light():
    middle = [
        np.average(np.arange(SHAPE[1]), weights=shadow.contact(standing(), light).sum(0))
        for light in (0.0, math.pi / 2, math.pi)
    ]
    assert middle[0] < middle[1] - 2 < middle[2] - 4


def test_nobody_has_none():
    assert not shadow.contact(np.zeros(SHAPE, np.float32)).any()


def test_it_is_as_deep_as_the_paintings_own():
    weight = np.ones(SHAPE, np.float32)
    contrasts = grey()
    contrasts[:40] = 0.05
    flat = shadow.depth(grey(), weight)
    assert flat == shadow.LIGHTEST
    assert shadow.DARKEST <= shadow.depth(contrasts, weight) < 0.5
    assert shadow.depth(grey(), 0 * weight) == flat


def test_casting_darkens_where_there_is_shade_alone():
    painting, shade = grey(), np.zeros(SHAPE, np.float32)
    shade[60:70, 60:100] = np.linspace(0, 1, 40, dtype=np.float32)
    made = shadow.cast(painting, shade, left=0.4)
    np.testing.assert_array_equal(made[shade == 0], painting[shade == 0])
    assert made[65, 99, 0] < made[65, 80, 0] < made[65, 61, 0] <= painting[0, 0, 0]
    linear = ((made[65, 99] + 0.055) / 1.055) ** 2.4 / ((0.6 + 0.055) / 1.055) ** 2.4
    np.testing.assert_allclose(linear, 0.4, atol=0.01)
