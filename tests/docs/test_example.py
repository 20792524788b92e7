"""The committed example: small, installable, and correct by the equations of its paper."""

from __future__ import annotations

import difflib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchbed.api.specs import MethodSpec
from benchbed.registry.lookup import get_registry
from benchbed.scaffold.package import create_package
from benchbed.testing.subject import MethodUnderTest

EXAMPLE = Path(__file__).parents[2] / "examples/lsgan"
MAX_LINES = 60


def _read_lines(path: Path) -> list[str]:
    """Return the lines that are neither blank nor a comment; docstrings count."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _find_new_lines(before: list[str], after: list[str]) -> list[str]:
    """Return the lines of `after` that were added to `before` or changed."""
    steps = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [
        line for tag, _, _, i, j in steps if tag in ("insert", "replace") for line in after[i:j]
    ]


def test_an_author_writes_at_most_60_lines_without_the_networks(tmp_path: Path) -> None:
    """Counts the lines of all files that differ from the generated package."""
    written: dict[str, int] = {}
    for path in create_package("method", "lsgan", tmp_path):
        name = str(path.relative_to(tmp_path / "lsgan"))
        written[name] = len(_find_new_lines(_read_lines(path), _read_lines(EXAMPLE / name)))
    assert written.pop("benchbed_lsgan/networks.py") == 0
    assert 0 < sum(written.values()) <= MAX_LINES


def test_settings_and_method_have_at_most_60_lines() -> None:
    """Counts generated lines too."""
    counts = [len(_read_lines(EXAMPLE / f"benchbed_lsgan/{n}.py")) for n in ("settings", "method")]
    assert sum(counts) <= MAX_LINES


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example from a wheel, as a user would, and return the folder."""
    target = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--target", str(target), str(EXAMPLE)],
        check=True,
    )  # fmt: skip
    return target


@pytest.fixture
def spec(site: Path, monkeypatch: pytest.MonkeyPatch) -> MethodSpec:
    monkeypatch.syspath_prepend(str(site))
    get_registry.cache_clear()
    return get_registry().get_spec(MethodSpec, "lsgan")


def test_wheel_is_complete(spec: MethodSpec, site: Path) -> None:
    assert get_registry().find_plugin(spec).distribution == "benchbed-lsgan 0.1.0"
    committed = {path.name for path in (EXAMPLE / "benchbed_lsgan").iterdir() if path.is_file()}
    assert committed <= {path.name for path in (site / "benchbed_lsgan").iterdir()}


@pytest.mark.parametrize(
    ("labels", "d_loss", "g_loss"), [((0.0, 1.0, 1.0), 0.5, 0.5), ((-1.0, 1.0, 0.0), 1.0, 0.0)]
)
def test_losses_of_a_constant_discriminator_match_equation_2(
    spec: MethodSpec, labels: tuple[float, float, float], d_loss: float, g_loss: float
) -> None:
    """If D is 0 everywhere, eq. 2 gives (b^2 + a^2) / 2 for D and c^2 / 2 for G.

    D takes one step of Adam before the loss of G, which moves its output by the step size, 1e-3.
    """
    subject = MethodUnderTest(spec)
    method = subject.build_trainable()
    method.settings = subject.settings.model_copy(update={"labels": labels})
    with torch.no_grad():
        for parameter in method.discriminator.parameters():
            parameter.zero_()
    (losses,) = subject.train_steps(method, range(1), 1)
    assert losses["discriminator"] == pytest.approx(d_loss, abs=1e-6)
    assert losses["generator"] == pytest.approx(g_loss, abs=2e-3)
