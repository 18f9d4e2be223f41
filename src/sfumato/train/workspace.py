"""The folder that a training works in, and the quiet that it works in."""

from __future__ import annotations

import logging
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from pydantic import BaseModel, ValidationError

from sfumato.errors import PictureError, UsageError
from sfumato.io._files import write_whole
from sfumato.train.recipe import differences

RECIPE, CARD, LAST, BEST = "recipe.json", "README.md", "last.ckpt", "best.safetensors"
NET, ONNX, METRICS, CURVES = "net.safetensors", "net.onnx", "metrics.csv", "curves.png"

LOG = "tensorboard"

NO_TENSORFLOW = "tensorboard.compat.notf"

COMMON = (RECIPE, CARD, LAST, BEST, NET, ONNX, METRICS, CURVES, LOG)
"""What every training leaves in its folder."""


def prepare(
    folder: Path, recipe: BaseModel, written: Sequence[str], *, resume: bool, overwrite: bool
) -> None:
    """Make the folder ready to train in, and keep the recipe in it.

    Args:
        folder: made if it is not there.
        recipe: how the training is to be.
        written: names of all that such a training leaves; ``overwrite`` removes these alone.
        resume: go on with the training in it.
        overwrite: begin anew.

    Raises:
        UsageError: it holds a training, and none of the options says what to do with it, or the
            training to go on with was another one.
        PictureError: it cannot be written.
    """
    if resume and overwrite:
        raise UsageError("use either --resume or --overwrite, not both")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; expected a folder to train in")
    if resume:
        _check_same(folder, recipe)
    if not (resume or overwrite) and folder.exists() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} is not empty; give --resume to go on with a training in it, or --overwrite"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in written if overwrite else ():
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except OSError as error:
        raise PictureError(f"{folder} cannot be written: {error.strerror or error}") from None
    write_whole(folder / RECIPE, recipe.model_dump_json(indent=2).encode(), overwrite=True)


def _check_same(folder: Path, recipe: BaseModel) -> None:
    path = folder / RECIPE
    try:
        before = type(recipe).model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no training to go on with in {folder}") from None
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{path} is not the record of such a training: {reason}") from None
    if other := differences(before, recipe):
        raise UsageError(
            f"the training in {folder} is another one: {', '.join(other)} differ; go on with the "
            "same settings, or choose another folder"
        )


def trainer(folder: Path, device: str, callbacks: list[Callback], **settings: Any) -> Trainer:
    """Lightning's trainer as every training here has it.

    Args:
        folder: for TensorBoard's log, too.
        device: ``cpu``, ``cuda`` or ``mps``.
        callbacks: what is done beside the learning; they write the checkpoints, too.
        settings: further ones of Lightning's.
    """
    # TensorBoard writes through TensorFlow where that is installed, which takes seconds to load and
    # talks. This is the name by which it is told not to.
    sys.modules.setdefault(NO_TENSORFLOW, ModuleType(NO_TENSORFLOW))
    return Trainer(
        default_root_dir=folder,
        accelerator=device,
        logger=TensorBoardLogger(folder, name="", version=LOG),
        callbacks=callbacks,
        log_every_n_steps=10,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        benchmark=device == "cuda",
        **settings,
    )


@contextmanager
def muted() -> Iterator[None]:
    """Lightning's remarks kept back, and its ways to end turned into the usual ones."""
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            for kind in (UserWarning, FutureWarning, DeprecationWarning):
                warnings.filterwarnings("ignore", category=kind, module=r"(lightning|torch)\b")
            yield
    except SystemExit:
        raise KeyboardInterrupt from None
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        if "Terminated" in str(error):  # a whole group of processes was asked to end
            raise KeyboardInterrupt from None
        raise UsageError(
            "a process that reads samples ended unexpectedly, perhaps for want of memory; "
            "--resume goes on, with --set workers=0 in this process alone"
        ) from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if signal.getsignal(signal.SIGINT) is not interrupt:
            signal.signal(signal.SIGINT, interrupt)
