"""The ``sfumato`` command. Only this room prints or exits; the library raises."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from sfumato import __version__
from sfumato.cli import (
    ablate,
    backends,
    compare,
    cut,
    dataset,
    evaluate,
    inspect,
    paint,
    place,
    replay,
    serve,
    styles,
    train,
    weights,
    worker,
)
from sfumato.errors import SfumatoError

app = typer.Typer(
    name="sfumato",
    help="Paint the part of a picture that you choose, and keep the rest.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

app.command("paint")(paint.paint)
app.command("cut")(cut.cut)
app.command("place")(place.place)
app.command("replay")(replay.replay)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("ablate")(ablate.ablate)
app.command("compare")(compare.compare)
app.command("styles")(styles.styles)
app.command("backends")(backends.backends)
app.add_typer(dataset.app, name="dataset")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(inspect.app, name="inspect")
app.add_typer(train.app, name="train")
app.add_typer(weights.app, name="weights")


FILE_NAMES = {"--manifest": ".json", "--report": ".html"}
"""Options that may stand without a file name, and how the name ends that they take."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sfumato {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 some inputs failed, 2 a clear sentence said why,
    130 interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    try:
        app(join_file_names([a for a in arguments if a != "--debug"]), prog_name="sfumato")
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; there is nobody to tell
        sys.exit(2)
    except Exception as error:
        if debug:
            raise
        if _interrupted(error):
            _fail("interrupted", 130)
        _fail(_sentence(error), 2)


def join_file_names(arguments: Sequence[str]) -> list[str]:
    """Some options take a file name only if one with the right ending follows; the option parser
    knows no such thing, so the two are joined here: ``--manifest=run.json``, or ``--manifest=``."""
    joined: list[str] = []
    for argument in arguments:
        option = joined[-1][:-1] if joined and joined[-1].endswith("=") else ""
        if option in FILE_NAMES and argument.endswith(FILE_NAMES[option]):
            joined[-1] += argument
        else:
            joined.append(f"{argument}=" if argument in FILE_NAMES else argument)
    return joined


def _interrupted(error: BaseException | None) -> bool:
    """Whether an interrupt is behind an error: one that comes in the middle of taking a lock makes
    the lock fail as it is let go."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _sentence(error: Exception) -> str:
    if isinstance(error, SfumatoError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory; try a smaller picture or a smaller --size"
    return f"unexpected error: {type(error).__name__}: {error} (--debug shows where)"


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"sfumato: {message}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
