"""The command ``benchbed new`` and the packages that it generates."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from benchbed.api.specs import DatasetSpec, MethodSpec
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.scaffold.package import create_package

ROOT = Path(__file__).parents[2]
NAMES = {"method": "my-gan", "dataset": "my-cells-2"}
ALLOWED_SECONDS = 0.5

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one generated package of each kind."""
    folder = tmp_path_factory.mktemp("generated")
    for kind, name in NAMES.items():
        subprocess.run(
            [sys.executable, "-m", "benchbed", "new", kind, name],
            check=True, cwd=folder, capture_output=True,
        )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def environment(
    generated: Path,
    sandbox: Callable[[Path], dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """An environment in which both packages are installed in editable mode."""
    variables = sandbox(tmp_path_factory.mktemp("environment"))
    packages = [word for name in NAMES.values() for word in ("-e", name)]
    subprocess.run(["pip", "install", *packages], check=True, cwd=generated, env=variables)
    return variables


def _call(words: list[str], folder: Path, environment: dict[str, str]) -> str:
    result = subprocess.run(
        words, capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


def test_a_generated_method_passes_benchbed_check(
    generated: Path, environment: dict[str, str]
) -> None:
    rows = json.loads(_call(["benchbed", "check", "my-gan", "--json"], generated, environment))
    skipped = {row["check"] for row in rows if row["state"] != "passed"}
    assert len(rows) > 10
    assert skipped <= {"conditioning", "cuda-training", "discriminator-losses"}


def test_generated_packages_pass_their_own_tests(
    generated: Path, environment: dict[str, str]
) -> None:
    """Runs all tests of the dataset, and a few of the method, which the test above covers."""
    python = str(Path(environment["PATH"].split(":")[0]) / "python")
    words = [python, "-m", "pytest", "-v", "--import-mode=importlib", *NAMES.values()]
    chosen = "my-cells-2 or spec-fields or settings or sample-seeds"
    printed = _call([*words, "-k", chosen], generated, environment)
    for test in ("my-gan:spec-fields", "my-gan:sample-seeds",
                 "my-cells-2:phantom-range", "my-cells-2:phantom-preparation"):  # fmt: skip
        assert f"[{test}] PASSED" in printed


def test_a_generated_dataset_passes_benchbed_check_with_real_files(
    generated: Path, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real files are phantoms of another seed; both eyes of p07 are in one split."""
    monkeypatch.syspath_prepend(str(generated / "my-cells-2"))
    from benchbed_my_cells_2.phantom import render

    drawn = render(range(6), 40, 1)
    cases = [("train", "p01_left"), ("train", "p01_right"), ("train", "p02_left"),
             ("test", "p07_left"), ("test", "p07_right"), ("test", "p08_left")]  # fmt: skip
    for number, (split, case) in enumerate(cases):
        for role, pixels in (("images", drawn["image"][..., 0]), ("masks", drawn["mask"] * 255)):
            path = tmp_path / "my-cells-2" / split / role / f"{case}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[number]).save(path)
    variables = {**environment, "BENCHBED_DATA": str(tmp_path)}
    rows = json.loads(_call(["benchbed", "check", "my-cells-2", "--json"], generated, variables))
    assert {row["state"] for row in rows} == {"passed"}
    texts = {row["check"]: row["text"] for row in rows}
    assert {"3", "test", "train", "image", "mask"} <= set(re.findall(r"\w+", texts["file-pairing"]))
    assert "4" in texts["disjoint-splits"].split()


@pytest.mark.parametrize("name", NAMES.values())
@pytest.mark.parametrize(
    "tool",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        # Slow, because mypy reads all of torch. `make lint` checks the generated example.
        pytest.param(("mypy",), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_generated_code_passes_the_linters(
    generated: Path, name: str, tool: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The settings are those of the generated ``pyproject.toml``, with mypy strict."""
    cache = tmp_path_factory.getbasetemp() / "mypy"
    words = [*tool, "--cache-dir", str(cache)] if tool[0] == "mypy" else list(tool)
    result = subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True, text=True, check=False, cwd=generated / name,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


def test_generated_files_do_not_name_builtin_methods_or_datasets(generated: Path) -> None:
    offered = [*get_registry().get_specs(MethodSpec), *get_registry().get_specs(DatasetSpec)]
    pattern = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, offered))})(?![\w-])", re.I)
    files = [path for path in generated.rglob("*") if path.is_file() and "cache" not in str(path)]
    assert len(files) >= 14
    found = {path.name: pattern.findall(path.read_text(encoding="utf-8")) for path in files}
    assert {name: hits for name, hits in found.items() if hits} == {}


