"""Messages for wrong options and arguments, in the style of all other errors."""

from __future__ import annotations

import re
from typing import Any

import typer

from benchbed.errors import BenchbedError, make_unknown_error, simplify_validation_message

# The class that the command line library raises for wrong usage; it has no public name.
UsageError: Any = typer.BadParameter.__base__

_CHOICE_PATTERN = re.compile(r"'(.*)' is not one of (.*?)\.?", re.DOTALL)

_COMMAND_PATTERN = re.compile(r"No such command '(.*?)'.*", re.DOTALL)


def is_help(error: BaseException) -> bool:
    """Return whether this is the help of a command that is called without arguments."""
    return type(error).__name__ == "NoArgsIsHelpError"


def make_usage_error(error: Any) -> BenchbedError:
    """Return the message for a wrong option, argument or command, with the nearest match."""
    context = error.ctx
    command = f"{context.command_path} --help" if context is not None else "benchbed --help"
    message = simplify_validation_message(error.message or "")
    name = _get_parameter_name(error)
    if hasattr(error, "possibilities") and context is not None:
        options = [option for item in context.command.params for option in item.opts]
        known = [option for option in options if option.startswith("--")] + ["--help"]
        return make_unknown_error("option", error.option_name, known, command)
    if (hit := _COMMAND_PATTERN.fullmatch(message)) is not None:
        names = context.command.list_commands(context)
        return make_unknown_error("command", hit[1], names, command)
    if (hit := _CHOICE_PATTERN.fullmatch(message)) is not None:
        allowed = re.findall(r"'([^']+)'", hit[2])
        return make_unknown_error(name.lstrip("-"), hit[1], allowed, command)
    if hasattr(error, "param_type"):
        message = f"{name} is required"
    elif name:
        message = f"{name} {_describe_value(error)}{message}"
    return BenchbedError(f"{message.rstrip('.')}. Run `{command}` to see what is allowed.")


def _get_parameter_name(error: Any) -> str:
    parameter = getattr(error, "param", None)
    if parameter is None:
        return ""
    if parameter.param_type_name == "option":
        return str(max(parameter.opts, key=len))
    return str(parameter.name).upper()


def _describe_value(error: Any) -> str:
    """Return the beginning of the fault: the given value, if pydantic knows it."""
    details = getattr(error.__cause__, "errors", None)
    return f"is {details()[0]['input']!r}, but " if details is not None else "is invalid: "
