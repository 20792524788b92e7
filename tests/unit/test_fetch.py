"""Download of open datasets: resuming, verification and safe unpacking, on a local server."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import socket
import stat
import struct
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from benchbed import DatasetSpec, DownloadSource, Layout, LayoutPart
from benchbed.data.download import http, unpack
from benchbed.data.download.fetch import FetchError, fetch_dataset
from benchbed.data.download.http import BLOCK_BYTES, Downloader, DownloadError
from benchbed.data.sources.resolve import find_dataset
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry


class ReceivedRequest(NamedTuple):
    """A request as the server received it."""

    path: str
    range: str
    status: int
    sent: int


class Server(ThreadingHTTPServer):
    """Server of bytes by path, with faults on demand."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.length = True
        self.etag = '"one"'
        self.statuses: list[int] = []
        self.drops: list[int] = []
        self.resets = 0
        self.skew = 0
        self.requests: list[ReceivedRequest] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def handle_error(self, *_: object) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    """Handler that returns the file or, if ranges are enabled, the requested part."""

    server: Server

    def do_GET(self) -> None:
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
            return
        server, body = self.server, self.server.files.get(self.path[1:], b"")
        requested = self.headers.get("Range", "")
        status, first = 200, 0
        if server.statuses:
            status, body = server.statuses.pop(0), b""
        elif self.path[1:] not in server.files:
            status = 404
        elif (
            requested and server.ranges and self.headers.get("If-Range", server.etag) == server.etag
        ):
            first = int(requested.removeprefix("bytes=").removesuffix("-")) + server.skew
            status = 206 if first < len(body) else 416
        part = body[first:] if status in (200, 206) else b""
        cut = server.drops.pop(0) if part and server.drops else len(part)
        server.requests.append(ReceivedRequest(self.path[1:], requested, status, cut))
        self.send_response(status)
        if server.length:
            self.send_header("Content-Length", str(len(part)))
        if status in (206, 416):
            span = f"{first}-{len(body) - 1}" if status == 206 else "*"
            self.send_header("Content-Range", f"bytes {span}/{len(body)}")
        self.send_header("ETag", server.etag)
        self.end_headers()
        self.wfile.write(part[:cut])
        if cut < len(part) and server.resets:
            server.resets -= 1
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return a local server; there is no pause between retries."""
    monkeypatch.setattr(http, "RETRY_SECONDS", 0.0)
    with Server() as started:
        threading.Thread(target=started.serve_forever, args=(0.01,), daemon=True).start()
        yield started
        started.shutdown()


def _noise(name: str, size: int = 64) -> bytes:
    """Return an image that does not compress."""
    rng = np.random.default_rng(sum(name.encode()))
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


PICTURES = {f"{part}/{n}.png": _noise(f"{part}{n}") for part in ("images", "masks") for n in "abcd"}


def _zipped(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def _tarred(members: Mapping[str, bytes], mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _spec(*downloads: DownloadSource) -> DatasetSpec:
    return DatasetSpec(
        name="example",
        title="Example",
        modality="x",
        licence="CC BY 4.0",
        access_instructions="go to example.org and sign the form.",
        layouts=(
            Layout(
                folders=("Example",),
                parts=(LayoutPart(image="images/{id}.png", mask="masks/{id}.png"),),
                diagram="  Example/images/a.png",
            ),
        ),
        downloads=downloads,
    )


class Fetcher:
    """Calls `fetch` for one data root and records its messages."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.messages: list[str] = []
        self.counts: list[tuple[str, int, int]] = []

    def __call__(self, spec: DatasetSpec, force: bool = False) -> str:
        self.messages.clear()
        self.counts.clear()
        fetch_dataset(
            spec, self.root, force=force, log=self.messages.append,
            progress=lambda *count: self.counts.append(count),
        )  # fmt: skip
        return "\n".join(self.messages)

    def files(self, folder: str = "Example") -> dict[str, bytes]:
        base = self.root / folder
        return {
            path.relative_to(base).as_posix(): path.read_bytes()
            for path in sorted(base.rglob("*"))
            if path.is_file()
        }

    def leftovers(self) -> list[str]:
        """Return temporary files in the data root, except for the lock."""
        folder = self.root / ".downloads"
        return [p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock"]


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    return Fetcher(tmp_path / "data")


def test_a_download_prints_licence_and_hash(server: Server, fetcher: Fetcher) -> None:
    body = server.files["all.zip"] = _zipped({**PICTURES, "__MACOSX/images/._a.png": b"x"})
    output = fetcher(_spec(DownloadSource(url=server.url("all.zip"), target_folder="Example")))
    assert fetcher.files() == PICTURES
    assert "CC BY 4.0" in fetcher.messages[0]
    assert _sha256(body) in output
    names = [path.name for path in (fetcher.root / ".downloads").iterdir()]
    assert names == ["example.lock"]
    assert [(request.range, request.status) for request in server.requests] == [("", 200)]
    assert ("Example, files", 8, 8) in fetcher.counts
    assert any("MB" in what for what, _, _ in fetcher.counts)


def test_a_known_hash_is_verified_and_not_printed(server: Server, fetcher: Fetcher) -> None:
    body = server.files["x.tar"] = _tarred(PICTURES)
    output = fetcher(
        _spec(
            DownloadSource(url=server.url("x.tar"), target_folder="Example", sha256=_sha256(body))
        )
    )
    assert fetcher.files() == PICTURES
    assert "SHA-256" not in output


def test_a_dataset_of_two_archives_needs_both(server: Server, fetcher: Fetcher) -> None:
    """The second is missing at first; the first is not downloaded again."""
    images = {name[7:]: body for name, body in PICTURES.items() if name.startswith("images")}
    masks = {name[6:]: body for name, body in PICTURES.items() if name.startswith("masks")}
    spec = _spec(
        DownloadSource(url=server.url("one/file"), target_folder="Example/images"),
        DownloadSource(url=server.url("two/file"), target_folder="Example/masks"),
    )
    server.files["one/file"] = _tarred(images, "w:gz")
    with pytest.raises(FetchError, match="404"):
        fetcher(spec)
    assert not find_dataset(spec, fetcher.root).layouts
    server.files["two/file"] = _tarred(masks)
    fetcher(spec)
    assert fetcher.files() == PICTURES
    assert [request.path for request in server.requests] == ["one/file", "two/file", "two/file"]


def test_a_broken_connection_is_resumed(server: Server, fetcher: Fetcher) -> None:
    body = server.files["all.zip"] = _zipped(PICTURES)
    half = len(body) // 2
    server.drops = [half]
    fetcher(
        _spec(
            DownloadSource(url=server.url("all.zip"), target_folder="Example", sha256=_sha256(body))
        )
    )
    assert fetcher.files() == PICTURES
    assert [(request.range, request.status) for request in server.requests] == [
        ("", 200),
        (f"bytes={half}-", 206),
    ]
    assert sum(request.sent for request in server.requests) == len(body), "no byte is sent twice"


def test_a_later_call_resumes_and_reports_it(server: Server, fetcher: Fetcher) -> None:
    body = server.files["all.zip"] = _zipped(PICTURES)
    spec = _spec(DownloadSource(url=server.url("all.zip"), target_folder="Example"))
    server.drops = [1000] * http.MAX_ATTEMPTS
    with pytest.raises(FetchError, match=rf"{server.url('all.zip')}.*\b1 MB\b") as caught:
        fetcher(spec)
    assert "go to example.org" in str(caught.value)
    assert "Example/images/a.png" in str(caught.value)
    assert not find_dataset(spec, fetcher.root).layouts
    received = 1000 * http.MAX_ATTEMPTS
    server.requests.clear()
    assert "1 MB" in fetcher(spec)
    assert [(request.range, request.sent) for request in server.requests] == [
        (f"bytes={received}-", len(body) - received)
    ]
    assert fetcher.files() == PICTURES


def test_an_interrupt_keeps_the_received_part(server: Server, tmp_path: Path) -> None:
    body = server.files["x"] = np.random.default_rng(0).bytes(5 * BLOCK_BYTES)
    stopped = Downloader(tmp_path / "part", report_progress=_stop_after(3 * BLOCK_BYTES))
    with pytest.raises(KeyboardInterrupt):
        stopped(server.url("x"), tmp_path / "complete")
    assert (tmp_path / "part").stat().st_size == 3 * BLOCK_BYTES
    Downloader(tmp_path / "part")(server.url("x"), tmp_path / "complete")
    assert (tmp_path / "complete").read_bytes() == body
    assert server.requests[-1].range == f"bytes={3 * BLOCK_BYTES}-"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["complete"]


def _stop_after(most: int) -> Callable[[int, int], None]:
    def counted(done: int, total: int) -> None:
        del total
        if done >= most:
            raise KeyboardInterrupt

    return counted


def test_a_reset_connection_is_retried(server: Server, tmp_path: Path) -> None:
    server.files["x"] = np.random.default_rng(0).bytes(5 * BLOCK_BYTES)
    server.drops, server.resets = [3 * BLOCK_BYTES], 1
    Downloader(tmp_path / "part")(server.url("x"), tmp_path / "complete")
    assert (tmp_path / "complete").read_bytes() == server.files["x"]
    assert len(server.requests) == 2


def test_a_part_is_resumed_after_a_redirect(server: Server, tmp_path: Path) -> None:
    server.files["x"] = b"x" * 100
    (tmp_path / "part").write_bytes(b"x" * 60)
    Downloader(tmp_path / "part")(server.url("moved/x"), tmp_path / "complete")
    assert (tmp_path / "complete").read_bytes() == b"x" * 100
    assert [(request.range, request.sent) for request in server.requests] == [("bytes=60-", 40)]


def test_without_ranges_the_whole_file_is_requested_again(server: Server, fetcher: Fetcher) -> None:
    body = server.files["all.zip"] = _zipped(PICTURES)
    server.ranges, server.drops = False, [len(body) // 2]
    fetcher(
        _spec(
            DownloadSource(url=server.url("all.zip"), target_folder="Example", sha256=_sha256(body))
        )
    )
    assert fetcher.files() == PICTURES
    assert [request.status for request in server.requests] == [200, 200]
    assert server.requests[1].sent == len(body)


def test_parts_of_two_versions_are_not_combined(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "part"
    server.files["x"], server.drops = b"old" * BLOCK_BYTES, [BLOCK_BYTES]
    with pytest.raises(DownloadError):
        Downloader(part, max_attempts=1)(server.url("x"), tmp_path / "complete")
    server.files["x"], server.etag = b"new" * BLOCK_BYTES, '"two"'
    Downloader(part, max_attempts=1)(server.url("x"), tmp_path / "complete")
    assert (tmp_path / "complete").read_bytes() == b"new" * BLOCK_BYTES
    assert server.requests[1].range == f"bytes={BLOCK_BYTES}-"


@pytest.mark.parametrize(("received", "requests"), [(100, 1), (150, 2)])
def test_a_complete_part_is_used_and_a_longer_one_deleted(
    received: int, requests: int, server: Server, tmp_path: Path
) -> None:
    server.files["x"] = b"x" * 100
    (tmp_path / "part").write_bytes(b"x" * received)
    Downloader(tmp_path / "part")(server.url("x"), tmp_path / "complete")
    assert (tmp_path / "complete").read_bytes() == b"x" * 100
    assert len(server.requests) == requests


def test_a_response_with_another_range_is_not_used(server: Server, tmp_path: Path) -> None:
    body = server.files["x"] = np.random.default_rng(0).bytes(100)
    (tmp_path / "part").write_bytes(body[:50])
    server.skew = 10
    Downloader(tmp_path / "part")(server.url("x"), tmp_path / "complete")
    assert (tmp_path / "complete").read_bytes() == body
    assert [request.range for request in server.requests] == ["bytes=50-", ""]


def test_a_file_of_unknown_length_is_downloaded(server: Server, tmp_path: Path) -> None:
    server.files["x"], server.length = b"x" * 3 * BLOCK_BYTES, False
    Downloader(tmp_path / "part")(server.url("x"), tmp_path / "complete")
    assert (tmp_path / "complete").read_bytes() == b"x" * 3 * BLOCK_BYTES


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (403, 1), (503, http.MAX_ATTEMPTS)])
def test_only_a_busy_server_is_retried(
    status: int, tries: int, server: Server, tmp_path: Path
) -> None:
    server.files["x"], server.statuses = b"x", [status] * tries
    with pytest.raises(DownloadError, match=str(status)):
        Downloader(tmp_path / "part")(server.url("x"), tmp_path / "complete")
    assert len(server.requests) == tries
    assert list(tmp_path.iterdir()) == []


def test_a_silent_and_an_unreachable_server_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "RETRY_SECONDS", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        with pytest.raises(DownloadError, match=r"\b0\.1 s"):
            Downloader(tmp_path / "part", timeout=0.1)(url, tmp_path / "complete")
    with pytest.raises(DownloadError, match="connection"):
        Downloader(tmp_path / "part")(url, tmp_path / "complete")


def test_a_server_without_tls_raises(server: Server, tmp_path: Path) -> None:
    url = server.url("x").replace("http:", "https:")
    with pytest.raises(DownloadError, match=r"\bsecure\b"):
        Downloader(tmp_path / "part")(url, tmp_path / "complete")


def test_a_file_with_a_wrong_hash_is_rejected_and_deleted(server: Server, fetcher: Fetcher) -> None:
    body = server.files["all.zip"] = _zipped(PICTURES)
    wrong, right = (
        _spec(DownloadSource(url=server.url("all.zip"), target_folder="Example", sha256=known))
        for known in ("0" * 64, _sha256(body))
    )
    with pytest.raises(
        FetchError, match=rf"{server.url('all.zip')}.*SHA-256\b.*{'0' * 64}"
    ) as caught:
        fetcher(wrong)
    assert "example.org" in str(caught.value)
    assert fetcher.leftovers() == []
    assert not find_dataset(wrong, fetcher.root).layouts
    fetcher(right)
    assert fetcher.files() == PICTURES


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", r"\bzip\b.*\btar\b"),
        (b"<html>moved</html>", r"\bzip\b.*\btar\b"),
        (_zipped(PICTURES)[:-3000] + b"x" * 3000, r"\bzip\b.*\btar\b"),
        (_zipped({"other/a.png": b"x"}), r"\bimages\b.*\bExample\b"),
        (_zipped({**PICTURES, "images/e.png": b"x"}), r"\b1 of 5\b.*images/e\.png"),
        (_tarred({}), r"\bimages\b.*\bExample\b"),
    ],
    ids=["nothing", "page", "cut", "other", "unpaired", "empty"],
)
def test_an_invalid_download_does_not_change_the_data_root(
    body: bytes, reason: str, server: Server, fetcher: Fetcher
) -> None:
    server.files["all.zip"] = body
    spec = _spec(DownloadSource(url=server.url("all.zip"), target_folder="Example"))
    with pytest.raises(FetchError, match=reason) as caught:
        fetcher(spec)
    assert ".downloads" not in str(caught.value)
    assert [path.name for path in fetcher.root.iterdir()] == [".downloads"]
    assert fetcher.leftovers() == []


