"""Each fault is told once: a broken plugin fails the check that is meant for it, and no other."""

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
from benchbed import DatasetSpec, Layout, MethodSpec, Paper, Part, Phantom, hookimpl

@hookimpl
def benchbed_methods():
    paper = Paper(key="k", authors="A", year=2000, title="T", venue="V")
    return [MethodSpec(name="sick", title="T", paper=paper, implementation="sick_method:Sick",
                       settings="sick_settings:SickSettings", sizes=(16, 32),
                       abilities=frozenset({"sample"}),
                       equations=(("eq. 1", "E[(D(x) - 1)^2] + E[D(G(z))^2]"),))]

@hookimpl
def benchbed_datasets():
    parts = tuple(Part(image=split + "/{patient}_{id}.png", split=split,
                       mask="masks/" + split + "-{patient}_{id}.png")
                  for split in ("train", "test"))
    layout = Layout(folders=("sick",), parts=parts, picture="sick/SPLIT/PATIENT_ID.png")
    return [DatasetSpec(name="sick-data", title="T", modality="M", licence="none", access="ask",
                        layouts=(layout,), channels=1,
                        phantom=Phantom(render="sick_phantom:render",
                                        counts={"train": 8, "test": 4}))]
"""

SETTINGS = """
from benchbed import MethodSettings, setting

class SickSettings(MethodSettings):
    rate: float = setting(1e-3, help="Step size.", source="section 1", gt=0)
"""

METHOD = """
import torch
from torch import nn
from benchbed import Batch, Method
from benchbed.nn import adam

class Sick(Method):
    def build(self, data):
        numbers = data.channels * data.size**2
        self.generator = nn.Sequential(
            nn.Linear(8, numbers), nn.Tanh(), nn.Unflatten(1, (data.channels, *data.spatial)))
        self.discriminator = nn.Sequential(nn.Flatten(), nn.Linear(numbers, 1))
        self.optimize(generator=adam(self.generator, self.settings.rate),
                      discriminator=adam(self.discriminator, self.settings.rate))

    def training_step(self, batch, progress):
        fake = self.generator(self.noise(len(batch), 8))
        d_loss = (self.discriminator(batch.image) - 1).square().mean()
        d_loss = d_loss + self.discriminator(fake.detach()).square().mean()
        self.update("discriminator", d_loss)
        g_loss = (self.discriminator(fake) - 1).square().mean()
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

