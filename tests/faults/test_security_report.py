"""Untrusted text: on the HTML page, on the terminal, and by the report server."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from benchbed.cli.output import print_rows
from benchbed.errors import BenchbedError
from benchbed.report.render.html.page import render_page
from benchbed.report.render.html.server import HOST, _Server
from benchbed.report.write import build_leaderboards
from benchbed.results.record import ImportOrigin, Record, parse_record
from benchbed.results.showcase import read_showcase

CountAttempt = Callable[..., None]
Make = Callable[..., Record]

MARK = "window.hacked=1"
PAYLOADS = (
    f"<script>{MARK}</script>",
    f"</script><script>{MARK}</script>",
    f'<img src=x onerror="{MARK}">',
    f"\"><svg onload='{MARK}'>",
    f"' autofocus onfocus='{MARK}",
    f"<!--<script>{MARK}//-->",
    f"]]><iframe srcdoc='<script>{MARK}</script>'>",
    f"javascript:{MARK}",
    f"{{{{ ''.__class__ }}}} {{% raw %}} ${{{MARK}}} `{MARK}`",
    f"</style><style>*{{display:none}}</style></title><script>{MARK}</script>",
    "<a href='https://evil.example/'>click</a><base href='https://evil.example/'>",
    "<form action='https://evil.example/'><input name=x><button>",
    f"&lt;script&gt;{MARK}&#60;/script&#62;",
    "\u202etxt.exe\u2066 \u2028 \u2029 \ufeff",
    "__proto__",
    "constructor",
    "[/red] [link=https://evil.example]x[/link] \\",
    "=HYPERLINK(\"https://evil.example\") | `x` | ~~~",
)  # fmt: skip


def _make_malicious_record(make_record: Make, number: int, text: str) -> Record:
    """Return a record with the text in every field that a report shows."""
    record = make_record(
        text, number, id=f"evil-{number}", settings={text: text, "nested": {"a": [text]}},
        dataset=text, preset=text, fingerprint=text, values={"swd": 0.1, text: 0.2},
        skipped=[text], copies=[text], precision=text,
    )  # fmt: skip
    metrics = [m.model_copy(update={"note": text, "recipe": text}) for m in record.metrics]
    fields = dict.fromkeys(("command", "processor", "system", "device", "commit", "created"), text)
    provenance = record.provenance.model_copy(
        update={**fields, "plugins": {text: text}, "libraries": {text: text}}
    )
    origin = ImportOrigin(archive_name=text, sha256=text, imported_at=text)
    return record.model_copy(
        update={"metrics": metrics, "provenance": provenance, "imported": origin}
    )


@pytest.fixture(scope="module")
def records(make_record: Make) -> list[Record]:
    """Each payload in every field of a finished run, and all in a diverged one."""
    malicious = [_make_malicious_record(make_record, n, text) for n, text in enumerate(PAYLOADS)]
    diverged = make_record(
        "dcgan", state="diverged", message=" ".join(PAYLOADS), id="evil-diverged"
    )
    return [*malicious, diverged, make_record("dcgan"), make_record("skrgan")]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with malicious showcases."""
    root = tmp_path_factory.mktemp("results")
    for number, text in enumerate(PAYLOADS):
        folder = root / "showcase" / f"evil-{number}"
        folder.mkdir(parents=True)
        name = text.replace('"', '""')
        (folder / "curves.csv").write_text(f'kimg,"{name}"\n1,2\n3,4\n')
        (folder / "grid.jpg").write_bytes(b"\xff\xd8\xff" + text.encode())
    return root


@pytest.fixture(scope="module")
def html(records: list[Record], results: Path) -> str:
    """The HTML page of these records."""
    return render_page(build_leaderboards(records, results), records, results)


