"""Resumable download of one file."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from requests import Response

BLOCK = 64 * 1024
"""Bytes per write: the most that a broken connection can lose."""

TRIES = 4
"""Attempts before the download fails."""

PAUSE = 1.0
"""Seconds before the second attempt; each further pause is twice as long."""

TIMEOUT = 30.0
"""Seconds without a response before an attempt fails."""

_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class DownloadFailed(ConnectionError):
    """Download failed; the text is the reason, in a few words."""


class _Broken(DownloadFailed):
    """Download failed in a way that a retry may fix."""


@dataclass(frozen=True)
class Downloader:
    """Downloader for pooch that resumes a partial file.

    Attributes:
        part: Partial file, which stays on failure. ``NAME.tag`` next to it holds the server's ETag
            of this version.
        counted: Called with the bytes downloaded and the total, if the server sends it.
        room: Called before the download with the bytes left and the total, if the server sends it;
            raises if the disk has too little space.
        tries: Maximum number of attempts.
        timeout: Seconds without a response before an attempt fails.
    """

    part: Path
    counted: Callable[[int, int], None] = lambda _done, _total: None
    room: Callable[[int, int], None] = lambda _left, _total: None
    tries: int = TRIES
    timeout: float = TIMEOUT

    def __call__(self, url: str, output_file: str | Path, _pooch: object = None) -> None:
        """Download `url` and move it to `output_file`, as pooch calls a downloader.

        Raises:
            DownloadFailed: No response, a refusal, or an incomplete file.
            OSError: The file is not writable.
        """
        for number in range(1, self.tries + 1):
            try:
                self._go_on(url)
            except _Broken:
                if number == self.tries:
                    raise
                time.sleep(PAUSE * 2 ** (number - 1))
            else:
                break
        self._tag.unlink(missing_ok=True)
        self.part.replace(output_file)

    @property
    def there(self) -> int:
        """Bytes downloaded so far."""
        return self.part.stat().st_size if self.part.exists() else 0

    @property
    def _tag(self) -> Path:
        return self.part.with_name(f"{self.part.name}.tag")

    def _go_on(self, url: str) -> None:
        import requests
        from urllib3.exceptions import HTTPError, TimeoutError

        try:
            with requests.get(
                url, headers=self._headers(), stream=True, timeout=self.timeout
            ) as answer:
                _demand_guarded(url, answer)
                self._take(answer)
        except (requests.Timeout, TimeoutError) as error:
            raise _Broken(f"no response within {self.timeout:g} seconds") from error
        except requests.exceptions.SSLError as error:
            raise DownloadFailed("no secure connection to the server") from error
        except requests.ConnectionError as error:
            raise _Broken("no connection to the server") from error
        except HTTPError as error:
            raise _Broken("the connection was interrupted") from error
        except requests.RequestException as error:
            raise DownloadFailed(str(error)) from error

    def _headers(self) -> dict[str, str]:
        # With compression, byte offsets would not match those in the file.
        headers = {"Accept-Encoding": "identity"}
        if self.there:
            headers["Range"] = f"bytes={self.there}-"
            if self._tag.exists():
                # The server sends the whole file if it has changed since.
                headers["If-Range"] = self._tag.read_text(encoding="utf-8")
        return headers

    def _take(self, answer: Response) -> None:
        start, total = self._span(answer)
        if start and start == total:
            return
        if total is not None:
            self.room(total - start, total)
        if start == 0:
            self._mark(answer)
        with self.part.open("ab" if start else "wb") as file:
            done = self._write(answer, file, start, total)
        if total is not None and done != total:
            raise _Broken(f"the connection was interrupted after {done} of {total} bytes")

    def _write(self, answer: Response, file: BinaryIO, done: int, total: int | None) -> int:
        # The length is checked by the caller; here a short response must not lose its bytes.
        answer.raw.enforce_content_length = False
        for block in answer.raw.stream(BLOCK, decode_content=False):
            file.write(block)
            done += len(block)
            if total:
                self.counted(done, total)
        return done

    def _span(self, answer: Response) -> tuple[int, int | None]:
        """Return the offset of the response in the file, and the size of the file."""
        hit = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        total = int(hit[2]) if hit and hit[2] != "*" else None
        if answer.status_code == 200:
            length = answer.headers.get("Content-Length", "")
            return 0, int(length) if length.isdigit() else None
        if answer.status_code == 206 and hit and hit[1] == str(self.there):
            return self.there, total
        if answer.status_code == 416 and total is not None and total == self.there:
            return total, total
        if answer.status_code in (206, 416):
            # The partial file does not match the file on the server.
            self.part.unlink(missing_ok=True)
            raise _Broken("the file on the server has changed")
        message = f"the server responded {answer.status_code} {answer.reason}".rstrip()
        is_temporary = answer.status_code >= 500 or answer.status_code in (408, 429)
        raise _Broken(message) if is_temporary else DownloadFailed(message)

    def _mark(self, answer: Response) -> None:
        tag = answer.headers.get("ETag", "")
        if not tag or tag.startswith("W/"):  # weak: does not guarantee equal bytes
            tag = answer.headers.get("Last-Modified", "")
        if tag:
            self._tag.write_text(tag, encoding="utf-8")
        else:
            self._tag.unlink(missing_ok=True)


def _demand_guarded(url: str, answer: Response) -> None:
    """Raise if the server redirects from https to an insecure address."""
    urls = [answer.url, *(redirect.url for redirect in answer.history)]
    if url.startswith("https://") and not all(address.startswith("https://") for address in urls):
        raise DownloadFailed("the server redirects to an address without https")
