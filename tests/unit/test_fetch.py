"""Open data sets are downloaded, resumed, checked and unpacked safely, all on this machine."""

from __future__ import annotations

import errno
import hashlib
import io
import os
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

from benchbed import DatasetSpec, Download, Layout, Part
from benchbed.data import download, unpack
from benchbed.data.download import BLOCK, Downloader, DownloadFailed
from benchbed.data.fetch import FetchFailed, fetch
from benchbed.data.source import look
from benchbed.errors import BenchbedError
from benchbed.registry import registry


class Asked(NamedTuple):
    """A request as the server saw it."""

    path: str
    range: str
    status: int
    sent: int


class Server(ThreadingHTTPServer):
    """Serves bytes by path, and misbehaves as it is told."""

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
        self.asked: list[Asked] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def handle_error(self, *_: object) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    """Answers with the whole file or, where it may, the part that was asked for."""

    server: Server

    def do_GET(self) -> None:
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
            return
        server, body = self.server, self.server.files.get(self.path[1:], b"")
        asked = self.headers.get("Range", "")
        status, first = 200, 0
        if server.statuses:
            status, body = server.statuses.pop(0), b""
        elif self.path[1:] not in server.files:
            status = 404
        elif asked and server.ranges and self.headers.get("If-Range", server.etag) == server.etag:
            first = int(asked.removeprefix("bytes=").removesuffix("-")) + server.skew
            status = 206 if first < len(body) else 416
        part = body[first:] if status in (200, 206) else b""
        cut = server.drops.pop(0) if part and server.drops else len(part)
        server.asked.append(Asked(self.path[1:], asked, status, cut))
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
    """A server of this machine; nobody waits between two tries."""
    monkeypatch.setattr(download, "PAUSE", 0.0)
    with Server() as started:
        threading.Thread(target=started.serve_forever, args=(0.01,), daemon=True).start()
        yield started
        started.shutdown()


def _noise(name: str, size: int = 64) -> bytes:
    """A picture that does not pack."""
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


def _spec(*downloads: Download) -> DatasetSpec:
    return DatasetSpec(
        name="example",
        title="Example",
        modality="x",
        licence="CC BY 4.0",
        access="go to example.org and sign the form.",
        layouts=(
            Layout(
                folders=("Example",),
                parts=(Part(image="images/{id}.png", mask="masks/{id}.png"),),
                picture="  Example/images/a.png",
            ),
        ),
        downloads=downloads,
    )


