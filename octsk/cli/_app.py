"""The ``octsk`` command: parse the arguments, call the library and print the result.

The library, and TensorFlow with it, is imported only by the commands that need it, so that
``octsk --help`` answers at once.
"""

import codecs
import logging
import os
import signal
import sys
import warnings
from io import TextIOWrapper
from typing import Annotated

import typer
from typer.core import TyperGroup

from octsk._version import __version__
from octsk.cli._output import (
    format_error,
    format_usage_error,
    is_usage_error,
    make_warning_printer,
    print_message,
)
from octsk.utils.processes import standard_streams


class Terminated(BaseException):
    """Raised on SIGTERM, so that no half-written file remains.

    It is not a KeyboardInterrupt, after which a search continues with its best result.
    """


class _OneLineErrors(TyperGroup):
    """Report errors and interruptions as one line on stderr and an exit code."""

    def main(self, *args, **kwargs):
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except Exception as error:
            if not is_usage_error(error):
                raise
            print_message("error", format_usage_error(error))
            code = error.exit_code  # type: ignore[attr-defined]
        sys.exit(code)

    def invoke(self, ctx):
        try:
            with warnings.catch_warnings():
                warnings.showwarning = make_warning_printer()
                super().invoke(ctx)
                # Flush inside this block, since typer handles a closed pipe.
                sys.stdout.flush()
        except (KeyboardInterrupt, Terminated) as stop:
            terminated = isinstance(stop, Terminated)
            print_message("terminated" if terminated else "interrupted", *stop.args)
            # Shells report 128 plus the number of the signal.
            raise typer.Exit(143 if terminated else 130) from None
        except (typer.Exit, BrokenPipeError):
            raise
        except Exception as error:
            if is_usage_error(error) or ctx.params["debug"]:
                raise
            print_message("error", format_error(error))
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_OneLineErrors,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    # The boxes that typer draws leave little room for text in 80 columns.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"octsk {__version__}")
        raise typer.Exit


@app.callback()
def octsk_command(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", help="Show the traceback of errors and all messages of TensorFlow."
        ),
    ] = False,
) -> None:
    """Train, evaluate and use small CNNs for retinal OCT scans.

    octsk COMMAND --help shows the options of a command. Not for clinical use.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if debug else "2")
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


def main() -> None:
    """Run the ``octsk`` command."""
    # The library logs each failed download attempt; the final error covers all of them.
    logging.getLogger("octsk").setLevel(logging.ERROR)
    # A character that the terminal cannot show must not end a long command.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="octsk")
    signal.signal(signal.SIGTERM, _terminate)
    with standard_streams():
        app(prog_name="octsk")


def _encode_somehow(error: UnicodeError) -> tuple[str | bytes, int]:
    """Encode a file name that is not UTF-8 by its bytes, and other characters as "?"."""
    assert isinstance(error, UnicodeEncodeError)
    error.end = error.start + 1
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeEncodeError:
        return codecs.lookup_error("replace")(error)


codecs.register_error("octsk", _encode_somehow)


def _terminate(signum, frame):
    raise Terminated
