"""MedMNIST: specs from the package's metadata, files in its layout, runs and downloads."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbed import BenchbedError, DatasetSpec, DownloadSource
from benchbed.data.download.fetch import FetchError, fetch_dataset
from benchbed.data.preprocessing.prepare import prepare_dataset
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.resolve import resolve_collection
from benchbed.registry.discovery import find_plugins
from benchbed.registry.lookup import get_registry
from benchbed_medmnist import metadata
from benchbed_medmnist.spec import MODALITIES

Run = Callable[..., "subprocess.CompletedProcess[str]"]

COUNTS = {"train": 24, "val": 6, "test": 10}
SPECS = {
    spec.name: spec
    for spec in get_registry().get_specs(DatasetSpec).values()
    if get_registry().find_plugin(spec).name == "medmnist"
}


def _make_arrays(row: tuple[int, ...], classes: int) -> dict[str, Any]:
    """Return arrays in the layout of the package; classes differ in brightness."""
    rng = np.random.default_rng(0)
    content = {}
    for split, count in COUNTS.items():
        labels = (np.arange(count) % classes).astype(np.uint8)
        light = labels.reshape(-1, *[1] * len(row)) * (200 // classes)
        content[f"{split}_images"] = rng.integers(0, 50, (count, *row), dtype=np.uint8) + light
        content[f"{split}_labels"] = labels[:, None]
    return content


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a data root with a set of RGB images, one of grey images and one of volumes."""
    folder = tmp_path / "data"
    (folder / "medmnist").mkdir(parents=True)
    np.savez_compressed(folder / "pathmnist.npz", **_make_arrays((28, 28, 3), 9))
    np.savez_compressed(folder / "medmnist/pneumoniamnist_64.npz", **_make_arrays((64, 64), 2))
    np.savez_compressed(folder / "medmnist/organmnist3d.npz", **_make_arrays((28, 28, 28), 11))
    return folder


# ---- Specs. ----


def test_every_set_is_there_at_every_size() -> None:
    flat = {name for name, spec in SPECS.items() if spec.dimensions == 2}
    solid = SPECS.keys() - flat
    assert len({name.partition("-")[0] for name in flat}) == 12
    assert len({name.partition("-")[0] for name in solid}) == 6
    assert {name.partition("-")[2] for name in flat} == {"", "64", "128", "224"}
    assert {name.partition("-")[2] for name in solid} == {"", "64"}
    assert len(SPECS) == 12 * 4 + 6 * 2


def test_specs_agree_with_the_package() -> None:
    """The package is imported in another process, because it imports torch."""
    code = "import json, medmnist; print(json.dumps([medmnist.INFO, medmnist.HOMEPAGE]))"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    info, homepage = json.loads(output.stdout)
    for name, spec in SPECS.items():
        base, _, size = name.partition("-")
        entry, suffix = info[base], f"_{size}" if size else ""
        (download,) = spec.downloads
        assert (download.url, download.md5) == (entry[f"url{suffix}"], entry[f"MD5{suffix}"])
        assert download.target == f"medmnist/{base}{suffix}.npz"
        assert spec.archive is not None
        assert spec.archive.case_counts == entry["n_samples"]
        assert spec.archive.images == {split: f"{split}_images" for split in COUNTS}
        assert (spec.channels, spec.licence) == (entry["n_channels"], entry["license"])
        assert homepage in spec.access_instructions
        assert (spec.variant_of or name) == base


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("pneumoniamnist-128", ("normal", "pneumonia")),
        ("breastmnist", ("malignant", "normal or benign")),
        ("retinamnist", tuple("01234")),
    ],
)
def test_classes(name: str, classes: tuple[str, ...]) -> None:
    assert SPECS[name].classes == classes


def test_a_set_of_several_labels_has_none_and_says_so() -> None:
    for name in ("chestmnist", "chestmnist-224"):
        spec = SPECS[name]
        assert spec.archive is not None
        assert (spec.classes, dict(spec.archive.labels)) == ((), {})
        assert "14" in spec.notes
        assert "hernia" in spec.notes
    assert "grades" in SPECS["retinamnist"].notes


