"""Text for the terminal: its loss stops nothing, and plugins' prints do not reach stdout."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDIN, STDOUT, STDERR = 0, 1, 2

CONTROL_PATTERN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that a terminal may obey; tabs and line feeds are allowed.

Besides control codes: marks that reverse the direction of writing, so that a text reads as another
one, and halves of surrogate pairs, which cannot be written as UTF-8.
"""


_REPLACEMENTS = {
    **{"→": "->", "←": "<-", "↑": "^", "↓": "v", "–": "-", "—": "-", "·": "-", "…": "..."},
    **{"×": "x", "±": "+/-", "≤": "<=", "≥": ">=", "≈": "~", "²": "^2", "‘": "'", "’": "'"},
    **{"“": '"', "”": '"'},
}
"""What is written for characters that an encoding does not have; others are escaped."""

_ENCODING_ERRORS = "benchbed.replace"


def _replace_characters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    escaped = (c.encode("ascii", "backslashreplace").decode() for c in characters)
    return (
        "".join(_REPLACEMENTS.get(c, e) for c, e in zip(characters, escaped, strict=True)),
        error.end,
    )


codecs.register_error(_ENCODING_ERRORS, _replace_characters)


class _TolerantFile(io.FileIO):
    """Output of this process that notes a failed write instead of raising it."""

    error: OSError | None = None

    def write(self, content: ReadableBuffer, /) -> int:
        """Write, or drop what cannot be written."""
        try:
            return super().write(content)
        except OSError as error:
            self.error = error
            return memoryview(content).nbytes


@dataclass
class OutputState:
    """What happened to stdout.

    Attributes:
        fault: Reason of lost output, such as a full disk; None if its reader exited.
    """

    fault: str | None = None


@contextlib.contextmanager
def protect_output() -> Iterator[OutputState]:
    """Let nothing fail in the block because its output cannot be written or encoded.

    A reader that exits, such as `head`, or a terminal that is closed wants no more output, which
    is no fault.
    """
    _open_missing_descriptors()
    state = OutputState()
    original = sys.stdout, sys.stderr
    sys.stdout, out = _protect_stream(sys.stdout, STDOUT)
    sys.stderr, err = _protect_stream(sys.stderr, STDERR)
    try:
        yield state
    finally:
        for file, stream in ((out, sys.stdout), (err, sys.stderr)):
            if file is not None:
                stream.flush()
        if out is not None and out.error is not None:
            is_closed = out.error.errno in (errno.EPIPE, errno.EIO)
            state.fault = None if is_closed else out.error.strerror
        sys.stdout, sys.stderr = original


def _open_missing_descriptors() -> None:
    """Open stdin, stdout and stderr if the process was started without them.

    Otherwise the next file that is opened gets their numbers, and output is written into it.
    """
    for number in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


def _protect_stream(stream: TextIO | None, number: int) -> tuple[TextIO, _TolerantFile | None]:
    """Return a stream that replaces `stream`, and its file if it writes to this descriptor."""
    if stream is not None:
        if not isinstance(stream, io.TextIOWrapper):
            return stream, None
        if not (stream.errors == "surrogateescape" and stream.encoding.lower() == "utf-8"):
            stream.reconfigure(errors=_ENCODING_ERRORS)
        try:
            if stream.fileno() != number:
                return stream, None
        except OSError:
            return stream, None
        stream.flush()
    file = _TolerantFile(number, "wb", closefd=False)
    protected = io.TextIOWrapper(
        io.BufferedWriter(file),
        encoding="utf-8" if stream is None else stream.encoding,
        errors=_ENCODING_ERRORS if stream is None else stream.errors,
        line_buffering=stream is not None and stream.line_buffering,
    )
    return protected, file


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
