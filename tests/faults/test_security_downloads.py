"""Untrusted servers: a download ends, and its message says what the server did."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchbed.data.download import http
from benchbed.data.download.http import BLOCK_BYTES, Downloader, DownloadError

CountAttempt = Callable[..., None]

OK = b"HTTP/1.1 200 OK\r\n"

FAULTS: dict[str, tuple[bytes, str]] = {
    "size that is no number": (OK + "Content-Length: ²\r\n\r\nx".encode("latin-1"), "size '²'"),
    "size of 5,000 digits": (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nx", "size"),
    "negative size": (OK + b"Content-Length: -5\r\n\r\nx", "size '-5'"),
    "range of 5,000 digits": (
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1-2/" + b"9" * 5000 + b"\r\n\r\nx",
        "changed",
    ),
    "redirect to no address": (
        b"HTTP/1.1 302 Found\r\nLocation: http://[::bad\r\nContent-Length: 0\r\n\r\n",
        "response|URL",
    ),
    "negative chunk": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n",
        "invalid|interrupted",
    ),
    "chunk of no size": (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabcde\r\n", "interrupted"),
    "no HTTP": (b"\x00\xff" * 50, "connection"),
}
"""Responses by kind, with a part of the expected reason."""


class _Server:
    """Server that sends the same bytes to everybody, with an optional slow ending."""

    def __init__(self) -> None:
        self.response = b""
        self.slow_seconds = 0.0
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/x"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.requests.append(connection.recv(65536))
                connection.sendall(self.response)
                end = time.monotonic() + self.slow_seconds
                while time.monotonic() < end:
                    connection.sendall(b"x")
                    time.sleep(0.02)
                # Without it, unread bytes reset the connection and lose the response.
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    """Return a local server; there is no pause between retries."""
    monkeypatch.setattr(http, "RETRY_SECONDS", 0.0)
    started = _Server()
    yield started
    started.close()


@pytest.mark.attack(
    guarantee="A download ends, and its message says what the server did.",
    attack="sizes, chunks and redirects that are no numbers or addresses, or have 5,000 digits",
)
@pytest.mark.parametrize("kind", FAULTS)
def test_invalid_responses(
    kind: str, server: _Server, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    server.response, reason = FAULTS[kind]
    with pytest.raises(DownloadError, match=reason):
        Downloader(tmp_path / "part", timeout=2.0)(server.url, tmp_path / "file")
    assert not (tmp_path / "file").exists()
    count_attempt(kind)


@pytest.mark.attack(
    guarantee="A download ends, and its message says what the server did.",
    attack="a server that sends one byte at a time: as content, in a chunk, in a header",
)
@pytest.mark.parametrize(
    ("kind", "start"),
    [
        ("content", OK + b"Content-Length: 1000000\r\n\r\n"),
        ("chunk", OK + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n"),
        ("header", OK + b"X: "),
        ("before the response", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 "),
    ],
)
def test_a_slow_server(
    kind: str, start: bytes, server: _Server, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    server.response, server.slow_seconds = start, 30.0
    started = time.monotonic()
    with pytest.raises(DownloadError, match=f"less than {BLOCK_BYTES} bytes"):
        Downloader(tmp_path / "part", timeout=0.1, max_attempts=1)(server.url, tmp_path / "file")
    assert time.monotonic() - started < 10.0
    count_attempt(kind)


@pytest.mark.attack(
    guarantee="A partial download is resumed, or started again.",
    attack="a saved tag that is not UTF-8, empty, cut in a character, or not a header",
)
@pytest.mark.parametrize(
    "tag", [b"\xff\xfe", b"", '"é"'.encode()[:2], b'"a"\r\nX: y', b"\x00", b"9" * 5000]
)
def test_a_damaged_tag(
    tag: bytes, server: _Server, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    (tmp_path / "part").write_bytes(b"other version")
    (tmp_path / "part.tag").write_bytes(tag)
    server.response = OK + b"Content-Length: 3\r\n\r\nnew"
    Downloader(tmp_path / "part", timeout=2.0)(server.url, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert b"Range" not in server.requests[0]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    count_attempt()
