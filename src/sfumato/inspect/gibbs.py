"""The energy that GrabCut makes small (Rother, Kolmogorov and Blake 2004), as OpenCV has it.

A pixel ``n`` of colour ``z_n`` is foreground or background (``α_n``), and each of the two has a
mixture of five Gaussians ``θ``. The energy of a whole segmentation is (eq. 2)::

    E(α, θ, z) = U(α, θ, z) + V(α, z)

    U = Σ_n D(α_n, θ, z_n)                                     how badly the colours fit    (eq. 8)
    D = -log Σ_k π_k det(Σ_k)^-½ exp(-½ (z_n - μ_k)ᵀ Σ_k^-1 (z_n - μ_k))
    V = γ Σ_{m,n neighbours, α_m ≠ α_n} |m - n|^-1 exp(-β |z_m - z_n|²)   how much edge    (eq. 11)
    β = 1 / (2 <|z_m - z_n|²>)                 the mean over all neighbours in the picture (eq. 5)

Where this departs from the paper: OpenCV's cut weighs a pixel by the whole mixture, the paper by
the one Gaussian that the pixel was given to (eq. 9); the distance ``|m - n|`` of diagonal
neighbours is in eq. 4, not in eq. 11. Both leave out the same constant, ``log (2π)^(3/2)``.

A cut never raises the energy: it is the least for the colours of that round. Learning may, a
little: OpenCV gives each pixel to the Gaussian of the highest density, its weight left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfumato.types import Image, Mask

GAMMA = 50.0
"""What an edge costs beside colour: the paper's value, and OpenCV's."""

STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))
"""From a pixel to half of its eight neighbours, as (rows, columns): each pair counts once."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mixture:
    """Colours of the foreground or the background: five Gaussians.

    Attributes:
        weights: ``[5]``, π; 0 for one that no pixel was given to.
        means: ``[5, 3]``, μ: R, G, B of 0..255.
        covariances: ``[5, 3, 3]``, Σ.
    """

    weights: Floats
    means: Floats
    covariances: Floats


@dataclass(frozen=True)
class Energy:
    """Of a segmentation.

    Attributes:
        data: U, how badly the colours fit the two mixtures.
        edge: V, how much edge there is, and how little the picture shows it.
    """

    data: float
    edge: float

    @property
    def total(self) -> float:
        return self.data + self.edge


def mixture(model: Floats) -> Mixture:
    """Read a model as OpenCV keeps it: ``[1, 65]``, five weights, 15 means and 45 covariances,
    with the channels in the order B, G, R."""
    flat = np.asarray(model, np.float64).ravel()
    means, covariances = flat[5:20].reshape(5, 3), flat[20:].reshape(5, 3, 3)
    return Mixture(flat[:5].copy(), means[:, ::-1].copy(), covariances[:, ::-1, ::-1].copy())


def levels(image: Image) -> Floats:
    """The colours as GrabCut counts them: float64 ``[H, W, 3]``, whole numbers 0..255."""
    return np.rint(np.asarray(image, np.float64) * 255)


def cost(image: Image, model: Mixture) -> Floats:
    """D: how badly each pixel's colour fits a mixture.

    Args:
        image: float32 ``[H, W, 3]``, 0..1.
        model: of the foreground, or of the background.

    Returns:
        float64 ``[H, W]``; infinite everywhere for a mixture of nothing.
    """
    colours = levels(image).reshape(-1, 3)
    used = model.weights > 0
    parts = np.full((int(used.sum()) + 1, len(colours)), -np.inf)
    chosen = zip(model.weights[used], model.means[used], model.covariances[used], strict=True)
    for i, (weight, mean, covariance) in enumerate(chosen):
        away = colours - mean
        squared = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
        parts[i] = np.log(weight) - 0.5 * np.linalg.slogdet(covariance)[1] - 0.5 * squared
    return np.asarray(-np.logaddexp.reduce(parts, axis=0).reshape(image.shape[:2]))


def contrast(image: Image) -> float:
    """β, by which a picture's mean step between neighbours weighs ``exp(-½)``; 0 for a flat one."""
    squares = [squared.ravel() for squared, *_ in _neighbours(levels(image))]
    pairs = sum(len(part) for part in squares)
    mean = sum(float(part.sum()) for part in squares) / pairs if pairs else 0.0
    return 1 / (2 * mean) if mean > 0 else 0.0


def bonds(image: Image) -> list[tuple[Floats, tuple[slice, slice], tuple[slice, slice]]]:
    """What it costs to part each pixel from its neighbour (a summand of V), in four directions.

    Returns:
        Four triples: the costs, and where in the picture the first and the second of each pair lie.
    """
    beta = contrast(image)
    return [
        (GAMMA / distance * np.exp(-beta * squared), here, there)
        for squared, distance, here, there in _neighbours(levels(image))
    ]


def energy(image: Image, mask: Mask, background: Mixture, foreground: Mixture) -> Energy:
    """E: what a segmentation costs, all pixels counted.

    Args:
        image: float32 ``[H, W, 3]``, 0..1.
        mask: bool ``[H, W]``, True = foreground.
        background, foreground: the colour models.
    """
    fits = np.where(mask, cost(image, foreground), cost(image, background))
    edge = sum(float(w[mask[here] != mask[there]].sum()) for w, here, there in bonds(image))
    return Energy(float(fits.sum()), edge)


def _neighbours(
    colours: Floats,
) -> Iterator[tuple[Floats, float, tuple[slice, slice], tuple[slice, slice]]]:
    """Squared differences of neighbouring pixels, how far apart the two are, and where they lie."""
    height, width = colours.shape[:2]
    for down, right in STEPS:
        left = max(0, -right)
        here = (slice(0, height - down), slice(left, width - max(0, right)))
        there = (slice(down, height), slice(left + right, width + min(0, right)))
        squared = ((colours[here] - colours[there]) ** 2).sum(axis=-1)
        yield squared, float(np.hypot(down, right)), here, there
