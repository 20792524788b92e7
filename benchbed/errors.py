"""Errors caused by the user, and the wording of unknown names.

A message says what was given, what is allowed, the nearest match and the next command. The command
line prints it without traceback and exits with code 2.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class BenchbedError(Exception):
    """The user's input cannot be used; the text says why, and what to do."""


class BenchbedWarning(UserWarning):
    """Something the user should know that does not stop the run."""


def find_similar_name(name: str, allowed: Iterable[str]) -> str | None:
    """Return the entry of `allowed` most similar to `name`, or None if none is close."""
    lowered = {candidate.lower(): candidate for candidate in allowed}
    matches = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return lowered[matches[0]] if matches else None


def describe_error(error: BaseException) -> str:
    """Return the first line of an error without its full stop, or its type if it has no text."""
    return (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__


def describe_validation_error(error: ValidationError) -> tuple[str, str]:
    """Return the field, with dots, and the message of the first fault that pydantic found."""
    first = error.errors()[0]
    return ".".join(map(str, first["loc"])), simplify_validation_message(first["msg"])


def simplify_validation_message(message: str) -> str:
    """Return what pydantic says of a value, as the end of a sentence."""
    text = re.sub(r"^(Value|Assertion) error, ", "", message)
    text = re.sub(r", unable to (parse|interpret) .*$", "", text)
    text = re.sub(r"^(Input|[A-Z][a-z]+) should ", "must ", text)
    if text == "Field required":
        return "it is missing"
    return text[:1].lower() + text[1:]


def make_unknown_error(
    kind: str, name: str, allowed: Iterable[str], *commands: str
) -> BenchbedError:
    """Make the error for a name that does not exist; `commands` list those that do."""
    names = sorted(allowed)
    close = find_similar_name(name, names)
    suggestion = f"; did you mean {close!r}?" if close else "."
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    listing = " or ".join(f"`{command}`" for command in commands)
    available = f"Available: {listed}" if names else "None available"
    return BenchbedError(
        f"No {kind} named {name!r}{suggestion} {available}. Run {listing} to see all names."
    )