class _PageParser(HTMLParser):
    """Collects the elements and text that a browser would show."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.attack(
    guarantee="The HTML report escapes all names, settings and logs.",
    attack="markup, scripts, handlers, links and closing tags in every field of a record",
)
def test_no_name_creates_an_html_element(html: str, count_attempt: CountAttempt) -> None:
    page = _PageParser()
    page.feed(html)
    assert page.tags.count("script") == 2
    assert page.tags.count("style") == 1
    assert page.tags.count("form") == 1  # the filters
    assert not {"img", "svg", "iframe", "base", "object", "embed"}.intersection(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    addresses = [value for name, value in page.attributes if name in ("href", "src", "action")]
    assert all(value and value.startswith("#") for value in addresses)
    shown = "".join(page.text)
    (facts,) = re.findall(r'<script type="application/json" id="facts">(.*?)</script>', html)
    assert not re.search("[<>&\u2028\u2029]", facts)
    runs = json.loads(facts)["runs"]
    for number, text in enumerate(PAYLOADS):
        assert text.strip().split("\u2028")[0].strip() in shown, text
        assert runs[f"evil-{number}"]["method"] == text
        count_attempt()


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.attack(
    guarantee="The HTML report escapes all names, settings and logs.",
    attack="the same in a browser, with all panels and provenance dialogs opened",
)
def test_no_name_is_executed_in_a_browser(
    html: str, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = tmp_path / "index.html"
    path.write_text(html, encoding="utf-8")
    problems: list[str] = []
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (problems.append("a dialog"), dialog.dismiss()))
        page.on(
            "request",
            lambda request: request.url == path.as_uri() or _record_request(request.url, problems),
        )
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        opened = page.evaluate(
            """() => [...document.querySelectorAll('tbody button')].map(button => {
                button.click();
                const dialog = document.querySelector('dialog[open]');
                const shown = dialog !== null;
                if (shown) dialog.close();
                return shown;
            }).filter(Boolean).length"""
        )
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("Object.keys(Object.prototype).length") == 0
        assert page.url == path.as_uri()
        browser.close()
    assert problems == []
    assert opened > len(PAYLOADS)
    count_attempt("", opened)


def _record_request(url: str, problems: list[str]) -> None:
    if not url.startswith("data:"):
        problems.append(url[:80])


@pytest.mark.attack(
    guarantee="The terminal shows untrusted text without interpreting it.",
    attack="escape sequences and markup in records, run names and messages",
)
def test_control_characters_do_not_reach_the_terminal(
    make_record: Make, capsys: pytest.CaptureFixture[str], count_attempt: CountAttempt
) -> None:
    valid = make_record("dcgan").model_dump(mode="json")
    for text in ("\x1b[2J", "\x1b]0;title\x07", "a\rb", "\x9b1m", "\x00", "a\x08b"):
        for field in ("method", "message", "precision", "dataset"):
            with pytest.raises(BenchbedError, match=rf"r\.json.*{re.escape(repr(text)[1:-1])}"):
                parse_record({**valid, field: f"x{text}"}, "r.json")
            count_attempt("records")
        print_rows([{"run": f"x{text}", "state": text}], empty="")
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", capsys.readouterr().out)
        count_attempt("tables")
    for text in ("[/red]", "[link=file:///etc/passwd]x[/link]", "[bold"):
        print_rows([{"run": text}], empty="")
        assert text in capsys.readouterr().out
        count_attempt("markup")


@pytest.mark.attack(
    guarantee="An untrusted showcase is shown only if it is valid.",
    attack="links, paths in names, other file types, oversized files",
)
def test_untrusted_showcases(tmp_path: Path, count_attempt: CountAttempt) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"\xff\xd8\xffsecret")
    folder = tmp_path / "showcase/run"
    folder.mkdir(parents=True)
    (folder / "grid.jpg").symlink_to(secret)
    (folder / "nearest.jpg").write_bytes(b"<svg onload=alert(1)>")
    (folder / "curves.csv").write_text("kimg,g\n" + "1,2\n" * 40_000)
    showcase = read_showcase(tmp_path, "run")
    assert (showcase.pictures, showcase.curves) == ({}, None)
    count_attempt("files", 3)
    (tmp_path / "showcase/link").symlink_to(folder)
    for name in ("link", "../showcase/run", "/etc", "..", ""):
        assert read_showcase(tmp_path, name).pictures == {}
        count_attempt("names")


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    folder = tmp_path / "leaderboards"
    (folder / "more").mkdir(parents=True)
    (folder / "index.html").write_text("page")
    (folder / ".hidden").write_text("secret")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "leaderboards-2").mkdir()
    (tmp_path / "leaderboards-2/secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "more/up").symlink_to(tmp_path)
    with _Server(folder, 0) as server:
        assert server.socket.getsockname()[0] == "127.0.0.1"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


OUTSIDE = (
    "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/more/../../secret.txt",
    "/%2e%2e%2fleaderboards-2/secret.txt", "/../leaderboards-2/secret.txt", "/link.txt",
    "/more/up/secret.txt", "/more/up/leaderboards-2/secret.txt", "/.hidden", "/more/../.hidden",
    "//etc/passwd", "/etc/passwd", "/%00", "/..\\secret.txt", "/%5c..%5csecret.txt", "/more",
    "/more/", "/?/../secret.txt/..", "/%252e%252e/secret.txt",
    "http://[bad/", "http://[::1/index.html", "//[bad/secret.txt",
)  # fmt: skip


@pytest.mark.attack(
    guarantee="--serve responds to this machine only, and serves only the report's folder.",
    attack="outside paths, links, hidden files, listings, other methods, other host names",
)
def test_only_the_report_folder_is_served(
    port: int, count_attempt: CountAttempt, capfd: pytest.CaptureFixture[str]
) -> None:
    def send(path: str, method: str = "GET", host: str = f"{HOST}:{port}") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(HOST, port, timeout=20)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host)
        connection.endheaders()
        response: Any = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, content

    assert send("/") == (200, b"page")
    for path in OUTSIDE:
        status, content = send(path)
        assert status in (400, 404) or content == b"page", (path, status)
        assert content != b"secret"
        assert b"root:" not in content
        count_attempt("paths")
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT"):
        assert send("/index.html", method)[0] == 501
        count_attempt("methods")
    for host in ("evil.example", f"evil.example:{port}", "0.0.0.0", f"127.0.0.1.evil:{port}", ""):
        assert send("/", host=host)[0] == 421
        count_attempt("hosts")
    assert "Traceback" not in capfd.readouterr().err
