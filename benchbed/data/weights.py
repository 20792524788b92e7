"""Published network weights: found on this machine, or downloaded once."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchbed.data.download import Downloader
from benchbed.errors import BenchbedError
from benchbed.files import whole
from benchbed.paths import cache

TIMEOUT = 5.0
"""Seconds without a response before the download fails."""


@dataclass(frozen=True)
class PublishedWeights:
    """A weights file that its authors offer for download.

    Attributes:
        title: Name for messages, such as ``"Inception"``.
        file: File name.
        url: Download address.
        hash_prefix: First digits of its SHA-256.
    """

    title: str
    file: str
    url: str
    hash_prefix: str

    def find(self) -> Path | None:
        """Return the file on this machine, or None; never downloads.

        Searches ``$BENCHBED_WEIGHTS``, the cache, and torch's hub folder.
        """
        variable = os.environ.get("BENCHBED_WEIGHTS")
        folders = [
            *([Path(variable).expanduser()] if variable else []),
            cache() / "weights",
            Path(torch.hub.get_dir()) / "checkpoints",
        ]
        return next((f / self.file for f in folders if (f / self.file).is_file()), None)

    def sound(self, path: Path) -> bool:
        """Return whether a file is the published one, by its hash."""
        return sha256(path).startswith(self.hash_prefix)

    def fetch(self, timeout: float = TIMEOUT) -> Path:
        """Download the file into the cache, unless an intact one is there.

        `timeout` is in seconds without a response.

        Raises:
            OSError: No response, or another file; nothing is left behind.
        """
        path = cache() / "weights" / self.file
        if path.is_file() and self.sound(path):
            return path
        try:
            with whole(path) as temporary, TemporaryDirectory(dir=path.parent) as folder:
                download = Downloader(Path(folder) / "part", tries=1, timeout=timeout)
                download(self.url, temporary)
                if not self.sound(temporary):
                    raise ConnectionError("the downloaded file is not the published file")
        except OSError as error:
            raise ConnectionError(
                f"Download of the {self.title} weights failed: {error}."
            ) from error
        return path

    def obtain(self) -> Path:
        """Return the file on this machine, or download it.

        Raises:
            BenchbedError: The file on this machine is damaged or another one.
            OSError: The file is missing and cannot be downloaded.
        """
        path = self.find()
        if path is None:
            return self.fetch()
        if not self.sound(path):
            raise BenchbedError(
                f"{path} is damaged or not the published {self.title} file. Delete it, or "
                "replace it with the correct file."
            )
        return path


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
