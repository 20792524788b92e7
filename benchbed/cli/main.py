"""The entry point: dispatches commands and turns errors into messages."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from benchbed import __version__
from benchbed.cli.usage_errors import UsageError, is_help, make_usage_error
from benchbed.errors import BenchbedError, make_unknown_error
from benchbed.utils.files import DISK_FULL_ERRNOS
from benchbed.utils.stdout import protect_output

_MEMORY_PATTERN = re.compile(r".*(failed to map segment|cannot allocate memory$).*", re.IGNORECASE)

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
        command_app = import_module(f"benchbed.cli.{name}_command").app
        _expand_paths(command_app)
        command = typer.main.get_command(command_app)
        command.name = name
        return name, command, rest


def _expand_paths(command_app: typer.Typer) -> None:
    """Make the commands of an application replace ``~`` in all paths that they are given."""
    for info in command_app.registered_commands:
        if info.callback is not None:
            info.callback = _with_expanded_paths(info.callback)
    for group in command_app.registered_groups:
        if group.typer_instance is not None:
            _expand_paths(group.typer_instance)


def _with_expanded_paths(function: Callable[..., None]) -> Callable[..., None]:
    # Imported late: `benchbed --help` needs none of it.
    from benchbed.config.paths import expand_home

    @wraps(function)
    def run(**values: Any) -> None:
        function(
            **{
                name: expand_home(value) if isinstance(value, Path) else value
                for name, value in values.items()
            }
        )

    return run


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


def main() -> None:
    """Run the command line.

    User errors, and files that cannot be read or written, end with a message and exit code 2;
    a full disk or memory with exit code 1.
    """
    # OpenMP threads that spin while waiting steal cores from other processes: next to one busy
    # process on two cores, training was seven times slower. Without any spinning, a small network
    # alone is a third slower. This value is the measured compromise (GNU OpenMP).
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    with protect_output() as output:
        code = _run_app()
    if code == 0 and output.fault is not None:
        _print_error(f"The output could not be written: {output.fault}.")
        code = 1
    sys.exit(code)


def _run_app() -> int:
    """Run the command that is called, and return its exit code."""
    try:
        return app(prog_name="benchbed", standalone_mode=False) or 0
    except (Exception, KeyboardInterrupt) as error:
        if is_help(error):
            typer.echo(error, err=True)
            return 2
        text, code = _describe_failure(error)
        if not code:
            raise
        _print_error(text)
        return code


def _describe_failure(error: BaseException) -> tuple[str, int]:
    """Return the message and the exit code of an error; 0 for a bug, which keeps its traceback."""
    text, code = "", 0
    if isinstance(error, UsageError):
        text, code = str(make_usage_error(error)), 2
    elif isinstance(error, BenchbedError):
        text, code = str(error), 2
    elif isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
        text, code = f"{error.strerror}: {error.filename}; free some disk space.", 1
    elif isinstance(error, OSError) and error.filename is not None:
        text, code = f"{error.strerror}: {error.filename}.", 2
    elif isinstance(error, MemoryError):
        text, code = f"Out of memory{f' ({error})' if str(error) else ''}.", 1
    elif isinstance(error, ImportError) and (hit := _MEMORY_PATTERN.search(str(error))):
        # The loader of libraries raises it instead of MemoryError, as under `ulimit -v`.
        text, code = f"Out of memory while a library is loaded ({hit[0].strip()}).", 1
    elif isinstance(error, typer.Abort):
        text, code = "Stopped: no answer to the question.", 1
    elif isinstance(error, KeyboardInterrupt):
        text, code = "Stopped.", 130
    return text, code