class Sick("""

SYNTHESIZE = """    def synthesize(self, mask, rng):
        return self.sample(len(mask), rng).image

    def sample("""

METHOD_FAULTS: dict[str, tuple[str, list[Change]]] = {
    "spec imports torch": (
        "spec-is-cheap", [("spec", "from benchbed", "import torch\nfrom benchbed")]),
    "settings import torch": (
        "spec-is-cheap", [("settings", "from benchbed", "import torch\nfrom benchbed")]),
    "no equations": (
        "spec-is-complete", [("spec", "equations=((", "deviations=() and ((")]),
    "a setting without its source": (
        "settings-validate", [("settings", '"section 1"', '""')]),
    "a size that is not the run's": (
        "builds-at-every-size", [("method", "rng=rng)))", "rng=rng))[..., 1:])")]),
    "values outside the range": (
        "outputs-are-in-range",
        [("method", "(image=self.generator(", "(image=3 * self.generator(")]),
    "a sampler that ignores its seed": (
        "samples-follow-their-seed",
        [("method", "rng=rng)", "rng=torch.Generator().manual_seed(0))")]),
    "a condition that is ignored": (
        "conditions-are-followed",
        [("method", "    def sample(", SYNTHESIZE),
         ("spec", 'frozenset({"sample"})', 'frozenset({"sample", "synthesize"})')]),
    "a global seed that is set": (
        "globals-are-left-alone",
        [("method", "numbers =", "torch.manual_seed(0)\n        numbers =")]),
    "a parameter that nothing uses": (
        "every-parameter-gets-a-gradient",
        [("method", "class Sick(", IDLE), ("method", "nn.Tanh(),", "nn.Tanh(), Idle(),")]),
    "an update that is forgotten": (
        "updates-change-what-they-name",
        [("method", '        self.update("generator", g_loss)\n', "")]),
    "a buffer that is not saved": (
        "state-round-trips",
        [("method", "        numbers =", "        self.generator_scale = torch.rand(1).item() / 2\n"
          "        numbers ="),
         ("method", "image=self.generator(", "image=self.generator_scale * self.generator(")]),
    "state that is kept elsewhere": (
        "resume-equals-uninterrupted",
        [("method", "        d_loss = d_loss +",
          "        self.warm = getattr(self, 'warm', 1.0) / 2\n"
          "        d_loss = d_loss + self.warm *")]),
    "losses that are no numbers": (
        "losses-stay-finite",
        [("method", "        return {",
          "        d_loss = d_loss * float('nan')\n        return {")]),
    "a loss that explodes late": (
        "losses-stay-finite",
        [("method", "        return {", "        if self.steps > 30:\n"
          "            g_loss = g_loss / 0\n        return {")]),
}  # fmt: skip

DATASET_FAULTS: dict[str, tuple[str, list[Change]]] = {
    "spec imports torch": (
        "spec-is-cheap", [("spec", "from benchbed", "import torch\nfrom benchbed")]),
    "no licence": ("spec-is-complete", [("spec", 'licence="none"', 'licence=""')]),
    "a phantom of chance": (
        "phantom-is-deterministic", [("phantom", "default_rng((seed, index))", "default_rng()")]),
    "a phantom without a seed": (
        "phantom-is-deterministic", [("phantom", "(seed, index)", "index")]),
    "a mask of 0 and 255": (
        "phantom-is-in-range",
        [("phantom", "mask.astype(np.uint8)", "mask.astype(np.uint8) * 255")]),
    "labels without classes": (
        "phantom-is-in-range",
        [("phantom", "return {", 'return {"label": np.zeros(len(masks), np.int64), ')]),
}  # fmt: skip


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Change]], None]:
    """Install the healthy plugin with changes, as pip would leave it, and forget it afterwards."""

    def install(changes: list[Change]) -> None:
        files = dict(FILES)
        for name, old, new in changes:
            assert old in files[name], f"the fault does not fit: {old!r}"
            files[name] = files[name].replace(old, new)
        for name, text in files.items():
            (tmp_path / f"sick_{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, f"sick_{name}", raising=False)
        info = tmp_path / "sick-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sick\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[benchbed]\nsick = sick_spec\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        get_registry.cache_clear()

    return install


def failures(name: str) -> set[str]:
    """The checks that `name` fails."""
    outcomes = [run_check(check) for check in list_checks(name)]
    return {outcome.check.name for outcome in outcomes if outcome.state == "failed"}


def test_the_healthy_plugin_passes(plugin: Callable[[list[Change]], None]) -> None:
    plugin([])
    assert failures("sick") == set()
    assert failures("sick-data") == set()


@pytest.mark.parametrize("fault", METHOD_FAULTS)
def test_a_broken_method_fails_the_check_meant_for_it(
    fault: str, plugin: Callable[[list[Change]], None]
) -> None:
    check, changes = METHOD_FAULTS[fault]
    plugin(changes)
    assert failures("sick") == {check}


@pytest.mark.parametrize("fault", DATASET_FAULTS)
def test_a_broken_data_set_fails_the_check_meant_for_it(
    fault: str, plugin: Callable[[list[Change]], None]
) -> None:
    check, changes = DATASET_FAULTS[fault]
    plugin(changes)
    assert failures("sick-data") == {check}


def test_every_check_of_a_method_has_a_fault_that_it_finds() -> None:
    """Three checks need what the others do not: bf16, an accelerator, a figure for its own sake."""
    names = {check.name for check in list_checks(next(iter(get_registry().get_specs(MethodSpec))))}
    found = {check for check, _ in METHOD_FAULTS.values()}
    assert names - found == {"bf16-trains", "cuda-trains", "memory-is-reported"}


def _real_images(root: Path, *names: str) -> None:
    for name in names:
        path = root / "sick" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(len(name)).integers(0, 255, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        mask = Image.fromarray((pixels > 127).astype(np.uint8) * 255)
        target = root / "sick/masks" / name.replace("/", "-")
        target.parent.mkdir(exist_ok=True)
        mask.save(target)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("none", None),
        ("a patient in two splits", "real-splits-are-disjoint"),
        ("a mask without its image", "real-files-pair"),
        ("an image that does not decode", "real-files-decode"),
    ],
)
def test_broken_real_files_fail_the_check_meant_for_them(
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
        (root / "sick/masks/train-b_1.png").unlink()
    elif fault == "an image that does not decode":
        (root / "sick/train/d_1.png").write_bytes(b"no picture")
    monkeypatch.setenv("BENCHBED_DATA", str(root))
    plugin([])
    assert failures("sick-data") == ({check} if check else set())
