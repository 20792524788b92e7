"""Folders of strangers: links, pipes, devices, and texts that break or forge output."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from benchbed.cli.output import make_plain_text
from benchbed.config.settings import parse_assignments, read_settings_file, read_yaml
from benchbed.data.io.image_files import is_tiff, name_decode_errors, open_picture
from benchbed.errors import BenchbedError
from benchbed.report.render.csv import render_csv
from benchbed.report.render.html.page import render_page
from benchbed.report.render.latex import render_latex
from benchbed.report.render.markdown import render_markdown
from benchbed.report.write import build_leaderboards
from benchbed.results.lookup import read_state
from benchbed.results.record import Record, read_record
from benchbed.results.showcase import write_showcase
from benchbed.results.store import ResultStore
from benchbed.runs.status import LogReporter, read_status
from benchbed.sharing.archive import ArchiveError
from benchbed.sharing.export import export_run, find_exportable_run
from benchbed.sharing.install import check_archive
from benchbed.suites.spec import read_suite
from benchbed.training.checkpoint import load_checkpoint
from benchbed.training.loggers import History
from benchbed.utils.content import MAX_DEPTH
from benchbed.utils.progress import NullReporter

CountAttempt = Callable[..., None]
Change = Callable[[dict[str, Any]], None]

HISTORIC = Path(__file__).parents[1] / "historic/schema-1"
RUN = next(HISTORIC.glob("runs/*")).name
SECRET = "a secret outside of the run's folder"


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """A results folder with one finished run and its weights."""
    for part in ("records", "runs"):
        shutil.copytree(HISTORIC / part, tmp_path / "results" / part)
    return ResultStore(tmp_path / "results")


@contextmanager
def limit_seconds(seconds: int) -> Iterator[None]:
    """Fail if the block takes longer."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"it hangs for {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _nest(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


UNSAFE_CHANGES: dict[str, Change] = {
    "lone surrogate": lambda c: c["provenance"].update(processor="\ud800"),
    "surrogate in a key": lambda c: c["settings"].update({"\udfff": 1}),
    "bidi control": lambda c: c["provenance"].update(processor="\u202etxt.exe"),
    "bidi isolate": lambda c: c["provenance"].update(processor="\u2066x"),
    "terminal control": lambda c: c["provenance"].update(processor="\x1b[2J"),
    "300 levels in settings": lambda c: c["settings"].update(deep=_nest(300)),
    "300 levels in the protocol": lambda c: c["protocol"].update(deep=_nest(300)),
}


@pytest.mark.attack(
    guarantee="An untrusted record or archive does not break the reports of other records.",
    attack="lone surrogates, bidi controls and 300 levels in archives, settings and records",
)
def test_unsafe_texts_and_depth_are_rejected(
    store: ResultStore,
    tmp_path: Path,
    make_forged_archive: Callable[[Change], Path],
    count_attempt: CountAttempt,
) -> None:
    valid = store.get_record_path(RUN).read_text(encoding="utf-8")
    others = [record.id for record in store.load_records()]
    for kind, change in UNSAFE_CHANGES.items():
        with pytest.raises(ArchiveError):
            check_archive(make_forged_archive(change))
        content = json.loads(valid)
        change(content)
        path = store.records_folder / "stranger.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        left_out: list[str] = []
        assert [record.id for record in store.load_records(left_out.append)] == others
        assert len(left_out) == 1
        assert str(path) in left_out[0]
        left_out[0].encode()
        count_attempt(kind, 2)
    for text in ('a: "\\uD800"', 'a: "\\u202E"', f"a: {_nest(MAX_DEPTH + 5)}"):
        path = tmp_path / "settings.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(BenchbedError, match=re.escape(str(path))):
            read_settings_file(path)
        count_attempt("settings file")


@pytest.mark.attack(
    guarantee="An untrusted record or archive does not break the reports of other records.",
    attack="records that are damaged, hostile, pipes, links or of another run, next to a valid one",
)
def test_a_bad_record_is_named_and_left_out(
    cli: Callable[..., Any], store: ResultStore, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    content = json.loads(store.get_record_path(RUN).read_text(encoding="utf-8"))
    content["settings"] = {"a": "\ud800"}
    (store.records_folder / "hostile.json").write_text(json.dumps(content), encoding="utf-8")
    (store.records_folder / "damaged.json").write_bytes(b"{\xff")
    shutil.copy(store.get_record_path(RUN), store.records_folder / "another.json")
    os.mkfifo(store.records_folder / "pipe.json")
    (store.records_folder / "endless.json").symlink_to("/dev/zero")
    names = ("hostile", "damaged", "another", "pipe", "endless")
    out = tmp_path / "out"
    for command in (("report", "--out", str(out), "--no-show"), ("list", "runs")):
        result = cli(*command, "--results", str(store.root))
        assert result.returncode == 0, result.stderr
        assert all(f"{name}.json" in result.stderr for name in names)
        assert "Traceback" not in result.stderr
        count_attempt(command[0], len(names))
    assert any(RUN in path.read_text(encoding="utf-8") for path in out.glob("*.md"))


def _link(path: Path, target: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(target)


@pytest.mark.attack(
    guarantee="Links in a run's folder are not followed.",
    attack="files and folders of a run linked elsewhere: exported, logged, locked, resumed",
)
def test_links_in_a_run_folder_are_not_followed(
    store: ResultStore, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    folder, outside = store.get_run_folder(RUN), tmp_path / "outside"
    outside.mkdir()
    secret = outside / "final.png"
    secret.write_text(SECRET, encoding="utf-8")
    valid = tmp_path / "valid"
    shutil.copytree(folder, valid)

    def restore() -> None:
        shutil.rmtree(folder)
        shutil.copytree(valid, folder)

    for name, target in {
        "history.csv": secret, "samples/final.png": secret, "samples": outside,
    }.items():  # fmt: skip
        _link(folder / name, target)
        archive = tmp_path / "run.zip"
        with pytest.raises(BenchbedError, match="link"):
            export_run(find_exportable_run(store, RUN), archive)
        assert not archive.exists()
        count_attempt("export")
        write_showcase(store, RUN, lambda _: None)
        assert not any(SECRET in p.read_text("latin-1") for p in store.root.rglob("*.jpg"))
        restore()
    for name, target in {
        "samples": outside, "checkpoints": outside, "log.txt": secret, ".lock": secret,
        ".progress.json.part": secret, "output.txt": secret, "tensorboard": outside,
    }.items():  # fmt: skip
        _link(folder / name, target)
        with pytest.raises(BenchbedError, match="link"), store.lock_run(RUN):
            pass
        LogReporter(folder / "log.txt", NullReporter()).report_message("hello")
        assert secret.read_text(encoding="utf-8") == SECRET
        assert [path.name for path in outside.iterdir()] == [secret.name]
        count_attempt("locked and logged")
        restore()
    _link(folder / "checkpoints", valid / "checkpoints")
    with pytest.raises(BenchbedError, match="link"):
        load_checkpoint(folder / "checkpoints/last.pt", "any")
    _link(folder / "run.json", valid / "run.json")
    assert read_state(store, RUN) == "unreadable"
    _link(store.root / "showcase" / RUN, outside)
    write_showcase(store, RUN, lambda _: None)
    assert [path.name for path in outside.iterdir()] == [secret.name]
    count_attempt("read", 3)


def _make_pipe(path: Path) -> None:
    os.mkfifo(path)


def _make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _make_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**37)


KINDS = {"pipe": _make_pipe, "device": _make_device, "128 GiB": _make_large}


def _read_picture(path: Path) -> None:
    with name_decode_errors(path):
        is_tiff(path)


def _open_picture(path: Path) -> None:
    with name_decode_errors(path), open_picture(path):
        pass


READERS: dict[str, Callable[[Path], object]] = {
    "record": read_record,
    "settings file": read_settings_file,
    "suite": read_suite,
    "superseded": lambda path: read_yaml(path, "file"),
    "checkpoint": lambda path: load_checkpoint(path, "any"),
    "history": lambda path: History(path).read(),
    "kind of picture": _read_picture,
    "picture": _open_picture,
}


@pytest.mark.attack(
    guarantee="Only regular files of bounded size are opened.",
    attack="pipes, endless devices and files of 128 GiB in place of every file that is read",
)
def test_pipes_devices_and_large_files_are_rejected(
    tmp_path: Path, store: ResultStore, count_attempt: CountAttempt
) -> None:
    for kind, make in KINDS.items():
        for name, read in READERS.items():
            path = tmp_path / f"{name}-{kind}"
            make(path)
            with limit_seconds(10), pytest.raises(BenchbedError, match=re.escape(str(path))):
                read(path)
            count_attempt(kind)
        folder = store.get_run_folder(RUN)
        for name in ("run.json", "progress.json"):
            (folder / name).unlink(missing_ok=True)
            make(folder / name)
        with limit_seconds(10):
            assert read_state(store, RUN) == "unreadable"
            assert read_status(folder) is None
        count_attempt(kind, 2)


@pytest.mark.attack(
    guarantee="Settings and suites are read as written, or rejected.",
    attack="repeated keys, and numbers with leading zeros, in settings, suites and --set",
)
def test_ambiguous_yaml_is_rejected(tmp_path: Path, count_attempt: CountAttempt) -> None:
    path = tmp_path / "file.yaml"
    texts = {
        "a: 1\nb: 2\na: 3\n": ("'a'", "1", "3"),
        "x:\n  seed: 1\n  'seed': 2\n": ("'seed'", "2", "3"),
        "a: 1\nseed: 010\n": ("010", "2"),
        "seeds: [1, -007]\n": ("-007", "1"),
        "seed: 09\n": ("09", "1"),
        "seed: 0_10\n": ("0_10", "1"),
        "010: 1\n": ("010", "1"),
    }
    for text, named in texts.items():
        path.write_text(text, encoding="utf-8")
        for read in (read_settings_file, read_suite):
            with pytest.raises(BenchbedError) as error:
                read(path)
            assert all(word in str(error.value) for word in (*named, str(path)))
            count_attempt("files")
    for value in ("seed=010", "seeds=[08]"):
        with pytest.raises(BenchbedError, match="0"):
            parse_assignments([value])
        count_attempt("options")
    assert parse_assignments(["a=0", "b=0.1", "c=10", "d=0x10"]) == {
        "a": 0, "b": 0.1, "c": 10, "d": 16,
    }  # fmt: skip


HOSTILE_TEXT = (
    "x<b onload='h()'>y</b> <!-- c --> ![p](http://evil.example/p.png) [l](http://evil.example) "
    "[r]: http://evil.example <http://evil.example> www.evil.example \\](z) | cell\n\n# heading"
    "\u2028- item \\input{evil} [red]rich[/red] \x1b[2J\u202e"
)


@pytest.mark.attack(
    guarantee="Texts of records are shown as texts in every format.",
    attack="HTML, images, links, line breaks and control characters, in every format of a report",
)
def test_every_format_escapes_a_hostile_record(
    make_record: Callable[..., Record], tmp_path: Path, count_attempt: CountAttempt
) -> None:
    record = make_record(
        HOSTILE_TEXT, id="evil", settings={"a": HOSTILE_TEXT}, dataset=HOSTILE_TEXT,
        preset=HOSTILE_TEXT, values={"swd": 0.1}, skipped=[HOSTILE_TEXT], precision=HOSTILE_TEXT,
    )  # fmt: skip
    metrics = [m.model_copy(update={"note": HOSTILE_TEXT}) for m in record.metrics]
    records = [
        record.model_copy(update={"metrics": metrics}),
        make_record(
            "dcgan", 1, id="evil-2", dataset=HOSTILE_TEXT, state="diverged", message=HOSTILE_TEXT
        ),
    ]
    for leaderboard in build_leaderboards(records, tmp_path):
        markdown = render_markdown(leaderboard)
        assert "evil.example" in markdown, "the text is not shown, so the test proves nothing"
        tokens = [
            token
            for block in MarkdownIt("commonmark").enable("table").parse(markdown)
            for token in (block, *(block.children or ()))
        ]
        assert not {"html_block", "link_open"} & {token.type for token in tokens}
        tags = {token.content for token in tokens if token.type == "html_inline"}
        assert tags <= {"<sup>", "</sup>"}
        images = {str(token.attrs["src"]) for token in tokens if token.type == "image"}
        assert not any("evil" in image for image in images)
        assert not re.search(r"://|\bwww\.", markdown), "GitHub makes links of these"
        assert not re.search(r"^(# heading|- item)", markdown, re.MULTILINE)
        lines = [line for line in markdown.splitlines() if line.startswith("| ")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines[:3]}) == 1
        count_attempt("Markdown")
        assert r"\input{evil}" not in render_latex(leaderboard)
        count_attempt("LaTeX")
        rows = list(csv.reader(io.StringIO(render_csv(leaderboard))))
        assert len({len(row) for row in rows}) == 1
        count_attempt("CSV")
        page = render_page([leaderboard], records, tmp_path)
        assert "<b onload" not in page
        count_attempt("HTML")
    console = Console(file=io.StringIO(), width=10_000)
    console.print(make_plain_text(f"{HOSTILE_TEXT}\ud800"))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]rich[/red] \\x1b[2J\\u202e\\ud800" in shown
    count_attempt("terminal")
