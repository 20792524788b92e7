"""Wrong input ends with exit code 2 and one message, and writes nothing."""

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
"""Most processor seconds allowed above those of ``python -c pass``."""


def _save_images(folder: Path, count: int = 4) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def _assert_refused(result: subprocess.CompletedProcess[str], *facts: str) -> None:
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    for fact in facts:
        assert fact in result.stderr, result.stderr


WRONG_ARGUMENTS = [
    (("run", "--method", "skrgn", "--dataset", "fundus"), ["'skrgn'", "'skrgan'"]),
    (("run", "--method", "dcgan", "--dataset", "fundis"), ["'fundis'", "'fundus'"]),
    (("run", "--method", "dcgan", "--dataset", "drive", "--metric", "fed"), ["'fed'", "'fid'"]),
    (
        ("run", "--method", "dcgan", "--dataset", "drive", "--task", "sinthesis"),
        ["'sinthesis'", "'synthesis'"],
    ),
    (("evaluate", "--real", "a", "--fake", "b", "--metric", "dice"), ["dice", "swd"]),
    (
        ("evaluate", "--real", "a", "--fake", "b", "--size", "-4"),
        ["--size", "16"],
    ),
    (
        ("evaluate", "--real", "a", "--fake", "b", "--size", "1000000"),
        ["--size", "8192"],
    ),
    (("run", "--method", "dcgan"), ["--dataset", "benchbed list datasets"]),
    (
        ("run", "--method", "dcgan", "--dataset", "drive", "--set", "learning_rte=1"),
        ["'learning_rte'", "'learning_rate'", "benchbed show dcgan"],
    ),
    (
        ("run", "--method", "dcgan", "--dataset", "drive", "--set", "learning_rate=-1"),
        ["'learning_rate'", "-1", " 0"],
    ),
    (
        ("run", "--method", "skrgan", "--dataset", "drive", "--size", "100"),
        ["100", "32, 64, 128, 256, 512", "--size 128"],
    ),
    (("run", "--method", "dcgan", "--dataset", "drive", "--kimg", "-3"), ["kimg", "-3"]),
    (("run", "--method", "dcgan", "--dataset", "drive", "--time", "soon"), ["'soon'", "1h30m"]),
    (
        ("run", "--method", "dcgan", "--dataset", "drive", "--time", "1m", "--kimg", "1"),
        ["--time", "--kimg"],
    ),
    (("run", "--method", "dcgan", "--dataset", "folder:nowhere"), ["nowhere"]),
    (
        ("run", "--method", "dcgan", "--dataset", "drive", "--data-root", "none"),
        ["--data-root", "none"],
    ),
    (
        ("run", "--method", "dcgan", "--dataset", "drive", "--source", "real"),
        ["DRIVE/training/images", "drive.grand-challenge.org", "--data-root"],
    ),
    (("run", "--resume", "no-such-run"), ["'no-such-run'", "benchbed list runs"]),
    (("run", "--resume", "some-run", "--kimg", "3", "--seed", "1"), ["--kimg", "--seed"]),
    (("show", "skrgn"), ["'skrgn'", "'skrgan'", "`benchbed list methods`", "benchbed list runs"]),
    (("lst",), ["'lst'", "'list'"]),
    (("report",), ["benchbed run"]),
    (("report", "--format", "tx"), ["'tx'", "'tex'", "csv"]),
    (("sample", "no-such-run"), ["'no-such-run'"]),
]


@pytest.mark.parametrize(
    ("arguments", "facts"), WRONG_ARGUMENTS, ids=lambda value: " ".join(value)[:60]
)
def test_wrong_arguments_exit_with_2_and_write_nothing(
    arguments: tuple[str, ...], facts: list[str], cli: Run, tmp_path: Path
) -> None:
    _assert_refused(cli(*arguments), *facts)
    assert not list(tmp_path.rglob("*"))


FAST_COMMANDS = [arguments for arguments, _ in WRONG_ARGUMENTS] + [
    ("--help",),
    ("list", "methods"),
    ("list", "datasets", "--json"),
    ("list", "plugins"),
    ("show", "skrgan"),
    ("show", "drive"),
    ("run", "--help"),
    ("suite", "--help"),
]


