"""Text for the terminal: plugins' prints are redirected, so that stdout has only benchbed's."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator

STDOUT, STDERR = 1, 2

CONTROL_PATTERN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that a terminal may obey; tabs and line feeds are allowed.

Besides control codes: marks that reverse the direction of writing, so that a text reads as another
one, and halves of surrogate pairs, which cannot be written as UTF-8.
"""


def write_to_stderr(text: str) -> None:
    """Print a line to stderr, if there is one."""
    if sys.stderr is not None:
        print(text, file=sys.stderr)


class _LineWriter(io.TextIOBase):
    """Text stream that passes on each complete line."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._rest = ""

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Pass on the lines that are complete."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._log(line)
        return len(text)

    def flush(self) -> None:
        """Do nothing: lines are passed on at once, and a library may flush after the close."""

    def close(self) -> None:
        """Pass on the last, incomplete line."""
        self.write("\n")
        super().close()


@contextlib.contextmanager
def redirect_plugin_stdout(
    name: str, log: Callable[[str], None] = write_to_stderr
) -> Iterator[None]:
    """Redirect printed lines to `log`, prefixed with the name of the plugin.

    Output that bypasses ``sys.stdout``, as from C libraries or subprocesses, goes to stderr
    unchanged.
    """
    with contextlib.ExitStack() as stack:
        # Earlier output is not the plugin's.
        if sys.stdout is not None:
            sys.stdout.flush()
        # A process may have been started without stdout or stderr.
        with contextlib.suppress(OSError):
            saved = os.dup(STDOUT)
            stack.callback(os.close, saved)
            os.dup2(STDERR, STDOUT)
            stack.callback(os.dup2, saved, STDOUT)
        lines = stack.enter_context(
            contextlib.closing(_LineWriter(lambda text: log(f"{name}: {text}")))
        )
        stack.enter_context(contextlib.redirect_stdout(lines))
        yield
