"""A broken plugin fails exactly the check for its fault."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed.api.specs import MethodSpec
from benchbed.registry.lookup import get_registry
from benchbed.testing import list_checks, run_check

SPEC = """
from benchbed import DatasetSpec, Layout, LayoutPart, MethodSpec, Paper, Phantom, hookimpl

@hookimpl
def benchbed_methods():
    paper = Paper(key="k", authors="A", year=2000, title="T", venue="V")
    return [MethodSpec(name="faulty", title="T", paper=paper, implementation="faulty_method:Faulty",
                       settings="faulty_settings:FaultySettings", sizes=(16, 32),
                       capabilities=frozenset({"sample"}), takes_augmentation=True,
                       equations=(("eq. 1", "E[(D(x) - 1)^2] + E[D(G(z))^2]"),))]

@hookimpl
def benchbed_datasets():
    parts = tuple(LayoutPart(image=split + "/{patient}_{id}.png", split=split,
                       mask="masks/" + split + "-{patient}_{id}.png")
                  for split in ("train", "test"))
    layout = Layout(folders=("faulty",), parts=parts, diagram="faulty/SPLIT/PATIENT_ID.png")
    return [DatasetSpec(name="faulty-data", title="T", modality="M", licence="none",
                        access_instructions="ask",
                        layouts=(layout,), channels=1,
                        phantom=Phantom(render="faulty_phantom:render",
                                        case_counts={"train": 8, "test": 4}))]
"""

SETTINGS = """
from benchbed import MethodSettings, setting

class FaultySettings(MethodSettings):
    rate: float = setting(1e-3, help="Step size.", source="section 1", gt=0)
"""

METHOD = """
import torch
from torch import nn
from benchbed import Batch, Method
from benchbed.nn import adam

class Faulty(Method):
    def build(self, data):
        numbers = data.channels * data.size**2
        self.generator = nn.Sequential(
            nn.Linear(8, numbers), nn.Tanh(), nn.Unflatten(1, (data.channels, *data.spatial)))
        self.discriminator = nn.Sequential(nn.Flatten(), nn.Linear(numbers, 1))
        self.register_optimizers(generator=adam(self.generator, self.settings.rate),
                      discriminator=adam(self.discriminator, self.settings.rate))

    def training_step(self, batch, progress):
        fake = self.generator(self.noise(len(batch), 8))
        on_real = self.discriminator(self.augment(batch.image))
        self.augmentation.observe(on_real)
        d_loss = (on_real - 1).square().mean()
        d_loss = d_loss + self.discriminator(self.augment(fake.detach())).square().mean()
        self.update("discriminator", d_loss)
        g_loss = (self.discriminator(self.augment(fake)) - 1).square().mean()
        self.update("generator", g_loss)
        return {"discriminator": d_loss, "generator": g_loss}

    def sample(self, count, rng):
        return Batch(image=self.generator(self.noise(count, 8, rng=rng)))
"""

PHANTOM = """
import numpy as np

def render(indices, size, seed):
    images, masks = [], []
    for index in indices:
        rng = np.random.default_rng((seed, index))
        mask = rng.random((size, size)) < 0.5
        masks.append(mask.astype(np.uint8))
        images.append((mask * rng.integers(100, 255)).astype(np.uint8)[..., None])
    return {"image": np.stack(images), "mask": np.stack(masks)}
