"""Feature extractors against other implementations, and how their weights are found."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional as F

from benchbed.data.download.weights import PublishedWeights
from benchbed.errors import BenchbedError
from benchbed.metrics.features.cache import create_extractor
from benchbed.metrics.features.extractor import FeatureExtractor
from benchbed.metrics.features.inception import (
    INCEPTION_WEIGHTS,
    _build_empty_inception,
    create_inception_extractor,
)
from benchbed.metrics.features.untrained import _sample_he_weights, create_random_extractor
from benchbed.metrics.fid import compute_frechet_distance

Pixels = NDArray[np.uint8]

INCEPTION_FILE = INCEPTION_WEIGHTS.file_name
inception_weights = INCEPTION_WEIGHTS.find_file


def fetch_inception_weights(
    url: str, hash_prefix: str = INCEPTION_WEIGHTS.hash_prefix, timeout: float = 5.0
) -> Path:
    """Fetch the weights from another address, or with another hash."""
    return dataclasses.replace(INCEPTION_WEIGHTS, url=url, hash_prefix=hash_prefix).download_file(
        timeout
    )


def images(count: int, size: int = 48, seed: int = 0) -> Pixels:
    """Return textured discs on black that differ in position, size and colour."""
    rng = np.random.default_rng(seed)
    i, j = np.mgrid[:size, :size]
    made = []
    for _ in range(count):
        row, column = size * rng.uniform(0.4, 0.6, 2)
        inside = np.hypot(i - row, j - column) < size * rng.uniform(0.3, 0.45)
        texture = ndimage.gaussian_filter(rng.standard_normal((3, size, size)), (0, 1.5, 1.5))
        colour = rng.uniform(60, 200, (3, 1, 1))
        made.append(np.clip(inside * (colour + 150 * texture), 0, 255))
    return np.array(made).astype(np.uint8)


@pytest.fixture(scope="module")
def random_network() -> FeatureExtractor:
    return create_random_extractor()


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the layout of the published Inception file."""
    rng = np.random.default_rng(0)
    state = {}
    for name, tensor in _build_empty_inception().state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if tensor.ndim > 1:
            values = rng.standard_normal(tensor.shape) * np.sqrt(2 / np.prod(tensor.shape[1:]))
        elif name.endswith(("bias", "running_mean")):
            values = rng.normal(0, 0.1, tensor.shape)
        else:
            values = rng.uniform(0.8, 1.2, tensor.shape)
        state[name] = torch.from_numpy(values.astype(np.float32))
    path = tmp_path_factory.mktemp("weights") / INCEPTION_FILE
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def inception(weights_file: Path) -> FeatureExtractor:
    """The Inception extractor with those weights."""
    return create_inception_extractor(
        weights_file, hash_prefix=sha256(weights_file)[:8], batch_size=3
    )


@pytest.fixture
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty cache, hub and weights folders."""
    for name in ("BENCHBED_CACHE", "TORCH_HOME", "BENCHBED_WEIGHTS"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    return tmp_path


@pytest.fixture
def serve() -> Iterator[Callable[[bytes, int], str]]:
    """Start a local server that answers every request with the given bytes."""
    servers = []

    def start(body: bytes, claimed: int) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(claimed))
                self.send_header("ETag", '"one"')
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/{INCEPTION_FILE}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files_under(folder: Path) -> list[str]:
    """Return the names of all files below a folder."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def largest_error(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Return the largest difference relative to the features' deviation over images."""
    return float(np.abs(ours - theirs).max() / theirs.std(0).mean())


# --- the untrained network


def test_random_weights_are_the_same_on_every_machine(random_network: FeatureExtractor) -> None:
    assert random_network.name == "random-vgg16-64d-112px"
    assert random_network.dims == 64
    assert random_network.weights_hash == "cd95193ff235"


def test_random_features_equal_torchvision(random_network: FeatureExtractor) -> None:
    """torchvision's VGG16 gives the same features, to 1e-3 of their deviation."""
    from torchvision.models import vgg16

    rng = np.random.default_rng(0)
    network = vgg16(weights=None, init_weights=False)
    network.classifier[6] = torch.nn.Linear(4096, 64)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
            if parameter.ndim > 1:
                drawn = rng.standard_normal(tuple(parameter.shape), dtype=np.float32)
                fan_in = parameter[0].numel()
                parameter.copy_(torch.from_numpy(drawn) * (2 / fan_in) ** 0.5)
        pixels = torch.from_numpy(images(2)).float() / 255
        pixels = F.interpolate(pixels, (112, 112), mode="bilinear", antialias=False)
        mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
        pixels = (pixels - mean[:, None, None]) / deviation[:, None, None]
        theirs = network.eval()(pixels).numpy()
    assert largest_error(random_network(images(2)), theirs) < 1e-3