def test_a_target_outside_the_known_folders_is_rejected(server: Server, fetcher: Fetcher) -> None:
    server.files["all.zip"] = _zipped(PICTURES)
    url = server.url("all.zip")
    with pytest.raises(FetchError, match=rf"{url}\b.*\bOther/.*\bfolders\b.*\bExample/"):
        fetcher(_spec(DownloadSource(url=url, target_folder="Other")))
    assert [path.name for path in fetcher.root.iterdir()] == [".downloads"]


def _linked_zip(target: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo("images/a.png")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, target)
    return file.getvalue()


def _special_tar(kind: bytes, target: str = "") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("images/a.png")
        member.type, member.linkname = kind, target
        archive.addfile(member)
    return file.getvalue()


def _bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images/a.png", bytes(unpack.ALLOWED_BYTES + 1))
    return file.getvalue()


LINK = r"'images/a\.png'.*\blink\b"

UNSAFE = {
    "zip, parent": (_zipped({"../evil": b"x"}), r"'\.\./evil'.*\boutside\b"),
    "zip, deep parent": (_zipped({"images/../../evil": b"x"}), r"evil'.*\boutside\b"),
    "zip, backslash": (_zipped({"..\\evil": b"x"}), r"evil'.*\boutside\b"),
    "zip, absolute": (_zipped({"/tmp/evil": b"x"}), r"\babsolute\b.*evil'"),
    "zip, drive": (_zipped({"C:evil": b"x"}), r"\babsolute\b.*evil'"),
    "zip, link": (_linked_zip("/etc"), LINK),
    "zip, link inside": (_linked_zip("b.png"), LINK),
    "zip, bomb": (_bomb(), r"\b100\b"),
    "tar, parent": (_tarred({"../evil": b"x"}), r"evil'.*\boutside\b"),
    "tar, absolute": (_tarred({"/tmp/evil": b"x"}), r"\babsolute\b.*evil'"),
    "tar, link": (_special_tar(tarfile.SYMTYPE, "/etc"), LINK),
    "tar, link inside": (_special_tar(tarfile.SYMTYPE, "b.png"), LINK),
    "tar, hard link": (_special_tar(tarfile.LNKTYPE, "b.png"), LINK),
    "tar, device": (_special_tar(tarfile.CHRTYPE), r"'images/a\.png'.*\bdevice\b"),
    "tar, bomb": (_tarred({"a": bytes(unpack.ALLOWED_BYTES + 1)}, "w:gz"), r"\b100\b"),
}


