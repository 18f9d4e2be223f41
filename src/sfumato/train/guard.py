"""The collapse guard: notices that a net has come to predict one class only, and says why.

Two classes with few pixels of one, a loss that counts every pixel alike, and too long a first
step: the nearest optimum is then the answer that is right for most pixels and needs no picture.
Once there, the gradients of saturated outputs are next to nothing, and the net stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfumato.evaluate.metrics import Counts
from sfumato.train.recipe import Recipe

CONSTANT = 0.999
"""Share of the pixels in one class from which a prediction counts as constant..."""

VARIED = 0.995
"""...unless the truth has at least this share in that class, too."""

MISSED = 0.05
"""All background: fewer foreground pixels are predicted than this share of those that are."""

RARE = 0.3
"""Share of the foreground below which a loss that counts all pixels alike favours background."""

HIGH_RATES = {"sgd": 5e-3, "adam": 1e-3, "adamw": 1e-3}
"""Rates from which a collapse is likely theirs, and a tenth of them is a good next try."""

BALANCED = ("dice", "bce_dice", "lovasz")
"""Losses that weigh a small class as much as a large one."""


@dataclass(frozen=True)
class Collapse:
    """A prediction that holds next to one class only.

    Attributes:
        kind: the class that is left.
        predicted: share of the pixels that were predicted as foreground, 0..1.
        true: the same of the truth.
    """

    kind: str
    predicted: float
    true: float


def find(counts: Counts, classes: tuple[str, ...]) -> Collapse | None:
    """Whether a validation shows a collapse.

    Args:
        counts: its confusion matrix, ``[C, C]``, rows the truth.
        classes: names of the C classes; 0 = background.
    """
    total = int(counts.sum())
    if not total:
        return None
    truth, predicted = counts.sum(1) / total, counts.sum(0) / total
    last = int(np.argmax(predicted))
    constant = predicted[last] >= CONSTANT and truth[last] < VARIED
    missed = truth[0] < 1 and predicted[1:].sum() < MISSED * truth[1:].sum()
    if not (constant or missed):
        return None
    return Collapse(classes[last], float(predicted[1:].sum()), float(truth[1:].sum()))


def advice(collapse: Collapse, recipe: Recipe, checks: int, *, fell: bool = False) -> str:
    """What happened, why it commonly does, and what to change: one sentence.

    Args:
        collapse: what was found.
        recipe: what the net is trained by.
        checks: validations in a row that found it.
        fell: the training loss has fallen well below its first value all the same.
    """
    shares = f"{collapse.predicted:.1%} of the pixels are foreground, in truth {collapse.true:.1%}"
    reasons = _reasons(collapse, recipe, fell)[:2]
    return (
        f"the net predicts {collapse.kind!r} nearly everywhere ({shares}; {checks} "
        f"{'validation' if checks == 1 else 'validations'} in a row): commonly "
        f"{', or '.join(reasons)}"
    )


def _reasons(collapse: Collapse, recipe: Recipe, fell: bool) -> list[str]:
    """Causes that fit this recipe, the likeliest first, each with what to change."""
    reasons = []
    if fell:
        reasons.append(
            "the statistics of batch norm fit the training batches only, which are small or unlike "
            f"the pictures measured on (--set batch={4 * recipe.batch}, or --set average=0.99)"
        )
    if recipe.rate >= HIGH_RATES[recipe.optimizer]:
        reasons.append(
            f"the rate {recipe.rate:g} is too high for {recipe.optimizer} with {recipe.loss} "
            f"(--set rate={recipe.rate / 10:g} --set warmup=200)"
        )
    if collapse.true < RARE and recipe.loss not in BALANCED and not recipe.class_weights:
        weight = round(max(2.0, (1 - collapse.true) / max(collapse.true, 1e-3)) ** 0.5, 1)
        weights = [1.0] + [weight] * (len(recipe.classes) - 1)
        reasons.append(
            f"{recipe.loss} counts every pixel alike and most are background "
            f"(--set loss=bce_dice, or --set class_weights={str(weights).replace(' ', '')})"
        )
    if recipe.start == "none":
        reasons.append(
            "the encoder starts from random weights (--set start=imagenet"
            + (", with --set encoder=resnet34)" if recipe.encoder is None else ")")
        )
    if recipe.precision == "16-mixed":
        reasons.append("small gradients vanish in half precision (--set precision=bf16-mixed)")
    if not reasons:
        reasons.append(
            "too few steps so far, or a rate that is still too high "
            f"(--set rate={recipe.rate / 3:.2g})"
        )
    return reasons
