"""The entry point: dispatches commands and turns errors into messages."""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from benchbed import __version__
from benchbed.errors import BenchbedError, make_unknown_error
from benchbed.utils.files import DISK_FULL_ERRNOS

COMMANDS = {
    "run": "Train a method on a dataset, score it, and write a record.",
    "suite": "Run a suite: a grid of runs, usually one table of a paper.",
    "list": "List methods, datasets, metrics, tasks, suites, runs or plugins.",
    "show": "Show details of a method, dataset, metric, task or run.",
    "compare": "Compare runs: what differs, and which is better.",
    "report": "Build the leaderboards from the records.",
    "sample": "Sample images from a completed run.",
    "export": "Pack a completed run into a zip file with model card and checksums.",
    "import": "Verify an exported zip file and import it as a run.",
    "evaluate": "Score a folder of images against a folder of real images.",
    "runs": "Show the disk usage of runs and delete what is not needed.",
    "data": "Find, download and verify datasets.",
    "new": "Create a package for a new method or dataset.",
    "check": "Check that a method or dataset matches its spec.",
    "doctor": "Check device, weights, data and plugins.",
}

EPILOG = "Start with:\n\n  benchbed list methods\n\n  benchbed run --help"


class LazyGroup(TyperGroup):
    """A group that imports a command only when it is called, not to list it."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands in the order of the help text."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a stub with a command's name and summary, enough to list it."""
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:
                return None
            raise make_unknown_error("command", cmd_name, COMMANDS, "benchbed --help")
        return TyperCommand(cmd_name, short_help=COMMANDS[cmd_name])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is called."""
        name, named, rest = super().resolve_command(ctx, args)
        if named is None:
            return name, None, rest
        command = typer.main.get_command(import_module(f"benchbed.cli.{name}_command").app)
        command.name = name
        return name, command, rest


app = typer.Typer(
    name="benchbed",
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"benchbed {__version__}")
        raise typer.Exit


@app.callback(epilog=EPILOG)
def benchbed(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Compare GAN methods for medical images: same data, same budget, same metrics."""
    del version


def _print_error(text: str) -> None:
    from benchbed.cli.output import escape_control_characters

    typer.echo(f"benchbed: {escape_control_characters(text)}", err=True)


def _accept_all_characters() -> None:
    """Escape characters that the encoding of stdout does not have, as stderr does."""
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper) and (
        stdout.errors == "strict" or stdout.encoding.lower() != "utf-8"
    ):
        stdout.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run the command line.

    User errors, and files that cannot be read or written, end with a message and exit code 2;
    a full disk or memory with exit code 1.
    """
    # OpenMP threads that spin while waiting steal cores from other processes: next to one busy
    # process on two cores, training was seven times slower. Without any spinning, a small network
    # alone is a third slower. This value is the measured compromise (GNU OpenMP).
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    _accept_all_characters()
    try:
        app(prog_name="benchbed")
    except BenchbedError as error:
        _print_error(str(error))
        sys.exit(2)
    except BrokenPipeError:
        # The reader of the output, such as `head`, has exited.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        full = error.errno in DISK_FULL_ERRNOS
        # An OSError without a file is a bug of ours and keeps its traceback.
        if not full and error.filename is None:
            raise
        hint = "; free some disk space" if full else ""
        _print_error(f"{error.strerror}: {error.filename}{hint}.")
        sys.exit(1 if full else 2)
    except MemoryError as error:
        reason = f" ({error})" if str(error) else ""
        typer.echo(f"benchbed: Out of memory{reason}.", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("benchbed: stopped.", err=True)
        sys.exit(130)