@pytest.mark.parametrize("kind", UNSAFE)
def test_an_unsafe_archive_is_rejected_before_anything_is_written(
    kind: str, server: Server, fetcher: Fetcher, tmp_path: Path
) -> None:
    server.files["x"], reason = UNSAFE[kind]
    with pytest.raises(FetchError, match=rf"{server.url('x')}\b.*{reason}"):
        fetcher(_spec(DownloadSource(url=server.url("x"), target_folder="Example")))
    assert fetcher.leftovers() == []
    assert not list(tmp_path.rglob("*evil*"))
    assert not list(tmp_path.rglob("*.png"))


def test_a_damaged_member_is_named(server: Server, fetcher: Fetcher) -> None:
    body = bytearray(_zipped(PICTURES))
    body[5000] ^= 255
    server.files["x"] = bytes(body)
    with pytest.raises(FetchError, match=r"CRC-32\b.*'images/a\.png'"):
        fetcher(_spec(DownloadSource(url=server.url("x"), target_folder="Example")))
    assert not (fetcher.root / "Example").exists()


def test_an_existing_dataset_is_not_changed(server: Server, fetcher: Fetcher) -> None:
    server.files["all.zip"] = _zipped(PICTURES)
    spec = _spec(DownloadSource(url=server.url("all.zip"), target_folder="Example"))
    fetcher(spec)
    (fetcher.root / "Example/images/a.png").write_bytes(b"own")
    output = fetcher(spec)
    assert str(fetcher.root / "Example") in output
    assert "--force" in output
    assert fetcher.files()["images/a.png"] == b"own"
    assert len(server.requests) == 1


