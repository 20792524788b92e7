"""``benchbed report --serve``: the folder of leaderboards, for this machine alone."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchbed.errors import BenchbedError
from benchbed.report.render.html.server import HOST, _Server, serve


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of leaderboards, with a secret beside it and links that lead to it."""
    inside = tmp_path / "leaderboards"
    (inside / "more").mkdir(parents=True)
    (inside / "index.html").write_text("<p>page</p>")
    (inside / "a.csv").write_text("a,b\n")
    (inside / ".hidden").write_text("hidden")
    (tmp_path / "secret.txt").write_text("secret")
    (inside / "link.txt").symlink_to(tmp_path / "secret.txt")
    (inside / "up").symlink_to(tmp_path)
    return inside


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    with _Server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _ask(port: int, path: str, host: str | None = None, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"{HOST}:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_the_page_and_its_neighbours_are_served(port: int) -> None:
    assert _ask(port, "/") == (200, b"<p>page</p>")
    assert _ask(port, "/index.html?x=1") == (200, b"<p>page</p>")
    assert _ask(port, "/a.csv", f"localhost:{port}") == (200, b"a,b\n")
    assert _ask(port, "/a.csv", method="HEAD") == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/more/../../secret.txt",
        "//etc/passwd", "/link.txt", "/up/secret.txt", "/.hidden", "/more", "/more/", "/none",
        "/%00", f"/{'x' * 5000}", "/index.html/", "/..\\secret.txt",
    ],
)  # fmt: skip
def test_nothing_else_is_served_and_nothing_is_listed(path: str, port: int) -> None:
    status, content = _ask(port, path)
    assert status == 404
    assert b"secret" not in content.replace(b"secret.txt", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_written(method: str, port: int) -> None:
    assert _ask(port, "/a.csv", method=method)[0] == 501


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "[::1", "127.0.0.1.evil:1"])
def test_a_name_of_another_site_is_refused(host: str, port: int) -> None:
    """A page of that site could read the folder otherwise (DNS rebinding)."""
    assert _ask(port, "/", host)[0] == 421


def test_only_this_machine_is_answered(folder: Path) -> None:
    with _Server(folder, 0) as server:
        assert server.socket.getsockname()[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_said_in_a_sentence(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(BenchbedError, match=r"cannot be had .*--port 0"):
            serve(folder, taken.getsockname()[1], pytest.fail, browse=False)


def test_the_command_writes_the_page_serves_it_and_stops(results: Path, tmp_path: Path) -> None:
    words = ("report", "--serve", "--no-open", "--results", str(results), "--out", str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-m", "benchbed", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    said = process.stdout.readline()
    (port,) = re.findall(r"http://127\.0\.0\.1:(\d+)/", said)
    assert _ask(int(port), "/") == (200, (tmp_path / "index.html").read_bytes())
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert rest == "Stopped.\n"
    assert "Traceback" not in errors
    assert "records" in errors
