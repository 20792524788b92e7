"""Published network weights: found on this machine, or downloaded once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchbed.config.paths import expand_home, get_cache_folder
from benchbed.data.download.http import Downloader
from benchbed.errors import BenchbedError
from benchbed.utils.files import hash_file, write_atomically

TIMEOUT_SECONDS = 5.0
"""Seconds without a response before the download fails."""


@dataclass(frozen=True)
class PublishedWeights:
    """A weights file that its authors offer for download.

    Attributes:
        title: Name for messages, such as ``"Inception"``.
        file_name: File name.
        url: Download address.
        hash_prefix: First digits of its SHA-256.
    """

    title: str
    file_name: str
    url: str
    hash_prefix: str

    def find_file(self) -> Path | None:
        """Return the file on this machine, or None; never downloads.

        Searches ``$BENCHBED_WEIGHTS``, a folder or the file itself, the cache, and torch's hub
        folder.

        Raises:
            BenchbedError: ``$BENCHBED_WEIGHTS`` does not exist.
        """
        variable = os.environ.get("BENCHBED_WEIGHTS")
        given = [expand_home(Path(variable))] if variable else []
        for place in given:
            if place.is_file() and (place.name == self.file_name or self.is_intact(place)):
                return place
            if not place.exists():
                raise BenchbedError(
                    f"$BENCHBED_WEIGHTS is {place}, which does not exist. Set it to a folder of "
                    "pretrained weights or to a file, or unset it."
                )
        folders = [
            *given,
            get_cache_folder() / "weights",
            Path(torch.hub.get_dir()) / "checkpoints",
        ]
        return next((f / self.file_name for f in folders if (f / self.file_name).is_file()), None)

    def is_intact(self, path: Path) -> bool:
        """Return whether a file is the published one, by its hash."""
        return hash_file(path).startswith(self.hash_prefix)

    def download_file(self, timeout: float = TIMEOUT_SECONDS) -> Path:
        """Download the file into the cache, unless an intact one is there.

        `timeout` is in seconds without a response.

        Raises:
            OSError: No response, or another file; nothing is left behind.
        """
        path = get_cache_folder() / "weights" / self.file_name
        if path.is_file() and self.is_intact(path):
            return path
        try:
            with write_atomically(path) as temporary, TemporaryDirectory(dir=path.parent) as folder:
                download = Downloader(Path(folder) / "part", max_attempts=1, timeout=timeout)
                download(self.url, temporary)
                if not self.is_intact(temporary):
                    raise ConnectionError("the downloaded file is not the published file")
        except OSError as error:
            raise ConnectionError(
                f"Download of the {self.title} weights failed: {error}."
            ) from error
        return path

    def ensure_file(self) -> Path:
        """Return the file on this machine, or download it.

        Raises:
            BenchbedError: The file on this machine is damaged or another one.
            OSError: The file is missing and cannot be downloaded.
        """
        path = self.find_file()
        if path is None:
            return self.download_file()
        if not self.is_intact(path):
            raise BenchbedError(
                f"{path} is damaged or not the published {self.title} file. Delete it, or "
                "replace it with the correct file."
            )
        return path