@pytest.mark.parametrize(("kind", "name"), NAMES.items())
def test_new_prints_the_written_folder_and_the_next_commands(
    cli: Run, tmp_path: Path, kind: str, name: str
) -> None:
    result = cli("new", kind, name, "--into", "some where/else")
    assert result.returncode == 0, result.stderr
    first, install, check, run = result.stdout.splitlines()
    written = [path for path in (tmp_path / "some where/else" / name).rglob("*") if path.is_file()]
    assert f"{len(written)} files" in first
    assert f"some where/else/{name}" in first
    assert install == f"  pip install -e 'some where/else/{name}'"
    assert check == f"  benchbed check {name}"
    assert re.fullmatch(r"  benchbed run --method [a-z0-9-]+ --dataset [a-z0-9-]+", run)
    assert f"--{kind} {name}" in run
    assert list((tmp_path / "some where/else").iterdir()) == [tmp_path / "some where/else" / name]


INVALID_ARGUMENTS = [
    (("method", "LS GAN"), ["'LS GAN'", "'ls-gan'"]),
    (("dataset", "x_y"), ["'x_y'", "'x-y'"]),
    (("method", "../up"), ["'../up'", "'up'"]),
    (("method", "..."), ["'my-method'"]),
    (("method", "drive"), ["'drive'", "benchbed show drive"]),
    (("dataset", "swd"), ["'swd'", "benchbed show swd"]),
    (("dataset", "retina"), ["benchbed_retina", "benchbed list plugins"]),
    (("method", "my-gan", "--into", "file/below"), ["file/below/my-gan", "--into"]),
]


@pytest.mark.parametrize(
    ("arguments", "facts"), INVALID_ARGUMENTS, ids=lambda value: " ".join(value)[:50]
)
def test_invalid_arguments_exit_with_2_and_write_nothing(
    arguments: tuple[str, ...], facts: list[str], cli: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    result = cli("new", *arguments)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert all(fact in result.stderr for fact in facts), result.stderr
    assert list(tmp_path.rglob("*")) == [tmp_path / "file"]


@pytest.mark.parametrize("existing", ["folder", "file", "broken link"])
def test_existing_files_are_not_overwritten(existing: str, tmp_path: Path) -> None:
    path = tmp_path / "my-gan"
    if existing == "folder":
        path.mkdir()
    elif existing == "file":
        path.write_text("mine")
    else:
        path.symlink_to("nowhere")
    with pytest.raises(BenchbedError, match=r"/my-gan\b.*--into"):
        create_package("method", "my-gan", tmp_path)
    assert list(tmp_path.rglob("*")) == [path]


def test_a_partly_written_package_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, texts = Path.write_text, []

    def write_until_full(path: Path, text: str, **keywords: str) -> int:
        texts.append(text)
        if len(texts) == 3:
            raise OSError(28, "No space left on device")
        return write(path, text, **keywords)

    monkeypatch.setattr(Path, "write_text", write_until_full)
    with pytest.raises(BenchbedError, match=r"my-cells\b.*No space left on device"):
        create_package("dataset", "my-cells", tmp_path)
    assert len(texts) == 3
    assert list(tmp_path.iterdir()) == []


FAST_ARGUMENTS = [("--help",), ("method", "--help"), ("method", "my-gan"), ("dataset", "drive")]


@pytest.mark.parametrize("arguments", FAST_ARGUMENTS, ids=" ".join)
def test_new_is_fast_and_does_not_import_torch(
    arguments: tuple[str, ...], tmp_path: Path, extra_seconds: Callable[[str, float], float]
) -> None:
    code = (
        "import pathlib, shutil, sys\n"
        "shutil.rmtree('my-gan', ignore_errors=True)\n"
        f"sys.argv = ['benchbed', 'new', *{arguments!r}]\n"
        "from benchbed.cli.main import main\n"
        "try:\n    main()\nfinally:\n"
        "    pathlib.Path('modules').write_text(' '.join(sys.modules))"
    )
    assert extra_seconds(code, ALLOWED_SECONDS) < ALLOWED_SECONDS
    modules = (tmp_path / "modules").read_text().split()
    assert "benchbed.cli.new_command" in modules
    assert {"torch", "numpy", "pandas"}.isdisjoint(modules)


def test_the_wheel_contains_the_templates(tmp_path: Path) -> None:
    """An editable install would hide missing files."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        check=True, cwd=ROOT, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    packed_files = set(zipfile.ZipFile(wheel).namelist())
    scaffold = ROOT / "benchbed/scaffold"
    files = [p for p in scaffold.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert len(files) >= 14
    assert {str(path.relative_to(ROOT)) for path in files} | {"benchbed/py.typed"} <= packed_files
