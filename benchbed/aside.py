"""What a plugin writes to stdout, kept out of what a script reads there."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator

STDOUT, STDERR = 1, 2


def to_stderr(text: str) -> None:
    """A line on stderr, where there is one."""
    if sys.stderr is not None:
        print(text, file=sys.stderr)


class _Lines(io.TextIOBase):
    """Passes each line on that is written to it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._rest = ""

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Say the lines that are complete by now."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._say(line)
        return len(text)

    def flush(self) -> None:
        """Nothing waits; a library may keep this for longer than it is open."""

    def close(self) -> None:
        """Say what has no end."""
        self.write("\n")
        super().close()


@contextlib.contextmanager
def stdout_aside(who: str, say: Callable[[str], None] = to_stderr) -> Iterator[None]:
    """Inside, what is printed is said with the name of who prints it.

    What goes past Python's ``sys.stdout``, as from a library or from a process that was started,
    goes to stderr as it is.

    Args:
        who: The method or plugin that is at work.
        say: Told each line.
    """
    with contextlib.ExitStack() as stack:
        # What was printed before is no plugin's.
        if sys.stdout is not None:
            sys.stdout.flush()
        # A process may have been started without one or the other.
        with contextlib.suppress(OSError):
            kept = os.dup(STDOUT)
            stack.callback(os.close, kept)
            os.dup2(STDERR, STDOUT)
            stack.callback(os.dup2, kept, STDOUT)
        lines = stack.enter_context(contextlib.closing(_Lines(lambda text: say(f"{who}: {text}"))))
        stack.enter_context(contextlib.redirect_stdout(lines))
        yield