class Fetched:
    """Calls `fetch` into one root and keeps what it says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said: list[str] = []
        self.counts: list[tuple[str, int, int]] = []

    def __call__(self, spec: DatasetSpec, force: bool = False) -> str:
        self.said.clear()
        self.counts.clear()
        fetch(
            spec, self.root, force=force, say=self.said.append,
            counted=lambda *count: self.counts.append(count),
        )  # fmt: skip
        return "\n".join(self.said)

    def files(self, folder: str = "Example") -> dict[str, bytes]:
        place = self.root / folder
        return {
            path.relative_to(place).as_posix(): path.read_bytes()
            for path in sorted(place.rglob("*"))
            if path.is_file()
        }

    def left(self) -> list[str]:
        """What lies in the root beside the data sets, but for the lock."""
        workshop = self.root / ".downloads"
        return [p.name for p in workshop.rglob("*") if p.is_file() and p.suffix != ".lock"]


@pytest.fixture
def fetched(tmp_path: Path) -> Fetched:
    return Fetched(tmp_path / "data")


def test_a_set_comes_whole_with_its_licence_first_and_its_hash(
    server: Server, fetched: Fetched
) -> None:
    body = server.files["all.zip"] = _zipped({**PICTURES, "__MACOSX/images/._a.png": b"x"})
    said = fetched(_spec(Download(url=server.url("all.zip"), target="Example")))
    assert fetched.files() == PICTURES
    assert "CC BY 4.0" in fetched.said[0]
    assert _sha256(body) in said
    names = [path.name for path in (fetched.root / ".downloads").iterdir()]
    assert names == ["example.lock"]
    assert [(ask.range, ask.status) for ask in server.asked] == [("", 200)]
    assert ("Example, files", 8, 8) in fetched.counts
    assert any("MB" in what for what, _, _ in fetched.counts)


def test_a_known_hash_is_checked_and_not_told(server: Server, fetched: Fetched) -> None:
    body = server.files["x.tar"] = _tarred(PICTURES)
    said = fetched(_spec(Download(url=server.url("x.tar"), target="Example", sha256=_sha256(body))))
    assert fetched.files() == PICTURES
    assert "SHA-256" not in said


def test_a_set_of_several_archives_is_seen_only_when_all_are_there(
    server: Server, fetched: Fetched
) -> None:
    """The second is missing at first: then the first is not asked for again."""
    images = {name[7:]: body for name, body in PICTURES.items() if name.startswith("images")}
    masks = {name[6:]: body for name, body in PICTURES.items() if name.startswith("masks")}
    spec = _spec(
        Download(url=server.url("one/file"), target="Example/images"),
        Download(url=server.url("two/file"), target="Example/masks"),
    )
    server.files["one/file"] = _tarred(images, "w:gz")
    with pytest.raises(FetchFailed, match="404"):
        fetched(spec)
    assert not look(spec, fetched.root).places
    server.files["two/file"] = _tarred(masks)
    fetched(spec)
    assert fetched.files() == PICTURES
    assert [ask.path for ask in server.asked] == ["one/file", "two/file", "two/file"]


def test_a_broken_connection_goes_on_where_it_broke(server: Server, fetched: Fetched) -> None:
    body = server.files["all.zip"] = _zipped(PICTURES)
    half = len(body) // 2
    server.drops = [half]
    fetched(_spec(Download(url=server.url("all.zip"), target="Example", sha256=_sha256(body))))
    assert fetched.files() == PICTURES
    assert [(ask.range, ask.status) for ask in server.asked] == [("", 200), (f"bytes={half}-", 206)]
    assert sum(ask.sent for ask in server.asked) == len(body), "no byte is sent twice"


def test_a_later_call_goes_on_and_says_so(server: Server, fetched: Fetched) -> None:
    body = server.files["all.zip"] = _zipped(PICTURES)
    spec = _spec(Download(url=server.url("all.zip"), target="Example"))
    server.drops = [1000] * download.TRIES
    with pytest.raises(FetchFailed, match="the same command goes on from there") as caught:
        fetched(spec)
    assert "go to example.org" in str(caught.value)
    assert "Example/images/a.png" in str(caught.value)
    assert not look(spec, fetched.root).places
    there = 1000 * download.TRIES
    server.asked.clear()
    assert "going on after 1 MB" in fetched(spec)
    assert [(ask.range, ask.sent) for ask in server.asked] == [
        (f"bytes={there}-", len(body) - there)
    ]
    assert fetched.files() == PICTURES


def test_ctrl_c_leaves_what_has_come(server: Server, tmp_path: Path) -> None:
    body = server.files["x"] = np.random.default_rng(0).bytes(5 * BLOCK)
    stopped = Downloader(tmp_path / "part", counted=_stop_after(3 * BLOCK))
    with pytest.raises(KeyboardInterrupt):
        stopped(server.url("x"), tmp_path / "whole")
    assert (tmp_path / "part").stat().st_size == 3 * BLOCK
    Downloader(tmp_path / "part")(server.url("x"), tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == body
    assert server.asked[-1].range == f"bytes={3 * BLOCK}-"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["whole"]


def _stop_after(most: int) -> Callable[[int, int], None]:
    def counted(done: int, total: int) -> None:
        del total
        if done >= most:
            raise KeyboardInterrupt

    return counted


def test_a_connection_that_is_reset_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.files["x"] = np.random.default_rng(0).bytes(5 * BLOCK)
    server.drops, server.resets = [3 * BLOCK], 1
    Downloader(tmp_path / "part")(server.url("x"), tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == server.files["x"]
    assert len(server.asked) == 2


def test_a_part_goes_on_behind_a_redirection(server: Server, tmp_path: Path) -> None:
    server.files["x"] = b"x" * 100
    (tmp_path / "part").write_bytes(b"x" * 60)
    Downloader(tmp_path / "part")(server.url("moved/x"), tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == b"x" * 100
    assert [(ask.range, ask.sent) for ask in server.asked] == [("bytes=60-", 40)]


def test_a_server_without_ranges_is_asked_for_the_whole_again(
    server: Server, fetched: Fetched
) -> None:
    body = server.files["all.zip"] = _zipped(PICTURES)
    server.ranges, server.drops = False, [len(body) // 2]
    fetched(_spec(Download(url=server.url("all.zip"), target="Example", sha256=_sha256(body))))
    assert fetched.files() == PICTURES
    assert [ask.status for ask in server.asked] == [200, 200]
    assert server.asked[1].sent == len(body)


def test_a_file_that_changed_meanwhile_is_not_put_together_from_two(
    server: Server, tmp_path: Path
) -> None:
    part = tmp_path / "part"
    server.files["x"], server.drops = b"old" * BLOCK, [BLOCK]
    with pytest.raises(DownloadFailed):
        Downloader(part, tries=1)(server.url("x"), tmp_path / "whole")
    server.files["x"], server.etag = b"new" * BLOCK, '"two"'
    Downloader(part, tries=1)(server.url("x"), tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == b"new" * BLOCK
    assert server.asked[1].range == f"bytes={BLOCK}-"


@pytest.mark.parametrize(("there", "asked"), [(100, 1), (150, 2)])
def test_a_part_that_is_all_or_more_than_all(
    there: int, asked: int, server: Server, tmp_path: Path
) -> None:
    """Whoever was stopped after the last byte needs no more; too much is thrown away."""
    server.files["x"] = b"x" * 100
    (tmp_path / "part").write_bytes(b"x" * there)
    Downloader(tmp_path / "part")(server.url("x"), tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == b"x" * 100
    assert len(server.asked) == asked


def test_a_part_that_begins_elsewhere_than_asked_is_not_taken(
    server: Server, tmp_path: Path
) -> None:
    body = server.files["x"] = np.random.default_rng(0).bytes(100)
    (tmp_path / "part").write_bytes(body[:50])
    server.skew = 10
    Downloader(tmp_path / "part")(server.url("x"), tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == body
    assert [ask.range for ask in server.asked] == ["bytes=50-", ""]


def test_a_file_of_unknown_length_comes_too(server: Server, tmp_path: Path) -> None:
    server.files["x"], server.length = b"x" * 3 * BLOCK, False
    Downloader(tmp_path / "part")(server.url("x"), tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == b"x" * 3 * BLOCK


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (403, 1), (503, download.TRIES)])
def test_a_refusal_is_final_and_a_busy_server_is_asked_again(
    status: int, tries: int, server: Server, tmp_path: Path
) -> None:
    server.files["x"], server.statuses = b"x", [status] * tries
    with pytest.raises(DownloadFailed, match=str(status)):
        Downloader(tmp_path / "part")(server.url("x"), tmp_path / "whole")
    assert len(server.asked) == tries
    assert list(tmp_path.iterdir()) == []


def test_a_silent_server_and_none_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        with pytest.raises(DownloadFailed, match=r"no answer for 0\.1 seconds"):
            Downloader(tmp_path / "part", timeout=0.1)(url, tmp_path / "whole")
    with pytest.raises(DownloadFailed, match="no connection to the server"):
        Downloader(tmp_path / "part")(url, tmp_path / "whole")


def test_a_server_that_cannot_be_trusted(server: Server, tmp_path: Path) -> None:
    url = server.url("x").replace("http:", "https:")
    with pytest.raises(DownloadFailed, match="no secure connection"):
        Downloader(tmp_path / "part")(url, tmp_path / "whole")


def test_a_file_with_another_hash_is_refused_and_removed(server: Server, fetched: Fetched) -> None:
    body = server.files["all.zip"] = _zipped(PICTURES)
    wrong, right = (
        _spec(Download(url=server.url("all.zip"), target="Example", sha256=known))
        for known in ("0" * 64, _sha256(body))
    )
    with pytest.raises(FetchFailed, match="SHA-256 is not 0000") as caught:
        fetched(wrong)
    assert "removed" in str(caught.value)
    assert "example.org" in str(caught.value)
    assert fetched.left() == []
    assert not look(wrong, fetched.root).places
    fetched(right)
    assert fetched.files() == PICTURES


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "neither a zip nor a tar"),
        (b"<html>moved</html>", "neither a zip nor a tar"),
        (_zipped(PICTURES)[:-3000] + b"x" * 3000, "neither a zip nor a tar"),
        (_zipped({"other/a.png": b"x"}), "holds no image"),
        (_zipped({**PICTURES, "images/e.png": b"x"}), "1 of 5 images"),
        (_tarred({}), "holds no image"),
    ],
    ids=["nothing", "page", "cut", "other", "unpaired", "empty"],
)
def test_what_is_not_the_data_set_leaves_the_data_root_as_it_was(
    body: bytes, reason: str, server: Server, fetched: Fetched
) -> None:
    server.files["all.zip"] = body
    spec = _spec(Download(url=server.url("all.zip"), target="Example"))
    with pytest.raises(FetchFailed, match=reason) as caught:
        fetched(spec)
    assert ".downloads" not in str(caught.value)
    assert [path.name for path in fetched.root.iterdir()] == [".downloads"]
    assert fetched.left() == []


def test_an_archive_that_goes_where_no_layout_looks_is_refused(
    server: Server, fetched: Fetched
) -> None:
    server.files["all.zip"] = _zipped(PICTURES)
    with pytest.raises(FetchFailed, match="none of the known folders"):
        fetched(_spec(Download(url=server.url("all.zip"), target="Other")))
    assert [path.name for path in fetched.root.iterdir()] == [".downloads"]


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
        archive.writestr("images/a.png", bytes(unpack.ALWAYS_BYTES + 1))
    return file.getvalue()


UNSAFE = {
    "zip, parent": (_zipped({"../evil": b"x"}), "leads out"),
    "zip, deep parent": (_zipped({"images/../../evil": b"x"}), "leads out"),
    "zip, backslash": (_zipped({"..\\evil": b"x"}), "leads out"),
    "zip, absolute": (_zipped({"/tmp/evil": b"x"}), "absolute"),
    "zip, drive": (_zipped({"C:evil": b"x"}), "absolute"),
    "zip, link": (_linked_zip("/etc"), "a link"),
    "zip, link inside": (_linked_zip("b.png"), "a link"),
    "zip, bomb": (_bomb(), "100 times its size"),
    "tar, parent": (_tarred({"../evil": b"x"}), "leads out"),
    "tar, absolute": (_tarred({"/tmp/evil": b"x"}), "absolute"),
    "tar, link": (_special_tar(tarfile.SYMTYPE, "/etc"), "a link"),
    "tar, link inside": (_special_tar(tarfile.SYMTYPE, "b.png"), "a link"),
    "tar, hard link": (_special_tar(tarfile.LNKTYPE, "b.png"), "a link"),
    "tar, device": (_special_tar(tarfile.CHRTYPE), "a device"),
    "tar, bomb": (_tarred({"a": bytes(unpack.ALWAYS_BYTES + 1)}, "w:gz"), "100 times its size"),
}


@pytest.mark.parametrize("kind", UNSAFE)
def test_an_unsafe_archive_is_refused_before_anything_is_written(
    kind: str, server: Server, fetched: Fetched, tmp_path: Path
) -> None:
    server.files["x"], reason = UNSAFE[kind]
    with pytest.raises(FetchFailed, match=reason) as caught:
        fetched(_spec(Download(url=server.url("x"), target="Example")))
    assert "refused" in str(caught.value)
    assert fetched.left() == []
    assert not list(tmp_path.rglob("*evil*"))
    assert not list(tmp_path.rglob("*.png"))


def test_a_damaged_member_is_refused_in_words(server: Server, fetched: Fetched) -> None:
    body = bytearray(_zipped(PICTURES))
    body[5000] ^= 255
    server.files["x"] = bytes(body)
    with pytest.raises(FetchFailed, match=r"cannot be read \(Bad CRC-32"):
        fetched(_spec(Download(url=server.url("x"), target="Example")))
    assert not (fetched.root / "Example").exists()


def test_what_is_there_already_is_left_alone(server: Server, fetched: Fetched) -> None:
    server.files["all.zip"] = _zipped(PICTURES)
    spec = _spec(Download(url=server.url("all.zip"), target="Example"))
    fetched(spec)
    (fetched.root / "Example/images/a.png").write_bytes(b"mine")
    said = fetched(spec)
    assert "there already" in said
    assert "--force" in said
    assert fetched.files()["images/a.png"] == b"mine"
    assert len(server.asked) == 1


def test_force_fetches_anew_and_throws_nothing_away(server: Server, fetched: Fetched) -> None:
    server.files["all.zip"] = _zipped(PICTURES)
    spec = _spec(Download(url=server.url("all.zip"), target="Example"))
    for number in (1, 2):
        (fetched.root / "example").mkdir(parents=True)
        (fetched.root / "example/mine.txt").write_text("kept")
        assert f"example.old-{number}" in fetched(spec, force=True)
        assert fetched.files() == PICTURES
        assert fetched.files(f"example.old-{number}") == {"mine.txt": b"kept"}
        (fetched.root / "Example").rename(fetched.root / f"set-{number}")
    assert len(server.asked) == 2


def test_force_sets_aside_what_lies_under_another_name_of_the_set(
    server: Server, fetched: Fetched
) -> None:
    """Else the old folder, which is looked for first, would still be taken."""
    server.files["all.zip"] = _zipped(PICTURES)
    spec = _spec(Download(url=server.url("all.zip"), target="Example"))
    spec = replace(spec, layouts=(replace(spec.layouts[0], folders=("Other", "Example")),))
    (fetched.root / "Other").mkdir(parents=True)
    fetched(spec, force=True)
    assert [folder for _, folder in look(spec, fetched.root).places] == [fetched.root / "Example"]
    assert (fetched.root / "Other.old-1").is_dir()


def test_what_is_in_the_way_is_set_aside(server: Server, fetched: Fetched) -> None:
    """The outer folder is there, with something else in it; the set itself is not."""
    server.files["all.zip"] = _zipped(PICTURES)
    spec = _spec(Download(url=server.url("all.zip"), target="Example/inner"))
    spec = replace(spec, layouts=(replace(spec.layouts[0], folders=("Example/inner",)),))
    (fetched.root / "example").mkdir(parents=True)
    (fetched.root / "example/mine.txt").write_text("kept")
    assert "example.old-1" in fetched(spec)
    assert fetched.files("Example/inner") == PICTURES
    assert fetched.files("example.old-1") == {"mine.txt": b"kept"}


def test_a_folder_in_its_place_that_is_not_the_set_is_named(fetched: Fetched) -> None:
    (fetched.root / "Example").mkdir(parents=True)
    with pytest.raises(BenchbedError, match=r"cannot be read: .*holds no image(.|\n)*--force"):
        fetched(_spec(Download(url="http://127.0.0.1:9/x", target="Example")))


def test_a_set_behind_a_registration_says_where_to_go(fetched: Fetched) -> None:
    with pytest.raises(BenchbedError, match="no open download") as caught:
        fetched(_spec(), force=True)
    for told in ("example.org", "Example/images/a.png", str(fetched.root)):
        assert told in str(caught.value)
    assert not fetched.root.exists()


def test_a_full_disk_is_told_before_a_byte_is_written(
    server: Server, fetched: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = server.files["all.zip"] = _zipped(PICTURES)
    spec = _spec(Download(url=server.url("all.zip"), target="Example"))

    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(2 * len(body) - 1))
    with pytest.raises(BenchbedError, match="too full: 1 MB are needed and 0 are free"):
        fetched(spec)
    assert fetched.left() == []
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(2 * len(body)))
    fetched(spec)
    assert fetched.files() == PICTURES


def test_a_disk_that_fills_up_on_the_way_is_told(
    server: Server, fetched: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["all.zip"] = _zipped(PICTURES)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extract", full)
    with pytest.raises(BenchbedError, match=r"too full\. .*--data-root"):
        fetched(_spec(Download(url=server.url("all.zip"), target="Example")))
    assert not (fetched.root / "Example").exists()


def test_a_data_root_that_cannot_be_written_to_is_told(fetched: Fetched) -> None:
    fetched.root.parent.mkdir(exist_ok=True)
    fetched.root.mkdir()
    (fetched.root / ".downloads").write_text("in the way")
    with pytest.raises(BenchbedError, match=r"\.downloads cannot be written to .*--data-root"):
        fetched(_spec(Download(url="http://127.0.0.1:9/x", target="Example")))


def test_unpacking_that_was_stopped_begins_anew_without_a_download(
    server: Server, fetched: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["all.zip"] = _zipped(PICTURES)
    spec = _spec(Download(url=server.url("all.zip"), target="Example"))
    extract = zipfile.ZipFile.extract

    def stopping(self: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> str:
        if entry.filename.endswith("c.png"):
            raise KeyboardInterrupt
        return extract(self, entry, folder)

    monkeypatch.setattr(zipfile.ZipFile, "extract", stopping)
    with pytest.raises(KeyboardInterrupt):
        fetched(spec)
    assert not look(spec, fetched.root).places
    monkeypatch.setattr(zipfile.ZipFile, "extract", extract)
    fetched(spec)
    assert fetched.files() == PICTURES
    assert len(server.asked) == 1


def test_two_processes_do_not_fetch_the_same(fetched: Fetched) -> None:
    (fetched.root / ".downloads").mkdir(parents=True)
    with (
        FileLock(fetched.root / ".downloads/example.lock"),
        pytest.raises(BenchbedError, match="Another process"),
    ):
        fetched(_spec(Download(url="http://127.0.0.1:9/x", target="Example")))


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://example.org/x"},
        {"target": "../x"},
        {"target": "/x"},
        {"target": ""},
        {"target": "a\\b"},
        {"sha256": "abc"},
        {"sha256": "A" * 64},
    ],
    ids=str,
)
def test_a_download_that_makes_no_sense_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="download"):
        Download(**{"url": "https://example.org/x", "target": "x", **wrong})


OPEN = [spec for spec in registry().specs(DatasetSpec).values() if spec.downloads]


@pytest.mark.parametrize("spec", OPEN, ids=lambda spec: spec.name)
def test_our_downloads_go_where_the_layouts_look(spec: DatasetSpec) -> None:
    folders = {name.split("/")[0].lower() for layout in spec.layouts for name in layout.folders}
    targets = [download.target for download in spec.downloads]
    assert {target.split("/")[0].lower() for target in targets} <= folders
    assert len(set(targets)) == len(targets)


def test_some_of_our_sets_are_open() -> None:
    """Without one the test above would say nothing."""
    assert OPEN