def test_metadata_are_read_without_torch_and_without_a_folder_in_the_home(tmp_path: Path) -> None:
    code = (
        "import sys; from benchbed_medmnist.spec import benchbed_datasets; "
        "print(len(benchbed_datasets()), 'torch' in sys.modules, 'medmnist' in sys.modules)"
    )
    environment = {"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert output.stdout.split() == ["60", "False", "False"]
    assert not list(tmp_path.iterdir())


def test_without_the_package_the_plugin_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "PACKAGE", "a_missing_package")
    (plugin,) = (plugin for plugin in find_plugins() if plugin.name == "medmnist")
    assert plugin.specs == ()
    assert plugin.error is not None
    assert "pip install a_missing_package" in plugin.error
    get_registry.cache_clear()
    with pytest.raises(BenchbedError, match=r"'pathmnist'(.|\n)*'medmnist'(.|\n)*not installed"):
        get_registry().get_spec(DatasetSpec, "pathmnist")


@pytest.mark.parametrize("text", ["", "INFO = compute()", "INFO = {'x': {}}\nHOMEPAGE = ''", "("])
def test_metadata_of_another_form_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "__init__.py").touch()
    (tmp_path / "info.py").write_text(text)
    found = find_spec("benchbed")
    assert found is not None
    found.origin = str(tmp_path / "__init__.py")
    monkeypatch.setattr(metadata, "find_spec", lambda _: found)
    with pytest.raises(ValueError, match=r"info\.py"):
        metadata.read_metadata()


# ---- Commands. ----


def test_show_prints_licence_splits_and_sizes(cli: Run) -> None:
    result = cli("show", "pathmnist")
    assert result.returncode == 0, result.stderr
    for fact in ("CC BY 4.0", "train: 89996 cases", "test: 7180 cases", "pathmnist-224", "adipose"):
        assert fact in result.stdout
    facts = json.loads(cli("show", "dermamnist-64", "--json").stdout)
    assert facts["licence"] == "CC BY-NC 4.0"
    assert facts["splits"] == ["train: 7007 cases", "val: 1003 cases", "test: 2005 cases"]


def test_sizes_of_a_set_are_listed_in_its_row(cli: Run) -> None:
    rows = {row["dataset"]: row for row in json.loads(cli("list", "datasets", "--json").stdout)}
    assert rows["pathmnist"]["variants"] == "pathmnist-64, pathmnist-128, pathmnist-224"
    assert "pathmnist-64" not in rows
    assert len(SPECS.keys() & rows.keys()) == 18


def test_status_finds_the_files(cli: Run, root: Path) -> None:
    result = cli("data", "status", "--json", "--data-root", str(root))
    rows = {row["dataset"]: row for row in json.loads(result.stdout)}
    for name in ("pathmnist", "pneumoniamnist-64", "organmnist3d"):
        assert rows[name]["state"] == "real"
        assert rows[name]["cases"] == "10 test, 24 train, 6 val"
    assert rows["pathmnist"]["folder"] == str(root / "pathmnist.npz")
    assert not rows["bloodmnist"]["folder"]
    assert "pathmnist-64" not in rows


