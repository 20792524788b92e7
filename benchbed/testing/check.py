"""Definition and outcome of a conformance check."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["passed", "failed", "skipped"]


class CheckFailed(Exception):
    """Raised if the plugin does not match its spec; the text is the reason."""


class CheckSkipped(Exception):
    """Raised if a check does not apply; the text is the reason."""


@dataclass(frozen=True)
class PluginCheck:
    """One check of one plugin.

    Attributes:
        name: Short name, words joined by hyphens.
        subject: Name of the method or dataset.
        description: What a passed check means.
        function: Raises `CheckFailed` or `CheckSkipped`; returns a remark to show, or None.
    """

    name: str
    subject: str
    description: str
    function: Callable[[], str | None]

    def __str__(self) -> str:
        return f"{self.subject}:{self.name}"


@dataclass(frozen=True)
class CheckOutcome:
    """Result of a check."""

    check: PluginCheck
    state: State
    text: str = ""
    details: str = ""


FORBIDDEN_IMPORTS = ("torch", "torchvision", "lightning_fabric")


def check_torch_free_import(module: str) -> None:
    """Import a module in a new process.

    Raises:
        CheckFailed: It cannot be imported, or it imports torch.
    """
    code = f"import sys, {module}; print(*[m for m in {FORBIDDEN_IMPORTS} if m in sys.modules])"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise CheckFailed(f"{module} cannot be imported: {process.stderr.strip().splitlines()[-1]}")
    if process.stdout.strip():
        raise CheckFailed(f"importing {module} imports {process.stdout.strip().replace(' ', ', ')}")