def test_random_features_separate_images_by_damage(random_network: FeatureExtractor) -> None:
    """Variance over 0.5 % of the squared mean; blur < more blur < noise by at least 1.5 each."""
    clean = images(5)
    features = random_network(clean)
    assert features.var(0).sum() > 0.005 * np.square(features.mean(0)).sum()
    noise = np.random.default_rng(1).integers(0, 256, clean.shape, dtype=np.uint8)
    damaged = [ndimage.gaussian_filter(clean, (0, 0, s, s)) for s in (0.5, 2)]
    near, far, lost = (
        compute_frechet_distance(features, random_network(made)) for made in (*damaged, noise)
    )
    assert 0 < 1.5 * near < far
    assert 1.5 * far < lost


def test_another_seed_gives_another_feature_space(random_network: FeatureExtractor) -> None:
    """Another seed gives other weights, another hash and other features."""
    shapes = (("weight", torch.Size([4, 3])),)
    drawn = _sample_he_weights.__wrapped__
    first, same, other = (drawn(shapes, seed)[1] for seed in (0, 0, 1))
    assert first == same
    assert first != other
    features = create_random_extractor(seed=1)(images(1))
    assert largest_error(features, random_network(images(2))) > 0.1


def test_global_random_state_is_unchanged(weights_file: Path) -> None:
    """Neither building a network nor computing features draws from torch or numpy."""
    np.random.seed(0)
    torch.manual_seed(0)
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # type: ignore[index]
    create_random_extractor()(images(1))
    create_inception_extractor(weights_file, hash_prefix="")(images(1))
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # type: ignore[index]
    assert torch.equal(torch.get_rng_state(), torch_state)


# --- Inception


def test_inception_features_equal_pytorch_fid(
    inception: FeatureExtractor, weights_file: Path, empty_machine: Path
) -> None:
    """pytorch-fid's network with these weights gives the same, to 1e-3 of the deviation."""
    from pytorch_fid.inception import InceptionV3

    hub = empty_machine / "TORCH_HOME" / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    (hub / INCEPTION_FILE).symlink_to(weights_file)
    network = InceptionV3([3]).eval()
    pixels = images(3)
    with torch.no_grad():
        theirs = network(torch.from_numpy(pixels).float() / 255)[0][:, :, 0, 0].numpy()
    ours = inception(pixels)
    assert theirs.std(0).mean() > 1e-3
    assert largest_error(ours, theirs) < 1e-3
    assert ours.shape == (3, 2048)
    assert ours.dtype == np.float32


def test_inception_has_the_name_and_hash_of_its_weights(
    inception: FeatureExtractor, weights_file: Path
) -> None:
    assert inception.name == "inception-pool3-2048"
    assert inception.dims == 2048
    assert inception.weights_hash == sha256(weights_file)[:12]


# --- both networks


@pytest.fixture(params=["random_network", "inception"])
def network(request: pytest.FixtureRequest) -> FeatureExtractor:
    """Each extractor in turn."""
    extractor: FeatureExtractor = request.getfixturevalue(request.param)
    return extractor


def test_batch_size_and_memory_maps_do_not_change_features(
    network: FeatureExtractor, tmp_path: Path
) -> None:
    """To 1e-3 of the deviation, as the order of sums depends on the batch.

    Progress is reported after each batch.
    """
    pixels = images(2)
    np.save(tmp_path / "x.npy", pixels)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    reported: list[tuple[str, int, int]] = []
    one_by_one = dataclasses.replace(network, batch_size=1)
    single = one_by_one(mapped, lambda *progress: reported.append(progress))
    assert largest_error(single, network(pixels)) < 1e-3
    assert reported == [("features", 1, 2), ("features", 2, 2)]


def test_grey_images_equal_three_equal_channels(network: FeatureExtractor) -> None:
    grey = images(1)[:, :1]
    np.testing.assert_array_equal(network(grey), network(np.repeat(grey, 3, axis=1)))


def test_precision_settings_of_training_have_no_effect(network: FeatureExtractor) -> None:
    """Autocast and a lower matmul precision change no bit and are restored."""
    pixels = images(1)
    expected = network(pixels)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = network(pixels)
            assert torch.is_autocast_enabled("cpu")
        assert torch.get_float32_matmul_precision() == "medium"
        backends: Any = torch.backends
        assert backends.mkldnn.matmul.fp32_precision == "bf16"
    finally:
        torch.set_float32_matmul_precision(before)
    np.testing.assert_array_equal(features, expected)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    "pixels", [np.zeros((1, 2, 8, 8), np.uint8), np.zeros((1, 3, 8, 8)), np.zeros((3, 8, 8))]
)
def test_refuses_other_images(random_network: FeatureExtractor, pixels: Pixels) -> None:
    with pytest.raises(ValueError, match=re.escape(str(pixels.shape))) as caught:
        random_network(pixels)
    assert str(pixels.dtype) in str(caught.value)


def test_an_empty_set_gives_an_empty_matrix(random_network: FeatureExtractor) -> None:
    assert random_network(np.zeros((0, 3, 8, 8), np.uint8)).shape == (0, 64)


# --- finding the weights


def test_weights_are_searched_in_three_folders(empty_machine: Path) -> None:
    """$BENCHBED_WEIGHTS comes before the cache, and the cache before torch's hub."""
    assert inception_weights() is None
    for folder in ("TORCH_HOME/hub/checkpoints", "BENCHBED_CACHE/weights", "BENCHBED_WEIGHTS"):
        path = empty_machine / folder / INCEPTION_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert inception_weights() == path