def test_force_downloads_again_and_deletes_nothing(server: Server, fetcher: Fetcher) -> None:
    server.files["all.zip"] = _zipped(PICTURES)
    spec = _spec(DownloadSource(url=server.url("all.zip"), target_folder="Example"))
    for number in (1, 2):
        (fetcher.root / "example").mkdir(parents=True)
        (fetcher.root / "example/own.txt").write_text("own")
        assert f"example.old-{number}" in fetcher(spec, force=True)
        assert fetcher.files() == PICTURES
        assert fetcher.files(f"example.old-{number}") == {"own.txt": b"own"}
        (fetcher.root / "Example").rename(fetcher.root / f"set-{number}")
    assert len(server.requests) == 2


def test_force_renames_a_folder_with_another_name_of_the_dataset(
    server: Server, fetcher: Fetcher
) -> None:
    """Otherwise the old folder, which is searched first, would still be used."""
    server.files["all.zip"] = _zipped(PICTURES)
    spec = _spec(DownloadSource(url=server.url("all.zip"), target_folder="Example"))
    spec = replace(spec, layouts=(replace(spec.layouts[0], folders=("Other", "Example")),))
    (fetcher.root / "Other").mkdir(parents=True)
    fetcher(spec, force=True)
    assert [folder for _, folder in find_dataset(spec, fetcher.root).layouts] == [
        fetcher.root / "Example"
    ]
    assert (fetcher.root / "Other.old-1").is_dir()


