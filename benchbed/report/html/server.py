"""Showing a folder of leaderboards in this machine's browser, and to nobody else."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Callable
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from benchbed.errors import BenchbedError
from benchbed.report.html.page import PAGE

HOST = "127.0.0.1"

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What every answer says: no other site may show or read it, and no browser guesses its kind."""


class _Handler(SimpleHTTPRequestHandler):
    """Serves the files of one folder: no listing, nothing hidden, no link that leads out of it."""

    server: _Server
    server_version = "benchbed"
    sys_version = ""

    def send_head(self) -> IO[bytes] | None:  # type: ignore[override]
        """The file that was asked for, or an error."""
        if self.headers.get("Host", "").rpartition(":")[0] not in (HOST, "localhost"):
            # Another site whose name was pointed at this machine may not read what is here.
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        if urlsplit(self.path).path == "/":
            self.path = f"/{PAGE}"
        if not self._allowed():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def _allowed(self) -> bool:
        """Whether a file inside the folder was asked for, and none that is hidden."""
        root = Path(self.directory).resolve()
        try:
            asked = Path(self.translate_path(self.path)).resolve()
            within = asked.relative_to(root).parts
            return asked.is_file() and not any(part.startswith(".") for part in within)
        except (OSError, ValueError):
            return False

    def end_headers(self) -> None:
        """Add what every answer says."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the one reader knows what they clicked."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__((HOST, port), lambda *given: _Handler(*given, directory=str(folder)))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who went away is no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def serve(folder: Path, port: int, say: Callable[[str], None], *, browse: bool) -> None:
    """Serve a folder of leaderboards until Ctrl-C.

    Args:
        folder: What is served; nothing else is.
        port: The port; 0 takes one that is free.
        say: Told the address, once it answers.
        browse: Whether to open it in the user's browser.

    Raises:
        BenchbedError: The port cannot be had.
    """
    try:
        server = _Server(folder, port)
    except OSError as error:
        raise BenchbedError(
            f"Port {port} of {HOST} is unavailable ({error.strerror}). Select another with "
            "--port, or use --port 0 for a free one."
        ) from error
    with server:
        address = f"http://{HOST}:{server.server_port}/"
        say(f"Serving the leaderboards at {address}. Press Ctrl-C to stop.")
        try:
            if browse:
                webbrowser.open(address)
            server.serve_forever()
        except KeyboardInterrupt:
            say("Stopped.")
