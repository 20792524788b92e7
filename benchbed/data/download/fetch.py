"""Download open datasets, unpack them, and move them into the data root."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from benchbed.api.dataset import DownloadSource
from benchbed.api.specs import DatasetSpec
from benchbed.data.download.http import Downloader, DownloadError
from benchbed.data.download.unpack import UnpackError, unpack_download
from benchbed.data.sources.cases import find_folder
from benchbed.data.sources.resolve import (
    DatasetLocation,
    describe_missing_dataset,
    find_dataset,
)
from benchbed.errors import BenchbedError
from benchbed.utils.files import hash_json

if TYPE_CHECKING:
    from benchbed.utils.progress import ProgressCallback

DOWNLOAD_FOLDER = ".downloads"
"""Folder of the data root for unfinished downloads."""


class FetchError(Exception):
    """The source failed, not the user; the text says what to do."""


def fetch_dataset(
    spec: DatasetSpec,
    root: Path,
    *,
    force: bool,
    log: Callable[[str], None],
    progress: ProgressCallback,
) -> None:
    """Download a dataset into the data root.

    It appears there only after everything is unpacked and matches the layouts of the spec. After a
    broken connection or Ctrl-C, the next call resumes.

    Args:
        spec: The dataset.
        root: The data root; created if missing.
        force: Download even if it is present; the existing folder is renamed.
        log: Receives status messages, one line each.
        progress: Receives progress.

    Raises:
        BenchbedError: There is no open download; the dataset is present but cannot be read; the
            disk is full or not writable; or another process downloads the same.
        FetchError: There is no connection, or the file is not the expected one.
    """
    location = find_dataset(spec, root)
    if location.paths and not (force and spec.downloads):
        _report_existing(location, log)
        return
    if not spec.downloads:
        raise BenchbedError(
            f"{spec.title} has no open download. {describe_missing_dataset(location)}"
        )
    log(f"{spec.title}. Licence: {spec.licence}.")
    if spec.paper is not None:
        log(f"Citation: {spec.paper.citation}")
    with _handle_write_errors(root), _lock_download(spec, root) as folder:
        archives = [
            _download(location, download, folder, log, progress) for download in spec.downloads
        ]
        staged = _unpack(location, archives, folder, log, progress)
        _move_into_root(location, staged, log)
        shutil.rmtree(folder)


def _report_existing(location: DatasetLocation, log: Callable[[str], None]) -> None:
    spec = location.spec
    hint = (
        "Use --force to download again; what exists is renamed."
        if spec.downloads
        else "It has no open download, so it cannot be downloaded again."
    )
    try:
        location.collect_cases()
    except BenchbedError as error:
        raise BenchbedError(
            f"{spec.title} is present but cannot be read: {error}\n{hint}"
        ) from error
    folders = ", ".join(map(str, location.paths))
    log(f"{spec.title} is already present in {folders}. {hint}")


@contextmanager
def _handle_write_errors(root: Path) -> Iterator[None]:
    try:
        (root / DOWNLOAD_FOLDER).mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _make_space_error(root) from error
        raise BenchbedError(
            f"{error.filename or root} is not writable ({error.strerror}). Select another "
            "folder with --data-root or $BENCHBED_DATA."
        ) from error


@contextmanager
def _lock_download(spec: DatasetSpec, root: Path) -> Iterator[Path]:
    """Lock and yield the folder for unfinished downloads of a dataset."""
    folder = root / DOWNLOAD_FOLDER / spec.name
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
            folder.rmdir()  # empty if nothing was downloaded, or all was moved
        lock.release()


def _download(
    location: DatasetLocation,
    download: DownloadSource,
    folder: Path,
    log: Callable[[str], None],
    progress: ProgressCallback,
) -> Path:
    """Return the archive in `folder`, downloaded if it is missing."""
    import logging

    import pooch

    # pooch would print its own messages next to ours.
    pooch.get_logger().setLevel(logging.WARNING)
    # Two archives of one dataset may share a name, and a URL may end without one.
    name = f"{hash_json(download.url)}-{Path(urlsplit(download.url).path).name}"
    downloader = _make_downloader(location, download, folder / f"{name}.part", progress)
    downloaded = downloader.downloaded_bytes
    suffix = f", resuming after {_to_megabytes(downloaded)} MB" if downloaded else ""
    if not (folder / name).exists():
        log(f"{download.target}: {download.url}{suffix}")
    try:
        pooch.retrieve(download.url, download.checksum, name, folder, downloader=downloader)
    except DownloadError as error:
        raise FetchError(
            _format_download_failure(location, download, str(error), downloader.downloaded_bytes)
        ) from error
    except ValueError as error:
        kind = "SHA-256" if download.sha256 is not None else "MD5"
        reason = f"{kind} mismatch, expected {download.sha256 or download.md5}"
        raise FetchError(_format_rejection(location, download.url, reason)) from error
    if download.checksum is None:
        log(
            f"SHA-256 of {download.target}: {pooch.file_hash(str(folder / name))}. The "
            "source publishes no checksum; note this one to detect changes later."
        )
    return folder / name


def _make_downloader(
    location: DatasetLocation,
    download: DownloadSource,
    partial_file: Path,
    progress: ProgressCallback,
) -> Downloader:
    return Downloader(
        partial_file,
        lambda done, total: progress(
            f"{download.target} (MB)", _to_megabytes(done), _to_megabytes(total)
        ),
        # An archive needs at least as much again for its content.
        lambda left, total: _require_disk_space(
            location.root, left if download.target_file else left + total
        ),
    )


def _format_download_failure(
    location: DatasetLocation, download: DownloadSource, reason: str, downloaded: int
) -> str:
    hint = (
        f"{_to_megabytes(downloaded)} MB are saved. Repeat the command to resume."
        if downloaded
        else "Repeat the command to try again."
    )
    return (
        f"Download of {download.url} failed: {reason}. {hint}\n{describe_missing_dataset(location)}"
    )


def _format_rejection(location: DatasetLocation, source: str, reason: str) -> str:
    return (
        f"The download of {source} is rejected and deleted: {reason}. Repeat the command to try "
        f"again.\n{describe_missing_dataset(location)}"
    )


def _unpack(
    location: DatasetLocation,
    archives: list[Path],
    folder: Path,
    log: Callable[[str], None],
    progress: ProgressCallback,
) -> Path:
    spec = location.spec
    staged = folder / "unpacked"
    shutil.rmtree(staged, ignore_errors=True)
    if any(download.target_file is None for download in spec.downloads):
        log("Unpacking.")
    for download, archive in zip(spec.downloads, archives, strict=True):
        target = staged / download.target_folder
        if download.target_file is not None:
            target.mkdir(parents=True, exist_ok=True)
            archive.rename(target / download.target_file)
            continue
        try:
            unpack_download(
                archive,
                target,
                partial(progress, f"{download.target}, files"),
                partial(_require_disk_space, location.root),
            )
        except UnpackError as error:
            archive.unlink()
            raise FetchError(_format_rejection(location, download.url, str(error))) from error
    reason = _find_mismatch(spec, staged)
    if reason is not None:
        shutil.rmtree(folder)
        raise FetchError(
            _format_rejection(location, " and ".join(d.url for d in spec.downloads), reason)
        )
    return staged


def _find_mismatch(spec: DatasetSpec, staged: Path) -> str | None:
    """Return why the unpacked files are not the dataset, or None if they are."""
    location = find_dataset(spec, staged)
    try:
        if location.paths and location.collect_cases().cases:
            return None
    except BenchbedError as error:
        # The temporary folder is deleted, so its path is of no use; the layout follows the message.
        reason = str(error).replace(f"{staged}/", "").partition(" Expected layout:")[0]
        return reason.rstrip(".")
    unpacked = ", ".join(f"{name}/" for name in sorted({d.target_folder for d in spec.downloads}))
    expected = " or ".join(spec.expected_paths)
    return f"unpacked into {unpacked}, it contains none of the expected folders {expected}"


def _move_into_root(location: DatasetLocation, staged: Path, log: Callable[[str], None]) -> None:
    """Move the downloaded folders and files into the data root; rename what is in the way."""
    root = location.root
    moves: dict[Path, Path] = {}
    for target in _list_targets(location.spec.downloads):
        parent = target.parent.as_posix()
        folder = find_folder(root, "" if parent == "." else parent) or root / parent
        folder.mkdir(parents=True, exist_ok=True)
        moves[staged / target] = folder / target.name
    existing = [
        entry
        for new in moves.values()
        for entry in sorted(new.parent.iterdir())
        if entry.name.lower() == new.name.lower()
    ]
    for old in (*existing, *(path for path in location.paths if path != root)):
        if old.exists():
            backup = _find_free_name(old)
            old.rename(backup)
            log(
                f"The previous content of {old} is now in {backup}. Delete it when you no longer "
                "need it."
            )
    for path, new in moves.items():
        path.rename(new)


def _list_targets(downloads: Sequence[DownloadSource]) -> list[PurePosixPath]:
    """Return what is moved: whole folders of archives, and single files of folders they share."""
    folders = {d.target_folder.split("/")[0] for d in downloads if d.target_file is None}
    files = {d.target for d in downloads if d.target_folder.split("/")[0] not in folders}
    return [PurePosixPath(name) for name in sorted(folders | files)]


def _find_free_name(path: Path) -> Path:
    number = 1
    while (backup := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    return backup


def _require_disk_space(root: Path, required: int) -> None:
    free = shutil.disk_usage(root / DOWNLOAD_FOLDER).free
    if required > free:
        raise _make_space_error(
            root, f": {_to_megabytes(required)} MB required, {free // 10**6} MB free"
        )


def _make_space_error(root: Path, numbers: str = "") -> BenchbedError:
    return BenchbedError(
        f"Not enough disk space in {root}{numbers}. Free some space and repeat the command to "
        "resume, or select another folder with --data-root or $BENCHBED_DATA."
    )


def _to_megabytes(count: int) -> int:
    return -(-count // 10**6)
