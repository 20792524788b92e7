"""Data sets that are open to all: downloaded, unpacked, and moved into the data root whole."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from benchbed.api.layouts import Download
from benchbed.api.specs import DatasetSpec
from benchbed.data.collection import collect, found
from benchbed.data.download import Downloader, DownloadFailed
from benchbed.data.source import Report, look, missing
from benchbed.data.unpack import Refused, unpack
from benchbed.errors import BenchbedError
from benchbed.files import digest

if TYPE_CHECKING:
    from benchbed.data.prepare import Progress

WORKSHOP = ".downloads"
"""Folder of the data root for what has not come whole yet."""


class FetchFailed(Exception):
    """The source, not the user, is in the way; the text says what can be done."""


def fetch(
    spec: DatasetSpec,
    root: Path,
    *,
    force: bool,
    say: Callable[[str], None],
    counted: Progress,
) -> None:
    """Bring a data set into the data root, or say why that cannot be.

    Nothing of it is seen there until all of it is unpacked and reads as the spec's layouts want
    it. What a broken connection or Ctrl-C leaves is kept for the next call, which goes on.

    Args:
        spec: The data set.
        root: The data root; made if need be.
        force: Fetch it even where it lies already; the old folder is kept under another name.
        say: Told what is being done, a line at a time.
        counted: Told how far it has come.

    Raises:
        BenchbedError: There is no open download; the set is there but cannot be read; the disk has
            no room or cannot be written to; or another process fetches the same.
        FetchFailed: There is no connection, or what came is not what was expected.
    """
    report = look(spec, root)
    if report.places and not (force and spec.downloads):
        _there(report, say)
        return
    if not spec.downloads:
        raise BenchbedError(f"{spec.title} has no open download. {missing(report)}")
    say(f"{spec.title}. Licence: {spec.licence}.")
    if spec.paper is not None:
        say(f"Citation: {spec.paper.citation}")
    with _writing(root), _alone(spec, root) as folder:
        archives = [
            _download(report, download, folder, say, counted) for download in spec.downloads
        ]
        staged = _unpack(report, archives, folder, say, counted)
        _move_in(report, staged, say)
        shutil.rmtree(folder)


def _there(report: Report, say: Callable[[str], None]) -> None:
    spec = report.spec
    anew = (
        "Use --force to download again; the existing folder is renamed."
        if spec.downloads
        else "It has no open download, so it cannot be downloaded again."
    )
    try:
        collect(spec, report.places, report.root)
    except BenchbedError as error:
        raise BenchbedError(
            f"{spec.title} is present but cannot be read: {error}\n{anew}"
        ) from error
    folders = ", ".join(str(folder) for _, folder in report.places)
    say(f"{spec.title} is already present in {folders}. {anew}")


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    """Turn what the disk refuses into a sentence."""
    try:
        (root / WORKSHOP).mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _no_room(root) from error
        raise BenchbedError(
            f"{error.filename or root} is not writable ({error.strerror}). Select another "
            "folder with --data-root or $BENCHBED_DATA."
        ) from error


@contextmanager
def _alone(spec: DatasetSpec, root: Path) -> Iterator[Path]:
    """The folder for what has come of a data set so far, held for this process alone."""
    folder = root / WORKSHOP / spec.name
    lock = FileLock(folder.with_name(f"{spec.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise BenchbedError(
            f"Another process is downloading {spec.name} to {root}. Wait for it or stop it."
        ) from error
    try:
        folder.mkdir(exist_ok=True)
        yield folder
    finally:
        with suppress(OSError):
            folder.rmdir()  # where nothing has come, or all is in its place
        lock.release()


def _download(
    report: Report, download: Download, folder: Path, say: Callable[[str], None], counted: Progress
) -> Path:
    """The archive in `folder`: as it is where it came whole before, else downloaded."""
    import logging

    import pooch

    # It tells in lines of its own what is told here.
    pooch.get_logger().setLevel(logging.WARNING)
    # Two archives of one set may have the same name, and an address may end in none.
    name = f"{digest(download.url)}-{Path(urlsplit(download.url).path).name}"
    downloader = Downloader(
        folder / f"{name}.part",
        lambda done, total: counted(f"{download.target} (MB)", _megabytes(done), _megabytes(total)),
        # The archive, and at least as much again for what it holds.
        lambda left, total: _demand_room(report.root, left + total),
    )
    before = downloader.there
    kept = f", resuming after {_megabytes(before)} MB" if before else ""
    if not (folder / name).exists():
        say(f"{download.target}: {download.url}{kept}")
    known = f"sha256:{download.sha256}" if download.sha256 else None
    try:
        pooch.retrieve(download.url, known, name, folder, downloader=downloader)
    except DownloadFailed as error:
        raise FetchFailed(_given_up(report, download, str(error), downloader.there)) from error
    except ValueError as error:
        reason = f"SHA-256 mismatch, expected {download.sha256}"
        raise FetchFailed(_wrong(report, download.url, reason)) from error
    if known is None:
        say(
            f"SHA-256 of {download.target}: {pooch.file_hash(str(folder / name))}. The source "
            "publishes no checksum; note this one to detect changes later."
        )
    return folder / name


def _given_up(report: Report, download: Download, reason: str, there: int) -> str:
    kept = (
        f"{_megabytes(there)} MB are saved. Repeat the command to resume."
        if there
        else "Repeat the command to try again."
    )
    return f"Download of {download.url} failed: {reason}. {kept}\n{missing(report)}"


def _wrong(report: Report, source: str, reason: str) -> str:
    return (
        f"The file from {source} is rejected and deleted: {reason}. Repeat the command to try "
        f"again.\n{missing(report)}"
    )


def _unpack(
    report: Report,
    archives: list[Path],
    folder: Path,
    say: Callable[[str], None],
    counted: Progress,
) -> Path:
    """A folder that holds the data set as the data root will."""
    spec = report.spec
    staged = folder / "unpacked"
    shutil.rmtree(staged, ignore_errors=True)
    say("Unpacking.")
    for download, archive in zip(spec.downloads, archives, strict=True):
        try:
            unpack(
                archive,
                staged / download.target,
                partial(counted, f"{download.target}, files"),
                partial(_demand_room, report.root),
            )
        except Refused as error:
            archive.unlink()
            raise FetchFailed(_wrong(report, download.url, str(error))) from error
    reason = _unlike(spec, staged)
    if reason is not None:
        shutil.rmtree(folder)
        raise FetchFailed(_wrong(report, "the source", reason))
    return staged


def _unlike(spec: DatasetSpec, staged: Path) -> str | None:
    """Why what was unpacked is not the data set; None where it is."""
    try:
        places = found(spec, staged)
        return (
            None
            if collect(spec, places, staged).cases
            else ("it contains none of the expected folders")
        )
    except BenchbedError as error:
        # The folder goes, so its name would send the reader nowhere; the layout is told after this.
        return str(error).replace(f"{staged}/", "").partition(";")[0]


def _move_in(report: Report, staged: Path, say: Callable[[str], None]) -> None:
    """Move the unpacked folders into the data root; what is in their way gets another name."""
    root = report.root
    new = sorted(staged.iterdir())
    names = {folder.name.lower() for folder in new}
    in_the_way = [entry for entry in sorted(root.iterdir()) if entry.name.lower() in names]
    for old in (*in_the_way, *(folder for _, folder in report.places if folder != root)):
        if old.exists():
            aside = _free_name(old)
            old.rename(aside)
            say(
                f"The previous content of {old} is now in {aside}. Delete it when you no longer "
                "need it."
            )
    for folder in new:
        folder.rename(root / folder.name)


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    return aside


def _demand_room(root: Path, needed: int) -> None:
    free = shutil.disk_usage(root / WORKSHOP).free
    if needed > free:
        raise _no_room(root, f": {_megabytes(needed)} MB required, {free // 10**6} MB free")


def _no_room(root: Path, numbers: str = "") -> BenchbedError:
    return BenchbedError(
        f"Not enough disk space in {root}{numbers}. Free some space and repeat the command to "
        "resume, or select another folder with --data-root or $BENCHBED_DATA."
    )


def _megabytes(count: int) -> int:
    return -(-count // 10**6)
