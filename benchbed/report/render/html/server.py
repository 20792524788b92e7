"""Serve a folder of leaderboards to the browser of this machine only."""

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
from benchbed.report.render.html.page import PAGE_FILE

HOST = "127.0.0.1"

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every response: no embedding or reading by other sites, no content sniffing."""


class _FolderHandler(SimpleHTTPRequestHandler):
    """Handler for the files of one folder: no listing, no hidden files, no links out of it."""

    server: _Server
    server_version = "benchbed"
    sys_version = ""

    def send_head(self) -> IO[bytes] | None:  # type: ignore[override]
        """Return the requested file, or send an error."""
        if self.headers.get("Host", "").rpartition(":")[0] not in (HOST, "localhost"):
            # DNS rebinding: a site whose name resolves to this machine must not read the files.
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        try:
            address = urlsplit(self.path)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return None
        if address.path == "/":
            self.path = f"/{PAGE_FILE}"
        if not self._is_allowed():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def _is_allowed(self) -> bool:
        """Return whether the request is for a file inside the folder that is not hidden."""
        root = Path(self.directory).resolve()
        try:
            path = Path(self.translate_path(self.path)).resolve()
            parts = path.relative_to(root).parts
            return path.is_file() and not any(part.startswith(".") for part in parts)
        except (OSError, ValueError):
            return False

    def end_headers(self) -> None:
        """Add the headers of every response."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Do nothing: the only reader needs no log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(
            (HOST, port), lambda *arguments: _FolderHandler(*arguments, directory=str(folder))
        )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore connections that the reader closed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def serve(folder: Path, port: int, log: Callable[[str], None], *, browse: bool) -> None:
    """Serve a folder of leaderboards until Ctrl-C.

    Args:
        folder: The only folder that is served.
        port: The port; 0 selects a free one.
        log: Receives the address once the server is ready.
        browse: Whether to open the browser.

    Raises:
        BenchbedError: The port is unavailable.
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
        log(f"Serving the leaderboards at {address}. Press Ctrl-C to stop.")
        try:
            if browse:
                webbrowser.open(address)
            server.serve_forever()
        except KeyboardInterrupt:
            log("Stopped.")