"""

FILES = {"spec": SPEC, "settings": SETTINGS, "method": METHOD, "phantom": PHANTOM}

Change = tuple[str, str, str]

IDLE = """class Idle(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x

class Faulty("""

SYNTHESIZE = """    def synthesize(self, mask, rng):
        return self.sample(len(mask), rng).image

    def sample("""

METHOD_FAULTS: dict[str, tuple[str, list[Change]]] = {
    "spec imports torch": (
        "spec-imports", [("spec", "from benchbed", "import torch\nfrom benchbed")]),
    "settings import torch": (
        "spec-imports", [("settings", "from benchbed", "import torch\nfrom benchbed")]),
    "no equations": (
        "spec-fields", [("spec", "equations=((", "deviations=() and ((")]),
    "a setting without its source": (
        "settings", [("settings", '"section 1"', '""')]),
    "a wrong image size": (
        "builds", [("method", "rng=rng)))", "rng=rng))[..., 1:])")]),
    "values outside the range": (
        "output-range",
        [("method", "(image=self.generator(", "(image=3 * self.generator(")]),
    "a sampler that ignores its seed": (
        "sample-seeds",
        [("method", "rng=rng)", "rng=torch.Generator().manual_seed(0))")]),
    "a condition is ignored": (
        "conditioning",
        [("method", "    def sample(", SYNTHESIZE),
         ("spec", 'frozenset({"sample"})', 'frozenset({"sample", "synthesize"})')]),
    "a global seed is set": (
        "global-state",
        [("method", "numbers =", "torch.manual_seed(0)\n        numbers =")]),
    "a discriminator loss that is not reported": (
        "discriminator-losses",
        [("method", "    def build(", '    discriminator_losses = ("critic",)\n\n    def build(')]),
    "an unused parameter": (
        "gradients",
        [("method", "class Faulty(", IDLE), ("method", "nn.Tanh(),", "nn.Tanh(), Idle(),")]),
    "a missing update": (
        "updates",
        [("method", '        self.update("generator", g_loss)\n', "")]),
    "a value that is not saved": (
        "state-round-trip",
        [("method", "        numbers =", "        self.generator_scale = torch.rand(1).item() / 2\n"
          "        numbers ="),
         ("method", "image=self.generator(", "image=self.generator_scale * self.generator(")]),
    "state outside the checkpoint": (
        "resume",
        [("method", "        d_loss = d_loss +",
          "        self.warm = getattr(self, 'warm', 1.0) / 2\n"
          "        d_loss = d_loss + self.warm *")]),
    "NaN losses": (
        "finite-losses",
        [("method", "        return {",
          "        d_loss = d_loss * float('nan')\n        return {")]),
    "a loss that becomes infinite late": (
        "finite-losses",
        [("method", "        return {", "        if self.steps > 30:\n"
          "            g_loss = g_loss / 0\n        return {")]),
    "real images that are not augmented": (
        "augmentation", [("method", "self.augment(batch.image)", "batch.image")]),
    "a generator that learns from images that are not augmented": (
        "augmentation", [("method", "(self.augment(fake))", "(fake)")]),
    "scores that are not reported": (
        "augmentation", [("method", "        self.augmentation.observe(on_real)\n", "")]),
}  # fmt: skip

DATASET_FAULTS: dict[str, tuple[str, list[Change]]] = {
    "spec imports torch": (
        "spec-imports", [("spec", "from benchbed", "import torch\nfrom benchbed")]),
    "no licence": ("spec-fields", [("spec", 'licence="none"', 'licence=""')]),
    "a random phantom": (
        "phantom-determinism", [("phantom", "default_rng((seed, index))", "default_rng()")]),
    "a phantom that ignores its seed": (
        "phantom-determinism", [("phantom", "(seed, index)", "index")]),
    "mask values 0 and 255": (
        "phantom-range",
        [("phantom", "mask.astype(np.uint8)", "mask.astype(np.uint8) * 255")]),
    "labels without classes": (
        "phantom-range",
        [("phantom", "return {", 'return {"label": np.zeros(len(masks), np.int64), ')]),
}  # fmt: skip


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Change]], None]:
    """Return a function that installs the valid plugin with changes, as pip would."""

    def install(changes: list[Change]) -> None:
        files = dict(FILES)
        for name, old, new in changes:
            assert old in files[name], f"not found in the plugin: {old!r}"
            files[name] = files[name].replace(old, new)
        for name, text in files.items():
            (tmp_path / f"faulty_{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, f"faulty_{name}", raising=False)
        info = tmp_path / "faulty-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[benchbed]\nfaulty = faulty_spec\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        get_registry.cache_clear()

    return install


def failed_checks(name: str) -> set[str]:
    outcomes = [run_check(check) for check in list_checks(name)]
    return {outcome.check.name for outcome in outcomes if outcome.state == "failed"}


def test_the_valid_plugin_passes_all_checks(plugin: Callable[[list[Change]], None]) -> None:
    plugin([])
    assert failed_checks("faulty") == set()
    assert failed_checks("faulty-data") == set()


@pytest.mark.parametrize("fault", METHOD_FAULTS)
def test_a_broken_method_fails_only_the_check_for_its_fault(
    fault: str, plugin: Callable[[list[Change]], None]
) -> None:
    check, changes = METHOD_FAULTS[fault]
    plugin(changes)
    assert failed_checks("faulty") == {check}


@pytest.mark.parametrize("fault", DATASET_FAULTS)
def test_a_broken_dataset_fails_only_the_check_for_its_fault(
    fault: str, plugin: Callable[[list[Change]], None]
) -> None:
    check, changes = DATASET_FAULTS[fault]
    plugin(changes)
    assert failed_checks("faulty-data") == {check}


def test_every_method_check_finds_a_fault() -> None:
    """Three checks have no fault: they need bf16, an accelerator, or only report memory."""
    names = {check.name for check in list_checks(next(iter(get_registry().get_specs(MethodSpec))))}
    covered = {check for check, _ in METHOD_FAULTS.values()}
    assert names - covered == {"bf16-training", "cuda-training", "memory"}


def _real_images(root: Path, *names: str) -> None:
    for name in names:
        path = root / "faulty" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(len(name)).integers(0, 255, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        mask = Image.fromarray((pixels > 127).astype(np.uint8) * 255)
        target = root / "faulty/masks" / name.replace("/", "-")
        target.parent.mkdir(exist_ok=True)
        mask.save(target)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("none", None),
        ("a patient in two splits", "disjoint-splits"),
        ("a mask without its image", "file-pairing"),
        ("an image that does not decode", "file-decoding"),
    ],
)
def test_broken_real_files_fail_only_the_check_for_their_fault(
    fault: str,
    check: str | None,
    plugin: Callable[[list[Change]], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = tmp_path / "data"
    train = [f"train/{patient}_1.png" for patient in "abcd"]
    _real_images(root, *train, "test/e_1.png", "test/f_1.png")
    if fault == "a patient in two splits":
        _real_images(root, "test/a_2.png")
    elif fault == "a mask without its image":
        (root / "faulty/masks/train-b_1.png").unlink()
    elif fault == "an image that does not decode":
        (root / "faulty/train/d_1.png").write_bytes(b"not an image")
    monkeypatch.setenv("BENCHBED_DATA", str(root))
    plugin([])
    assert failed_checks("faulty-data") == ({check} if check else set())
