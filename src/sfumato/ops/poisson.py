"""Gradient-domain blending: a membrane bends the painting's colours to the photo's at the border.

Pérez, Gangnet & Blake 2003, "Poisson Image Editing": find u with the gradients of the painting
F inside the region and the values of the photo B on its border. Written as u = F + m (their
section 2), m is the membrane that is B - F on the border and harmonic inside: smooth, so that
it may be solved small and enlarged.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.ops.blend import VISIBLE, bounding_box, over
from sfumato.ops.pyramid import agreement, extended, mean
from sfumato.ops.resize import enlarged, shrunk
from sfumato.types import Alpha, Image, Mask

Field = NDArray[np.float32]
"""float32 ``[H, W, C]``."""

_LAPLACE = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)
_CENTRE = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32)
_COARSEST = 16  # longer side in pixels at which the pyramid of starting values ends
_TOLERANCE = 1e-4  # residual at which to stop, against the one that a membrane of 0 has
_ITERATIONS = 200
_FREE = 0.75  # share of a shrunk pixel inside the region that makes it one of the unknowns


def membrane(values: Field, free: Mask, reach: float = np.inf) -> Field:
    """Span a membrane over the free pixels between the fixed ones.

    Solves ``laplace(m) = m / reach²`` on free pixels (five-point stencil), with ``m = values``
    on all others (Dirichlet) and level ends at the array's own border (Neumann). With a finite
    reach the membrane falls back to 0, to 1/e at that depth behind a straight border: the
    *screened* Poisson equation (Bhat et al. 2008), which pulls towards the painting itself.

    Method: conjugate gradients, started from the solution at half the size.

    Args:
        values: float32 ``[H, W, C]``; only fixed pixels beside free ones matter.
        free: bool ``[H, W]``, the unknown pixels.
        reach: in pixels, above 0.

    Returns:
        float32 ``[H, W, C]``, equal to ``values`` on fixed pixels; 0 everywhere if none is fixed.
    """
    if free.all():
        return np.zeros_like(values)
    inside = np.repeat(free[..., None].astype(np.float32), values.shape[2], axis=2)
    stencil = _LAPLACE - np.float32(1 / reach**2) * _CENTRE
    fixed = values * (1 - inside)
    start = _halved_solution(fixed, free, reach) if max(free.shape) > _COARSEST else fixed
    solution = fixed + inside * start

    def pull(field: Field) -> Field:  # the operator, negated
        # Replicated edges make differences across the array's border 0: Neumann.
        bent = cv2.filter2D(field, -1, stencil, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(bent, dtype=np.float32).reshape(field.shape) * inside

    residual = pull(solution)
    enough = _TOLERANCE**2 * _dot(*[pull(fixed)] * 2)
    direction, energy = residual.copy(), _dot(residual, residual)
    for _ in range(_ITERATIONS):
        if energy <= max(enough, 1e-20):
            break
        bent = pull(direction)
        step = np.float32(-energy / _dot(direction, bent))
        solution += step * direction
        residual += step * bent
        before, energy = energy, _dot(residual, residual)
        direction *= np.float32(energy / before)
        direction += residual
    return solution


def poisson(foreground: Image, background: Image, alpha: Alpha, reach: float, size: int) -> Image:
    """Blend in the gradient domain, then lay softly over by alpha in linear light.

    Departures from Pérez et al.: the membrane fades with depth (see :func:`membrane`), since a
    painting should keep its own colours away from the border; its border values are taken just
    inside of the outline, weighted by alpha, so that the colours of an untouched subject do not
    bleed into what is painted around it, and count only where both sides agree on them (see
    :func:`sfumato.ops.pyramid.agreement`); it is solved at no more than ``size`` pixels.

    Args:
        foreground: float32 ``[H, W, 3]``, sRGB, 0..1.
        background: float32 ``[H, W, 3]``, sRGB, 0..1; also under the opaque foreground, where it
            must show what is truly there: that is what the colours change over to.
        alpha: float32 ``[H, W]``, 0..1.
        reach: depth in pixels at which the correction has fallen to about 1/e.
        size: longer side in pixels at which the membrane is solved at most.

    Returns:
        float32 ``[H, W, 3]``, sRGB, 0..1; exactly ``background`` at alpha 0; exactly
        ``foreground`` where alpha is 1 if no pixel of the picture lies outside of the region.
    """
    result = np.array(background, order="C")
    box = bounding_box(alpha, margin=2 * -(-max(alpha.shape) // size))  # two pixels when shrunk
    if not alpha[box].size:
        return result
    agreed = agreement(foreground, background, alpha)[box]
    alpha = alpha[box]
    trust = np.square(np.square(alpha))
    weight = shrunk(trust, size)
    free = shrunk((alpha > VISIBLE).astype(np.float32), size) > _FREE
    agreed = shrunk(agreed, size)
    gaps = np.empty((*free.shape, 3), np.float32)
    for c in range(3):  # one channel at a time bounds the memory
        gap = (background[box][..., c] - foreground[box][..., c]) * trust
        gaps[..., c] = agreed * extended(mean(shrunk(gap, size), weight), weight, levels=4)
    correction = membrane(gaps, free, reach * max(free.shape) / max(alpha.shape))
    blended = np.empty((*alpha.shape, 3), np.float32)
    for c in range(3):
        bent = foreground[box][..., c] + enlarged(correction[..., c], alpha.shape)
        np.clip(bent, 0, 1, out=blended[..., c])
    result[box] = over(blended, background[box], alpha)
    return result


def _halved_solution(fixed: Field, free: Mask, reach: float) -> Field:
    half = (max(free.shape) + 1) // 2
    known = shrunk((~free).astype(np.float32), half)
    sums = shrunk(fixed, half).reshape(*known.shape, -1)
    coarse = membrane(mean(sums, known[..., None]), known == 0, reach / 2)
    return enlarged(coarse, free.shape).reshape(fixed.shape)


def _dot(a: Field, b: Field) -> float:
    return float(np.vdot(a, b))
