"""Published weights of networks: found on this machine, or downloaded once."""

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
"""Seconds after which a silent network counts as none."""


@dataclass(frozen=True)
class PublishedWeights:
    """A file of weights that its authors offer for download.

    Attributes:
        title: What a reader calls them, such as ``"Inception"``.
        file: Name of the file.
        url: Where it is published.
        hash_prefix: How its SHA-256 begins.
    """

    title: str
    file: str
    url: str
    hash_prefix: str

    def find(self) -> Path | None:
        """Where the file lies on this machine, or None; no network is asked.

        Looked for in ``$BENCHBED_WEIGHTS``, in the cache, and in torch's hub.
        """
        named = os.environ.get("BENCHBED_WEIGHTS")
        folders = [
            *([Path(named).expanduser()] if named else []),
            cache() / "weights",
            Path(torch.hub.get_dir()) / "checkpoints",
        ]
        return next((f / self.file for f in folders if (f / self.file).is_file()), None)

    def sound(self, path: Path) -> bool:
        """Whether a file is the published one, by its hash."""
        return sha256(path).startswith(self.hash_prefix)

    def fetch(self, timeout: float = TIMEOUT) -> Path:
        """Download the file into the cache, once.

        Args:
            timeout: Seconds without an answer after which to give up.

        Returns:
            The file, whole and checked. One that is already there and sound is kept.

        Raises:
            OSError: No answer, or something else than the file came; nothing is left behind.
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
        """The file that is here, or else a download of it.

        Raises:
            BenchbedError: The file that is here is damaged or another one.
            OSError: It is not here and cannot be downloaded.
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
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
