"""``benchbed report --serve``: serves the folder of leaderboards to this machine only."""

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
    """A folder of leaderboards, with links to a secret file outside it."""
    leaderboards = tmp_path / "leaderboards"
    (leaderboards / "more").mkdir(parents=True)
    (leaderboards / "index.html").write_text("<p>page</p>")
    (leaderboards / "a.csv").write_text("a,b\n")
    (leaderboards / ".hidden").write_text("hidden")
    (tmp_path / "secret.txt").write_text("secret")
    (leaderboards / "link.txt").symlink_to(tmp_path / "secret.txt")
    (leaderboards / "up").symlink_to(tmp_path)
    return leaderboards


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    with _Server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _request(
    port: int, path: str, host: str | None = None, method: str = "GET"
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"{HOST}:{port}")
    connection.endheaders()
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, content


def test_the_page_and_other_files_of_the_folder_are_served(port: int) -> None:
    assert _request(port, "/") == (200, b"<p>page</p>")
    assert _request(port, "/index.html?x=1") == (200, b"<p>page</p>")
    assert _request(port, "/a.csv", f"localhost:{port}") == (200, b"a,b\n")
    assert _request(port, "/a.csv", method="HEAD") == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/more/../../secret.txt",
        "//etc/passwd", "/link.txt", "/up/secret.txt", "/.hidden", "/more", "/more/", "/none",
        "/%00", f"/{'x' * 5000}", "/index.html/", "/..\\secret.txt",
    ],
)  # fmt: skip
def test_other_files_are_not_served_and_folders_not_listed(path: str, port: int) -> None:
    status, content = _request(port, path)
    assert status == 404
    assert b"secret" not in content.replace(b"secret.txt", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_written(method: str, port: int) -> None:
    assert _request(port, "/a.csv", method=method)[0] == 501


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "[::1", "127.0.0.1.evil:1"])
def test_another_host_name_is_rejected(host: str, port: int) -> None:
    """Prevents DNS rebinding, by which another site could read the folder."""
    assert _request(port, "/", host)[0] == 421


def test_the_server_listens_on_localhost_only(folder: Path) -> None:
    with _Server(folder, 0) as server:
        assert server.socket.getsockname()[0] == "127.0.0.1"


def test_a_port_in_use_is_named(folder: Path) -> None:
    with socket.socket() as other_socket:
        other_socket.bind((HOST, 0))
        other_socket.listen()
        port = other_socket.getsockname()[1]
        with pytest.raises(BenchbedError, match=rf"\b{port}\b.*--port 0"):
            serve(folder, port, pytest.fail, browse=False)


def test_the_command_writes_and_serves_the_page_until_interrupted(
    results: Path, tmp_path: Path
) -> None:
    arguments = (
        "report",
        "--serve",
        "--no-open",
        "--results",
        str(results),
        "--out",
        str(tmp_path),
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "benchbed", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    (port,) = re.findall(r"http://127\.0\.0\.1:(\d+)/", line)
    assert _request(int(port), "/") == (200, (tmp_path / "index.html").read_bytes())
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert rest.count("\n") == 1
    assert "Traceback" not in errors
    assert "records" in errors