@pytest.mark.parametrize("arguments", FAST_COMMANDS, ids=lambda value: " ".join(value)[:60])
def test_help_lists_and_errors_are_fast_and_do_not_import_torch(
    arguments: tuple[str, ...], tmp_path: Path, extra_seconds: Callable[[str, float], float]
) -> None:
    modules_file = tmp_path / "modules"
    code = (
        "import pathlib, sys\n"
        f"sys.argv = ['benchbed', *{arguments!r}]\n"
        "from benchbed.cli.main import main\n"
        "try:\n    main()\nfinally:\n"
        f"    pathlib.Path({str(modules_file)!r}).write_text(' '.join(sys.modules))"
    )
    allowed = 2.0 if arguments == ("report",) else ALLOWED_SECONDS
    assert extra_seconds(code, allowed) < allowed
    modules = modules_file.read_text().split()
    assert "benchbed.cli.main" in modules
    assert "torch" not in modules
    assert "pandas" not in modules or arguments == ("report",)


def test_an_undecodable_image_is_named(cli: Run, tmp_path: Path) -> None:
    folder = _save_images(tmp_path / "mine")
    (folder / "bad.png").write_bytes(b"no picture")
    result = cli("run", "--method", "dcgan", "--dataset", f"folder:{folder}")
    _assert_refused(result, "bad.png", "--skip-bad")
    assert not (tmp_path / "results").exists()


def test_an_empty_folder_is_rejected(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    _assert_refused(
        cli("run", "--method", "dcgan", "--dataset", "folder:empty"), "empty", "FOLDER/images"
    )


@pytest.mark.parametrize(
    ("real", "fake"),
    [
        ("reals", "reals"),
        ("reals", "reals/samples"),
        ("reals/samples", "reals"),
        ("reals", "link"),
        ("reals", "reals/../reals/samples"),
        ("fakes", "mixed"),
        ("fakes", "inner"),
    ],
)
def test_evaluate_rejects_folders_that_overlap(
    real: str, fake: str, cli: Run, tmp_path: Path
) -> None:
    """The folders are equal, nested, or share images through links; both are named."""
    _save_images(tmp_path / "reals")
    _save_images(tmp_path / "reals/samples")
    _save_images(tmp_path / "fakes")
    _save_images(tmp_path / "mixed")
    (tmp_path / "inner").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "reals/samples")
    (tmp_path / "mixed/4.png").symlink_to(tmp_path / "fakes/0.png")
    (tmp_path / "inner/folder").symlink_to(tmp_path / "fakes")
    result = cli("evaluate", "--real", real, "--fake", fake, "--metric", "kl")
    _assert_refused(result, f"--real {real}", f"--fake {fake}", "separate folders")


def test_evaluate_rejects_held_out_images_that_are_real_images(cli: Run, tmp_path: Path) -> None:
    real = _save_images(tmp_path / "real")
    _save_images(tmp_path / "fake")
    folders = ("--real", "real", "--fake", "fake", "--held-out")
    _assert_refused(cli("evaluate", *folders, "./real"), "--real real", "--held-out")
    real.rename(tmp_path / "fake/real")
    (tmp_path / "real").symlink_to(tmp_path / "fake/real")
    _assert_refused(cli("evaluate", *folders, "missing"), "--real real", "--fake fake")


def test_a_long_path_is_printed_whole_without_a_terminal(cli: Run, tmp_path: Path) -> None:
    folder = tmp_path / ("long folder " * 10).strip()
    _save_images(folder)
    (folder / "bad.png").write_bytes(b"no picture")
    result = cli("run", "--method", "dcgan", "--dataset", f"folder:{folder}", COLUMNS="80")
    assert f"in {folder}" in result.stderr


def test_images_without_masks_are_named(cli: Run, tmp_path: Path) -> None:
    _save_images(tmp_path / "mine/images")
    _save_images(tmp_path / "mine/masks", 3)
    result = cli("run", "--method", "dcgan", "--dataset", "folder:mine")
    _assert_refused(result, "1 of 4", "images/3.png", "masks/")


