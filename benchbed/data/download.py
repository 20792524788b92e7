"""One file from one address, in as many goes as it takes."""

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
"""Bytes written at once: the most that a broken connection can lose."""

TRIES = 4
"""How often a connection is tried before the download is given up."""

PAUSE = 1.0
"""Seconds before the second try; each further pause is twice as long."""

TIMEOUT = 30.0
"""Seconds after which a silent server counts as none."""

_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class DownloadFailed(ConnectionError):
    """The file cannot be had now; the text is the reason, in a few words."""


class _Broken(DownloadFailed):
    """So it is, but another try may do better."""


@dataclass(frozen=True)
class Downloader:
    """Downloads an address into a file, and goes on where the file ends.

    Attributes:
        part: What has come so far; it stays where the download is given up. Beside it lies a file
            ``NAME.tag`` with the mark by which the server knows this version of the file.
        counted: Called with the bytes that are there and the bytes that there will be, where the
            server says how many.
        room: Called with the bytes still to come and the size of the whole, where the server says
            so, before they come; raises where the disk has no room for them.
        tries: How often to try.
        timeout: Seconds without an answer after which to give a try up.
    """

    part: Path
    counted: Callable[[int, int], None] = lambda _done, _total: None
    room: Callable[[int, int], None] = lambda _left, _total: None
    tries: int = TRIES
    timeout: float = TIMEOUT

    def __call__(self, url: str, output_file: str | Path, _pooch: object = None) -> None:
        """Download `url` and move it to `output_file`, as `pooch` calls a downloader.

        Raises:
            DownloadFailed: There is no answer, a refusal, or less than the whole file.
            OSError: The file cannot be written.
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
        """Bytes that have come."""
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
        # Packed for the journey, the bytes would have other numbers than in the file.
        headers = {"Accept-Encoding": "identity"}
        if self.there:
            headers["Range"] = f"bytes={self.there}-"
            if self._tag.exists():
                # A file that has changed since then comes whole.
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
        # The length is compared above; here a short answer must not cost the bytes it brought.
        answer.raw.enforce_content_length = False
        for block in answer.raw.stream(BLOCK, decode_content=False):
            file.write(block)
            done += len(block)
            if total:
                self.counted(done, total)
        return done

    def _span(self, answer: Response) -> tuple[int, int | None]:
        """Where the answer begins in the file, and the size of the file."""
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
            # The server's idea of the file does not fit what is here.
            self.part.unlink(missing_ok=True)
            raise _Broken("the file on the server has changed")
        said = f"the server responded {answer.status_code} {answer.reason}".rstrip()
        later = answer.status_code >= 500 or answer.status_code in (408, 429)
        raise _Broken(said) if later else DownloadFailed(said)

    def _mark(self, answer: Response) -> None:
        mark = answer.headers.get("ETag", "")
        if not mark or mark.startswith("W/"):  # weak: says nothing of single bytes
            mark = answer.headers.get("Last-Modified", "")
        if mark:
            self._tag.write_text(mark, encoding="utf-8")
        else:
            self._tag.unlink(missing_ok=True)


def _demand_guarded(url: str, answer: Response) -> None:
    """Raise where a server leads from https to a place where others can change what comes."""
    places = [answer.url, *(hop.url for hop in answer.history)]
    if url.startswith("https://") and not all(place.startswith("https://") for place in places):
        raise DownloadFailed("the server redirects to an address without https")
