"""The errors that a user can cause, and how they are worded.

A message says what was given, what is allowed, the nearest match and the next command. The
command line prints it as it is and exits with code 2; no traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchbedError(Exception):
    """Something the user gave cannot be used; the text says what, and what to do."""


class BenchbedWarning(UserWarning):
    """Something a user should know that does not stop the work."""


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The entry of `allowed` that is spelled most like `name`, or None if none is close."""
    lowered = {candidate.lower(): candidate for candidate in allowed}
    matches = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return lowered[matches[0]] if matches else None


def unknown(kind: str, name: str, allowed: Iterable[str], command: str) -> BenchbedError:
    """The error for a name that does not exist.

    Args:
        kind: What was looked for, such as ``"method"``.
        name: What the user gave.
        allowed: Every name that exists.
        command: The command that lists what is allowed.
    """
    names = sorted(allowed)
    close = nearest(name, names)
    guess = f"; did you mean {close!r}?" if close else "."
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    there = f"Available: {shown}" if names else "None available"
    return BenchbedError(
        f"No {kind} named {name!r}{guess} {there}. Run `{command}` to see all names."
    )