def test_a_mask_of_a_different_size_is_named(cli: Run, tmp_path: Path) -> None:
    _save_images(tmp_path / "mine/images")
    _save_images(tmp_path / "mine/masks")
    Image.new("L", (20, 20)).save(tmp_path / "mine/masks/2.png")
    words = ("--dataset", "folder:mine", "--size", "32", "--metric", "fid")
    result = cli("run", "--method", "dcgan", *words)
    _assert_refused(result, "masks/2.png", "20 x 20", "images/2.png", "40 x 40")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_an_unwritable_results_folder_is_rejected(cli: Run, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    result = cli("run", "--method", "dcgan", "--dataset", "drive", "--results", str(locked / "x"))
    _assert_refused(result, str(locked), "--results")


def test_a_results_folder_that_is_a_file_is_rejected(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "not-a-folder").write_text("not a folder")
    result = cli("run", "--method", "dcgan", "--dataset", "drive", "--results", "not-a-folder")
    _assert_refused(result, "not-a-folder", "--results")
    assert (tmp_path / "not-a-folder").read_text() == "not a folder"


@pytest.fixture
def finished_run(cli: Run, with_plugin: Path, tmp_path: Path) -> str:
    """Id of a finished run of the example plugin."""
    result = cli(
        "run", "--method", "tiny-lsgan", "--dataset", "discs", "--size", "16", "--kimg", "0.1",
        "--samples", "8", "--metric", "swd", "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return str(json.loads(result.stdout)["id"])


def test_a_record_of_a_newer_schema_is_rejected_and_unchanged(
    cli: Run, finished_run: str, tmp_path: Path
) -> None:
    path = tmp_path / "results/records" / f"{finished_run}.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "schema_version": 99}))
    before = path.read_bytes()
    _assert_refused(cli("report"), "schema 99")
    assert path.read_bytes() == before
    assert not (tmp_path / "results/leaderboards").exists()


def test_a_checkpoint_of_another_method_is_rejected(
    cli: Run, finished_run: str, tmp_path: Path
) -> None:
    run = tmp_path / "results/runs" / finished_run
    state = json.loads((run / "run.json").read_text())
    state["plan"]["method"] = "dcgan"
    (run / "run.json").write_text(json.dumps(state))
    _assert_refused(cli("sample", finished_run), "'tiny-lsgan'", "'dcgan'")


def test_a_damaged_checkpoint_is_rejected(cli: Run, finished_run: str, tmp_path: Path) -> None:
    (tmp_path / "results/runs" / finished_run / "checkpoints/last.pt").write_bytes(
        b"not a checkpoint"
    )
    result = cli("sample", finished_run)
    _assert_refused(result, "last.pt")
    assert "weights_only" not in result.stderr


def test_a_run_does_not_resume_when_its_data_changed(
    cli: Run, with_plugin: Path, tmp_path: Path
) -> None:
    folder = _save_images(tmp_path / "mine", 6)
    arguments = (
        "run",
        "--method",
        "tiny-lsgan",
        "--size",
        "16",
        "--samples",
        "4",
        "--metric",
        "kl",
    )
    result = cli(*arguments, "--dataset", f"folder:{folder}", "--kimg", "0.05", "--json")
    run = json.loads(result.stdout)["id"]
    shutil.rmtree(tmp_path / "results/records")
    (folder / "0.png").unlink()
    _assert_refused(cli("run", "--resume", run), run, "mine")


SYSTEM_ERRORS = [
    (PermissionError(13, "Permission denied", "/a/\x1b[31mb"), 2, ["/a/\\x1b[31mb"]),
    (IsADirectoryError(21, "Is a directory", "/a/b"), 2, ["/a/b"]),
    (OSError(28, "No space left on device", "/a/b"), 1, ["No space left on device", "/a/b"]),
    (MemoryError("Unable to allocate 9 TiB"), 1, ["memory", "Unable to allocate 9 TiB"]),
    (MemoryError(), 1, ["memory"]),
]


@pytest.mark.parametrize(("error", "code", "facts"), SYSTEM_ERRORS, ids=repr)
def test_system_errors_are_reported_in_one_line(
    error: BaseException,
    code: int,
    facts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The errors are simulated, because root may read and write everything."""

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(SystemExit) as caught:
        main.main()
    printed = capsys.readouterr()
    assert (caught.value.code, printed.out) == (code, "")
    assert printed.err.startswith("benchbed: ")
    assert printed.err.count("\n") == 1
    assert all(fact in printed.err for fact in facts), printed.err


def test_an_internal_error_is_raised_with_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(OSError, match="Input/output"):
        main.main()


def test_an_unreadable_data_root_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    iterdir = Path.iterdir

    def deny(self: Path) -> Iterator[Path]:
        if self == tmp_path:
            raise PermissionError(13, "Permission denied", str(self))
        return iterdir(self)

    monkeypatch.setattr(Path, "iterdir", deny)
    monkeypatch.setattr(sys, "argv", ["benchbed", "data", "status", "--data-root", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 2
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"", b"truncated"])
def test_weights_that_are_not_the_published_ones_are_refused(
    content: bytes | None, cli: Run, tmp_path: Path
) -> None:
    file = tmp_path / "pt_inception-2015-12-05-6726825d.pth"
    if content is not None:
        file.write_bytes(content)
    options = ("--weights", str(file))
    for command in (
        ("doctor",),
        ("run", "--method", "dcgan", "--dataset", "fundus"),
        ("evaluate", "--real", "a", "--fake", "b"),
    ):
        _assert_refused(cli(*command, *options), str(file))
    assert not (tmp_path / "results").exists()
    if content is not None:
        result = cli("doctor", BENCHBED_WEIGHTS=str(tmp_path))
        assert result.returncode == 1
        assert str(file) in result.stdout