def test_a_folder_of_weights_that_does_not_exist_is_an_error(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was ignored in silence."""
    missing = str(empty_machine / "none")
    monkeypatch.setenv("BENCHBED_WEIGHTS", missing)
    with pytest.raises(BenchbedError, match=missing):
        inception_weights()


def test_a_file_of_weights_is_used_if_it_is_named_or_known_by_its_hash(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content, found in (
        ("my.pth", b"mine", True), ("my.pth", b"other", False), (INCEPTION_FILE, b"other", True)
    ):  # fmt: skip
        path = empty_machine / name
        path.write_bytes(content)
        monkeypatch.setenv("BENCHBED_WEIGHTS", str(path))
        weights = PublishedWeights("W", INCEPTION_FILE, "", hashlib.sha256(b"mine").hexdigest())
        assert (weights.find_file() == path) == found


def test_missing_weights_are_named(empty_machine: Path) -> None:
    """The message names the file and the folder; nothing is downloaded."""
    for make in (lambda: create_extractor("inception"), create_inception_extractor):
        with pytest.raises(FileNotFoundError, match=f"{INCEPTION_FILE}.*BENCHBED_WEIGHTS"):
            make()
    assert files_under(empty_machine) == []


def test_found_weights_are_used(
    empty_machine: Path,
    weights_file: Path,
    inception: FeatureExtractor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Features from the file in $BENCHBED_WEIGHTS are equal to the bit."""
    (empty_machine / "BENCHBED_WEIGHTS" / INCEPTION_FILE).symlink_to(weights_file)
    found = create_inception_extractor(hash_prefix=sha256(weights_file), batch_size=3)
    assert found.weights_hash == inception.weights_hash
    np.testing.assert_array_equal(found(images(1)), inception(images(1)))


@pytest.mark.parametrize("damage", ["truncated", "text", "other"])
@pytest.mark.parametrize("hash_matches", [True, False])
def test_damaged_weights_are_named(
    tmp_path: Path, weights_file: Path, damage: str, hash_matches: bool
) -> None:
    """A truncated file, a web page or another network, with and without a matching hash."""
    path = tmp_path / INCEPTION_FILE
    if damage == "truncated":
        path.write_bytes(weights_file.read_bytes()[:100_000])
    elif damage == "text":
        path.write_text("<html>404</html>")
    else:
        torch.save({"layer": torch.zeros(3)}, path)
    prefix = sha256(path) if hash_matches else "0123"
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        create_inception_extractor(path, hash_prefix=prefix)
    assert str(caught.value).count("\n") == 0


def test_other_weights_than_the_published_are_refused_by_default(weights_file: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(str(weights_file))):
        create_inception_extractor(weights_file)


def test_download_is_cached(empty_machine: Path, serve: Callable[[bytes, int], str]) -> None:
    """A second call does not contact a server."""
    body = b"weights" * 100_000
    prefix = hashlib.sha256(body).hexdigest()[:8]
    path = fetch_inception_weights(serve(body, len(body)), hash_prefix=prefix)
    assert path.read_bytes() == body
    assert path == inception_weights()
    assert files_under(empty_machine) == [INCEPTION_FILE]
    assert fetch_inception_weights("http://127.0.0.1:9/nothing", hash_prefix=prefix) == path


@pytest.mark.parametrize(
    ("body", "claimed", "fact"),
    [(b"<html>", 6, "Inception"), (b"half", 8, "4 of 8 bytes"), (b"", 0, "Inception")],
)
def test_a_wrong_download_is_refused(
    empty_machine: Path, serve: Callable[[bytes, int], str], body: bytes, claimed: int, fact: str
) -> None:
    """Another file, half a file and an empty one leave no file behind."""
    with pytest.raises(OSError, match=fact) as caught:
        fetch_inception_weights(serve(body, claimed), hash_prefix="abcdef")
    assert str(caught.value).count("\n") == 0
    assert files_under(empty_machine) == []


def test_a_damaged_file_in_the_cache_is_replaced(
    empty_machine: Path, serve: Callable[[bytes, int], str]
) -> None:
    """If the download fails, the file is left unchanged."""
    path = empty_machine / "BENCHBED_CACHE" / "weights" / INCEPTION_FILE
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    with pytest.raises(OSError, match="Inception"):
        fetch_inception_weights(serve(b"wrong", 5))
    assert path.read_bytes() == b"damaged"
    prefix = hashlib.sha256(b"valid").hexdigest()
    fetch_inception_weights(serve(b"valid", 5), hash_prefix=prefix)
    assert path.read_bytes() == b"valid"


def test_a_download_times_out(empty_machine: Path) -> None:
    """From a server that accepts the connection and never answers, and without a server."""
    import socket
    import time

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        start = time.monotonic()
        with pytest.raises(OSError, match=r"0\.3 seconds"):
            fetch_inception_weights(url, timeout=0.3)
        assert time.monotonic() - start < 3
    with pytest.raises(OSError, match="Inception"):
        fetch_inception_weights(url, timeout=0.3)
    assert files_under(empty_machine) == []