def test_a_folder_in_the_target_path_is_renamed(server: Server, fetcher: Fetcher) -> None:
    """The outer folder exists with other files; the dataset does not."""
    server.files["all.zip"] = _zipped(PICTURES)
    spec = _spec(DownloadSource(url=server.url("all.zip"), target_folder="Example/inner"))
    spec = replace(spec, layouts=(replace(spec.layouts[0], folders=("Example/inner",)),))
    (fetcher.root / "example").mkdir(parents=True)
    (fetcher.root / "example/own.txt").write_text("own")
    assert "example.old-1" in fetcher(spec)
    assert fetcher.files("Example/inner") == PICTURES
    assert fetcher.files("example.old-1") == {"own.txt": b"own"}


def test_an_invalid_existing_folder_is_named(fetcher: Fetcher) -> None:
    (fetcher.root / "Example").mkdir(parents=True)
    with pytest.raises(
        BenchbedError, match=r"/data/Example\b(.|\n)*Example/images/a\.png(.|\n)*--force"
    ):
        fetcher(_spec(DownloadSource(url="http://127.0.0.1:9/x", target_folder="Example")))


def test_a_dataset_behind_registration_names_where_to_get_it(fetcher: Fetcher) -> None:
    with pytest.raises(BenchbedError, match="Example") as caught:
        fetcher(_spec(), force=True)
    for fact in ("example.org", "Example/images/a.png", str(fetcher.root)):
        assert fact in str(caught.value)
    assert not fetcher.root.exists()


