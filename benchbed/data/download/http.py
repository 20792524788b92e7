"""Resumable download of one file."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

from benchbed.errors import describe_error

if TYPE_CHECKING:
    from requests import Response

BLOCK_BYTES = 16 * 1024
"""Bytes per write: the most that a broken connection can lose."""

MAX_ATTEMPTS = 4
"""Attempts before the download fails."""

RETRY_SECONDS = 1.0
"""Seconds before the second attempt; each further pause is twice as long."""

TIMEOUT_SECONDS = 30.0
"""Seconds without a response before an attempt fails; twice as many for a block."""

MAX_DIGITS = 18
"""Maximum digits of a size in bytes that a server states."""

_RANGE_PATTERN = re.compile(
    rf"bytes (?:([0-9]{{1,{MAX_DIGITS}}})-[0-9]{{1,{MAX_DIGITS}}}|\*)/([0-9]{{1,{MAX_DIGITS}}}|\*)"
)

_ETAG_PATTERN = re.compile(r"[!-~](?:[ -~]{0,1000}[!-~])?")
"""What can be sent as a header: an ETag or a date."""


T = TypeVar("T")


class DownloadError(ConnectionError):
    """Download failed; the text is the reason, in a few words."""


class _RetryableError(DownloadError):
    """Download failed in a way that a retry may fix."""


@dataclass(frozen=True)
class Downloader:
    """Downloader for pooch that resumes a partial file.

    Attributes:
        partial_file: Partial file, which stays on failure. ``NAME.tag`` next to it holds the
            server's ETag of this version.
        report_progress: Called with the bytes downloaded and the total, if the server sends it.
        check_space: Called before the download with the bytes left and the total, if the server
            sends it; raises if the disk has too little space.
        max_attempts: Maximum number of attempts.
        timeout: Seconds without a response before an attempt fails; a response and each block may
            take twice as long.
    """

    partial_file: Path
    report_progress: Callable[[int, int], None] = lambda _done, _total: None
    check_space: Callable[[int, int], None] = lambda _left, _total: None
    max_attempts: int = MAX_ATTEMPTS
    timeout: float = TIMEOUT_SECONDS

    def __call__(self, url: str, output_file: str | Path, _pooch: object = None) -> None:
        """Download `url` and move it to `output_file`, as pooch calls a downloader.

        Raises:
            DownloadError: No response, a refusal, or an incomplete file.
            OSError: The file is not writable.
        """
        for number in range(1, self.max_attempts + 1):
            try:
                self._resume(url)
            except _RetryableError:
                if number == self.max_attempts:
                    raise
                time.sleep(RETRY_SECONDS * 2 ** (number - 1))
            else:
                break
        self._etag_file.unlink(missing_ok=True)
        self.partial_file.replace(output_file)

    @property
    def downloaded_bytes(self) -> int:
        """Bytes downloaded so far."""
        return self.partial_file.stat().st_size if self.partial_file.exists() else 0

    @property
    def _etag_file(self) -> Path:
        return self.partial_file.with_name(f"{self.partial_file.name}.tag")

    def _resume(self, url: str) -> None:
        import requests
        from urllib3.exceptions import HTTPError, TimeoutError

        self._drop_unverifiable_part()
        answer = _request(url, self._build_headers(), self.timeout)
        try:
            # The library only limits the time between two bytes, so a server that sends one byte
            # per second would never end.
            with closing(_iterate_with_timeout(answer, 2 * self.timeout)) as parts:
                response = next(parts)
                assert not isinstance(response, bytes)
                _require_https(url, response)
                self._receive_response(response, parts)
        except (requests.Timeout, TimeoutError) as error:
            raise _RetryableError(f"no response within {self.timeout:g} seconds") from error
        except requests.exceptions.SSLError as error:
            raise DownloadError("no secure connection to the server") from error
        except requests.ConnectionError as error:
            raise _RetryableError("no connection to the server") from error
        except HTTPError as error:
            raise _RetryableError("the connection was interrupted") from error
        except requests.RequestException as error:
            raise DownloadError(str(error)) from error

    def _drop_unverifiable_part(self) -> None:
        """Remove a partial file whose tag is damaged: its version on the server is unknown."""
        if self._etag_file.exists() and self._read_etag() is None:
            self._etag_file.unlink()
            self.partial_file.unlink(missing_ok=True)

    def _read_etag(self) -> str | None:
        try:
            tag = self._etag_file.read_text(encoding="utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        return tag if _ETAG_PATTERN.fullmatch(tag) else None

    def _build_headers(self) -> dict[str, str]:
        # With compression, byte offsets would not match those in the file.
        headers = {"Accept-Encoding": "identity"}
        if self.downloaded_bytes:
            headers["Range"] = f"bytes={self.downloaded_bytes}-"
            if (tag := self._read_etag()) is not None:
                # The server sends the whole file if it has changed since.
                headers["If-Range"] = tag
        return headers

    def _receive_response(self, response: Response, parts: Iterator[Response | bytes]) -> None:
        start, total = self._parse_range(response)
        if start and start == total:
            return
        if total is not None:
            self.check_space(total - start, total)
        if start == 0:
            self._save_etag(response)
        with self.partial_file.open("ab" if start else "wb") as file:
            done = self._write(parts, file, start, total)
        if total is not None and done != total:
            raise _RetryableError(f"the connection was interrupted after {done} of {total} bytes")

    def _write(
        self, parts: Iterator[Response | bytes], file: BinaryIO, done: int, total: int | None
    ) -> int:
        for block in parts:
            assert isinstance(block, bytes)
            file.write(block)
            done += len(block)
            if total:
                self.report_progress(done, total)
        return done

    def _parse_range(self, response: Response) -> tuple[int, int | None]:
        """Return the offset of the response in the file, and the size of the file."""
        hit = _RANGE_PATTERN.fullmatch(response.headers.get("Content-Range", ""))
        total = int(hit[2]) if hit and hit[2] != "*" else None
        if response.status_code == 200:
            return 0, _parse_length(response.headers.get("Content-Length"))
        if response.status_code == 206 and hit and hit[1] == str(self.downloaded_bytes):
            return self.downloaded_bytes, total
        if response.status_code == 416 and total is not None and total == self.downloaded_bytes:
            return total, total
        if response.status_code in (206, 416):
            # The partial file does not match the file on the server.
            self.partial_file.unlink(missing_ok=True)
            raise _RetryableError("the file on the server has changed")
        message = f"the server responded {response.status_code} {response.reason}".rstrip()
        is_temporary = response.status_code >= 500 or response.status_code in (408, 429)
        raise _RetryableError(message) if is_temporary else DownloadError(message)

    def _save_etag(self, response: Response) -> None:
        tag = response.headers.get("ETag", "")
        if not tag or tag.startswith("W/"):  # weak: does not guarantee equal bytes
            tag = response.headers.get("Last-Modified", "")
        if _ETAG_PATTERN.fullmatch(tag):
            self._etag_file.write_text(tag, encoding="utf-8")
        else:
            self._etag_file.unlink(missing_ok=True)


def _request(url: str, headers: dict[str, str], timeout: float) -> Iterator[Response | bytes]:
    """Yield the response of the server, then its content in blocks."""
    import requests

    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            yield response
            # The length is checked by the caller; here a short response must not lose its bytes.
            response.raw.enforce_content_length = False
            yield from response.raw.stream(BLOCK_BYTES, decode_content=False)
    except requests.RequestException:
        raise
    except ValueError as error:
        # The libraries raise it for invalid addresses of redirects and sizes of chunks.
        raise DownloadError(
            f"the response of the server is invalid ({describe_error(error)})"
        ) from error


def _iterate_with_timeout(items: Iterator[T], seconds: float) -> Generator[T]:
    """Yield the items; each is computed in a thread and must take at most `seconds`.

    Raises:
        _RetryableError: An item took longer; the thread ends as soon as it is computed.
    """
    demands: SimpleQueue[bool] = SimpleQueue()
    results: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        while demands.get():
            try:
                results.put((next(items), None))
            except BaseException as error:
                results.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            demands.put(True)
            item, error = results.get(timeout=seconds)
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield cast("T", item)
    except Empty as error:
        raise _RetryableError(f"less than {BLOCK_BYTES} bytes in {seconds:g} seconds") from error
    finally:
        demands.put(False)


def _parse_length(text: str | None) -> int | None:
    """Return the size that the server states, or None if it states none.

    Raises:
        DownloadError: It is no number of bytes.
    """
    if text is None:
        return None
    # `str.isdigit` also accepts digits that `int` does not.
    if not re.fullmatch(f"[0-9]{{1,{MAX_DIGITS}}}", text):
        raise DownloadError(f"the server states the invalid size {text[:40]!r}")
    return int(text)


def _require_https(url: str, response: Response) -> None:
    """Raise if the server redirects from https to an insecure address."""
    urls = [response.url, *(redirect.url for redirect in response.history)]
    if url.startswith("https://") and not all(address.startswith("https://") for address in urls):
        raise DownloadError("the server redirects to an address without https")
