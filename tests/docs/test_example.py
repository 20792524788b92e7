"""The kept worked example: small, installable, and true to its paper's equations."""

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
MOST_LINES = 60


def _lines(path: Path) -> list[str]:
    """The lines that are neither blank nor a comment; docstrings count."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _written(before: list[str], after: list[str]) -> list[str]:
    """The lines of `after` that were added to `before` or changed."""
    steps = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [
        line for tag, _, _, i, j in steps if tag in ("insert", "replace") for line in after[i:j]
    ]


def test_an_author_writes_at_most_60_lines_beside_the_networks(tmp_path: Path) -> None:
    """Counted over all files: lines that the generated package does not have as they are."""
    written: dict[str, int] = {}
    for path in create_package("method", "lsgan", tmp_path):
        name = str(path.relative_to(tmp_path / "lsgan"))
        written[name] = len(_written(_lines(path), _lines(EXAMPLE / name)))
    assert written.pop("benchbed_lsgan/networks.py") == 0
    assert 0 < sum(written.values()) <= MOST_LINES


def test_settings_and_method_have_at_most_60_lines() -> None:
    """Counted whole, generated lines too: all that runs beside the networks."""
    counts = [len(_lines(EXAMPLE / f"benchbed_lsgan/{n}.py")) for n in ("settings", "method")]
    assert sum(counts) <= MOST_LINES


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built as a wheel and installed as a user would."""
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


def test_the_wheel_has_all_of_it(spec: MethodSpec, site: Path) -> None:
    assert get_registry().find_plugin(spec).distribution == "benchbed-lsgan 0.1.0"
    kept = {path.name for path in (EXAMPLE / "benchbed_lsgan").iterdir() if path.is_file()}
    assert kept <= {path.name for path in (site / "benchbed_lsgan").iterdir()}


@pytest.mark.parametrize(
    ("labels", "d_loss", "g_loss"), [((0.0, 1.0, 1.0), 0.5, 0.5), ((-1.0, 1.0, 0.0), 1.0, 0.0)]
)
def test_losses_of_an_undecided_discriminator_are_those_of_equation_2(
    spec: MethodSpec, labels: tuple[float, float, float], d_loss: float, g_loss: float
) -> None:
    """Where D says 0 throughout, eq. 2 gives (b^2 + a^2) / 2 for D and c^2 / 2 for G.

    D takes one step of Adam before G is judged, which moves its answer by the step size, 1e-3.
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