def test_a_full_disk_is_detected_before_writing(
    server: Server, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = server.files["all.zip"] = _zipped(PICTURES)
    spec = _spec(DownloadSource(url=server.url("all.zip"), target_folder="Example"))

    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(2 * len(body) - 1))
    with pytest.raises(
        BenchbedError, match=rf"{re.escape(str(fetcher.root))}\b.*\b1 MB\b.*\b0 MB\b.*--data-root"
    ):
        fetcher(spec)
    assert fetcher.leftovers() == []
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(2 * len(body)))
    fetcher(spec)
    assert fetcher.files() == PICTURES


def test_a_disk_that_fills_during_unpacking_raises(
    server: Server, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["all.zip"] = _zipped(PICTURES)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extract", full)
    with pytest.raises(BenchbedError, match=rf"{re.escape(str(fetcher.root))}\b.*--data-root"):
        fetcher(_spec(DownloadSource(url=server.url("all.zip"), target_folder="Example")))
    assert not (fetcher.root / "Example").exists()


def test_an_unwritable_data_root_is_named(fetcher: Fetcher) -> None:
    fetcher.root.parent.mkdir(exist_ok=True)
    fetcher.root.mkdir()
    (fetcher.root / ".downloads").write_text("in the way")
    with pytest.raises(BenchbedError, match=r"/\.downloads\b.*--data-root"):
        fetcher(_spec(DownloadSource(url="http://127.0.0.1:9/x", target_folder="Example")))


def test_interrupted_unpacking_restarts_without_a_download(
    server: Server, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["all.zip"] = _zipped(PICTURES)
    spec = _spec(DownloadSource(url=server.url("all.zip"), target_folder="Example"))
    extract = zipfile.ZipFile.extract

    def interrupt(self: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> str:
        if entry.filename.endswith("c.png"):
            raise KeyboardInterrupt
        return extract(self, entry, folder)

    monkeypatch.setattr(zipfile.ZipFile, "extract", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetcher(spec)
    assert not find_dataset(spec, fetcher.root).layouts
    monkeypatch.setattr(zipfile.ZipFile, "extract", extract)
    fetcher(spec)
    assert fetcher.files() == PICTURES
    assert len(server.requests) == 1


def test_two_processes_do_not_download_the_same_dataset(fetcher: Fetcher) -> None:
    (fetcher.root / ".downloads").mkdir(parents=True)
    with (
        FileLock(fetcher.root / ".downloads/example.lock"),
        pytest.raises(
            BenchbedError, match=rf"process\b.*\bexample\b.*{re.escape(str(fetcher.root))}"
        ),
    ):
        fetcher(_spec(DownloadSource(url="http://127.0.0.1:9/x", target_folder="Example")))


@pytest.mark.parametrize(
    "invalid",
    [
        {"url": "ftp://example.org/x"},
        {"target_folder": "../x"},
        {"target_folder": "/x"},
        {"target_folder": ""},
        {"target_folder": "a\\b"},
        {"sha256": "abc"},
        {"sha256": "A" * 64},
        {"md5": "0" * 31},
        {"target_file": "../x"},
        {"target_file": "a/b"},
    ],
    ids=str,
)
def test_invalid_downloads_raise(invalid: dict[str, str]) -> None:
    ((field, value),) = invalid.items()
    subject = "" if field == "url" else field
    with pytest.raises(ValueError, match=rf"download {subject}.*{re.escape(repr(value))}"):
        DownloadSource(**{"url": "https://example.org/x", "target_folder": "x", **invalid})


OPEN_DATASETS = [spec for spec in get_registry().get_specs(DatasetSpec).values() if spec.downloads]


@pytest.mark.parametrize("spec", OPEN_DATASETS, ids=lambda spec: spec.name)
def test_downloads_match_the_layouts(spec: DatasetSpec) -> None:
    targets = [download.target for download in spec.downloads]
    if spec.archive is not None:
        assert set(targets) <= set(spec.archive.files)
        return
    folders = {name.split("/")[0].lower() for layout in spec.layouts for name in layout.folders}
    assert {target.split("/")[0].lower() for target in targets} <= folders
    assert len(set(targets)) == len(targets)


def test_some_datasets_are_open() -> None:
    """Otherwise the test above would check nothing."""
    assert OPEN_DATASETS
