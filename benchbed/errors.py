"""Errors caused by the user, and the wording of unknown names.

A message says what was given, what is allowed, the nearest match and the next command. The command
line prints it without traceback and exits with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchbedError(Exception):
    """The user's input cannot be used; the text says why, and what to do."""


class BenchbedWarning(UserWarning):
    """Something the user should know that does not stop the run."""


def find_nearest(name: str, allowed: Iterable[str]) -> str | None:
    """Return the entry of `allowed` most similar to `name`, or None if none is close."""
    lowered = {candidate.lower(): candidate for candidate in allowed}
    matches = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return lowered[matches[0]] if matches else None


def make_unknown_error(kind: str, name: str, allowed: Iterable[str], command: str) -> BenchbedError:
    """Make the error for a name that does not exist; `command` lists those that do."""
    names = sorted(allowed)
    close = find_nearest(name, names)
    suggestion = f"; did you mean {close!r}?" if close else "."
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    available = f"Available: {shown}" if names else "None available"
    return BenchbedError(
        f"No {kind} named {name!r}{suggestion} {available}. Run `{command}` to see all names."
    )
