"""What a user gets wrong ends in one sentence and exit code 2, with nothing written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed.cli import main

Run = Callable[..., "subprocess.CompletedProcess[str]"]

ALLOWED_SECONDS = 0.5
"""More than ``python -c pass`` takes, at the best of five tries, for other work disturbs it."""


def _pictures(folder: Path, count: int = 4) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def _refused(answer: subprocess.CompletedProcess[str], *words: str) -> None:
    assert answer.returncode == 2, answer.stderr
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    for word in words:
        assert word in answer.stderr, answer.stderr


NAMES = [
    (("run", "--method", "skrgn", "--dataset", "fundus"), ["'skrgn'", "did you mean 'skrgan'?"]),
    (("run", "--method", "dcgan", "--dataset", "fundis"), ["did you mean 'fundus'?"]),
    (("run", "--method", "dcgan", "--dataset", "drive", "--metric", "fed"), ["mean 'fid'?"]),
    (("run", "--method", "dcgan", "--dataset", "drive", "--task", "sinthesis"), ["'synthesis'?"]),
    (("evaluate", "--real", "a", "--fake", "b", "--metric", "dice"), ["dice judges masks", "swd"]),
    (
        ("evaluate", "--real", "a", "--fake", "b", "--size", "-4"),
        ["'--size'", "greater than or equal to 16"],
    ),
    (
        ("evaluate", "--real", "a", "--fake", "b", "--size", "1000000"),
        ["'--size'", "less than or equal to 8192"],
    ),
    (("run", "--method", "dcgan"), ["--dataset", "benchbed list datasets"]),
    (
        ("run", "--method", "dcgan", "--dataset", "drive", "--set", "learning_rte=1"),
        ["did you mean 'learning_rate'?", "benchbed show dcgan"],
    ),
    (
        ("run", "--method", "dcgan", "--dataset", "drive", "--set", "learning_rate=-1"),
        ["'learning_rate'", "-1", "greater than 0"],
    ),
    (
        ("run", "--method", "skrgan", "--dataset", "drive", "--size", "100"),
        ["100 px", "32, 64, 128, 256, 512", "--size 128"],
    ),
    (("run", "--method", "dcgan", "--dataset", "drive", "--kimg", "-3"), ["kimg", "-3"]),
    (("run", "--method", "dcgan", "--dataset", "drive", "--time", "soon"), ["'soon'", "1h30m"]),
    (
        ("run", "--method", "dcgan", "--dataset", "drive", "--time", "1m", "--kimg", "1"),
        ["not both"],
    ),
    (("run", "--method", "dcgan", "--dataset", "folder:nowhere"), ["nowhere", "no folder"]),
    (("run", "--method", "dcgan", "--dataset", "drive", "--data-root", "none"), ["--data-root"]),
    (
        ("run", "--method", "dcgan", "--dataset", "drive", "--source", "real"),
        ["DRIVE/training/images", "drive.grand-challenge.org", "--data-root"],
    ),
    (("run", "--resume", "no-such-run"), ["'no-such-run'", "benchbed list runs"]),
    (("show", "skrgn"), ["did you mean 'skrgan'?"]),
    (("lst",), ["did you mean 'list'?"]),
    (("report",), ["no record", "benchbed run"]),
    (("report", "--format", "tx"), ["no format 'tx'", "did you mean 'tex'?", "csv"]),
    (("sample", "no-such-run"), ["'no-such-run'"]),
]


@pytest.mark.parametrize(("words", "expected"), NAMES, ids=lambda value: " ".join(value)[:60])
def test_wrong_words(words: tuple[str, ...], expected: list[str], cli: Run, tmp_path: Path) -> None:
    _refused(cli(*words), *expected)
    assert not list(tmp_path.rglob("*"))


QUICK = [words for words, _ in NAMES] + [
    ("--help",),
    ("list", "methods"),
    ("list", "datasets", "--json"),
    ("list", "plugins"),
    ("show", "skrgan"),
    ("show", "drive"),
    ("run", "--help"),
    ("suite", "--help"),
]


@pytest.mark.parametrize("words", QUICK, ids=lambda value: " ".join(value)[:60])
def test_help_lists_and_refusals_are_quick_and_import_no_torch(
    words: tuple[str, ...], tmp_path: Path, extra_seconds: Callable[[str, float], float]
) -> None:
    seen = tmp_path / "modules"
    code = (
        "import pathlib, sys\n"
        f"sys.argv = ['benchbed', *{words!r}]\n"
        "from benchbed.cli.main import main\n"
        "try:\n    main()\nfinally:\n"
        f"    pathlib.Path({str(seen)!r}).write_text(' '.join(sys.modules))"
    )
    allowed = 2.0 if words == ("report",) else ALLOWED_SECONDS
    assert extra_seconds(code, allowed) < allowed
    modules = seen.read_text().split()
    assert "benchbed.cli.main" in modules
    assert "torch" not in modules
    assert "pandas" not in modules or words == ("report",)


def test_a_picture_that_does_not_decode_is_named(cli: Run, tmp_path: Path) -> None:
    folder = _pictures(tmp_path / "mine")
    (folder / "bad.png").write_bytes(b"no picture")
    answer = cli("run", "--method", "dcgan", "--dataset", f"folder:{folder}")
    _refused(answer, "bad.png does not decode", "--skip-bad")
    assert not (tmp_path / "results").exists()


def test_an_empty_folder_is_refused(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    _refused(cli("run", "--method", "dcgan", "--dataset", "folder:empty"), "holds no image")


def test_masks_that_do_not_pair_are_named(cli: Run, tmp_path: Path) -> None:
    _pictures(tmp_path / "mine/images")
    _pictures(tmp_path / "mine/masks", 3)
    answer = cli("run", "--method", "dcgan", "--dataset", "folder:mine")
    _refused(answer, "1 of 4 images", "images/3.png", "masks/")


def test_masks_of_another_size_are_named(cli: Run, tmp_path: Path) -> None:
    _pictures(tmp_path / "mine/images")
    _pictures(tmp_path / "mine/masks")
    Image.new("L", (20, 20)).save(tmp_path / "mine/masks/2.png")
    answer = cli("run", "--method", "dcgan", "--dataset", "folder:mine", "--size", "32")
    _refused(answer, "masks/2.png is 20 x 20", "images/2.png is 40 x 40")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_without_the_right_to_write_is_refused(cli: Run, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    answer = cli("run", "--method", "dcgan", "--dataset", "drive", "--results", str(locked / "x"))
    _refused(answer, "cannot be written to", "--results")


def test_a_results_folder_that_is_a_file_is_refused(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    answer = cli("run", "--method", "dcgan", "--dataset", "drive", "--results", "file")
    _refused(answer, "cannot be written to", "--results")
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.fixture
def done(cli: Run, with_plugin: Path, tmp_path: Path) -> str:
    """A finished run of the example plugin."""
    answer = cli(
        "run", "--method", "tiny-lsgan", "--dataset", "discs", "--size", "16", "--kimg", "0.1",
        "--samples", "8", "--metric", "swd", "--json",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return str(json.loads(answer.stdout)["id"])


def test_a_record_of_a_newer_schema_is_refused_and_kept(
    cli: Run, done: str, tmp_path: Path
) -> None:
    path = tmp_path / "results/records" / f"{done}.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "schema_version": 99}))
    before = path.read_bytes()
    _refused(cli("report"), "schema 99", "reads up to 1", "update benchbed")
    assert path.read_bytes() == before
    assert not (tmp_path / "results/leaderboards").exists()


def test_a_checkpoint_of_another_method_is_refused(cli: Run, done: str, tmp_path: Path) -> None:
    run = tmp_path / "results/runs" / done
    state = json.loads((run / "run.json").read_text())
    state["plan"]["method"] = "dcgan"
    (run / "run.json").write_text(json.dumps(state))
    _refused(cli("sample", done), "checkpoint of 'tiny-lsgan', not of 'dcgan'")


def test_a_damaged_checkpoint_is_refused(cli: Run, done: str, tmp_path: Path) -> None:
    (tmp_path / "results/runs" / done / "checkpoints/last.pt").write_bytes(b"not a checkpoint")
    _refused(cli("sample", done), "last.pt is no checkpoint that can be read")


def test_a_run_whose_data_changed_does_not_go_on(
    cli: Run, with_plugin: Path, tmp_path: Path
) -> None:
    folder = _pictures(tmp_path / "mine", 6)
    words = ("run", "--method", "tiny-lsgan", "--size", "16", "--samples", "4", "--metric", "kl")
    answer = cli(*words, "--dataset", f"folder:{folder}", "--kimg", "0.05", "--json")
    run = json.loads(answer.stdout)["id"]
    shutil.rmtree(tmp_path / "results/records")
    (folder / "0.png").unlink()
    _refused(cli("run", "--resume", run), "cannot go on", "have changed")


SYSTEM = [
    (PermissionError(13, "Permission denied", "/a/\x1b[31mb"), 2, "denied: /a/\\x1b[31mb."),
    (IsADirectoryError(21, "Is a directory", "/a/b"), 2, "Is a directory: /a/b."),
    (OSError(28, "No space left on device", "/a/b"), 1, "device: /a/b; free some room."),
    (MemoryError("Unable to allocate 9 TiB"), 1, "not enough memory for this (Unable to"),
    (MemoryError(), 1, "There is not enough memory for this."),
]


@pytest.mark.parametrize(("error", "code", "words"), SYSTEM, ids=repr)
def test_what_the_system_refuses_is_said_in_a_sentence(
    error: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Root may read and write everything, so that the refusal is made here."""

    def refuse(**_: object) -> None:
        raise error

    monkeypatch.setattr(main, "app", refuse)
    with pytest.raises(SystemExit) as caught:
        main.main()
    said = capsys.readouterr()
    assert (caught.value.code, said.out) == (code, "")
    assert said.err.startswith("benchbed: ")
    assert said.err.count("\n") == 1
    assert words in said.err


def test_a_fault_of_ours_is_told_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(main, "app", refuse)
    with pytest.raises(OSError, match="Input/output"):
        main.main()


def test_a_data_root_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = Path.iterdir

    def refuse(self: Path) -> Iterator[Path]:
        if self == tmp_path:
            raise PermissionError(13, "Permission denied", str(self))
        return listed(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    monkeypatch.setattr(sys, "argv", ["benchbed", "data", "status", "--data-root", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 2
    assert f"Permission denied: {tmp_path}." in capsys.readouterr().err
