"""Closed-form matting: solves for the finest hair; slower, and needs pymatting.

Source: Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting", TPAMI 2008.
The matting Laplacian, the preconditioner and the solver are pymatting's.
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from sfumato.ops import foreground
from sfumato.ops.guided import ENDS
from sfumato.ops.trimap import check_pair, pixels, stretch, tiles, unknown_band, with_margin
from sfumato.types import Alpha, Context, Image, Mask, Matte, Matter

if TYPE_CHECKING:
    import scipy.sparse  # type: ignore[import-untyped, unused-ignore]

REQUIRES = ("pymatting", "scipy")
EXTRA = "matting"

REACH = 2
"""A pixel's row of the Laplacian (3 x 3 windows) holds pixels at most this far away."""


MOST = 2000
"""Steps of the solver after which the answer is taken as it is."""


class Options(BaseModel, extra="forbid"):
    """Where the matting equations hold, and how they are solved."""

    radius: float = Field(
        0.012,
        gt=0,
        le=0.2,
        description="half the width of the unknown band, as a fraction of the longer side",
    )
    eps: float = Field(
        1e-6, ge=1e-9, le=1, description="smoothness; larger values follow the picture less"
    )
    trust: float = Field(
        1e-2, gt=0, le=1, description="how much the coarse selection counts within the band"
    )
    tolerance: float = Field(1e-5, ge=1e-10, le=0.1, description="residual at which to stop")


def build(options: Options, context: Context) -> Matter:  # noqa: ARG001
    """A matter that solves the closed-form matting equations in the unknown band."""

    def matte(image: Image, coarse: Alpha) -> Matte:
        check_pair(image, coarse)
        alpha = stretch(coarse, ENDS)
        band = unknown_band(alpha, pixels(options.radius, image.shape))
        if band.any():
            alpha[band] = solve(image, alpha, band, options)
            alpha = stretch(alpha, ENDS)
        return Matte(alpha, foreground.estimate(image, alpha)[0])

    return matte


def solve(image: Image, alpha: Alpha, band: Mask, options: Options) -> NDArray[np.float32]:
    """Alpha of the unknown pixels: ``(L_uu + t C) x = t C alpha_u - L_uk alpha_k``.

    Known pixels are put in as they are instead of weighted by a large factor, so that only the
    band is solved for. ``t C`` is not in the paper: a weak pull to the coarse selection where
    that is sure of itself (``C = (2 alpha - 1)^2``), which settles parts of the band that no
    colour decides and keeps the matrix regular.

    Args:
        image: float32 ``[H, W, 3]``, 0..1.
        alpha: float32 ``[H, W]``, 0..1; exact outside the band, a guess inside it.
        band: bool ``[H, W]``, the U unknown pixels.
        options: regularisation and tolerance.

    Returns:
        float32 ``[U]``, 0..1, in the order of ``alpha[band]``.
    """
    import scipy.sparse  # type: ignore[import-untyped, unused-ignore]
    from scipy.sparse.linalg import LinearOperator, cg  # type: ignore[import-untyped, unused-ignore]

    laplacian = _rows(image, band, options.eps)  # [U, H * W]
    unknown = band.ravel()
    guess = alpha[band].astype(np.float64)
    pull = options.trust * (np.square(2 * guess - 1) + 1e-3)
    system = laplacian[:, unknown].tocsc() + scipy.sparse.diags(pull, format="csc")
    right = pull * guess - laplacian @ np.where(unknown, 0, alpha.ravel())
    inverse = LinearOperator(system.shape, _preconditioner(system), dtype=np.float64)
    solution, _ = cg(system, right, guess, rtol=options.tolerance, maxiter=MOST, M=inverse)
    return np.asarray(np.clip(solution, 0, 1), dtype=np.float32)


def _preconditioner(system: scipy.sparse.csc_matrix) -> Any:
    """Incomplete Cholesky factors, as a function that applies their inverse to a vector."""
    from pymatting import ichol

    # pymatting prints when it has to try a larger shift; standard output may be a picture's pipe.
    with contextlib.redirect_stdout(io.StringIO()):
        return ichol(system, shifts=[0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 100.0, 1e4])


def _rows(image: Image, band: Mask, eps: float) -> scipy.sparse.csr_matrix:
    """The unknown pixels' rows of the matting Laplacian: sparse ``[U, H * W]``.

    Put together from tiles: a row depends on its near neighbours only, so this is exact, while
    the Laplacian of a whole picture would take half a kilobyte a pixel.
    """
    import scipy.sparse  # type: ignore[import-untyped, unused-ignore]
    from pymatting import cf_laplacian

    number = np.arange(band.size).reshape(band.shape)
    row_of = np.cumsum(band.ravel()) - 1  # pixel -> its row among the unknown
    entries: list[tuple[Any, Any, Any]] = []
    for tile in tiles(band.shape):
        if band[tile].any():
            near, inside = with_margin(tile, REACH, band.shape)
            part = cf_laplacian(image[near].astype(np.float64), eps, 1, ~band[near])
            wanted = np.zeros(band[near].shape, dtype=np.bool_)
            wanted[inside] = band[tile]
            part = part[wanted.ravel()].tocoo()  # [rows of this tile, pixels of this tile]
            pixel = number[near].ravel()
            entries.append((part.data, row_of[pixel[wanted.ravel()]][part.row], pixel[part.col]))
    data, rows, columns = (np.concatenate(column) for column in zip(*entries, strict=True))
    shape = (int(band.sum()), band.size)
    return scipy.sparse.coo_matrix((data, (rows, columns)), shape).tocsr()
