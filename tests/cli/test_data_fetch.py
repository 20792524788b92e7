"""The command ``benchbed data fetch``, with a local server."""

from __future__ import annotations

import io
import json
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
from benchbed import DatasetSpec, DownloadSource, Layout, LayoutPart, hookimpl

LAYOUT = Layout(
    folders=("Noise",), parts=(LayoutPart(image="{{id}}.png"),), diagram="  Noise/NAME.png"
)


@hookimpl
def benchbed_datasets():
    return [
        DatasetSpec(
            name="noise",
            title="Noise",
            modality="x",
            licence="public domain",
            access_instructions="roll dice at example.org.",
            layouts=(LAYOUT,),
            downloads=(DownloadSource(url="{url}", target_folder="Noise"),),
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
    """Serves one archive, or only its first half while `stalling`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = _archive()
        self.stalling = False
        self.first_bytes: list[int] = []
        self.stopped = threading.Event()

    def handle_error(self, *_: object) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        first = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.server.first_bytes.append(first)
        body = self.server.body
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body) - first))
        self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        if self.server.stalling:
            self.wfile.write(body[first : len(body) // 2])
            self.server.stopped.wait(60)
        else:
            self.wfile.write(body[first:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        threading.Thread(target=started.serve_forever, args=(0.01,), daemon=True).start()
        yield started
        started.stopped.set()
        started.shutdown()


@pytest.fixture
def site(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plugin whose dataset is on the local server, and an empty data root."""
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


def test_fetch_downloads_once_and_prints_the_next_command(
    cli: Run, site: Path, server: Server, tmp_path: Path
) -> None:
    result = cli("data", "fetch", "noise", "--data-root", "my data")
    assert result.returncode == 0, result.stderr
    log = result.stderr
    assert log.index("public domain") < log.index("noise.zip") < log.index("SHA-256")
    assert "benchbed data verify noise --data-root 'my data'" in log
    row = result.stdout.splitlines()[-1].split()
    assert row[:2] == ["noise", "real"]
    assert len(list((tmp_path / "my data/Noise").iterdir())) == 6
    again = cli("data", "fetch", "noise", "--data-root", "my data")
    assert again.returncode == 0
    assert len(server.first_bytes) == 1, "the archive was downloaded again"
    assert again.stdout == result.stdout
    verified = cli("data", "verify", "noise", "--data-root", "my data", "--json")
    assert json.loads(verified.stdout)["problems"] == "none"


def test_the_default_data_root_is_created(cli: Run, site: Path, tmp_path: Path) -> None:
    result = cli("data", "fetch", "noise", BENCHBED_CACHE=str(tmp_path / "cache"))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "cache/data/Noise/0.png").exists()


def test_ctrl_c_saves_the_partial_file_and_the_same_command_resumes(
    cli: Run, site: Path, server: Server, tmp_path: Path
) -> None:
    server.stalling = True
    arguments = ["data", "fetch", "noise", "--data-root", "my data"]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchbed", *arguments],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not (
        partial_files := [p for p in tmp_path.rglob("*.part") if p.stat().st_size > 100_000]
    ):
        assert time.monotonic() < deadline, "no data received"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in log
    kept_bytes = partial_files[0].stat().st_size
    assert partial_files[0].read_bytes() == server.body[:kept_bytes]
    server.stalling = False
    result = cli(*arguments)
    assert result.returncode == 0, result.stderr
    assert server.first_bytes[-1] == kept_bytes


def test_without_a_network_the_manual_instructions_are_printed(
    cli: Run, site: Path, server: Server, tmp_path: Path
) -> None:
    """No service listens on port 9."""
    spec = site / "noise_spec.py"
    spec.write_text(spec.read_text().replace(str(server.server_port), "9"))
    result = cli("data", "fetch", "noise", "--data-root", "my data")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    for fact in ("127.0.0.1", "noise", "Noise/NAME.png", "example.org"):
        assert fact in result.stderr


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (("drive",), ["DRIVE/training/images", "drive.grand-challenge.org"]),
        (("stair",), ["'stair'", "'stare'", "benchbed list datasets"]),
        (("stare", "--data-root", "nowhere"), ["--data-root", "nowhere"]),
    ],
    ids=["registration", "unknown", "no folder"],
)
def test_datasets_that_cannot_be_fetched_exit_with_2(
    arguments: tuple[str, ...], facts: list[str], cli: Run
) -> None:
    result = cli("data", "fetch", *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    for fact in facts:
        assert fact in result.stderr


def test_a_missing_dataset_that_can_be_fetched_gets_the_fetch_command(cli: Run) -> None:
    result = cli("run", "--method", "dcgan", "--dataset", "stare", "--source", "real")
    assert result.returncode == 2
    assert "`benchbed data fetch stare`" in result.stderr