@pytest.mark.parametrize(
    ("method", "dataset"), [("acgan", "pathmnist"), ("dcgan", "pneumoniamnist-64")]
)
def test_a_gan_is_trained_and_scored(cli: Run, root: Path, method: str, dataset: str) -> None:
    result = cli(
        "run", "--method", method, "--dataset", dataset, "--data-root", str(root),
        "--preset", "quick", "--size", "32", "--kimg", "0.02", "--samples", "8", "--metric", "swd",
        "--device", "cpu",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert str(root) in result.stderr
    assert re.search(r"10 test, 24 train, 6 val.*official", result.stderr)
    assert "SWD" in result.stdout


def test_without_the_file_the_download_is_named(cli: Run, tmp_path: Path) -> None:
    result = cli("run", "--method", "dcgan", "--dataset", "pathmnist", "--data-root", str(tmp_path))
    assert result.returncode == 2
    for fact in ("medmnist/pathmnist.npz", "train_images", "benchbed data fetch pathmnist"):
        assert fact in result.stderr
    assert "Traceback" not in result.stderr


def test_volumes_are_prepared_with_their_classes(root: Path) -> None:
    collection = resolve_collection("organmnist3d", "real", root)
    collection, fingerprint = identify_collection(collection)
    prepared = prepare_dataset(collection, fingerprint, size=28, channels=1, framing="center")
    train = prepared.get_split("train")
    stored = np.load(root / "medmnist/organmnist3d.npz")
    assert train.images.shape == (24, 1, 28, 28, 28)
    assert train.images[:, 0] == pytest.approx(stored["train_images"] / 127.5 - 1, abs=1e-3)
    assert [c.label for c in collection.cases if c.split == "train"] == [n % 11 for n in range(24)]


# ---- Downloads. ----


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves the files of a folder."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Return the address of a local server, and its folder."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as started:
        threading.Thread(target=started.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{started.server_port}", folder
        started.shutdown()


def _serve(server: tuple[str, Path], content: bytes, md5: str | None = None) -> DatasetSpec:
    """Serve the file of a set, and return the spec with the local address."""
    address, folder = server
    (folder / "pathmnist.npz").write_bytes(content)
    (declared,) = SPECS["pathmnist"].downloads
    download = replace(
        declared, url=f"{address}/pathmnist.npz?download=1",
        md5=md5 or hashlib.md5(content).hexdigest(),
    )  # fmt: skip
    return replace(SPECS["pathmnist"], downloads=(download,))


def _pack(row: tuple[int, ...] = (28, 28, 3)) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **_make_arrays(row, 9))
    return file.getvalue()


def _fetch(spec: DatasetSpec, root: Path, *, force: bool = False) -> str:
    messages: list[str] = []
    fetch_dataset(spec, root, force=force, log=messages.append, progress=lambda *_: None)
    return "\n".join(messages)


def test_a_single_file_is_stored_next_to_others(server: tuple[str, Path], root: Path) -> None:
    (root / "pathmnist.npz").unlink()
    content = _pack()
    output = _fetch(_serve(server, content), root)
    assert "CC BY 4.0" in output
    assert "Unpacking" not in output
    assert "SHA-256" not in output
    assert (root / "medmnist/pathmnist.npz").read_bytes() == content
    assert (root / "medmnist/organmnist3d.npz").exists()
    assert [path.name for path in (root / ".downloads").iterdir()] == ["pathmnist.lock"]
    assert "already present" in _fetch(_serve(server, content), root)


def test_force_keeps_the_old_file(server: tuple[str, Path], root: Path) -> None:
    (root / "medmnist").rename(root / "MedMNIST")
    old = (root / "pathmnist.npz").read_bytes()
    content = _pack()
    assert "pathmnist.npz.old-1" in _fetch(_serve(server, content), root, force=True)
    assert (root / "pathmnist.npz.old-1").read_bytes() == old
    assert (root / "MedMNIST/pathmnist.npz").read_bytes() == content
    assert not (root / "pathmnist.npz").exists()


def test_a_wrong_md5_is_rejected(server: tuple[str, Path], tmp_path: Path) -> None:
    spec = _serve(server, _pack(), md5="0" * 32)
    with pytest.raises(FetchError, match=f"MD5.*{'0' * 32}"):
        _fetch(spec, tmp_path / "data")
    assert not (tmp_path / "data/medmnist").exists()


def test_a_file_with_other_arrays_is_rejected(server: tuple[str, Path], tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="test_images"):
        _fetch(_serve(server, _pack((28, 28, 28))), tmp_path / "data")
    assert not (tmp_path / "data/medmnist").exists()


def test_a_download_has_one_checksum() -> None:
    for bad in ({"md5": "x" * 32}, {"md5": "0" * 32, "sha256": "0" * 64}):
        with pytest.raises(ValueError, match="md5"):
            DownloadSource(url="https://example.org/x", target_folder="x", **bad)


def test_every_set_has_a_modality() -> None:
    assert {name.partition("-")[0] for name in SPECS} == MODALITIES.keys()
