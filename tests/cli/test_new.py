"""``benchbed new``: what it writes works as it is; what it cannot write it refuses."""

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
    """A folder with one generated package of each kind, beside each other."""
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
    """An environment in which both are installed as an author does it."""
    made = sandbox(tmp_path_factory.mktemp("environment"))
    packages = [word for name in NAMES.values() for word in ("-e", name)]
    subprocess.run(["pip", "install", *packages], check=True, cwd=generated, env=made)
    return made


def _call(words: list[str], folder: Path, environment: dict[str, str]) -> str:
    answer = subprocess.run(
        words, capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert answer.returncode == 0, f"{answer.stdout}\n{answer.stderr}"
    return answer.stdout


def test_a_generated_method_passes_check(generated: Path, environment: dict[str, str]) -> None:
    rows = json.loads(_call(["benchbed", "check", "my-gan", "--json"], generated, environment))
    skipped = {row["check"] for row in rows if row["state"] != "passed"}
    assert len(rows) > 10
    assert skipped <= {"conditions-are-followed", "cuda-trains"}


def test_generated_packages_pass_their_own_tests(
    generated: Path, environment: dict[str, str]
) -> None:
    """All of the data set's; of the method's, which take longer and ran above, some."""
    python = str(Path(environment["PATH"].split(":")[0]) / "python")
    words = [python, "-m", "pytest", "-v", "--import-mode=importlib", *NAMES.values()]
    chosen = "my-cells-2 or spec-is or settings or samples-follow"
    printed = _call([*words, "-k", chosen], generated, environment)
    for test in ("my-gan:spec-is-complete", "my-gan:samples-follow-their-seed",
                 "my-cells-2:phantom-is-in-range", "my-cells-2:phantom-prepares"):  # fmt: skip
        assert f"[{test}] PASSED" in printed


def test_a_generated_data_set_passes_check_with_real_files_in_its_layout(
    generated: Path, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real files are phantoms of another seed; p07's two eyes must stay in one split."""
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
    there = {**environment, "BENCHBED_DATA": str(tmp_path)}
    rows = json.loads(_call(["benchbed", "check", "my-cells-2", "--json"], generated, there))
    assert {row["state"] for row in rows} == {"passed"}
    told = {row["check"]: row["text"] for row in rows}
    assert told["real-files-pair"] == "3 test, 3 train; image, mask"
    assert told["real-splits-are-disjoint"] == "4 patients"


@pytest.mark.parametrize("name", NAMES.values())
@pytest.mark.parametrize(
    "tool",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        # It reads all of torch; `make lint` reads the worked example, which is generated code too.
        pytest.param(("mypy",), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_generated_code_is_clean(
    generated: Path, name: str, tool: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By the settings in the generated ``pyproject.toml``, mypy strict."""
    cache = tmp_path_factory.getbasetemp() / "mypy"
    words = [*tool, "--cache-dir", str(cache)] if tool[0] == "mypy" else list(tool)
    answer = subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True, text=True, check=False, cwd=generated / name,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_generated_files_name_nothing_that_a_plugin_of_ours_offers(generated: Path) -> None:
    offered = [*get_registry().get_specs(MethodSpec), *get_registry().get_specs(DatasetSpec)]
    pattern = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, offered))})(?![\w-])", re.I)
    files = [path for path in generated.rglob("*") if path.is_file() and "cache" not in str(path)]
    assert len(files) >= 14
    found = {path.name: pattern.findall(path.read_text(encoding="utf-8")) for path in files}
    assert {name: hits for name, hits in found.items() if hits} == {}


@pytest.mark.parametrize(("kind", "name"), NAMES.items())
def test_it_says_what_was_written_and_what_comes_next(
    cli: Run, tmp_path: Path, kind: str, name: str
) -> None:
    answer = cli("new", kind, name, "--into", "some where/else")
    assert answer.returncode == 0, answer.stderr
    first, install, check, run = answer.stdout.splitlines()
    written = [path for path in (tmp_path / "some where/else" / name).rglob("*") if path.is_file()]
    assert first.startswith(f"{len(written)} files in some where/else/{name};")
    assert install == f"  pip install -e 'some where/else/{name}'"
    assert check == f"  benchbed check {name}"
    assert re.fullmatch(r"  benchbed run --method [a-z0-9-]+ --dataset [a-z0-9-]+", run)
    assert f"--{kind} {name}" in run
    assert list((tmp_path / "some where/else").iterdir()) == [tmp_path / "some where/else" / name]


REFUSED = [
    (("method", "LS GAN"), ["'LS GAN'", "joined by hyphens", "'ls-gan'"]),
    (("dataset", "x_y"), ["'x_y'", "'x-y'"]),
    (("method", "../up"), ["'../up'", "'up'"]),
    (("method", "..."), ["'my-method'"]),
    (("method", "drive"), ["'drive' is taken by benchbed", "benchbed show drive"]),
    (("dataset", "swd"), ["'swd' is taken by benchbed"]),
    (("dataset", "retina"), ["benchbed_retina", "benchbed list plugins"]),
    (("method", "my-gan", "--into", "file/below"), ["file/below/my-gan", "--into"]),
]


@pytest.mark.parametrize(("words", "expected"), REFUSED, ids=lambda value: " ".join(value)[:50])
def test_what_cannot_be_is_refused_with_nothing_written(
    words: tuple[str, ...], expected: list[str], cli: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    answer = cli("new", *words)
    assert answer.returncode == 2, answer.stderr
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    assert all(word in answer.stderr for word in expected), answer.stderr
    assert list(tmp_path.rglob("*")) == [tmp_path / "file"]


@pytest.mark.parametrize("what", ["folder", "file", "broken link"])
def test_nothing_is_overwritten(what: str, tmp_path: Path) -> None:
    place = tmp_path / "my-gan"
    if what == "folder":
        place.mkdir()
    elif what == "file":
        place.write_text("mine")
    else:
        place.symlink_to("nowhere")
    with pytest.raises(BenchbedError, match=r"folder .*/my-gan is there already .* --into"):
        create_package("method", "my-gan", tmp_path)
    assert list(tmp_path.rglob("*")) == [place]


def test_a_package_that_cannot_be_written_whole_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, texts = Path.write_text, []

    def full(path: Path, text: str, **keywords: str) -> int:
        texts.append(text)
        if len(texts) == 3:
            raise OSError(28, "No space left on device")
        return write(path, text, **keywords)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(BenchbedError, match=r"cannot be made \(No space left on device\)"):
        create_package("dataset", "my-cells", tmp_path)
    assert len(texts) == 3
    assert list(tmp_path.iterdir()) == []


WORDS = [("--help",), ("method", "--help"), ("method", "my-gan"), ("dataset", "drive")]


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_it_is_quick_and_imports_no_torch(
    words: tuple[str, ...], tmp_path: Path, extra_seconds: Callable[[str, float], float]
) -> None:
    code = (
        "import pathlib, shutil, sys\n"
        "shutil.rmtree('my-gan', ignore_errors=True)\n"
        f"sys.argv = ['benchbed', 'new', *{words!r}]\n"
        "from benchbed.cli.main import main\n"
        "try:\n    main()\nfinally:\n"
        "    pathlib.Path('modules').write_text(' '.join(sys.modules))"
    )
    assert extra_seconds(code, ALLOWED_SECONDS) < ALLOWED_SECONDS
    modules = (tmp_path / "modules").read_text().split()
    assert "benchbed.cli.new_command" in modules
    assert {"torch", "numpy", "pandas"}.isdisjoint(modules)


def test_templates_are_part_of_the_wheel(tmp_path: Path) -> None:
    """benchbed is installed by pip from a wheel; an editable install would hide their absence."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        check=True, cwd=ROOT, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    scaffold = ROOT / "benchbed/scaffold"
    files = [p for p in scaffold.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert len(files) >= 14
    assert {str(path.relative_to(ROOT)) for path in files} | {"benchbed/py.typed"} <= packed
