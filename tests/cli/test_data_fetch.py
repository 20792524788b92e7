"""``benchbed data fetch`` as a user calls it; the data lie on a server of this machine."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Run = Callable[..., "subprocess.CompletedProcess[str]"]

SPEC = """
from benchbed import DatasetSpec, Download, Layout, Part, hookimpl

LAYOUT = Layout(
    folders=("Noise",), parts=(Part(image="{{id}}.png"),), picture="  Noise/NAME.png"
)


@hookimpl
def benchbed_datasets():
    return [
        DatasetSpec(
            name="noise",
            title="Noise",
            modality="x",
            licence="public domain",
            access="roll dice at example.org.",
            layouts=(LAYOUT,),
            downloads=(Download(url="{url}", target="Noise"),),
        )
    ]
"""


def _archive() -> bytes:
    rng, file = np.random.default_rng(0), io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(6):
            picture = io.BytesIO()
            pixels = rng.integers(0, 256, (160, 160, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(picture, "PNG")
            archive.writestr(f"{number}.png", picture.getvalue())
    return file.getvalue()


class Server(ThreadingHTTPServer):
    """Serves one archive; while `stalling`, half of it and then silence."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = _archive()
        self.stalling = False
        self.over = threading.Event()

    def handle_error(self, *_: object) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        first = int(self.headers.get("Range", "bytes=0-")[6:-1])
        body = self.server.body
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body) - first))
        self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        if self.server.stalling:
            self.wfile.write(body[first : len(body) // 2])
            self.server.over.wait(60)
        else:
            self.wfile.write(body[first:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        threading.Thread(target=started.serve_forever, args=(0.01,), daemon=True).start()
        yield started
        started.over.set()
        started.shutdown()


@pytest.fixture
def site(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plugin whose data set lies on that server, and a data root of its own."""
    site = tmp_path / "site"
    (site / "noise-1.0.dist-info").mkdir(parents=True)
    url = f"http://127.0.0.1:{server.server_port}/noise.zip"
    (site / "noise_spec.py").write_text(SPEC.format(url=url))
    (site / "noise-1.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: noise\nVersion: 1.0"
    )
    (site / "noise-1.0.dist-info/entry_points.txt").write_text("[benchbed]\nnoise = noise_spec\n")
    (tmp_path / "my data").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(site))
    return site


def test_fetch_and_what_comes_after(cli: Run, site: Path, tmp_path: Path) -> None:
    answer = cli("data", "fetch", "noise", "--data-root", "my data")
    assert answer.returncode == 0, answer.stderr
    said = answer.stderr
    assert said.index("public domain") < said.index("noise.zip") < said.index("SHA-256")
    assert "benchbed data verify noise --data-root 'my data'" in said
    row = answer.stdout.splitlines()[-1].split()
    assert row[:2] == ["noise", "real"]
    assert len(list((tmp_path / "my data/Noise").iterdir())) == 6
    again = cli("data", "fetch", "noise", "--data-root", "my data")
    assert again.returncode == 0
    assert "there already" in again.stderr
    assert again.stdout == answer.stdout
    assert cli("data", "verify", "noise", "--data-root", "my data").returncode == 0


def test_the_data_root_is_made_where_none_is_named(cli: Run, site: Path, tmp_path: Path) -> None:
    answer = cli("data", "fetch", "noise", BENCHBED_CACHE=str(tmp_path / "cache"))
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "cache/data/Noise/0.png").exists()


def test_ctrl_c_keeps_what_has_come_and_the_same_command_goes_on(
    cli: Run, site: Path, server: Server, tmp_path: Path
) -> None:
    server.stalling = True
    words = ["data", "fetch", "noise", "--data-root", "my data"]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchbed", *words],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not (parts := [p for p in tmp_path.rglob("*.part") if p.stat().st_size > 100_000]):
        assert time.monotonic() < deadline, "nothing comes"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert parts[0].read_bytes() == server.body[: parts[0].stat().st_size]
    server.stalling = False
    answer = cli(*words)
    assert answer.returncode == 0, answer.stderr
    assert "going on after" in answer.stderr


def test_without_a_network_it_says_where_to_go(
    cli: Run, site: Path, server: Server, tmp_path: Path
) -> None:
    """Port 9 is that of a service that nobody runs."""
    spec = site / "noise_spec.py"
    spec.write_text(spec.read_text().replace(str(server.server_port), "9"))
    answer = cli("data", "fetch", "noise", "--data-root", "my data")
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    for told in ("no connection to the server", "Noise/NAME.png", "example.org"):
        assert told in answer.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("drive",), ["DRIVE/training/images", "drive.grand-challenge.org", "no open download"]),
        (("stair",), ["did you mean 'stare'?", "benchbed list datasets"]),
        (("stare", "--data-root", "nowhere"), ["--data-root names nowhere"]),
    ],
    ids=["registration", "unknown", "no folder"],
)
def test_what_cannot_be_fetched_exits_with_2(
    words: tuple[str, ...], told: list[str], cli: Run
) -> None:
    answer = cli("data", "fetch", *words)
    assert answer.returncode == 2
    assert answer.stdout == ""
    for text in told:
        assert text in answer.stderr


def test_a_missing_set_that_can_be_fetched_is_told_so(cli: Run) -> None:
    answer = cli("run", "--method", "dcgan", "--dataset", "stare", "--source", "real")
    assert answer.returncode == 2
    assert "`benchbed data fetch stare`" in answer.stderr
